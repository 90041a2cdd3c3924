"""Couplings that change with the time: one entry for each step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import write_text
from mastac.structure.couplings import GRAPHS, Couplings

OF_AGENTS = ("agents", "positions", "kinds")
"""Keys of `couplings.json` that are the same at all times."""


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
        """How many agents there are, $N$."""
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
            else {key: value for key, value in entry.to_dict().items() if key not in OF_AGENTS}
            for time, (kind, entry) in enumerate(zip(self.kinds, self.entries, strict=True))
        ]
        first = self.entries[0].to_dict()
        shared = {key: first[key] for key in OF_AGENTS if key in first}
        return {**shared, "sequence": parts}

    def to_json(self, path: str | Path | None = None) -> str:
        """The text of `couplings.json`, one time a line; written to `path` if one is given."""
        data = self.to_dict()
        times = [json.dumps(part, ensure_ascii=False) for part in data.pop("sequence")]
        head = "".join(
            f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},\n"
            for key, value in data.items()
        )
        text = f'{{\n{head}  "sequence": [\n    ' + ",\n    ".join(times) + "\n  ]\n}\n"
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
            or set(data) - {"positions", "kinds"} != {"agents", "sequence"}
            or not isinstance(data["sequence"], list)
        ):
            raise UserError(
                f"{source}: a sequence of couplings is an object with the keys agents and "
                "sequence, a list (and positions and kinds, where agents have them)"
            )
        shared = {key: data[key] for key in OF_AGENTS if key in data}
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
            elif not isinstance(part, Mapping) or set(part) & {*OF_AGENTS}:
                raise UserError(
                    f"{where}: expected an object of graphs or the number of an earlier time"
                )
            else:
                entries.append(Couplings.from_dict({**shared, **part}, where))
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


def _difference(agents: tuple[str, ...], expected: tuple[str, ...]) -> str:
    extra = [name for name in agents if name not in set(expected)]
    missing = [name for name in expected if name not in set(agents)]
    if extra:
        return f"'{extra[0]}' is new"
    return f"'{missing[0]}' is missing" if missing else "in another order"
