"""What the structure does to the policy gradient's variance: `python benchmarks/variance.py [PART …] [figure]`.

- `games`: random finite games, 3 to 8 agents, exactly (`results/variance-games.csv`).
- `linear`: linear-quadratic networks on four graphs, 4 to 100 agents, exactly
    (`variance-linear.csv`).
- `counterexamples`: where Theorem 4.2 as stated fails, and the corrected bounds
    (`variance-counterexamples.csv`).
- `critics`: errors of critics of everything and of structured ones, learnt from the same samples,
  against the exact values (`variance-critics.csv`).
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

from mastac.structure import Couplings
from mastac.theory.example_games import (
    constant_pair,
    game_couplings,
    infection_ring,
    random_game,
    random_logits,
)
from mastac.theory.games import Game
from mastac.theory.linear_quadratic import best_structured_gain
from mastac.theory.lq_variance import gaussian_network, lq_terms
from mastac.theory.sets import dependency_sets
from mastac.theory.variance import BASELINES, VarianceTerms, game_bounds, game_terms
from variance_critics import all_critics, network

RESULTS = Path(__file__).parent / "results"
DISCOUNT, SPREAD = 0.95, 0.3
GRAPHS = ("ring", "chain", "grid", "stream")
GAME_SEEDS, MOST_GAME_AGENTS = 20, 8
LINEAR_SIZES, LINEAR_SEEDS = (4, 9, 16, 25, 36, 64, 100), 3
TERMS = ["centralised", "structured", "rest", "cross"]


def write(name: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write `results/variance-<name>.csv`, with the machine in the last column."""
    machine = f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}"
    with open(RESULTS / f"variance-{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*header, "machine"])
        for row in rows:
            cells = [
                f"{value:.4g}" if isinstance(value, float | np.floating) else value for value in row
            ]
            writer.writerow([*cells, machine])


def read(name: str) -> list[dict[str, str]]:
    with open(RESULTS / f"variance-{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summed(terms: VarianceTerms) -> list[Any]:
    """Totals over the agents, the bias relative to the gradient, and the share of agents whom the structure helps."""
    gap, gradient = (terms.bias**2 * terms.mean_centralised).sum(), terms.mean_centralised.sum()
    helped = np.mean(terms.difference > 1e-9 * terms.centralised)
    return [*(getattr(terms, name).sum() for name in TERMS), np.sqrt(gap / gradient), helped]


HEADER = [
    "graph",
    "agents",
    "kappa",
    "baseline",
    "seeds",
    "ratio_low",
    "ratio",
    "ratio_high",
    "seeds_worse",
]
HEADER += ["rest_share", "cross_share", "bias", "agents_helped"]


def over_seeds(rows: list[list[Any]]) -> list[list[Any]]:
    """For each setting quartiles of the ratio of the totals, and the share of seeds where the structure costs.

    Then medians of rest and cross term as shares of the centralised total, and of the relative
    bias, and the mean share of agents whom the structure helps.
    """
    found: dict[tuple[Any, ...], list[list[float]]] = defaultdict(list)
    for graph, agents, _, kappa, baseline, *figures in rows:
        found[graph, agents, kappa, baseline].append(figures)
    summary = []
    for setting, figures in found.items():
        central, structured, rest, cross, bias, helped = np.array(figures, float).T
        ratio = central / structured
        shares = [
            np.median(rest / central),
            np.median(cross / central),
            np.median(bias),
            helped.mean(),
        ]
        worse = np.mean(ratio < 1 - 1e-9)
        summary.append(
            [*setting, len(ratio), *np.quantile(ratio, (0.25, 0.5, 0.75)), worse, *shares]
        )
    return summary


def games() -> None:
    rows = []
    for graph in (*GRAPHS, "infection ring"):
        for count in range(3, MOST_GAME_AGENTS + 1):
            for seed in range(GAME_SEEDS):
                game = (
                    infection_ring(count, DISCOUNT)
                    if graph == "infection ring"
                    else game_on(graph, count, seed)
                )
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
        sets = dependency_sets(game.couplings, kappa)
        for baseline in BASELINES:
            terms = game_terms(game, logits, sets, baseline)
            rows.append(
                [graph, count, seed, "exact" if kappa is None else kappa, baseline, *summed(terms)]
            )
    return rows


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
                    sets = dependency_sets(couplings, kappa)
                    rows += [
                        [
                            graph,
                            count,
                            seed,
                            "exact" if kappa is None else kappa,
                            baseline,
                            *summed(terms),
                        ]
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
        logits, sets = [np.zeros((1, 2))] * 2, dependency_sets(game.couplings)
        bounds, terms = game_bounds(game, logits, sets), game_terms(game, logits, sets)
        shared = game_terms(game, logits, sets, "shared")
        for what, low, value, high in (
            ("as stated, no baseline", bounds.paper_lower, terms.difference, bounds.paper_upper),
            ("corrected, shared baseline", bounds.lower, shared.difference, bounds.upper),
        ):
            rows.append(
                [
                    f"constant rewards {first:+g} {second:+g}",
                    what,
                    1,
                    *(float(x[0]) for x in (low, value, high)),
                ]
            )
            rows[-1] += [int(value[0] < low[0] - 1e-9), int(value[0] > high[0] + 1e-9)]
    rows += random_bounds("two pairs", Couplings(4, state=[(0, 1), (2, 3)]))
    rows += random_bounds("stream of 4", game_couplings("stream", 4))
    write(
        "counterexamples",
        ["game", "bounds", "agents", "lower", "difference", "upper", "below", "above"],
        rows,
    )


def random_bounds(name: str, couplings: Couplings, count: int = 200) -> list[list[Any]]:
    """Means over agents of random games, and how many of them lie below the lower and above the upper bound."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for seed in range(count):
        game = random_game(couplings, seed)
        logits, sets = random_logits(game, seed), dependency_sets(couplings)
        bounds = game_bounds(game, logits, sets)
        for what, low, baseline, high in (
            ("as stated, no baseline", bounds.paper_lower, "none", bounds.paper_upper),
            ("corrected, shared baseline", bounds.lower, "shared", bounds.upper),
        ):
            found[what].append(
                np.stack([low, game_terms(game, logits, sets, baseline).difference, high])
            )
    rows = []
    for what, parts in found.items():
        low, value, high = np.concatenate(parts, 1)
        slack = 1e-9 * (1 + np.abs(value))
        outside = [int((value < low - slack).sum()), int((value > high + slack).sum())]
        rows.append(
            [
                f"{count} random games, {name}",
                what,
                len(value),
                low.mean(),
                value.mean(),
                high.mean(),
                *outside,
            ]
        )
    return rows


def critics() -> None:
    header = [
        "system",
        "agents",
        "kappa",
        "seed",
        "samples",
        "error_centralised",
        "error_structured",
    ]
    write("critics", [*header, "variance_centralised", "variance_structured"], all_critics(SPREAD))


PARTS = {"games": games, "linear": linear, "counterexamples": counterexamples, "critics": critics}

if __name__ == "__main__":
    for part in [each for each in sys.argv[1:] if each != "figure"] or (
        [] if sys.argv[1:] else PARTS
    ):
        began = time.process_time()
        PARTS[part]()
        print(f"{part}: {time.process_time() - began:.0f} s of one core", flush=True)
    from variance_figure import draw

    draw(read("games"), read("linear"), read("critics"), RESULTS / "variance.png")
