"""Theorems 3.2, 3.6 and 3.7 on many random games and linear-quadratic networks.

For each theorem: the largest deviation, the smallest effect of a member of the sets, and the
deviation when one member is taken out of a set.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.registry import checked_options
from mastac.structure import Couplings
from mastac.text import table
from mastac.theory import game_theorems, lq_theorems
from mastac.theory.comparison import TheoremCheck
from mastac.theory.example_games import random_game, random_logits
from mastac.theory.sets import DependencySets, dependency_sets

TOLERANCE = 1e-10
AGENTS = 4
DISCOUNT = 0.5  # at which the random networks' values are finite


class System(NamedTuple):
    """A random system: its couplings, and by the name of a theorem how to check it with sets."""

    couplings: Couplings
    checks: dict[str, Callable[[DependencySets], TheoremCheck]]


class TheoremRow(NamedTuple):
    """One theorem on one kind of system.

    - `theorem`, `kind`, `number`: its number in the paper; the kind of the systems and how many.
    - `outside`: the largest relative deviation with exact sets, zero up to rounding.
    - `inside`: the smallest relative effect of a member of the minimal sets.
    - `without_least`, `without_median`: the smallest and the median deviation when one member,
      chosen at random but never the agent itself, is taken out of one set.
    """

    theorem: str
    kind: str
    number: int
    outside: float
    inside: float
    without_least: float
    without_median: float

    @property
    def holds(self) -> bool:
        """Whether the two sides agree up to rounding."""
        return self.outside < TOLERANCE


STATEMENTS = {
    "3.2": "Q_i reads its set only",
    "3.6": "gradient of Q = gradient of Qhat_i",
    "3.7 (a)": "deterministic policy gradient by Qhat_i",
    "3.7 (b)": "stochastic policy gradient by Qhat_i",
}


def theorem_rows(count: int = 50, seed: int = 0) -> list[TheoremRow]:
    """Every theorem on `count` random games and as many random linear-quadratic networks.

    **Arguments:**

    - `count`: number of systems of each kind.
    - `seed`: of the systems, and of the members that are taken out.
    """
    rows = []
    for name, systems in (
        ("games", random_games(count, seed)),
        ("linear-quadratic", random_networks(count, seed)),
    ):
        drawn = list(systems)
        random = np.random.default_rng([seed, 3])
        for theorem in drawn[0].checks:
            exact = [system.checks[theorem](dependency_sets(system.couplings)) for system in drawn]
            without = [
                system.checks[theorem](sets).outside
                for system in drawn
                for sets in without_one_member(system.couplings, random)
            ]
            rows.append(
                TheoremRow(
                    theorem,
                    name,
                    count,
                    max(check.outside for check in exact),
                    min(check.inside for check in exact),
                    min(without, default=np.nan),
                    float(np.median(without)) if without else np.nan,
                )
            )
    return rows


def without_one_member(
    couplings: Couplings, random: np.random.Generator
) -> Iterator[DependencySets]:
    """The exact sets without one random member; nothing where every set is the agent itself."""
    sets = dependency_sets(couplings)
    places = np.argwhere(sets.actions & ~np.eye(couplings.num_agents, dtype=bool))
    if len(places):
        yield sets.without(*map(int, places[random.integers(len(places))]))


def random_couplings(
    random: np.random.Generator, graphs: tuple[str, ...], **given: Any
) -> Couplings:
    """Couplings of four agents with up to four random edges in each of the graphs."""
    pairs = [(i, j) for i in range(AGENTS) for j in range(AGENTS) if i != j]

    def edges() -> list[tuple[int, int]]:
        return [pairs[k] for k in random.choice(len(pairs), random.integers(0, 5), replace=False)]

    return Couplings(AGENTS, **{graph: edges() for graph in graphs}, **given)


def random_games(count: int, seed: int) -> Iterator[System]:
    """Random games, with all five graphs drawn independently, under random policies."""
    for k in range(count):
        random = np.random.default_rng([seed, k])
        couplings = random_couplings(
            random, ("state", "observation", "reward", "action", "reward_action")
        )
        game = random_game(couplings, int(random.integers(2**31)), discount=0.9)
        given = (game, random_logits(game, int(random.integers(2**31))))
        yield System(
            couplings,
            {
                "3.2": partial(game_theorems.value_locality, *given),
                "3.6": partial(game_theorems.gradient_decomposition, *given),
                "3.7 (b)": partial(game_theorems.stochastic_policy_gradient, *given),
            },
        )


def random_networks(count: int, seed: int) -> Iterator[System]:
    """Linear-quadratic networks whose three graphs are drawn independently, with random gains."""
    for k in range(count):
        random = np.random.default_rng([seed, k, 1])
        couplings = random_couplings(
            random, ("state", "observation", "reward"), action=[], reward_action=[]
        )
        options = checked_options(f"lq-{AGENTS}", {"seed": int(random.integers(2**31))})
        problem = lq_problem(couplings, options)
        gain = np.where(problem.free, random.normal(0, 0.1, problem.free.shape), 0.0)
        given = (problem, gain, DISCOUNT)
        yield System(
            couplings,
            {
                "3.2": partial(lq_theorems.value_locality, *given),
                "3.6": partial(lq_theorems.gradient_decomposition, *given),
                "3.7 (a)": partial(lq_theorems.deterministic_policy_gradient, *given),
                "3.7 (b)": partial(lq_theorems.stochastic_policy_gradient, *given),
            },
        )


def theorem_text(rows: list[TheoremRow]) -> str:
    """The rows as a table, and whether all theorems hold."""
    head = (
        "theorem",
        "",
        "on",
        "deviation",
        "least effect of a member",
        "one member less: least",
        "median",
    )
    cells = [
        (
            row.theorem,
            STATEMENTS[row.theorem],
            f"{row.number} {row.kind}",
            *("" if np.isnan(value) else f"{value:.1e}" for value in row[3:]),
        )
        for row in rows
    ]
    held = all(row.holds for row in rows)
    verdict = "All deviations are below" if held else "A deviation is above"
    return f"{table(head, cells, left=3)}\n\n{verdict} {TOLERANCE:.0e}."
