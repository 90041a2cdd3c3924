"""Graphs from a log alone: sparse regression on half of the episodes, tests of what it suggests on the other half."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from scipy import stats

from mastac.discovery.discovered import Discovered, Edge
from mastac.discovery.logs import TransitionLog
from mastac.discovery.samples import CONSTANT, Entry, Sample, centred, halves
from mastac.discovery.screening import Screen
from mastac.discovery.testing import Tested, Tests
from mastac.structure.couplings import GRAPHS

DITHER = 1e-4
"""Normal noise added to what is explained, in its standard deviations: rounding is no evidence."""
FOLLOWS = 0.99
GRAPH_OF = {
    ("state", "state"): "state",
    ("state", "action"): "action",
    ("reward", "state"): "reward",
    ("reward", "action"): "reward_action",
    ("observation", "state"): "observation",
}


def discover_from_log(log: TransitionLog, fdr: float, least_effect: float, seed: int) -> Discovered:
    """What [`mastac.discover`][] does with a log."""
    random = np.random.default_rng(seed)
    first, second = halves(log, random)
    found = _tested(first, second, least_effect, random)
    edges, untold = [], 0
    for graph in GRAPHS:
        tests = found.get(graph, {})
        pairs = [pair for pair, each in tests.items() if np.isfinite(each.p_value)]
        untold += len(tests) - len(pairs)
        # Over all pairs that the first half suggested: their choice is independent of the second
        # half.
        adjusted = (
            stats.false_discovery_control([tests[pair].p_value for pair in pairs]) if pairs else []
        )
        for (source, target), value in sorted(zip(pairs, adjusted, strict=True)):
            each = tests[source, target]
            names = log.names[source], log.names[target]
            edges.append(Edge(graph, *names, 1.0 - float(value), each.effect, p_value=each.p_value))
    return Discovered(
        name=log.name,
        agents=log.names,
        source="log",
        samples=log.episodes * log.steps,
        graphs=tuple(
            graph for graph in GRAPHS if graph != "observation" or log.observations is not None
        ),
        edges=tuple(edges),
        least_confidence=1.0 - fdr,
        state_sizes=np.asarray(log.state_sizes),
        action_sizes=np.asarray(log.action_sizes),
        notes=_notes(log, second, untold),
    )


def _tested(
    first: Sample, second: Sample, least_effect: float, random: np.random.Generator
) -> dict[str, dict[tuple[int, int], Tested]]:
    """For each graph the tests of the pairs (source, target) that the first half suggests."""
    screen = Screen(first, DITHER)
    tests = Tests(second, np.concatenate([first.values, second.values]), least_effect)
    found: dict[str, dict[tuple[int, int], list[Tested]]] = defaultdict(lambda: defaultdict(list))
    for number, target in enumerate(first.targets):
        outcomes = [_outcome(each, number, random) for each in (first, second)]
        if min(each.std() for each in outcomes) < 10 * DITHER:
            continue  # what follows from the time alone depends on nobody
        for each in tests.of(number, outcomes[1], screen.survivors(number, outcomes[0])):
            found[GRAPH_OF[target.what, each.entry.kind]][each.entry.agent, target.agent].append(
                each
            )
    return {
        graph: {pair: _clearest(several) for pair, several in sorted(pairs.items())}
        for graph, pairs in found.items()
    }


def _outcome(sample: Sample, number: int, random: np.random.Generator) -> np.ndarray:
    column = sample.outcomes[:, [number]]
    return centred(column + DITHER * random.standard_normal(column.shape), sample.steps)[:, 0]


def _clearest(several: list[Tested]) -> Tested:
    """Of tests of the same pair on several entries of the target the clearest, paid for by Bonferroni's factor."""
    told = [each for each in several if np.isfinite(each.p_value)]
    if not told:
        return several[0]
    best = min(told, key=lambda each: each.p_value)
    return best._replace(p_value=min(1.0, best.p_value * len(told)))


def _notes(log: TransitionLog, sample: Sample, untold: int) -> tuple[str, ...]:
    """What the log cannot tell, in words."""
    notes = []
    values = centred(sample.values, sample.steps)
    action = np.array([entry.kind == "action" for entry in sample.entries])
    spread = values.std(0)
    still = [
        log.names[i]
        for i in range(len(log.names))
        if not _varies(sample, Entry("action", i), spread)
    ]
    if still:
        notes.append(
            f"the actions of {_listed(still)} never vary: nothing can be said of their effects"
        )
    states, acts = values[:, ~action], values[:, action & (spread > CONSTANT)]
    if acts.shape[1] and len(values) > 2 * states.shape[1]:
        left = acts - states @ np.linalg.lstsq(states, acts, rcond=1e-10)[0]
        explained = 1 - (left**2).sum(0) / (acts**2).sum(0)
        followers = np.flatnonzero(action & (spread > CONSTANT))[explained > FOLLOWS]
        names = list(dict.fromkeys(log.names[sample.entries[k].agent] for k in followers))
        if names:
            notes.append(
                f"the actions of {_listed(names)} follow from the states: effects of the one cannot be told from those "
                "of the other; record with random actions"
            )
    if untold:
        what = "1 edge" if untold == 1 else f"{untold} edges"
        notes.append(
            f"{what} could not be told from the effects of others that move alike, or not from so few transitions, "
            "and are left out"
        )
    return tuple(notes)


def _varies(sample: Sample, entry: Entry, spread: np.ndarray) -> bool:
    return any(spread[k] > CONSTANT for k in sample.columns(*entry))


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
