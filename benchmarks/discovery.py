"""Discovered graphs against the true ones: `python benchmarks/discovery.py [growth] [rates] [methods] [train]`.

- `growth`: precision and recall as samples grow, from queries and from logs
    (`results/discovery.csv`).
- `rates`: the false discovery rate that is attained beside the one that is asked for
    (`discovery-fdr.csv`).
- `methods`: other ways to the same graphs from the same logs (`discovery-methods.csv`).
- `train`: MAStAC on true and on discovered graphs (`discovery-training.csv`); not done unless it is
    named.
"""

import dataclasses
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from common import write
from mastac.discovery import Discovered, Score, TransitionLog, discover, random_network, record
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
    """The environment, or the random network, by its name."""
    return (
        random_network(int(name.split("-")[1]), seed) if name.startswith("random") else make(name)
    )


def logged(simulator: Any, transitions: int, seed: int) -> TransitionLog:
    return record(simulator, max(8, -(-transitions // simulator.horizon)), seed)


def with_total(scores: dict[str, Score]) -> dict[str, Score]:
    total = Score(0, 0, 0)
    for each in scores.values():
        total = each + total
    return scores | {"all": total}


def score_rows(start: list[Any], scores: dict[str, Score], seconds: float) -> list[list[Any]]:
    return [
        [
            *start,
            graph,
            *each,
            *("" if value is None else value for value in (each.precision, each.recall)),
            seconds,
        ]
        for graph, each in scores.items()
    ]


def summed(runs: list[dict[str, Score]]) -> dict[str, Score]:
    found: dict[str, Score] = defaultdict(lambda: Score(0, 0, 0))
    for scores in runs:
        for graph, each in scores.items():
            found[graph] = each + found[graph]
    return dict(found)


def growth() -> None:
    """One seed of queries for environments, whose graphs are the same for all; three of small random networks."""
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
            rows += scored(
                name,
                "queries",
                count,
                [(each, {"points": count}) for each in simulators],
                simulators,
            )
        for count in TRANSITIONS[small]:
            parts = [each.first(max(8, -(-count // each.steps))) for each in logs]
            rows += scored(name, "log", count, [(each, {}) for each in parts], simulators)
    write("discovery", ["system", "source", "samples", "seeds", *SCORES, "seconds"], rows)


def scored(
    name: str,
    source: str,
    count: int,
    given: list[tuple[Any, dict[str, Any]]],
    simulators: list[Any],
) -> list[list[Any]]:
    runs, began = [], time.process_time()
    for seed, (each, how) in enumerate(given):
        found = discover(each, seed=seed, **how)
        runs.append(with_total(found.score(simulators[seed % len(simulators)].couplings)))
    rows = score_rows(
        [name, source, count, len(given)], summed(runs), (time.process_time() - began) / len(given)
    )
    print(rows[-1], flush=True)
    return rows


def rates() -> None:
    """Per graph, the mean over seeds of the share of false edges among those found (0 if none was found)."""
    rows = []
    for name, degree in (("random-10", 2.0), ("random-10 without edges", 0.0), ("random-50", 2.0)):
        for least_effect in (0.01, 0.0):
            shares: dict[tuple[float, str], list[float]] = defaultdict(list)
            seeds = RATE_SEEDS if name != "random-50" else 3
            for seed in range(seeds):
                simulator = random_network(int(name.split()[0].split("-")[1]), seed, degree=degree)
                log = logged(simulator, RATE_TRANSITIONS, 500 + seed)
                found = discover(log, seed=seed, least_effect=least_effect)
                assert simulator.couplings is not None
                for rate in RATES:
                    for graph, each in found.score(simulator.couplings, 1 - rate).items():
                        shares[rate, graph].append((each.found - each.right) / max(each.found, 1))
            for (rate, graph), values in shares.items():
                rows.append([name, least_effect, seeds, graph, rate, float(np.mean(values))])
                print(rows[-1], flush=True)
    write("discovery-fdr", ["system", "least_effect", "seeds", "graph", "asked", "attained"], rows)


def lasso(log: TransitionLog) -> set[tuple[str, int, int]]:
    """Agents with a coefficient that is not zero in a linear lasso chosen by BIC; next states only."""
    from sklearn.linear_model import LassoLarsIC

    owners, values, outcomes = table(log)
    found = set()
    for agent, outcome in outcomes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns that double others
            coefficients = LassoLarsIC("bic", max_iter=60).fit(values, outcome).coef_
        found |= {(*owners[k], agent) for k in np.flatnonzero(np.abs(coefficients) > 1e-6)}
    return {each for each in found if each[1] != each[2]}


def covariance(log: TransitionLog) -> set[tuple[str, int, int]]:
    """The generalised covariance measure (Shah and Peters 2020), all else given, by boosted trees; next states only."""
    from scipy import stats
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import cross_val_predict

    owners, values, outcomes = table(log)

    def left_over(outcome: np.ndarray, without: list[int]) -> np.ndarray:
        given = np.delete(values, without, 1)
        return outcome - cross_val_predict(
            HistGradientBoostingRegressor(max_iter=40), given, outcome, cv=2
        )

    blocks: dict[tuple[str, int], list[int]] = defaultdict(list)
    for k, owner in enumerate(owners):
        blocks[owner].append(k)
    sources = {
        owner: [left_over(values[:, k], places) for k in places] for owner, places in blocks.items()
    }
    tests = []
    for agent, outcome in outcomes:
        for owner, places in blocks.items():
            if owner[1] == agent:
                continue
            mine = left_over(outcome, places)
            sizes = [
                abs(each.mean()) / each.std() for each in (mine * other for other in sources[owner])
            ]
            p_value = 2 * stats.norm.sf(np.sqrt(len(mine)) * max(sizes)) * len(sizes)
            tests.append(((*owner, agent), min(1.0, p_value)))
    adjusted = stats.false_discovery_control([each for _, each in tests])
    return {edge for (edge, _), value in zip(tests, adjusted, strict=True) if value <= 0.05}


def table(
    log: TransitionLog,
) -> tuple[list[tuple[str, int]], np.ndarray, list[tuple[int, np.ndarray]]]:
    """Whose each column is, the columns (of all episodes, standardised), and what they are to explain."""
    from mastac.discovery.samples import split_episodes

    both = split_episodes(log, np.random.default_rng(0))
    values = np.concatenate([each.values for each in both])
    outcomes = np.concatenate([each.outcomes for each in both])
    varies = np.flatnonzero(values.std(0) > 0)
    wanted = [
        (k, target.agent) for k, target in enumerate(both[0].targets) if target.what == "state"
    ]
    noise = 1e-4 * np.random.default_rng(1).standard_normal(outcomes.shape)
    pairs = [
        (agent, outcomes[:, k] + noise[:, k]) for k, agent in wanted if outcomes[:, k].std() > 0
    ]
    return (
        [(both[0].blocks[k].kind, both[0].blocks[k].agent) for k in varies],
        values[:, varies],
        pairs,
    )


def ours(log: TransitionLog) -> set[tuple[str, int, int]]:
    found: Discovered = discover(log)
    number = {name: k for k, name in enumerate(log.names)}
    return {
        (each.graph, number[each.source], number[each.target])
        for each in found.found()
        if each.graph in ("state", "action")
    }


def methods() -> None:
    rows = []
    for name in ("warehouse-9", "thermal-9", "random-10"):
        simulator = system(name, 0)
        log = logged(simulator, 3000, 100)
        matrices = {
            graph: getattr(simulator.couplings, graph).toarray() for graph in ("state", "action")
        }
        true = {
            (graph, int(j), int(i))
            for graph, m in matrices.items()
            for i, j in np.argwhere(m)
            if i != j
        }
        for way in (ours, lasso, covariance):
            began = time.process_time()
            found = way(log)
            score = Score(len(found), len(true), len(found & true))
            rows += score_rows(
                [name, way.__name__, 3000], {"state and action": score}, time.process_time() - began
            )
            print(rows[-1], flush=True)
    write("discovery-methods", ["system", "method", "transitions", *SCORES, "seconds"], rows)


def training(epochs: int = 600, name: str = "warehouse-9", kappa: int = 2, seeds: int = 3) -> None:
    """MAStAC on the true graphs, on those from queries, and on those from a small and a larger log."""
    from mastac.runs.results import read_results
    from mastac.runs.run import train

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
            found = discover(source)
            couplings = found.couplings()
            total = with_total(found.score(env.couplings))["all"]
            wrong = (total.true - total.right, total.found - total.right)
        given = dataclasses.replace(env, id=f"{name}-graphs", couplings=couplings)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            run = train(
                given,
                kappa=kappa,
                epochs=epochs,
                seeds=range(seeds),
                out=out,
                progress=False,
                distance_decay=1.0,
            )
            returns = read_results(run.path).greedy_by_seed()
        rows += [
            [name, kappa, label, *wrong, epochs, seed, float(each)]
            for seed, each in enumerate(returns)
        ]
        print(rows[-1], flush=True)
    write(
        "discovery-training",
        ["system", "kappa", "graphs", "missing", "false", "epochs", "seed", "greedy return"],
        rows,
    )


PARTS = {"growth": growth, "rates": rates, "methods": methods, "train": training}

if __name__ == "__main__":
    for part in sys.argv[1:] or ("growth", "rates", "methods"):
        PARTS[part]()
