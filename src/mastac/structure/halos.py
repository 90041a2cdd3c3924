"""What every device holds of agents that are not its own, and how it is brought there.

The *halo* of a device are the agents of other devices that the critics of its own agents read.
Their states and actions are kept in its replay as they are played. For every update the actions of
their policies are sent to it, and the slopes of its critics in these actions are sent back.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.structure.boolean import row_of_entry
from mastac.structure.layout import CriticLayout
from mastac.structure.partition import Partition

NOBODY = -1  # fills rows up to the longest


class Halos(NamedTuple):
    """The agents of other devices that each device needs, one array for each, sorted.

    - `states`, `actions`: those whose states, and whose actions, critics of its agents read.
    - `credited`: those of the latter that are credited with one of these critics.
    """

    states: tuple[np.ndarray, ...]
    actions: tuple[np.ndarray, ...]
    credited: tuple[np.ndarray, ...]


class Sent(NamedTuple):
    """Numbers that have to cross between devices; one agent counts once for each device.

    - `step`: for each step that is played, states and actions of the halos.
    - `sample`: for each sample of an update: two actions of each agent in a halo, of its target
        policy and of its policy, and the slope that comes back.
    """

    step: int
    sample: int


class Slice(NamedTuple):
    """So many rows that go from one device to another, for several pairs of devices at once.

    No device is twice the first of a pair, nor twice the second.
    """

    pairs: tuple[tuple[int, int], ...]
    rows: int


class Exchange(NamedTuple):
    """How rows come from the devices that own them to those that need them; nothing else is sent.

    - `slices`: what is sent, one after the other.
    - `sends`: `[devices, rows of all slices]`, which of its own rows a device sends in each place;
        0 in slices in which it sends nothing.
    - `places`: `[devices, needed]`, where the rows that a device needs stand among those of all
        slices; the number of these where it needs none.
    """

    slices: tuple[Slice, ...]
    sends: np.ndarray
    places: np.ndarray

    @property
    def rows_sent(self) -> int:
        """Rows that cross between devices."""
        return sum(len(part.pairs) * part.rows for part in self.slices)


def halos_of(layout: CriticLayout, partition: Partition) -> Halos:
    """The halo of every device; critic `i` is where agent `i` is."""
    credited = csr_array(layout.useful_credit().T)
    return Halos(
        *(_beyond(matrix, partition) for matrix in (layout.states, layout.actions, credited))
    )


def _beyond(reads: csr_array, partition: Partition) -> tuple[np.ndarray, ...]:
    """For each device the agents of others in the rows of its own agents."""
    reader, read = partition.owner[row_of_entry(reads)], reads.indices
    others = reader != partition.owner[read]
    agents = len(partition.owner)
    pairs = np.unique(reader[others] * agents + read[others])
    device, agent = pairs // agents, pairs % agents
    return tuple(np.split(agent, np.searchsorted(device, np.arange(1, partition.devices))))


def numbers_sent(halos: Halos, state_sizes: np.ndarray, action_sizes: np.ndarray) -> Sent:
    """What the sets say must be sent, between all devices together."""
    states, actions, credited = (
        int(sum(sizes[agents].sum() for agents in of_devices))
        for of_devices, sizes in zip(halos, (state_sizes, action_sizes, action_sizes), strict=True)
    )
    return Sent(step=states + actions, sample=2 * actions + credited)


def exchange_of(owner: np.ndarray, place: np.ndarray, needed: np.ndarray) -> Exchange:
    """The exchange that brings every device the rows that it needs, and sends no other.

    Pairs of devices that exchange equally much go together. Where one of them has more to send than
    the others the rest goes in a slice of its own, so that nothing is filled up.

    **Arguments:**

    - `owner`: the device that owns a row, `[rows]`.
    - `place`: where it stands among the rows of that device, `[rows]`.
    - `needed`: `[devices, needed]`, the rows of others that a device needs, filled up with -1.
    """
    columns: dict[tuple[int, int], np.ndarray] = {}
    for receiver, rows in enumerate(needed):
        real = np.flatnonzero(rows >= 0)
        senders = owner[rows[real]]
        for sender in np.unique(senders).tolist():
            columns[sender, receiver] = real[senders == sender]
    slices = [
        part for pairs in _rounds(columns) for part in _slices({p: len(columns[p]) for p in pairs})
    ]
    total = sum(part.rows for part, _ in slices)
    sends = np.zeros((len(needed), total), np.int32)
    places = np.full(needed.shape, total, np.int32)
    at = 0
    for part, begin in slices:
        for sender, receiver in part.pairs:
            mine = columns[sender, receiver][begin : begin + part.rows]
            sends[sender, at : at + part.rows] = place[needed[receiver, mine]]
            places[receiver, mine] = np.arange(at, at + part.rows)
        at += part.rows
    return Exchange(tuple(part for part, _ in slices), sends, places)


def _rounds(columns: dict[tuple[int, int], np.ndarray]) -> list[list[tuple[int, int]]]:
    """Pairs in groups in which no device sends twice or receives twice, like sizes together."""
    rounds: list[list[tuple[int, int]]] = []
    for pair in sorted(columns, key=lambda pair: (-len(columns[pair]), pair)):
        for others in rounds:
            if all(pair[0] != sender and pair[1] != receiver for sender, receiver in others):
                others.append(pair)
                break
        else:
            rounds.append([pair])
    return rounds


def _slices(sizes: dict[tuple[int, int], int]) -> list[tuple[Slice, int]]:
    """A group cut where one of its pairs has nothing more to send, with where each slice begins."""
    ends = sorted(set(sizes.values()))
    return [
        (Slice(tuple(sorted(pair for pair in sizes if sizes[pair] >= end)), end - begin), begin)
        for begin, end in zip([0, *ends], ends, strict=False)
    ]


def filled(rows: Sequence[np.ndarray], width: int = 0) -> np.ndarray:
    """Arrays of different lengths as one, filled up with -1; at least `width` wide."""
    widest = max(width, *(len(row) for row in rows))
    array = np.full((len(rows), widest), NOBODY, np.int64)
    for row, values in enumerate(rows):
        array[row, : len(values)] = values
    return array
