"""What the structure does to the policy gradient's variance: `python benchmarks/variance.py [PART …] [figure]`.

- `games`: random finite games, 3 to 8 agents, exactly (`results/variance-games.csv`).
- `linear`: linear-quadratic networks on four graphs, 4 to 100 agents, exactly (`variance-linear.csv`).
- `counterexamples`: where Theorem 4.2 as stated fails, and the corrected bounds (`variance-counterexamples.csv`).
- `critics`: errors of critics of everything and of structured ones, learnt from the same samples, against the exact
  values (`variance-critics.csv`).
- `figure`: draws `variance.png` from the CSVs; done after the others, or alone.

Nothing imports JAX; all four take about seven minutes of one core.
"""

import csv
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mastac.envs.linear_system import LinearQuadraticProblem, lq_problem
from mastac.envs.registry import checked_options
from mastac.structure import Couplings
from mastac.theory.games import Game, action_values, closed_loop, joint_policy, occupancy
from mastac.theory.linear_quadratic import best_structured_gain
from mastac.theory.lq_variance import gaussian_network, lq_terms
from mastac.theory.makers import constant_pair, game_couplings, infection_ring, random_game, random_logits
from mastac.theory.sets import Sets, sets_of
from mastac.theory.variance import BASELINES, Terms, game_bounds, game_terms

RESULTS = Path(__file__).parent / "results"
DISCOUNT, SPREAD = 0.95, 0.3
GRAPHS = ("ring", "chain", "grid", "stream")
GAME_SEEDS, MOST_GAME_AGENTS = 20, 8
LINEAR_SIZES, LINEAR_SEEDS = (4, 9, 16, 25, 36, 64, 100), 3
SAMPLES, CRITIC_SEEDS = (100, 300, 1000, 3000, 10_000, 30_000), 5
TERMS = ["centralised", "structured", "rest", "cross"]


def write(name: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write `results/variance-<name>.csv`, with the machine in the last column."""
    machine = f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}"
    with open(RESULTS / f"variance-{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*header, "machine"])
        for row in rows:
            cells = [f"{value:.4g}" if isinstance(value, float | np.floating) else value for value in row]
            writer.writerow([*cells, machine])


def read(name: str) -> list[dict[str, str]]:
    with open(RESULTS / f"variance-{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summed(terms: Terms) -> list[float]:
    """Totals over the agents, the bias relative to the gradient, and the share of agents whom the structure helps."""
    gap, gradient = (terms.bias**2 * terms.mean_centralised).sum(), terms.mean_centralised.sum()
    helped = np.mean(terms.difference > 1e-9 * terms.centralised)
    return [*(getattr(terms, name).sum() for name in TERMS), np.sqrt(gap / gradient), helped]


HEADER = ["graph", "agents", "kappa", "baseline", "seeds", "ratio_low", "ratio", "ratio_high", "seeds_worse"]
HEADER += ["rest_share", "cross_share", "bias", "agents_helped"]


def over_seeds(rows: list[list[Any]]) -> list[list[Any]]:
    """For each setting quartiles of the ratio of the totals, and the share of seeds where the structure costs.

    Then medians of rest and cross term as shares of the centralised total, and of the relative bias, and the mean
    share of agents whom the structure helps.
    """
    found: dict[tuple[Any, ...], list[list[float]]] = defaultdict(list)
    for graph, agents, _, kappa, baseline, *figures in rows:
        found[graph, agents, kappa, baseline].append(figures)
    summary = []
    for setting, figures in found.items():
        central, structured, rest, cross, bias, helped = np.array(figures, float).T
        ratio = central / structured
        shares = [np.median(rest / central), np.median(cross / central), np.median(bias), helped.mean()]
        worse = np.mean(ratio < 1 - 1e-9)
        summary.append([*setting, len(ratio), *np.quantile(ratio, (0.25, 0.5, 0.75)), worse, *shares])
    return summary


def games() -> None:
    rows = []
    for graph in (*GRAPHS, "infection ring"):
        for count in range(3, MOST_GAME_AGENTS + 1):
            for seed in range(GAME_SEEDS):
                game = infection_ring(count, DISCOUNT) if graph == "infection ring" else game_on(graph, count, seed)
                rows += game_rows(graph, count, seed, game)
        print(graph, len(rows), flush=True)
    write("games", HEADER, over_seeds(rows))


def game_on(graph: str, count: int, seed: int) -> Game:
    return random_game(game_couplings(graph, count), seed, discount=DISCOUNT)


def game_rows(graph: str, count: int, seed: int, game: Game) -> list[list[Any]]:
    logits, rows = random_logits(game, seed), []
    for kappa in (
        (None, 1) if graph == "stream" else (1,)
    ):  # otherwise everybody is in every exact set: nothing is gained
        sets = sets_of(game.couplings, kappa)
        for baseline in BASELINES:
            terms = game_terms(game, logits, sets, baseline)
            rows.append([graph, count, seed, "exact" if kappa is None else kappa, baseline, *summed(terms)])
    return rows


def network(graph: str, count: int, seed: int) -> tuple[Couplings, LinearQuadraticProblem]:
    """Matrices as `lq-N` draws them, on another graph."""
    couplings = game_couplings(graph, count)
    couplings = couplings.with_graphs(action=Couplings(count).action)
    return couplings, lq_problem(couplings, checked_options(f"lq-{count}", {"seed": seed}))


def linear() -> None:
    rows = []
    for graph in ("ring", "chain", "grid", "stream"):
        for count in LINEAR_SIZES:
            for seed in range(LINEAR_SEEDS):
                couplings, problem = network(graph, count, seed)
                gain = best_structured_gain(problem, constant=False)[0][:, : problem.num_states]
                gaussian = gaussian_network(problem, gain, DISCOUNT, SPREAD)
                for kappa in (None, 1, 2):
                    if kappa is None and graph != "stream":
                        continue  # everybody is in every set, and both estimators are one
                    sets = sets_of(couplings, kappa)
                    rows += [
                        [graph, count, seed, "exact" if kappa is None else kappa, baseline, *summed(terms)]
                        for baseline in BASELINES
                        for terms in [lq_terms(gaussian, sets, baseline)]
                    ]
        print(graph, len(rows), flush=True)
    write("linear", HEADER, over_seeds(rows))


def counterexamples() -> None:
    """Two agents on their own with constant rewards; then how often the bounds hold on random games."""
    rows = []
    for first, second in ((-1.0, -1.0), (1.0, -1.0)):
        game = constant_pair(first, second)
        logits, sets = [np.zeros((1, 2))] * 2, sets_of(game.couplings)
        bounds, terms = game_bounds(game, logits, sets), game_terms(game, logits, sets)
        shared = game_terms(game, logits, sets, "shared")
        for what, low, value, high in (
            ("as stated, no baseline", bounds.paper_lower, terms.difference, bounds.paper_upper),
            ("corrected, shared baseline", bounds.lower, shared.difference, bounds.upper),
        ):
            rows.append(
                [f"constant rewards {first:+g} {second:+g}", what, 1, *(float(x[0]) for x in (low, value, high))]
            )
            rows[-1] += [int(value[0] < low[0] - 1e-9), int(value[0] > high[0] + 1e-9)]
    rows += random_bounds("two pairs", Couplings(4, state=[(0, 1), (2, 3)]))
    rows += random_bounds("stream of 4", game_couplings("stream", 4))
    write("counterexamples", ["game", "bounds", "agents", "lower", "difference", "upper", "below", "above"], rows)


def random_bounds(name: str, couplings: Couplings, count: int = 200) -> list[list[Any]]:
    """Means over agents of random games, and how many of them lie below the lower and above the upper bound."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for seed in range(count):
        game = random_game(couplings, seed)
        logits, sets = random_logits(game, seed), sets_of(couplings)
        bounds = game_bounds(game, logits, sets)
        for what, low, baseline, high in (
            ("as stated, no baseline", bounds.paper_lower, "none", bounds.paper_upper),
            ("corrected, shared baseline", bounds.lower, "shared", bounds.upper),
        ):
            found[what].append(np.stack([low, game_terms(game, logits, sets, baseline).difference, high]))
    rows = []
    for what, parts in found.items():
        low, value, high = np.concatenate(parts, 1)
        slack = 1e-9 * (1 + np.abs(value))
        outside = [int((value < low - slack).sum()), int((value > high + slack).sum())]
        rows.append(
            [f"{count} random games, {name}", what, len(value), low.mean(), value.mean(), high.mean(), *outside]
        )
    return rows


def critics() -> None:
    rows = []
    for seed in range(CRITIC_SEEDS):
        for graph, count, kappa in (("stream", 12, None), ("ring", 12, 1), ("ring", 12, 2)):
            rows += linear_critics(graph, count, kappa, seed)
        for graph, count, kappa in (("stream", 6, None), ("ring", 6, 1)):
            rows += game_critics(graph, count, kappa, seed)
        print("critics", seed, flush=True)
    header = ["system", "agents", "kappa", "seed", "samples", "error_centralised", "error_structured"]
    write("critics", [*header, "variance_centralised", "variance_structured"], rows)


def critic_rows(
    start: list[Any], sets: Sets, learnt: Any, exact: np.ndarray, returns: np.ndarray, test: slice
) -> list[list[Any]]:
    """Mean squared errors over a test set: of the team's value, and of each agent's sum, averaged over agents.

    `learnt(target, member, samples)` gives predictions of a return from what a set reads; `None` reads everything.
    `exact` and `returns` are [samples, agents].
    """
    rows, agents = [], range(exact.shape[1])
    team = exact[test].sum(1)
    own = exact[test] @ sets.moved.T
    for samples in SAMPLES:
        central = learnt(returns.sum(1), None, samples)
        each = np.stack([learnt(returns[:, i], i, samples) for i in agents], 1)
        errors = [np.mean((central - team) ** 2), np.mean((each @ sets.moved.T - own) ** 2)]
        rows.append([*start, samples, *errors, team.var(), own.var(0).mean()])
    return rows


def linear_critics(graph: str, count: int, kappa: int | None, seed: int, discount: float = 0.9) -> list[list[Any]]:
    """Ridge regression on all squares and products of what a critic reads, against single discounted returns."""
    couplings, problem = network(graph, count, seed)
    gain = best_structured_gain(problem, constant=False)[0][:, :count]
    gaussian, sets = gaussian_network(problem, gain, discount, SPREAD), sets_of(couplings, kappa)
    random, train, test = np.random.default_rng([seed, 7]), max(SAMPLES), 2000
    z = random.multivariate_normal(np.zeros(2 * count), gaussian.covariance, train + test)
    exact = np.einsum("za,iab,zb->zi", z, gaussian.forms, z) + gaussian.constants
    returns = linear_returns(problem, gain, z[:train], discount, random)
    z[:, count:] += z[:, :count] @ gain.T  # critics read actions, not their noise

    def learnt(target: np.ndarray, member: int | None, samples: int) -> np.ndarray:
        read = slice(None) if member is None else np.concatenate([sets.states[member], sets.actions[member]])
        seen = z[:, read]
        rows, columns = np.triu_indices(seen.shape[1])
        table = np.column_stack([seen[:, rows] * seen[:, columns], np.ones(len(seen))])
        return table[train:] @ ridge(table[:samples], target[:samples])

    start = [f"linear, {graph}", count, "exact" if kappa is None else kappa, seed]
    return critic_rows(start, sets, learnt, exact, returns, slice(train, None))


def ridge(table: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights for the penalty that predicts the last fifth best, then fitted to all."""
    part = len(table) * 4 // 5

    def weights(rows: slice, penalty: float) -> np.ndarray:
        gram = table[rows].T @ table[rows]
        size = np.trace(gram) / len(gram)
        return np.linalg.solve(gram + penalty * size * np.eye(len(gram)), table[rows].T @ target[rows])

    def miss(penalty: float) -> float:
        return float(np.mean((table[part:] @ weights(slice(part), penalty) - target[part:]) ** 2))

    return weights(slice(None), min(10.0 ** np.arange(-8, 1), key=miss))


def linear_returns(
    problem: LinearQuadraticProblem, gain: np.ndarray, z: np.ndarray, discount: float, random: np.random.Generator
) -> np.ndarray:
    """Every agent's discounted return of one rollout from each state and noise of actions."""
    count = problem.num_states
    x, noise = z[:, :count].copy(), z[:, count:]
    total = np.zeros((len(z), problem.num_agents))
    for t in range(int(np.log(1e-5) / np.log(discount))):
        u = x @ gain.T + noise
        total -= discount**t * (x**2 @ problem.state_weights.T + u**2 @ problem.action_weights.T)
        disturbed = random.normal(size=x.shape) * np.sqrt(problem.noise_variance)
        x = x @ problem.state_matrix.T + u @ problem.input_matrix.T + disturbed
        noise = SPREAD * random.normal(size=noise.shape)
    return total


def game_critics(graph: str, count: int, kappa: int | None, seed: int, discount: float = 0.9) -> list[list[Any]]:
    """Tables of what a critic reads: the mean of the returns seen, and the mean of all where none was seen."""
    couplings = game_couplings(graph, count)
    game, sets = random_game(couplings, seed, discount=discount), sets_of(couplings, kappa)
    logits, random = random_logits(game, seed), np.random.default_rng([seed, 8])
    policy, train, test = joint_policy(game, logits), max(SAMPLES), 20_000
    states = random.choice(game.joint_states, train + test, p=occupancy(game, logits))
    actions = drawn(policy[states], random)
    exact = action_values(game, logits)[:, states, actions].T
    returns = game_returns(game, policy, closed_loop(game, logits), states[:train], actions[:train], random)
    bits = np.array(np.unravel_index(np.stack([states, actions]), (2,) * count)).transpose(1, 2, 0)

    def learnt(target: np.ndarray, member: int | None, samples: int) -> np.ndarray:
        read = np.ones((2, count), bool) if member is None else np.stack([sets.states[member], sets.actions[member]])
        seen = np.concatenate([bits[0][:, read[0]], bits[1][:, read[1]]], 1)
        cells = seen @ (1 << np.arange(seen.shape[1]))
        sums, times = (np.bincount(cells[:samples], w, 2 ** seen.shape[1]) for w in (target[:samples], None))
        return np.where(times > 0, sums / np.maximum(times, 1), target[:samples].mean())[cells[train:]]

    start = [f"game, {graph}", count, "exact" if kappa is None else kappa, seed]
    return critic_rows(start, sets, learnt, exact, returns, slice(train, None))


def drawn(laws: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One draw from each row."""
    return np.minimum((laws.cumsum(1) < random.random((len(laws), 1))).sum(1), laws.shape[1] - 1)


def game_returns(
    game: Game, policy: np.ndarray, loop: np.ndarray, states: np.ndarray, actions: np.ndarray, random: Any
) -> np.ndarray:
    """Every agent's discounted return of one rollout from each state and action."""
    total = np.zeros((len(states), game.couplings.num_agents))
    for t in range(int(np.log(1e-4) / np.log(game.discount))):
        total += game.discount**t * game.reward_table[:, states, actions].T
        states = drawn(game.kernel[states, actions], random)
        actions = drawn(policy[states], random)
    return total


PARTS = {"games": games, "linear": linear, "counterexamples": counterexamples, "critics": critics}

if __name__ == "__main__":
    for part in [each for each in sys.argv[1:] if each != "figure"] or ([] if sys.argv[1:] else PARTS):
        began = time.process_time()
        PARTS[part]()
        print(f"{part}: {time.process_time() - began:.0f} s of one core", flush=True)
    from variance_figure import draw

    draw(*map(read, ("games", "linear", "critics")), RESULTS / "variance.png")
