"""Couplings that change with the time: sequences, schedules that repeat, links that fail."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from mastac.checks import whole_number
from mastac.errors import UserError, unknown
from mastac.files import write_text
from mastac.structure.couplings import GRAPHS, Couplings

Failure = tuple[str | int, str | int, int, int]
"""(source, target, first time, last time): a link that is down, both times included."""


@dataclass(frozen=True, init=False, repr=False)
class CouplingSequence(Sequence[Couplings]):
    """Time-varying couplings of the same agents.

    Entry `t` governs observations and rewards at time `t` and the step from `t` to `t + 1`. The
    last entry belongs to the last reward; its state and action graphs are never used.

    **Arguments:**

    - `entries`: the couplings at the times 0, 1, …

    **Raises:**

    - [`mastac.errors.UserError`][] if there is no entry, or an entry has other agents.
    """

    entries: tuple[Couplings, ...]

    def __init__(self, entries: Iterable[Couplings]) -> None:
        object.__setattr__(self, "entries", tuple(entries))
        if not self.entries:
            raise UserError("a CouplingSequence needs at least one entry: the couplings at time 0")
        for time, entry in enumerate(self.entries):
            if not isinstance(entry, Couplings):
                raise UserError(
                    f"entry {time} of a CouplingSequence must be Couplings, "
                    f"got {type(entry).__name__}"
                )
            if entry.agents != self.agents:
                raise UserError(
                    f"entry {time} of a CouplingSequence has other agents than entry 0 "
                    f"({_difference(entry.agents, self.agents)}); give all entries the same agents "
                    "in the same order"
                )

    @property
    def agents(self) -> tuple[str, ...]:
        """The names, the same at all times."""
        return self.entries[0].agents

    @property
    def num_agents(self) -> int:
        """$N$."""
        return len(self.agents)

    @property
    def horizon(self) -> int:
        """$T$: the time of the last reward."""
        return len(self.entries) - 1

    def index(self, name: str | int, *_: Any) -> int:
        """The row of an agent, by name."""
        return self.entries[0].index(name)

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """For each time the first time with equal couplings, `[times]`."""
        first_equal: dict[Couplings, int] = {}
        first_same = {id(entry): time for time, entry in reversed(list(enumerate(self.entries)))}
        # Hashing reads whole matrices, so the same object is looked at once.
        kinds = {
            time: first_equal.setdefault(self.entries[time], time)
            for time in sorted(set(first_same.values()))
        }
        return tuple(kinds[first_same[id(entry)]] for entry in self.entries)

    def union(self) -> Couplings:
        """Couplings with every edge that is there at some time.

        Their sets are exact at all times for learners that do not know the time.
        """
        union = self.entries[0]
        for entry in dict.fromkeys(self.entries[kind] for kind in self.kinds[1:]):
            union = union.with_graphs(
                **{graph: getattr(union, graph) + getattr(entry, graph) for graph in GRAPHS}
            )
        return union

    def to_dict(self) -> dict[str, Any]:
        """`{"agents": [names], "sequence": [graphs at time 0, graphs at time 1, …]}`.

        Instead of graphs, a number stands for the graphs of that earlier time.
        """
        parts: list[Any] = [
            kind
            if kind < time
            else {key: value for key, value in entry.to_dict().items() if key != "agents"}
            for time, (kind, entry) in enumerate(zip(self.kinds, self.entries, strict=True))
        ]
        return {"agents": list(self.agents), "sequence": parts}

    def to_json(self, path: str | Path | None = None) -> str:
        """The text of `couplings.json`, one time a line; written to `path` if one is given."""
        data = self.to_dict()
        agents, *times = (
            json.dumps(part, ensure_ascii=False) for part in (data["agents"], *data["sequence"])
        )
        text = (
            f'{{\n  "agents": {agents},\n  "sequence": [\n    '
            + ",\n    ".join(times)
            + "\n  ]\n}\n"
        )
        if path is not None:
            write_text(Path(path), text)
        return text

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "couplings") -> CouplingSequence:
        """The inverse of [`CouplingSequence.to_dict`][].

        **Arguments:**

        - `data`: names of agents, and graphs or the number of an earlier time for each time.
        - `source`: where they are from, for messages.

        **Raises:**

        - [`mastac.errors.UserError`][] that opens with `source` and names the time.
        """
        if (
            not isinstance(data, Mapping)
            or set(data) != {"agents", "sequence"}
            or not isinstance(data["sequence"], list)
        ):
            raise UserError(
                f"{source}: a sequence of couplings is an object with the keys agents and "
                "sequence, a list"
            )
        entries: list[Couplings] = []
        for time, part in enumerate(data["sequence"]):
            where = f"{source}, time {time}"
            if isinstance(part, int) and not isinstance(part, bool):
                if not 0 <= part < time:
                    raise UserError(
                        f"{where}: {part} is no earlier time; a number stands for the graphs of "
                        "that time"
                    )
                entries.append(entries[part])
            elif not isinstance(part, Mapping) or "agents" in part:
                raise UserError(
                    f"{where}: expected an object of graphs or the number of an earlier time"
                )
            else:
                entries.append(Couplings.from_dict({"agents": data["agents"], **part}, where))
        try:
            return cls(entries)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, time: Any) -> Any:
        return (
            CouplingSequence(self.entries[time]) if isinstance(time, slice) else self.entries[time]
        )

    def __repr__(self) -> str:
        times = f"{len(self)} entries, t = 0 … {self.horizon}"
        return f"CouplingSequence({times}; {self.entries[0]!r} at t = 0)"


def steady(couplings: Couplings | CouplingSequence) -> Couplings:
    """The couplings, for what is defined only where they stay the same.

    **Raises:**

    - [`mastac.errors.UserError`][] for a sequence.
    """
    if isinstance(couplings, CouplingSequence):
        raise UserError(
            "these couplings change with the time; take one entry of the sequence, or its union()"
        )
    return couplings


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


def _difference(agents: tuple[str, ...], expected: tuple[str, ...]) -> str:
    extra = [name for name in agents if name not in set(expected)]
    missing = [name for name in expected if name not in set(agents)]
    if extra:
        return f"'{extra[0]}' is new"
    return f"'{missing[0]}' is missing" if missing else "in another order"
