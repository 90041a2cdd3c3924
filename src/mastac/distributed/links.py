"""Who may send what to whom. Imports no JAX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from mastac.structure.boolean import row_of_entry
from mastac.structure.couplings import Couplings
from mastac.structure.layout import CriticLayout


class Links(NamedTuple):
    """For each kind of content a matrix, row may be sent it by column; nobody sends to itself.

    - `seen`: states that policies read.
    - `states`, `actions`, `rewards`: what critics read and predict.
    - `targets`: what target policies do at the next states of a batch, for critics' targets.
    - `policies`: what policies do at its states, for slopes that are taken there.
    - `slopes`: derivatives of critics in actions; row is the agent that acts.
    """

    seen: csr_array
    states: csr_array
    actions: csr_array
    rewards: csr_array
    targets: csr_array
    policies: csr_array
    slopes: csr_array

    @property
    def told(self) -> csr_array:
        """Whose states an agent is told in training: what it sees, and what its critic reads."""
        return csr_array(self.seen + self.states)

    @property
    def num_agents(self) -> int:
        """How many agents there are."""
        return len(self.seen.indptr) - 1

    @property
    def any(self) -> csr_array:
        """Whoever sends an agent anything at all."""
        total = self.seen
        for matrix in self[1:]:
            total = csr_array(total + matrix)
        return total


def links_of(
    couplings: Couplings, layout: CriticLayout | None = None, at_policies: bool = True
) -> Links:
    """What the couplings, and the critics where agents learn, let agents send each other.

    **Arguments:**

    - `couplings`: who observes whom.
    - `layout`: a critic for each agent; `None` where policies only act.
    - `at_policies`: whether critics' slopes are taken where all agents act by their current
        policies; else the others' actions are the replayed ones.
    """
    nothing = csr_array(couplings.observation.shape, dtype=bool)
    seen = _others(couplings.observation)
    if layout is None:
        return Links(seen, *[nothing] * 6)
    agents = layout.num_agents
    rewards = layout.rewards
    if len(rewards.indptr) == 2:  # one row stands for all values
        rewards = csr_array(np.repeat(rewards.toarray(), agents, axis=0))
    credit = layout.useful_credit()
    slopes = _others(credit)
    # A critic that advises others has to know what they would do. Where all slopes are taken at
    # the policies' actions, so has one that advises its own agent alone.
    advises = csr_array(slopes.T)
    if at_policies:
        counts = np.asarray(credit.sum(axis=0)).ravel() > 0
        advises = _others(csr_array(layout.actions.multiply(counts[:, None])))
    actions = _others(layout.actions)
    return Links(seen, _others(layout.states), actions, _others(rewards), actions, advises, slopes)


class Senders(NamedTuple):
    """Who sends to each of some agents, in slots; the agent itself is slot 0.

    - `agents`: `[own]`, the receivers.
    - `sources`: `[own, slots]`, filled up with the number of all agents.
    """

    agents: np.ndarray
    sources: np.ndarray

    def slots(self) -> list[dict[int, int]]:
        """For each receiver the slot of each agent that it hears, itself included."""
        num_slots = self.sources.shape[1]
        return [
            {int(row[slot]): slot for slot in reversed(range(num_slots))} for row in self.sources
        ]

    def marked(self, matrix: csr_array) -> np.ndarray:
        """Where the sender in a slot is in the receiver's row of a matrix, `[own, slots]`."""
        rows = [set(matrix[[agent]].indices.tolist()) for agent in self.agents]
        return np.array(
            [
                [int(source) in row for source in sources]
                for row, sources in zip(rows, self.sources, strict=True)
            ]
        )


def senders_to(links: Links, agents: Sequence[int]) -> Senders:
    """Who sends to these agents.

    Derivatives come back from whoever is sent one's actions, so those are senders too.
    """
    anyone, size = links.any, links.num_agents
    rows = [[agent, *anyone[[agent]].indices.tolist()] for agent in agents]
    most = max(map(len, rows))
    sources = np.full((len(rows), most), size, np.int32)
    for place, row in enumerate(rows):
        sources[place, : len(row)] = row
    return Senders(np.asarray(agents, np.int32), sources)


def groups_of(links: Links, size: int) -> list[list[int]]:
    """All agents in groups of at most `size`, neighbours together.

    Consecutive agents in the reverse order of Cuthill and McKee (1969), which keeps whoever
    exchanges messages near each other.
    """
    anyone = links.any
    order = reverse_cuthill_mckee((anyone + anyone.T).astype(np.int8).tocsr(), symmetric_mode=True)
    return [sorted(map(int, order[k : k + size])) for k in range(0, len(order), size)]


def _others(matrix: csr_array) -> csr_array:
    """Which entries of a matrix are not zero, without its diagonal."""
    matrix = csr_array(matrix != 0)
    rows = row_of_entry(matrix)
    apart = rows != matrix.indices
    entries = (np.ones(int(apart.sum()), bool), (rows[apart], matrix.indices[apart]))
    return csr_array(entries, shape=matrix.shape)
