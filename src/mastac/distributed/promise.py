"""What the graphs promise of messages, for the ledger to be compared with. Imports no JAX."""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.analysis.messages import messages_of, partners_of
from mastac.distributed.messages import LAST, RUNNING, SAMPLE, STEP, Entry
from mastac.structure import Couplings
from mastac.structure.dependency import value_dependency
from mastac.structure.windows import smallest_kappas

Pair = tuple[str, int, int]


class Counts(NamedTuple):
    """How often each phase came.

    - `running`: steps of trained policies; `steps`, `episodes`: of training; `updates`: of all
        agents; `batch`: samples in each.
    """

    running: int = 0
    steps: int = 0
    episodes: int = 0
    updates: int = 0
    batch: int = 0

    def of(self, phase: str) -> tuple[int, int]:
        """How many times the messages, and how many times the numbers, of a phase are sent.

        The samples of a batch travel together.
        """
        return {
            RUNNING: (self.running, self.running),
            STEP: (self.steps, self.steps),
            LAST: (self.episodes, self.episodes),
            SAMPLE: (self.updates, self.updates * self.batch),
        }[phase]


class Promise(NamedTuple):
    """What is to be sent, each time: in all by phase, and between two agents.

    - `totals`: `(messages, numbers)` of each phase, as `mastac graph --messages` has them.
    - `pairs`: the same for each phase, sender and receiver.
    """

    totals: dict[str, tuple[int, int]]
    pairs: dict[Pair, tuple[int, int]]

    def expected(self, counts: Counts) -> dict[str, Entry]:
        """The entries that a ledger should have in all."""
        return {
            phase: _times(each, counts.of(phase))
            for phase, each in self.totals.items()
            if counts.of(phase)[0]
        }

    def expected_pairs(self, counts: Counts) -> dict[Pair, Entry]:
        """The entries that it should have for each pair of agents."""
        return {
            pair: _times(each, counts.of(pair[0]))
            for pair, each in self.pairs.items()
            if counts.of(pair[0])[0]
        }


def _times(each: tuple[int, int], times: tuple[int, int]) -> Entry:
    # Numbers have four bytes: all that is sent is of single precision.
    return Entry(each[0] * times[0], each[1] * times[1], 4 * each[1] * times[1])


def running_promise(couplings: Couplings, state_sizes: np.ndarray) -> Promise:
    """What policies that act send."""
    pairs = _states(RUNNING, couplings.observation, state_sizes)
    return Promise(_totals(pairs), pairs)


def structured_promise(
    couplings: Couplings,
    kappa: int | None,
    minimal: bool,
    state_sizes: np.ndarray,
    action_sizes: np.ndarray,
) -> Promise:
    """What agents send that train critics on their sets.

    **Arguments:**

    - `kappa`, `minimal`: as those of [`mastac.value_dependency`][].
    """
    levels = smallest_kappas(couplings, minimal, kappa)
    most = max(int(level.data.max(initial=0)) for level in levels)
    sizes = (state_sizes, action_sizes)
    report = messages_of(couplings, levels, [most], *sizes, [])
    (window,) = report["windows"]
    dependency = value_dependency(couplings, kappa, minimal=minimal)
    told = csr_array(couplings.observation + dependency.states)
    pairs = _states(LAST, told, state_sizes)
    totals = _totals(pairs) | {
        phase: (window[name]["messages"], window[name]["numbers"])
        for phase, name in ((STEP, "step"), (SAMPLE, "sample"))
    }
    places = {name: k for k, name in enumerate(couplings.agents)}
    hears = csr_array(told + dependency.actions)
    reads, read_by = csr_array(dependency.actions), csr_array(dependency.actions.T)
    for row in range(couplings.num_agents):
        heard, read, told_to = (set(m[[row]].indices.tolist()) for m in (hears, reads, read_by))
        for partner in partners_of(dependency, row, *sizes):
            other = places[partner["agent"]]
            if other in heard:
                pairs[STEP, other, row] = (1, partner["step_from"])
            if other in read | told_to:
                both = (other in read) + (other in told_to)
                pairs[SAMPLE, other, row] = (both, partner["sample_from"])
    return Promise(totals, pairs)


def central_promise(
    couplings: Couplings, state_sizes: np.ndarray, action_sizes: np.ndarray
) -> Promise:
    """What agents send that train central critics of the team's reward."""
    levels = smallest_kappas(couplings, True, 0)
    central: dict[str, Any] = messages_of(couplings, levels, [0], state_sizes, action_sizes, [])[
        "central_critics"
    ]
    everyone = csr_array(np.ones((couplings.num_agents, couplings.num_agents), bool))
    pairs = _states(LAST, everyone, state_sizes)
    totals = _totals(pairs) | {
        phase: (central[name]["messages"], central[name]["numbers"])
        for phase, name in ((STEP, "step"), (SAMPLE, "sample"))
    }
    for _, sender, receiver in list(pairs):
        action = int(action_sizes[sender])
        pairs[STEP, sender, receiver] = (1, int(state_sizes[sender]) + action + 1)
        pairs[SAMPLE, sender, receiver] = (1, action)
    return Promise(totals, pairs)


def _states(phase: str, matrix: csr_array, sizes: np.ndarray) -> dict[Pair, tuple[int, int]]:
    """A state from every agent in another's row."""
    entries = matrix.tocoo()
    return {
        (phase, int(sender), int(receiver)): (1, int(sizes[sender]))
        for receiver, sender in zip(entries.row, entries.col, strict=True)
        if sender != receiver
    }


def _totals(pairs: dict[Pair, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    totals: dict[str, tuple[int, int]] = {}
    for (phase, *_), (messages, numbers) in pairs.items():
        before = totals.get(phase, (0, 0))
        totals[phase] = (before[0] + messages, before[1] + numbers)
    return totals
