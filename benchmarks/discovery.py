"""Discovered graphs against the true ones.

    python benchmarks/discovery.py [growth] [rates] [methods] [train]

- `growth`: precision and recall as samples grow, from queries and from logs
    (`results/discovery.csv`).
- `rates`: the false discovery rate that is attained, beside the one that is asked for
    (`discovery-fdr.csv`).
- `methods`: other ways to the same graphs from the same logs (`discovery-methods.csv`).
- `train`: MAStAC on true and on discovered graphs (`discovery-training.csv`); done only if named.
"""

import dataclasses
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from common import write
from discovery_methods import covariance, lasso, ours
from mastac.discovery import Score, TransitionLog, discover, random_network, record
from mastac.envs import make
from mastac.structure import CouplingSequence

SMALL = ("warehouse-9", "thermal-9", "lq-9", "random-10")
LARGE = ("warehouse-40", "thermal-40", "lq-40", "random-50", "random-200")
TRANSITIONS = {True: (400, 1000, 3000, 10_000), False: (1000, 3000)}
POINTS = {True: (4, 16, 64, 512), False: (16, 64)}
SEEDS = 3
RATES, RATE_SEEDS, RATE_TRANSITIONS = (0.05, 0.2), 20, 1000
SCORES = ["graph", "found", "true", "right", "precision", "recall"]


def system(name: str, seed: int) -> Any:
    """The environment, or the random network, of a name."""
    if name.startswith("random"):
        return random_network(int(name.split("-")[1]), seed)
    return make(name)


def logged(simulator: Any, transitions: int, seed: int) -> TransitionLog:
    """A log of at least so many transitions, and of 8 episodes."""
    return record(simulator, max(8, -(-transitions // simulator.horizon)), seed)


def with_total(scores: dict[str, Score]) -> dict[str, Score]:
    """The scores of all graphs, and of all of them together."""
    total = Score(0, 0, 0)
    for score in scores.values():
        total = score + total
    return scores | {"all": total}


def score_rows(start: list[Any], scores: dict[str, Score], seconds: float) -> list[list[Any]]:
    """A row for each graph."""
    rows = []
    for graph, score in scores.items():
        shares = ["" if share is None else share for share in (score.precision, score.recall)]
        rows.append([*start, graph, *score, *shares, seconds])
    return rows


def summed(runs: list[dict[str, Score]]) -> dict[str, Score]:
    """Scores of several runs together, for each graph."""
    total: dict[str, Score] = defaultdict(lambda: Score(0, 0, 0))
    for scores in runs:
        for graph, score in scores.items():
            total[graph] = score + total[graph]
    return dict(total)


def growth() -> None:
    """Precision and recall as samples grow.

    Environments are queried with one seed, because their graphs are the same for all seeds, and
    small random networks with three.
    """
    rows = []
    for name in (*SMALL, *LARGE):
        small = name in SMALL
        simulators = [system(name, seed) for seed in range(SEEDS if name == "random-10" else 1)]
        seeds = SEEDS if small else 1
        longest = max(TRANSITIONS[small])
        logs = [
            logged(simulators[seed % len(simulators)], longest, 100 + seed) for seed in range(seeds)
        ]
        for count in POINTS[small]:
            sources = [(simulator, {"points": count}) for simulator in simulators]
            rows += scored(name, "queries", count, sources, simulators)
        for count in TRANSITIONS[small]:
            sources = [(log.first(max(8, -(-count // log.steps))), {}) for log in logs]
            rows += scored(name, "log", count, sources, simulators)
    write("discovery", ["system", "source", "samples", "seeds", *SCORES, "seconds"], rows)


def scored(
    name: str,
    source: str,
    count: int,
    sources: list[tuple[Any, dict[str, Any]]],
    simulators: list[Any],
) -> list[list[Any]]:
    """Rows of one system and number of samples: what is discovered from each of its sources."""
    runs, began = [], time.process_time()
    for seed, (given, options) in enumerate(sources):
        discovered = discover(given, seed=seed, **options)
        runs.append(with_total(discovered.score(simulators[seed % len(simulators)].couplings)))
    seconds = (time.process_time() - began) / len(sources)
    rows = score_rows([name, source, count, len(sources)], summed(runs), seconds)
    print(rows[-1], flush=True)
    return rows


def rates() -> None:
    """For each graph the share of false edges among the discovered ones, mean over seeds.

    The share is 0 if no edge was discovered.
    """
    rows = []
    for name, degree in (("random-10", 2.0), ("random-10 without edges", 0.0), ("random-50", 2.0)):
        for least_effect in (0.01, 0.0):
            shares: dict[tuple[float, str], list[float]] = defaultdict(list)
            seeds = RATE_SEEDS if name != "random-50" else 3
            for seed in range(seeds):
                simulator = random_network(int(name.split()[0].split("-")[1]), seed, degree=degree)
                log = logged(simulator, RATE_TRANSITIONS, 500 + seed)
                discovered = discover(log, seed=seed, least_effect=least_effect)
                assert simulator.couplings is not None
                for rate in RATES:
                    for graph, score in discovered.score(simulator.couplings, 1 - rate).items():
                        false = score.found - score.right
                        shares[rate, graph].append(false / max(score.found, 1))
            for (rate, graph), values in shares.items():
                rows.append([name, least_effect, seeds, graph, rate, float(np.mean(values))])
                print(rows[-1], flush=True)
    write("discovery-fdr", ["system", "least_effect", "seeds", "graph", "asked", "attained"], rows)


def methods() -> None:
    """Three ways to the state and action graphs, from the same logs."""
    rows = []
    for name in ("warehouse-9", "thermal-9", "random-10"):
        simulator = system(name, 0)
        log = logged(simulator, 3000, 100)
        matrices = {
            graph: getattr(simulator.couplings, graph).toarray() for graph in ("state", "action")
        }
        true = {
            (graph, int(j), int(i))
            for graph, matrix in matrices.items()
            for i, j in np.argwhere(matrix)
            if i != j
        }
        for way in (ours, lasso, covariance):
            began = time.process_time()
            edges = way(log)
            score = Score(len(edges), len(true), len(edges & true))
            start = [name, way.__name__, 3000]
            seconds = time.process_time() - began
            rows += score_rows(start, {"state and action": score}, seconds)
            print(rows[-1], flush=True)
    write("discovery-methods", ["system", "method", "transitions", *SCORES, "seconds"], rows)


def training(epochs: int = 600, name: str = "warehouse-9", kappa: int = 2, seeds: int = 3) -> None:
    """MAStAC on the true graphs, and on those from queries and from logs of three sizes."""
    from mastac.runs import read_results, train

    env = make(name)
    assert not isinstance(env.couplings, CouplingSequence)
    sources = {
        "true": None,
        "queries, 512 points": env,
        "log, 8 episodes": record(env, 8, 100),
        "log, 20 episodes": record(env, 20, 100),
        "log, 400 episodes": record(env, 400, 100),
    }
    rows = []
    for label, source in sources.items():
        couplings, wrong = env.couplings, (0, 0)
        if source is not None:
            discovered = discover(source)
            couplings = discovered.couplings()
            total = with_total(discovered.score(env.couplings))["all"]
            wrong = (total.true - total.right, total.found - total.right)
        given = dataclasses.replace(env, id=f"{name}-graphs", couplings=couplings)
        with tempfile.TemporaryDirectory() as folder:
            options = {"kappa": kappa, "epochs": epochs, "seeds": range(seeds)}
            out = Path(folder) / "run"
            run = train(given, out=out, progress=False, distance_decay=1.0, **options)
            returns = read_results(run.path).greedy_by_seed()
        for seed, value in enumerate(returns.tolist()):
            rows.append([name, kappa, label, *wrong, epochs, seed, value])
        print(rows[-1], flush=True)
    header = ["system", "kappa", "graphs", "missing", "false", "epochs", "seed", "greedy return"]
    write("discovery-training", header, rows)


STUDIES = {"growth": growth, "rates": rates, "methods": methods, "train": training}

if __name__ == "__main__":
    for name in sys.argv[1:] or ("growth", "rates", "methods"):
        STUDIES[name]()
