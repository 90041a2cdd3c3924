"""Which single edge of the graphs, removed, would shrink the sets most; and which link, in all graphs at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.analysis.dominators import Dominators
from mastac.errors import UserError
from mastac.structure.couplings import Couplings
from mastac.structure.dependency import checked_count, value_dependency

WORK = 1_000_000
"""Edges walked, over all agents, some ten seconds; agents that are not reached within it are left out."""
RECOUNT_ENTRIES = 2 * 10**6
"""Where the sets have no more entries, the edges found in a sample of agents are counted again for all agents."""
LINK_WORK = 5 * 10**6
"""Entries of sets to compute, over all links; links that are not reached within it are left out."""


class EdgeEffect(NamedTuple):
    """What the removal of one edge does.

    `graphs`: the graphs that lose it; `decrease`: of the total of all set sizes; `error`: standard
    error of that figure, 0 where it is exact.
    """

    graphs: tuple[str, ...]
    source: str
    target: str
    decrease: float
    error: float


class EdgeEffects(NamedTuple):
    """The edges whose removal shrinks the sets, those that do most first.

    `total`: of all set sizes as they are; `edges`: how many there are to remove; `sampled`: of how
    many agents the sets were looked at (for links: how many links were), `None` if of all;
    `effects`: of all edges that were seen to have one.
    """

    kappa: int | None
    total: float
    edges: int
    sampled: int | None
    effects: tuple[EdgeEffect, ...]

    def to_dict(self, most: int = 10) -> dict[str, Any]:
        """Ready for JSON, with the first `most` effects."""
        return {
            "kappa": self.kappa,
            "total": self.total,
            "edges": self.edges,
            "sampled": self.sampled,
            "edges_with_effect": len(self.effects),
            "most": [
                each._asdict() | {"share": each.decrease / self.total}
                for each in self.effects[:most]
            ],
        }


def edge_effects(
    couplings: Couplings, kappa: int | None = None, work: int = WORK, most: int = 10
) -> EdgeEffects:
    """How much each edge, removed alone, takes from the total of the sizes of the minimal sets.

    Self-loops stay. An edge of the state graph is removed from the action graph, too, where that is
    the same graph (it then says that state and action of the source enter the target); likewise
    reward and reward action. Only edges of the graphs that say something of their own are therefore
    listed.

    **Arguments:**

    - `kappa`: the window of the sets; `None`: the exact ones.
    - `work`: how many edges to walk. If that does not do for all agents, figures are estimated from
        a random sample of agents, with their standard errors; the first `most` are then counted
        exactly where that is cheap.

    **Raises:**

    - [`mastac.errors.UserError`][] if the set of a single agent takes more than `work`.

    !!! example "All that comes to the mill comes by the road"

        >>> edges = [("north", "road"), ("south", "road"), ("road", "mill")]
        >>> farms = Couplings(["north", "south", "road", "mill"], state=edges)
        >>> [(each.source, each.target, each.decrease) for each in edge_effects(farms).effects]
        [('road', 'mill', 3.0), ('north', 'road', 2.0), ('south', 'road', 2.0)]
    """
    if not isinstance(couplings, Couplings):
        raise UserError(
            "the effect of an edge is computed for couplings that stay the same, not for a sequence"
        )
    kappa = None if kappa is None else checked_count("kappa", kappa)
    walks = Dominators(couplings)
    sizes, lost = [], []
    for root in np.random.default_rng(0).permutation(couplings.num_agents).tolist():
        found = walks.losses(root, kappa, work)
        if found is None:
            if not sizes:
                raise UserError(
                    f"the sets of '{couplings.agents[root]}' alone take more than the {work:,} edges to walk that "
                    "are allowed for; give a smaller kappa"
                )
            break
        size, losses, walked = found
        sizes.append(size)
        lost.append(losses)
        work -= walked
    complete = len(sizes) == couplings.num_agents
    effects = [
        EdgeEffect(*walks.edge(place), *figures)
        for place, *figures in _estimates(lost, couplings.num_agents)
    ]
    total = np.mean(sizes) * couplings.num_agents
    if not complete and total <= RECOUNT_ENTRIES:
        total = value_dependency(couplings, kappa).sizes().sum()
        first = [_recounted(couplings, kappa, each, total) for each in _ordered(effects)[:most]]
        effects = [*_ordered(first), *_ordered(effects)[most:]]
    else:
        effects = _ordered(effects)
    return EdgeEffects(
        kappa, float(total), walks.edges, None if complete else len(sizes), tuple(effects)
    )


def link_effects(
    couplings: Couplings, kappa: int | None = None, work: int = LINK_WORK, most: int = 10
) -> EdgeEffects:
    """The same for links: all edges from one agent to another, in whatever graphs, removed at once.

    Where agents see what affects them, as is usual, one way round remains when an edge of one graph
    is removed, and only the link tells. Each is answered by computing the sets again, those first
    that could do most: the members that the link from j to i may take away are at most those of j's
    set, from the sets that have i.

    **Arguments:**

    - `work`: how many entries of sets to compute; links that are not reached within it are left
        out.
    """
    whole = value_dependency(couplings, kappa).agents
    graphs_of: dict[tuple[int, int], list[str]] = {}
    for graph in couplings.graphs():
        rows, columns = getattr(couplings, graph).tocoo().coords
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
            if i != j:
                graphs_of.setdefault((i, j), []).append(graph)
    links = {pair: tuple(graphs) for pair, graphs in graphs_of.items() if len(graphs) > 1}
    has, own = np.bincount(whole.indices, minlength=couplings.num_agents), np.diff(whole.indptr)
    order = sorted(links, key=lambda pair: -int(has[pair[0]]) * int(own[pair[1]]))
    looked = order[: max(1, work // max(1, whole.nnz))]
    effects = []
    for i, j in looked:
        left = value_dependency(_less(couplings, links[i, j], j, i), kappa).agents
        names = (couplings.agents[j], couplings.agents[i])
        effects.append(EdgeEffect(links[i, j], *names, float(whole.nnz - left.nnz), 0.0))
    return EdgeEffects(
        kappa,
        float(whole.nnz),
        len(links),
        len(looked) if len(looked) < len(links) else None,
        tuple(_ordered(effects)),
    )


def without_edge(
    couplings: Couplings, graph: str, source: str | int, target: str | int
) -> Couplings:
    """The couplings less one edge, as [`edge_effects`][] means it; `UserError` if there is none in that graph."""
    j, i = couplings.index(source), couplings.index(target)
    matrix = getattr(couplings, graph)
    if i == j or not matrix[i, j]:
        raise UserError(
            f"the {graph} graph has no edge '{couplings.agents[j]}' -> '{couplings.agents[i]}' to take away"
        )
    return _less(couplings, (graph,), j, i)


def _less(couplings: Couplings, graphs: Sequence[str], source: int, target: int) -> Couplings:
    """The couplings without the edge between two rows in some of the graphs, and in those that follow them."""
    own = set(couplings.graphs())
    followers = {"state": "action", "reward": "reward_action"}
    taken = [
        *graphs,
        *(
            followers[graph]
            for graph in graphs
            if graph in followers and followers[graph] not in own
        ),
    ]
    return couplings.with_graphs(
        **{graph: _matrix_less(getattr(couplings, graph), source, target) for graph in taken}
    )


def _matrix_less(matrix: csr_array, source: int, target: int) -> csr_array:
    keep = np.ones(matrix.nnz, bool)
    row = slice(*matrix.indptr[target : target + 2])
    keep[row] = matrix.indices[row] != source
    indptr = matrix.indptr - (np.arange(len(matrix.indptr)) > target) * int((~keep).sum())
    return csr_array((matrix.data[keep], matrix.indices[keep], indptr), shape=matrix.shape)


def _estimates(lost: list[dict[int, int]], num_agents: int) -> Iterator[tuple[int, float, float]]:
    """For each edge: the decrease over all agents and its standard error, from those of the agents looked at."""
    seen = len(lost)
    sums: dict[int, int] = {}
    squares: dict[int, int] = {}
    for losses in lost:
        for edge, count in losses.items():
            sums[edge] = sums.get(edge, 0) + count
            squares[edge] = squares.get(edge, 0) + count**2
    for edge, total in sorted(sums.items()):
        if seen == num_agents:
            yield edge, float(total), 0.0
            continue
        variance = (squares[edge] - total**2 / seen) / max(1, seen - 1)
        error = num_agents * (variance / seen * (1 - seen / num_agents)) ** 0.5
        yield edge, num_agents * total / seen, error


def _ordered(effects: list[EdgeEffect]) -> list[EdgeEffect]:
    return sorted((each for each in effects if each.decrease > 0), key=lambda each: -each.decrease)


def _recounted(
    couplings: Couplings, kappa: int | None, effect: EdgeEffect, total: float
) -> EdgeEffect:
    """The effect, exactly: by the sets without the edge."""
    left = without_edge(couplings, effect.graphs[0], effect.source, effect.target)
    return effect._replace(
        decrease=float(total - value_dependency(left, kappa).sizes().sum()), error=0.0
    )
