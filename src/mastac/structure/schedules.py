"""Sequences of couplings of common kinds: schedules that repeat, links that fail."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from mastac.checks import whole_number
from mastac.errors import UserError, unknown
from mastac.structure.couplings import GRAPHS, Couplings
from mastac.structure.sequences import CouplingSequence

Failure = tuple[str | int, str | int, int, int]
"""(source, target, first time, last time): a link that is down, both times included."""


def periodic(entries: Sequence[Couplings], horizon: int) -> CouplingSequence:
    """Couplings that repeat: those of time `t` are `entries[t % len(entries)]`.

    **Arguments:**

    - `entries`: the couplings of one period.
    - `horizon`: the last time.

    **Raises:**

    - [`mastac.errors.UserError`][] if there is no entry, entries differ in their agents, or the
        horizon is negative.
    """
    horizon = whole_number("horizon", horizon)
    period = CouplingSequence(entries)
    return CouplingSequence([period[time % len(period)] for time in range(horizon + 1)])


def with_failures(
    couplings: Couplings,
    horizon: int,
    failures: Iterable[Failure],
    graphs: Collection[str] | None = None,
) -> CouplingSequence:
    """The same couplings at all times, but for links that are down for a while.

    **Arguments:**

    - `couplings`: who affects whom while no link is down.
    - `horizon`: the last time.
    - `failures`: `(source, target, first time, last time)` of each failure, both times included.
    - `graphs`: from which graphs the edges of a failed link are missing; `None`: from all of them.
        `["observation"]` is a sensor that fails while the agents go on to affect each other.

    **Raises:**

    - [`mastac.errors.UserError`][] naming the link if no graph has it, an end is unknown, or its
        times are out of order or outside 0 … `horizon`.

    !!! example "The second car is out of sight of the third at time 1"

        >>> cars = Couplings(["a", "b", "c"], observation=[("a", "b"), ("b", "c")])
        >>> lossy = with_failures(cars, horizon=2, failures=[("b", "c", 1, 1)])
        >>> [entry.edges("observation") for entry in lossy]
        [[('a', 'b'), ('b', 'c')], [('a', 'b')], [('a', 'b'), ('b', 'c')]]
    """
    horizon = whole_number("horizon", horizon)
    for graph in graphs or ():
        if graph not in GRAPHS:
            raise unknown("graph", str(graph), GRAPHS)
    down: list[set[tuple[int, int]]] = [set() for _ in range(horizon + 1)]
    for failure in failures:
        source, target, first, last = _checked(couplings, failure, horizon, graphs or GRAPHS)
        for time in range(first, last + 1):
            down[time].add((source, target))
    # Equal couplings are one object, so that what follows from them is found once.
    built = {
        links: _without(couplings, links, graphs or GRAPHS) for links in set(map(frozenset, down))
    }
    return CouplingSequence([built[frozenset(links)] for links in down])


def _checked(
    couplings: Couplings, failure: Any, horizon: int, graphs: Collection[str]
) -> tuple[int, int, int, int]:
    """The rows of the ends of a link, and the times."""
    if isinstance(failure, str) or not isinstance(failure, Sequence) or len(failure) != 4:
        raise UserError(f"a failure is (source, target, first time, last time), got {failure!r}")
    source, target = couplings.edge_end(failure[0]), couplings.edge_end(failure[1])
    link = f"the failure of {couplings.agents[source]} -> {couplings.agents[target]}"
    first, last = (
        whole_number(f"the {name} time of {link}", failure[k])
        for k, name in ((2, "first"), (3, "last"))
    )
    if first > last:
        raise UserError(
            f"{link} begins at time {first}, after its end at time {last}; give the earlier time "
            "first"
        )
    if last > horizon:
        raise UserError(f"{link} ends at time {last}, past the horizon {horizon}")
    if source == target:
        raise UserError(f"{link} is an agent's effect on itself, which is always there")
    if not any(getattr(couplings, graph)[target, source] for graph in graphs):
        raise UserError(f"{link} is of no edge: none of the graphs {', '.join(graphs)} has it")
    return source, target, first, last


def _without(
    couplings: Couplings, links: Collection[tuple[int, int]], graphs: Collection[str]
) -> Couplings:
    if not links:
        return couplings
    sources, targets = np.array(sorted(links)).T
    gone = csr_array((np.ones(len(sources), bool), (targets, sources)), shape=couplings.state.shape)
    return couplings.with_graphs(**{graph: getattr(couplings, graph) > gone for graph in graphs})
