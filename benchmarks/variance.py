"""What the structure does to the variance of the policy gradient.

    python benchmarks/variance.py [games] [linear] [counterexamples] [critics] [figure]

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
from mastac.theory import (
    BASELINES,
    Game,
    VarianceTerms,
    constant_pair,
    dependency_sets,
    game_bounds,
    game_couplings,
    game_terms,
    gaussian_network,
    infection_ring,
    lq_terms,
    random_game,
    random_logits,
)
from mastac.theory.linear_quadratic import best_structured_gain
from variance_critics import all_critics, network

RESULTS = Path(__file__).parent / "results"
DISCOUNT = 0.95
STD = 0.3  # of the linear policies' actions
GRAPHS, INFECTION = ("ring", "chain", "grid", "stream"), "infection ring"
GAME_SEEDS, MOST_GAME_AGENTS = 20, 8
LINEAR_SIZES, LINEAR_SEEDS = (4, 9, 16, 25, 36, 64, 100), 3
STATED, CORRECTED = "as stated, no baseline", "corrected, shared baseline"
TERMS = ["centralised", "structured", "rest", "cross"]


def write(name: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write `results/variance-<name>.csv`, with the machine in the last column."""
    machine = f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}"
    with open(RESULTS / f"variance-{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*header, "machine"])
        for row in rows:
            writer.writerow([*map(rounded, row), machine])


def rounded(value: Any) -> Any:
    """Four digits of a float; other values as they are."""
    return f"{value:.4g}" if isinstance(value, float | np.floating) else value


def read(name: str) -> list[dict[str, str]]:
    with open(RESULTS / f"variance-{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summed(terms: VarianceTerms) -> list[Any]:
    """Totals over agents, the relative bias, and the share of agents that the structure helps."""
    gap, gradient = (terms.bias**2 * terms.mean_centralised).sum(), terms.mean_centralised.sum()
    helped = np.mean(terms.difference > 1e-9 * terms.centralised)
    return [*(getattr(terms, name).sum() for name in TERMS), np.sqrt(gap / gradient), helped]


HEADER = ["graph", "agents", "kappa", "baseline", "seeds"]
HEADER += ["ratio_low", "ratio", "ratio_high", "seeds_worse"]
HEADER += ["rest_share", "cross_share", "bias", "agents_helped"]


def over_seeds(rows: list[list[Any]]) -> list[list[Any]]:
    """One row for each setting.

    It has quartiles of the ratio of the totals, the share of seeds where the structure costs,
    medians of rest and cross term as shares of the centralised total and of the relative bias, and
    the mean share of agents that the structure helps.
    """
    by_setting: dict[tuple[Any, ...], list[list[float]]] = defaultdict(list)
    for graph, agents, _, kappa, baseline, *figures in rows:
        by_setting[graph, agents, kappa, baseline].append(figures)
    summary = []
    for setting, figures in by_setting.items():
        central, structured, rest, cross, bias, helped = np.array(figures, float).T
        ratio = central / structured
        quartiles = np.quantile(ratio, (0.25, 0.5, 0.75))
        shares = [np.median(rest / central), np.median(cross / central), np.median(bias)]
        worse = np.mean(ratio < 1 - 1e-9)
        summary.append([*setting, len(ratio), *quartiles, worse, *shares, helped.mean()])
    return summary


def games() -> None:
    rows = []
    for graph in (*GRAPHS, INFECTION):
        for count in range(3, MOST_GAME_AGENTS + 1):
            for seed in range(GAME_SEEDS):
                game = game_on(graph, count, seed)
                rows += game_rows(graph, count, seed, game)
        print(graph, len(rows), flush=True)
    write("games", HEADER, over_seeds(rows))


def game_on(graph: str, count: int, seed: int) -> Game:
    """The infection ring, or a random game on a graph."""
    if graph == INFECTION:
        return infection_ring(count, DISCOUNT)
    return random_game(game_couplings(graph, count), seed, discount=DISCOUNT)


def game_rows(graph: str, count: int, seed: int, game: Game) -> list[list[Any]]:
    logits, rows = random_logits(game, seed), []
    # On other graphs than the stream every exact set has all agents: nothing is gained.
    for kappa in (None, 1) if graph == "stream" else (1,):
        window = "exact" if kappa is None else kappa
        sets = dependency_sets(game.couplings, kappa)
        for baseline in BASELINES:
            terms = game_terms(game, logits, sets, baseline)
            rows.append([graph, count, seed, window, baseline, *summed(terms)])
    return rows


def linear() -> None:
    rows = []
    for graph in GRAPHS:
        for count in LINEAR_SIZES:
            for seed in range(LINEAR_SEEDS):
                rows += linear_rows(graph, count, seed)
        print(graph, len(rows), flush=True)
    write("linear", HEADER, over_seeds(rows))


def linear_rows(graph: str, count: int, seed: int) -> list[list[Any]]:
    couplings, problem = network(graph, count, seed)
    gain = best_structured_gain(problem, constant=False)[0][:, : problem.num_states]
    gaussian = gaussian_network(problem, gain, DISCOUNT, STD)
    rows = []
    # On other graphs than the stream every exact set has all agents, and both estimators are equal.
    for kappa in (None, 1, 2) if graph == "stream" else (1, 2):
        window = "exact" if kappa is None else kappa
        sets = dependency_sets(couplings, kappa)
        for baseline in BASELINES:
            terms = lq_terms(gaussian, sets, baseline)
            rows.append([graph, count, seed, window, baseline, *summed(terms)])
    return rows


def counterexamples() -> None:
    """Two agents without couplings and with constant rewards; then bounds on random games."""
    rows = []
    for first, second in ((-1.0, -1.0), (1.0, -1.0)):
        game = constant_pair(first, second)
        logits, sets = [np.zeros((1, 2))] * 2, dependency_sets(game.couplings)
        bounds, terms = game_bounds(game, logits, sets), game_terms(game, logits, sets)
        shared = game_terms(game, logits, sets, "shared")
        name = f"constant rewards {first:+g} {second:+g}"
        comparisons = {
            STATED: (bounds.paper_lower, terms.difference, bounds.paper_upper),
            CORRECTED: (bounds.lower, shared.difference, bounds.upper),
        }
        for label, comparison in comparisons.items():
            low, value, high = (float(figures[0]) for figures in comparison)
            outside = [int(value < low - 1e-9), int(value > high + 1e-9)]
            rows.append([name, label, 1, low, value, high, *outside])
    rows += random_bounds("two pairs", Couplings(4, state=[(0, 1), (2, 3)]))
    rows += random_bounds("stream of 4", game_couplings("stream", 4))
    header = ["game", "bounds", "agents", "lower", "difference", "upper", "below", "above"]
    write("counterexamples", header, rows)


def random_bounds(name: str, couplings: Couplings, count: int = 200) -> list[list[Any]]:
    """Means over agents of random games, and how many lie below and above the bounds."""
    comparisons: dict[str, list[np.ndarray]] = {STATED: [], CORRECTED: []}
    for seed in range(count):
        game = random_game(couplings, seed)
        logits, sets = random_logits(game, seed), dependency_sets(couplings)
        bounds = game_bounds(game, logits, sets)
        plain = game_terms(game, logits, sets, "none").difference
        shared = game_terms(game, logits, sets, "shared").difference
        comparisons[STATED].append(np.stack([bounds.paper_lower, plain, bounds.paper_upper]))
        comparisons[CORRECTED].append(np.stack([bounds.lower, shared, bounds.upper]))
    rows = []
    for label, stacks in comparisons.items():
        low, value, high = np.concatenate(stacks, 1)
        slack = 1e-9 * (1 + np.abs(value))
        outside = [int((value < low - slack).sum()), int((value > high + slack).sum())]
        means = [low.mean(), value.mean(), high.mean()]
        rows.append([f"{count} random games, {name}", label, len(value), *means, *outside])
    return rows


def critics() -> None:
    header = ["system", "agents", "kappa", "seed", "samples"]
    header += ["error_centralised", "error_structured"]
    header += ["variance_centralised", "variance_structured"]
    write("critics", header, all_critics(STD))


STUDIES = {"games": games, "linear": linear, "counterexamples": counterexamples, "critics": critics}

if __name__ == "__main__":
    for name in [word for word in sys.argv[1:] if word != "figure"] if sys.argv[1:] else STUDIES:
        began = time.process_time()
        STUDIES[name]()
        print(f"{name}: {time.process_time() - began:.0f} s of one core", flush=True)
    from variance_figure import draw

    draw(read("games"), read("linear"), read("critics"), RESULTS / "variance.png")
