"""Graphs from a log alone: a sparse regression on half of it, and tests on the other half."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float
from scipy import stats

from mastac.discovery.collinearity import Collinearity, collinearity
from mastac.discovery.discovered import Discovered
from mastac.discovery.edges import Edge, Source
from mastac.discovery.logs import TransitionLog
from mastac.discovery.samples import CONSTANT, Block, Sample, center_by_time, split_episodes
from mastac.discovery.screening import Screen
from mastac.discovery.testing import ConditionalTests, Tested
from mastac.structure.couplings import GRAPHS

NOISE = 1e-4
"""Normal noise added to what is explained, in its standard deviations: rounding is no evidence."""
FOLLOWS = 0.99
"""Share of an action's variance from which the states are said to determine it."""
GRAPH_OF = {
    ("state", "state"): "state",
    ("state", "action"): "action",
    ("reward", "state"): "reward",
    ("reward", "action"): "reward_action",
    ("observation", "state"): "observation",
}

_Tests = dict[tuple[str, tuple[Block, ...], int], Tested]
"""Tests by what is explained ("state", "reward", "observation"), sources and the target's agent."""


def discover_from_log(log: TransitionLog, fdr: float, least_effect: float, seed: int) -> Discovered:
    """What [`mastac.discover`][] does with a log."""
    random = np.random.default_rng(seed)
    first, second = split_episodes(log, random)
    values = np.concatenate([first.values, second.values])
    collinear = {
        kinds: collinearity(values, first.blocks, log.steps, kinds)
        for kinds in (("state",), ("state", "action"))
    }
    tests = _tests(first, second, values, collinear, least_effect, random)
    told = {key: test for key, test in tests.items() if np.isfinite(test.p_value)}
    untold = sum(len(sources) == 1 for _, sources, _ in tests.keys() - told.keys())
    edges = _edges(log.names, told)
    everything = collinear["state", "action"]
    constant = _sources(log.names, _constant(first, everything))
    alike, totals = (
        tuple(_sources(log.names, sorted({first.blocks[k] for k in group})) for group in groups)
        for groups in (everything.groups, everything.totals)
    )
    has_obs = log.observations is not None
    return Discovered(
        name=log.name,
        agents=log.names,
        source="log",
        samples=log.episodes * log.steps,
        graphs=tuple(graph for graph in GRAPHS if graph != "observation" or has_obs),
        edges=edges,
        least_confidence=1.0 - fdr,
        state_sizes=np.asarray(log.state_sizes),
        action_sizes=np.asarray(log.action_sizes),
        notes=_notes(log, second, constant, alike, totals, untold),
        undecided=_undecided(log.names, told, edges, 1.0 - fdr),
        alike=alike,
        constant=constant,
    )


def _tests(
    first: Sample,
    second: Sample,
    values: Float[np.ndarray, "rows columns"],
    collinear: dict[tuple[str, ...], Collinearity],
    least_effect: float,
    random: np.random.Generator,
) -> _Tests:
    """The tests of what the first half suggests."""
    screen = Screen(first, NOISE)
    conditional = ConditionalTests(second, values, least_effect)
    by_entry: dict[tuple[str, tuple[Block, ...], int], list[Tested]] = defaultdict(list)
    for number, target in enumerate(first.targets):
        outcomes = [_outcome(half, number, random) for half in (first, second)]
        if min(outcome.std() for outcome in outcomes) < 10 * NOISE:
            continue  # what follows from the time alone depends on nobody
        kinds = ("state",) if target.what == "observation" else ("state", "action")
        candidates = screen.candidates(number, outcomes[0])
        for test in conditional.tested(number, outcomes[1], candidates, collinear[kinds]):
            by_entry[target.what, test.sources, target.agent].append(test)
    return {key: _clearest(tests) for key, tests in sorted(by_entry.items())}


def _outcome(sample: Sample, number: int, random: np.random.Generator) -> np.ndarray:
    column = sample.outcomes[:, [number]]
    return center_by_time(column + NOISE * random.standard_normal(column.shape), sample.steps)[:, 0]


def _clearest(tests: list[Tested]) -> Tested:
    """Of tests of the same sources on several entries of a target the clearest.

    It is paid for by Bonferroni's factor.
    """
    told = [test for test in tests if np.isfinite(test.p_value)]
    if not told:
        return tests[0]
    best = min(told, key=lambda test: test.p_value)
    return best._replace(p_value=min(1.0, best.p_value * len(told)))


def _adjusted(tests: Iterable[Tested]) -> list[float]:
    """P-values as false discovery rates (Benjamini and Hochberg 1995).

    Of all tests that the first half suggested: that choice is independent of the second half.
    """
    values = [test.p_value for test in tests]
    return stats.false_discovery_control(values).tolist() if values else []


def _edges(names: tuple[str, ...], tests: _Tests) -> tuple[Edge, ...]:
    """The edges of tests of single sources, each graph adjusted on its own."""
    edges = []
    for graph in GRAPHS:
        mine = {
            (sources[0].agent, target): test
            for (what, sources, target), test in tests.items()
            if len(sources) == 1 and GRAPH_OF[what, sources[0].kind] == graph
        }
        for ((source, target), test), rate in sorted(
            zip(mine.items(), _adjusted(mine.values()), strict=True), key=lambda row: row[0][0]
        ):
            ends = names[source], names[target]
            edges.append(Edge(graph, *ends, 1.0 - rate, test.effect, p_value=test.p_value))
    return tuple(edges)


def _undecided(
    names: tuple[str, ...], tests: _Tests, edges: tuple[Edge, ...], least_confidence: float
) -> tuple[Edge, ...]:
    """Edges of which a joint test says that one of them is there, and no test says which."""
    joint = {key: test for key, test in tests.items() if len(key[1]) > 1}
    certain = {
        (edge.graph, edge.source, edge.target)
        for edge in edges
        if edge.confidence >= least_confidence
    }
    undecided: dict[tuple[str, str, str], Edge] = {}
    for ((what, sources, target), test), rate in zip(
        joint.items(), _adjusted(joint.values()), strict=True
    ):
        ends = {
            block: (GRAPH_OF[what, block.kind], names[block.agent], names[target])
            for block in sources
        }
        left = [block for block in sources if ends[block] not in certain]
        explained = len(left) < len(sources) and not test.alike
        if explained or 1.0 - rate < least_confidence:
            continue
        for block in (block for block in left if block.agent != target):
            others = _sources(names, [source for source in sources if source != block])
            edge = Edge(
                *ends[block], 1.0 - rate, test.effect, p_value=test.p_value, alternatives=others
            )
            known = undecided.get(ends[block])
            if known is None or edge.confidence > known.confidence:
                undecided[ends[block]] = edge
    order = {graph: place for place, graph in enumerate(GRAPHS)}
    return tuple(undecided[key] for key in sorted(undecided, key=lambda k: (order[k[0]], *k[1:])))


def _sources(names: tuple[str, ...], blocks: Iterable[Block]) -> tuple[Source, ...]:
    return tuple(Source(block.kind, names[block.agent]) for block in blocks)


def _constant(sample: Sample, collinear: Collinearity) -> list[Block]:
    """The blocks of which no column varies."""
    varies = {sample.blocks[k] for k in range(len(sample.blocks)) if k not in collinear.constant}
    return sorted(set(sample.blocks) - varies, key=lambda block: (block.kind, block.agent))


def _notes(
    log: TransitionLog,
    sample: Sample,
    constant: tuple[Source, ...],
    alike: tuple[tuple[Source, ...], ...],
    totals: tuple[tuple[Source, ...], ...],
    untold: int,
) -> tuple[str, ...]:
    """What the log cannot tell, in words."""
    notes = []
    for kind in ("state", "action"):
        agents = [source.agent for source in constant if source.kind == kind]
        if agents:
            notes.append(
                f"the {kind}s of {_listed(agents)} never vary: nothing can be said of their effects"
            )
    followers = _followers(log, sample)
    if followers:
        notes.append(
            f"the actions of {_listed(followers)} follow from the states: effects of the one "
            "cannot be told from those of the other; record with random actions"
        )
    notes += [
        f"{' and '.join(map(str, group))} cannot be told apart, because the log moves them alike; "
        "no edge from them is certain"
        for group in alike
    ]
    notes += [
        f"{group[0]} and those of {len(group) - 1} others have a total that never changes, so that "
        "each follows from the others: an edge from one is told from edges from all the others at "
        "once only because it is likelier"
        for group in totals
        if len(group) > 1
    ]
    if untold:
        what = "1 edge" if untold == 1 else f"{untold} edges"
        notes.append(
            f"{what} could not be told from the effects of others that move alike, or not from so "
            "few transitions, and are left out"
        )
    return tuple(notes)


def _followers(log: TransitionLog, sample: Sample) -> list[str]:
    """The agents whose actions are linear functions of the states, nearly."""
    values = center_by_time(sample.values, sample.steps)
    action = np.array([block.kind == "action" for block in sample.blocks])
    varies = action & (values.std(0) > CONSTANT)
    states, actions = values[:, ~action], values[:, varies]
    if not actions.shape[1] or len(values) <= 2 * states.shape[1]:
        return []
    left = actions - states @ np.linalg.lstsq(states, actions, rcond=1e-10)[0]
    explained = 1 - (left**2).sum(0) / (actions**2).sum(0)
    columns = np.flatnonzero(varies)[explained > FOLLOWS]
    return list(dict.fromkeys(log.names[sample.blocks[k].agent] for k in columns))


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
