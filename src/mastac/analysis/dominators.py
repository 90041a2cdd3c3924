r"""What each edge of the graphs decides: the members that an agent's set would lose without it.

The sets of one agent are what can be reached, walking back in time, from its reward in a network of
three kinds of nodes for every agent j: M (j is a member of the set), W (what the state of j depends
on is needed) and A (what the action of j depends on is needed). A step of the walk is an edge of a
graph; those of the state and action graph count one time step.

Exact sets: an edge takes from the set of an agent precisely the members that it *dominates*, that
is, all walks to them lead through it. One dominator tree for each agent therefore answers for all
edges at once, where computing the sets again for each edge would cost a factor of the number of
edges. networkx computes the trees (Cooper, Harvey and Kennedy, "A simple, fast dominance
algorithm", 2006).

Sets of a window: removing an edge may also make walks longer than the window. The nodes whose
distance changes are those that the edge dominates in the network of shortest walks; their new
distances are found by a search among them.
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

Neighbors = dict[int, list[tuple[int, int]]]
"""For each node its neighbors on one side, and the time steps between them."""
HEADS = {"state": "MW", "action": "MA", "reward": "MW", "reward_action": "MA", "observation": "W"}
"""The kinds of nodes that an edge of each graph leads to."""
DEFAULTS = {"state": "action", "reward": "reward_action"}
"""The graph that equals this one unless it is given."""


class NumberedGraph(NamedTuple):
    """A graph whose edges are nodes of the network.

    - `matrix`: row depends on column.
    - `names`: the graphs that have this matrix.
    - `heads`: the kinds of nodes that its edges lead to.
    - `first`: the number of its first edge.
    """

    matrix: csr_array
    names: tuple[str, ...]
    heads: str
    first: int


class Dominators:
    """The network of all walks back in time.

    Nodes are numbered: W, A and M of all agents, a root (the reward), then edges. An edge between
    two agents is a node of its own, so that it can dominate others; a self-loop leads on directly.
    An edge that the state and action graph share leads to the nodes of both.

    **Arguments:**

    - `couplings`: the same at all times.
    """

    def __init__(self, couplings: Couplings) -> None:
        self.couplings, self.size = couplings, couplings.num_agents
        self.root = 3 * self.size
        own = set(couplings.graphs())
        first = self.root + 1
        graphs: dict[str, NumberedGraph] = {}
        for name in GRAPHS:
            if name not in own:
                continue
            shared = name in DEFAULTS and DEFAULTS[name] not in own
            names = (name, DEFAULTS[name]) if shared else (name,)
            matrix = getattr(couplings, name)
            graphs[name] = NumberedGraph(matrix, names, "MWA" if shared else HEADS[name], first)
            first += matrix.nnz
        self.graphs = list(graphs.values())
        self.of_rewards = [graphs[name] for name in ("reward", "reward_action") if name in graphs]
        self.of_steps = [graphs[name] for name in ("state", "action") if name in graphs]
        self.of_policies = [graphs["observation"]]
        self.edges = sum(graph.matrix.nnz - self.size for graph in self.graphs)

    def losses(
        self, root: int, kappa: int | None, work: int
    ) -> tuple[int, dict[int, int], int] | None:
        """How many members each edge takes from the set of one agent.

        **Arguments:**

        - `root`: the row of the agent.
        - `kappa`: the window of the set; `None`: the exact one.
        - `work`: the most edges to walk.

        **Returns:** the size of the set, the members that each edge takes away, and the number of
        edges walked; `None` if that is more than `work`.
        """
        reached = self._reached(root, kappa, work)
        if reached is None:
            return None
        distance, entries, walked = reached
        graph = nx.DiGraph()
        graph.add_node(self.root)
        for node, sources in entries.items():
            graph.add_edges_from(
                (source, node)
                for source, steps in sources
                if kappa is None or distance[source] + steps == distance[node]
            )
        order, below = _dominated(nx.immediate_dominators(graph, self.root), self.root)
        members = np.cumsum([0, *(self._is_member(node) for node in order)])
        losses: dict[int, int] = {}
        for position, node in enumerate(order):
            end = position + below[node]
            if node <= self.root or members[end] == members[position]:
                continue
            if kappa is None:
                losses[node] = int(members[end] - members[position])
                continue
            far = _too_far(node, order[position + 1 : end], entries, distance, kappa)
            lost = sum(map(self._is_member, far))
            if lost:
                losses[node] = lost
        return int(members[-1]), losses, walked

    def edge(self, node: int) -> tuple[tuple[str, ...], str, str]:
        """The edge behind a node: the graphs that have it, its source and its target."""
        graph = next(graph for graph in reversed(self.graphs) if node >= graph.first)
        position = node - graph.first
        row = int(np.searchsorted(graph.matrix.indptr, position, side="right")) - 1
        agents = self.couplings.agents
        return graph.names, agents[int(graph.matrix.indices[position])], agents[row]

    def _is_member(self, node: int) -> bool:
        return 2 * self.size <= node < self.root

    def _reached(
        self, root: int, kappa: int | None, work: int
    ) -> tuple[dict[int, int], Neighbors, int] | None:
        """Time steps from an agent's reward to each node, where it is entered from, edges walked.

        A breadth-first search: edges of no time step are followed first.
        """
        distance = {self.root: 0}
        entries: Neighbors = {}
        heads_of: dict[int, tuple[int, ...]] = {}
        waiting, done, walked = deque([self.root]), set(), 0
        while waiting:
            node = waiting.popleft()
            if node in done:
                continue
            done.add(node)
            for onward, steps in self._onward(node, root, heads_of):
                reach = distance[node] + steps
                if kappa is not None and reach > kappa:
                    continue
                walked += 1
                entries.setdefault(onward, []).append((node, steps))
                if reach < distance.get(onward, reach + 1):
                    distance[onward] = reach
                    waiting.append(onward) if steps else waiting.appendleft(onward)
            if walked > work:
                return None
        return distance, entries, walked

    def _onward(
        self, node: int, root: int, heads_of: dict[int, tuple[int, ...]]
    ) -> Iterator[tuple[int, int]]:
        """The nodes that follow one, and the time steps to them."""
        if node > self.root:
            yield from ((head, 0) for head in heads_of[node])
            return
        kind, agent = divmod(node, self.size)
        if kind == 2:  # a member: the walk ends
            return
        graphs, steps = {0: (self.of_steps, 1), 1: (self.of_policies, 0), 3: (self.of_rewards, 0)}[
            kind
        ]
        agent = root if kind == 3 else agent
        for graph in graphs:
            start, stop = graph.matrix.indptr[agent : agent + 2].tolist()
            sources = graph.matrix.indices[start:stop].tolist()
            for edge, source in enumerate(sources, graph.first + start):
                heads = tuple("WAM".index(head) * self.size + source for head in graph.heads)
                if source == agent:
                    yield from ((head, steps) for head in heads)
                else:
                    heads_of[edge] = heads
                    yield edge, steps


def _dominated(dominator: dict[int, int], root: int) -> tuple[list[int], dict[int, int]]:
    """The dominator tree in preorder, and how many nodes each node dominates, itself included."""
    children: dict[int, list[int]] = {}
    for node, parent in dominator.items():
        if node != root:
            children.setdefault(parent, []).append(node)
    order, stack = [], [root]
    while stack:
        node = stack.pop()
        order.append(node)
        stack += children.get(node, ())
    below = dict.fromkeys(order, 1)
    for node in reversed(order[1:]):
        below[dominator[node]] += below[node]
    return order, below


def _too_far(
    edge: int,
    moved: list[int],
    entries: Neighbors,
    distance: dict[int, int],
    limit: int,
) -> Iterator[int]:
    """Which of the `moved` nodes are no longer within `limit` without `edge`.

    They are the nodes whose shortest walks all led through it. Now they are entered from one
    another, or from nodes that have kept their distance: Dijkstra's algorithm from these.
    """
    region = set(moved)
    onward: Neighbors = {}
    best: dict[int, int] = {}
    heap: list[tuple[int, int]] = []
    for node in moved:
        for source, steps in entries[node]:
            if source in region:
                onward.setdefault(source, []).append((node, steps))
            elif source != edge:
                heap.append((distance[source] + steps, node))
    heapq.heapify(heap)
    while heap:
        reach, node = heapq.heappop(heap)
        if node in best or reach > limit:
            continue
        best[node] = reach
        for head, steps in onward.get(node, ()):
            heapq.heappush(heap, (reach + steps, head))
    return (node for node in moved if node not in best)
