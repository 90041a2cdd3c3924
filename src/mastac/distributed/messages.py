"""Messages, what an agent accepts of them, and the ledger of all that were sent. Imports no JAX."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.distributed.links import Links
from mastac.errors import UserError

RUNNING, STEP, LAST, SAMPLE = "running", "step", "last state", "sample"
PHASES = (RUNNING, STEP, LAST, SAMPLE)
"""What the ledger tells apart: acting; training, at each step, at the end of an episode, for each
sample of an update."""


class OutsideOfSets(UserError):
    """An agent was sent what its sets do not hold."""

    exit_code = 1


class Message(NamedTuple):
    """What one agent sends another at once.

    - `number`: the step within the episode, or the update within the epoch.
    - `packet`: the place of this message among all that this link carries in an epoch.
    - `content`: arrays by kind, without padding.
    """

    sender: int
    receiver: int
    phase: str
    number: int
    packet: int
    content: Mapping[str, np.ndarray]


Bundle = Sequence[Message]
"""All that one process sends another at once."""


class Entry(NamedTuple):
    """What one agent sent another in one phase."""

    messages: int = 0
    numbers: int = 0
    bytes: int = 0
    lost: int = 0

    @staticmethod
    def total(entries: Iterable["Entry"]) -> "Entry":
        """The sum of some entries."""
        return Entry(*map(sum, zip(*entries, strict=True)))


class Ledger:
    """Who sent what to whom: an `Entry` for each phase, sender and receiver."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, int, int], Entry] = {}

    def send(self, message: Message) -> None:
        """Note a message of one of our agents."""
        for phase, entry in parts_of(message):
            self._note((phase, message.sender, message.receiver), entry)

    def lose(self, message: Message) -> None:
        """Note that a message to one of our agents did not arrive."""
        self._note((message.phase, message.sender, message.receiver), Entry(lost=1))

    def add(self, others: Mapping[tuple[str, int, int], Entry]) -> None:
        """Take over the entries of another ledger."""
        for key, entry in others.items():
            self._note(key, entry)

    def totals(self) -> dict[str, Entry]:
        """The sum over all pairs, by phase."""
        by_phase: dict[str, list[Entry]] = {}
        for (phase, *_), entry in self.entries.items():
            by_phase.setdefault(phase, []).append(entry)
        return {phase: Entry.total(entries) for phase, entries in by_phase.items()}

    def _note(self, key: tuple[str, int, int], entry: Entry) -> None:
        self.entries[key] = Entry.total([self.entries.get(key, Entry()), entry])


def parts_of(message: Message) -> list[tuple[str, Entry]]:
    """What a message counts for.

    The state after the last step is a phase of its own: the promise for a step has one state and
    one action, and an episode has one state more than actions.
    """
    sizes = {kind: _size(array) for kind, array in message.content.items()}
    if message.phase != LAST:
        return [(message.phase, Entry.total([Entry(1), *sizes.values()]))]
    state = sizes.pop("state", None)
    parts = [] if state is None else [(LAST, Entry.total([Entry(1), state]))]
    # What an agent that sends no states would have told at the first step, it tells here.
    rest = Entry.total([Entry(0 if parts else 1), *sizes.values()])
    return [*parts, (STEP, rest)] if sizes else parts


def _size(array: np.ndarray) -> Entry:
    return Entry(0, int(array.size), int(array.nbytes))


class Doors:
    """What some agents may be sent: they refuse everything else."""

    def __init__(self, links: Links, agents: Iterable[int], names: Sequence[str]) -> None:
        training = {
            "state": links.told,
            "action": links.actions,
            "reward": links.rewards,
            "target": links.targets,
            "policy": links.policies,
            "slope": links.slopes,
        }
        own = list(agents)
        self.names = names
        self.training = {kind: _rows(matrix, own) for kind, matrix in training.items()}
        self.running = {"state": _rows(links.seen, own)}

    def check(self, message: Message) -> None:
        """`OutsideOfSets` if the receiver's sets do not hold some of the content."""
        open_to = self.running if message.phase == RUNNING else self.training
        for kind in message.content:
            if message.sender not in open_to.get(kind, {}).get(message.receiver, ()):
                sender, receiver = self.names[message.sender], self.names[message.receiver]
                raise OutsideOfSets(
                    f"agent '{receiver}' was sent the {kind} of agent '{sender}' "
                    f"({message.phase}), which is outside of its sets; it was refused"
                )


def _rows(matrix: csr_array, agents: Sequence[int]) -> dict[int, frozenset[int]]:
    return {agent: frozenset(matrix[[agent]].indices.tolist()) for agent in agents}
