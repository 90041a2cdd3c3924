r"""What each edge of the graphs holds up: the members that an agent's set would lose without it.

The sets of one agent are what can be reached, walking back in time, from its reward in a network of
three kinds of places for every agent j: M (j is a member of the set), W (what the state of j
depends on is needed) and A (the same of its action). A step of the walk is an edge of a graph;
those of the state and action graph count one time step.

Exact sets: an edge takes from the set of an agent precisely the members that it *dominates*, that
is, through which every walk to them leads. One dominator tree for each agent therefore answers for
all edges at once, where computing the sets again for each edge would cost a factor of the number of
edges.

Sets of a window: an edge may also make walks longer than the window. Which distances change is
again a matter of dominators, of those in the network of shortest walks; the new distances are found
by search within what changes.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import networkx as nx
import numpy as np
from scipy.sparse import csr_array

from mastac.structure.couplings import GRAPHS, Couplings


class Part(NamedTuple):
    """A graph within the network: its matrix, the graphs that share it, what its edges lead to, its first place."""

    matrix: csr_array
    graphs: tuple[str, ...]
    heads: str
    first: int


class Dominators:
    """The network of a coupling's walks back in time, its places numbered: W, A, M of all agents, a root, then edges.

    An edge between two agents is a place of its own, so that it can dominate; what an agent has of
    itself leads on directly. An edge that state and action share leads to both.
    """

    def __init__(self, couplings: Couplings) -> None:
        self.couplings, self.size = couplings, couplings.num_agents
        n = self.size
        self.root = 3 * n
        heads = {
            "state": "MW",
            "action": "MA",
            "reward": "MW",
            "reward_action": "MA",
            "observation": "W",
        }
        own = set(couplings.graphs())
        first, parts = 3 * n + 1, {}
        for graph in GRAPHS:
            if graph not in own:
                continue
            twins = {"state": "action", "reward": "reward_action"}
            shared = graph in twins and twins[graph] not in own
            names = (graph, twins[graph]) if shared else (graph,)
            parts[graph] = Part(
                getattr(couplings, graph), names, "MWA" if shared else heads[graph], first
            )
            first += parts[graph].matrix.nnz
        self.parts = list(parts.values())
        self.of_rewards = [parts[each] for each in ("reward", "reward_action") if each in parts]
        self.of_steps = [parts[each] for each in ("state", "action") if each in parts]
        self.of_policies = [parts["observation"]]
        self.edges = sum(part.matrix.nnz - n for part in self.parts)

    def losses(
        self, root: int, kappa: int | None, work: int
    ) -> tuple[int, dict[int, int], int] | None:
        """Of one agent: the size of its set, how many members each edge takes away, and the edges walked.

        `None` if that is more than `work`.
        """
        reached = self._reached(root, kappa, work)
        if reached is None:
            return None
        distance, before, walked = reached
        graph = nx.DiGraph()
        graph.add_node(self.root)
        for place, sources in before.items():
            graph.add_edges_from(
                (source, place)
                for source, steps in sources
                if kappa is None or distance[source] + steps == distance[place]
            )
        order, below = _dominated(nx.immediate_dominators(graph, self.root), self.root)
        members = np.cumsum([0, *(self._is_member(place) for place in order)])
        losses: dict[int, int] = {}
        for position, place in enumerate(order):
            end = position + below[place]
            if place <= self.root or members[end] == members[position]:
                continue
            if kappa is None:
                losses[place] = int(members[end] - members[position])
                continue
            lost = sum(
                map(
                    self._is_member,
                    _too_far(place, order[position + 1 : end], before, distance, kappa),
                )
            )
            if lost:
                losses[place] = lost
        return int(members[-1]), losses, walked

    def edge(self, place: int) -> tuple[tuple[str, ...], str, str]:
        """The edge behind a place: the graphs that have it, its source and its target."""
        part = next(part for part in reversed(self.parts) if place >= part.first)
        position = place - part.first
        row = int(np.searchsorted(part.matrix.indptr, position, side="right")) - 1
        names = self.couplings.agents
        return part.graphs, names[int(part.matrix.indices[position])], names[row]

    def _is_member(self, place: int) -> bool:
        return 2 * self.size <= place < self.root

    def _reached(
        self, root: int, kappa: int | None, work: int
    ) -> tuple[dict[int, int], dict[int, list[tuple[int, int]]], int] | None:
        """Places within reach of an agent's reward: time steps to each, and from where each is entered."""
        distance = {self.root: 0}
        before: dict[int, list[tuple[int, int]]] = {}
        heads_of: dict[int, tuple[int, ...]] = {}
        waiting, done, walked = deque([self.root]), set(), 0
        while waiting:
            place = waiting.popleft()
            if place in done:
                continue
            done.add(place)
            for onward, steps in self._onward(place, root, heads_of):
                reach = distance[place] + steps
                if kappa is not None and reach > kappa:
                    continue
                walked += 1
                before.setdefault(onward, []).append((place, steps))
                if reach < distance.get(onward, reach + 1):
                    distance[onward] = reach
                    waiting.append(onward) if steps else waiting.appendleft(onward)
            if walked > work:
                return None
        return distance, before, walked

    def _onward(
        self, place: int, root: int, heads_of: dict[int, tuple[int, ...]]
    ) -> Iterator[tuple[int, int]]:
        """The places that follow one, and the time steps to them."""
        if place > self.root:
            yield from ((head, 0) for head in heads_of[place])
            return
        kind, agent = divmod(place, self.size)
        if kind == 2:  # a member: the walk ends
            return
        parts, steps = {0: (self.of_steps, 1), 1: (self.of_policies, 0), 3: (self.of_rewards, 0)}[
            kind
        ]
        agent = root if kind == 3 else agent
        for part in parts:
            start, stop = part.matrix.indptr[agent : agent + 2].tolist()
            for position, source in enumerate(
                part.matrix.indices[start:stop].tolist(), part.first + start
            ):
                heads = tuple("WAM".index(head) * self.size + source for head in part.heads)
                if source == agent:
                    yield from ((head, steps) for head in heads)
                else:
                    heads_of[position] = heads
                    yield position, steps


def _dominated(dominator: dict[int, int], root: int) -> tuple[list[int], dict[int, int]]:
    """The dominator tree in preorder, and of each place how many places, it among them, it dominates."""
    children: dict[int, list[int]] = {}
    for place, parent in dominator.items():
        if place != root:
            children.setdefault(parent, []).append(place)
    order, stack = [], [root]
    while stack:
        place = stack.pop()
        order.append(place)
        stack += children.get(place, ())
    below = dict.fromkeys(order, 1)
    for place in reversed(order[1:]):
        below[dominator[place]] += below[place]
    return order, below


def _too_far(
    edge: int,
    moved: list[int],
    before: dict[int, list[tuple[int, int]]],
    distance: dict[int, int],
    limit: int,
) -> Iterator[int]:
    """Which of the `moved` places are no longer within `limit` without `edge`.

    They are the places whose shortest walks all led through it: now they are entered from one
    another, or from places that have kept their distance.
    """
    region = set(moved)
    onward: dict[int, list[tuple[int, int]]] = {}
    best: dict[int, int] = {}
    heap: list[tuple[int, int]] = []
    for place in moved:
        for source, steps in before[place]:
            if source in region:
                onward.setdefault(source, []).append((place, steps))
            elif source != edge:
                heap.append((distance[source] + steps, place))
    heapq.heapify(heap)
    while heap:
        reach, place = heapq.heappop(heap)
        if place in best or reach > limit:
            continue
        best[place] = reach
        for head, steps in onward.get(place, ()):
            heapq.heappush(heap, (reach + steps, head))
    return (place for place in moved if place not in best)
