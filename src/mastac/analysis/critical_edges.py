"""Which edge of one graph, or link in all graphs at once, shrinks the sets most if removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.analysis.dominators import Dominators
from mastac.checks import whole_number
from mastac.errors import UserError
from mastac.structure.couplings import Couplings
from mastac.structure.dependency import value_dependency

WORK = 1_000_000
"""Edges to walk, over all agents: some ten seconds. Agents not reached within it are left out."""
RECOUNT_ENTRIES = 2 * 10**6
"""Up to so many entries of the sets, edges found in a sample are counted again for all agents."""
LINK_WORK = 5 * 10**6
"""Entries of sets to compute, over all links. Links not reached within it are left out."""


class EdgeEffect(NamedTuple):
    """What the removal of one edge does.

    - `graphs`: the graphs that lose it.
    - `source`, `target`: names of the agents.
    - `decrease`: of the sizes of all sets, added up.
    - `error`: standard error of that figure, 0 where it is exact.
    """

    graphs: tuple[str, ...]
    source: str
    target: str
    decrease: float
    error: float


class EdgeEffects(NamedTuple):
    """The edges whose removal shrinks the sets, the largest decrease first.

    - `kappa`: the window of the sets; `None`: the exact ones.
    - `total`: sizes of all sets, added up.
    - `edges`: how many there are to remove.
    - `sampled`: how many agents (for links: how many links) were looked at; `None` if all.
    - `effects`: of all edges that were seen to have one.
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
                effect._asdict() | {"share": effect.decrease / self.total}
                for effect in self.effects[:most]
            ],
        }


def edge_effects(
    couplings: Couplings, kappa: int | None = None, work: int = WORK, most: int = 10
) -> EdgeEffects:
    """How much each edge, removed alone, takes from the sizes of all minimal sets, added up.

    Self-loops stay. An edge of the state graph is also removed from the action graph where that is
    the same graph: there it says that both state and action of the source enter the target. The
    same holds for reward and reward action, so only graphs that differ from their default are
    listed.

    **Arguments:**

    - `couplings`: the same at all times.
    - `kappa`: the window of the sets; `None`: the exact ones.
    - `work`: how many edges to walk. If that is not enough for all agents, figures are estimated
        from a random sample of agents, with their standard errors.
    - `most`: the first so many estimates are then counted exactly where that is cheap.

    **Returns:** the effects of all edges that have one.

    **Raises:**

    - [`mastac.errors.UserError`][] for a sequence of couplings, and if the set of a single agent
        takes more than `work`.

    !!! example "The mill is reached by the road alone"

        >>> edges = [("north", "road"), ("south", "road"), ("road", "mill")]
        >>> farms = Couplings(["north", "south", "road", "mill"], state=edges)
        >>> effects = edge_effects(farms).effects
        >>> [(effect.source, effect.target, effect.decrease) for effect in effects]
        [('road', 'mill', 3.0), ('north', 'road', 2.0), ('south', 'road', 2.0)]
    """
    if not isinstance(couplings, Couplings):
        raise UserError(
            "the effect of an edge is computed for couplings that stay the same, not for a "
            "sequence; take its union()"
        )
    kappa = None if kappa is None else whole_number("kappa", kappa)
    walks = Dominators(couplings)
    sizes, lost = [], []
    for root in np.random.default_rng(0).permutation(couplings.num_agents).tolist():
        walk = walks.losses(root, kappa, work)
        if walk is None:
            if not sizes:
                raise UserError(
                    f"the sets of '{couplings.agents[root]}' alone take more than the {work:,} "
                    "edges to walk that are allowed for; give a smaller kappa"
                )
            break
        size, losses, walked = walk
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
        first = [_recounted(couplings, kappa, effect, total) for effect in _ordered(effects)[:most]]
        effects = [*_ordered(first), *_ordered(effects)[most:]]
    else:
        effects = _ordered(effects)
    return EdgeEffects(
        kappa, float(total), walks.edges, None if complete else len(sizes), tuple(effects)
    )


def link_effects(
    couplings: Couplings, kappa: int | None = None, work: int = LINK_WORK
) -> EdgeEffects:
    """How much each link, removed alone, takes from the sizes of all minimal sets, added up.

    A link is all edges from one agent to another, in at least two graphs. Where agents observe what
    affects them, as is usual, another path remains when the edge of one graph is removed, and only
    removing the link shrinks sets. The sets are computed again for each link, in the order of an
    upper bound of its effect: the link from j to i takes away at most the members of j's set, from
    the sets that have i.

    **Arguments:**

    - `couplings`: the same at all times.
    - `kappa`: the window of the sets; `None`: the exact ones.
    - `work`: how many entries of sets to compute; links not reached within it are left out.

    **Returns:** the effects of all links that have one.
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
        left = value_dependency(_without(couplings, links[i, j], j, i), kappa).agents
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
    """The couplings without one edge, as [`edge_effects`][] removes it.

    **Raises:** `UserError` if that graph has no such edge.
    """
    j, i = couplings.index(source), couplings.index(target)
    matrix = getattr(couplings, graph)
    if i == j or not matrix[i, j]:
        raise UserError(
            f"the {graph} graph has no edge '{couplings.agents[j]}' -> '{couplings.agents[i]}' "
            "to remove"
        )
    return _without(couplings, (graph,), j, i)


def _without(couplings: Couplings, graphs: Sequence[str], source: int, target: int) -> Couplings:
    """Without the edge between two rows in some graphs, and in the graphs that equal them."""
    own = set(couplings.graphs())
    defaults = {"action": "state", "reward_action": "reward"}
    same = [name for name, graph in defaults.items() if graph in graphs and name not in own]
    return couplings.with_graphs(
        **{
            graph: _matrix_without(getattr(couplings, graph), source, target)
            for graph in (*graphs, *same)
        }
    )


def _matrix_without(matrix: csr_array, source: int, target: int) -> csr_array:
    keep = np.ones(matrix.nnz, bool)
    row = slice(*matrix.indptr[target : target + 2])
    keep[row] = matrix.indices[row] != source
    indptr = matrix.indptr - (np.arange(len(matrix.indptr)) > target) * int((~keep).sum())
    return csr_array((matrix.data[keep], matrix.indices[keep], indptr), shape=matrix.shape)


def _estimates(lost: list[dict[int, int]], num_agents: int) -> Iterator[tuple[int, float, float]]:
    """For each edge the decrease over all agents and its standard error, from a sample of them."""
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
    """Those that have an effect, the largest first."""
    some = [effect for effect in effects if effect.decrease > 0]
    return sorted(some, key=lambda effect: -effect.decrease)


def _recounted(
    couplings: Couplings, kappa: int | None, effect: EdgeEffect, total: float
) -> EdgeEffect:
    """The exact effect, by the sets without the edge."""
    left = without_edge(couplings, effect.graphs[0], effect.source, effect.target)
    return effect._replace(
        decrease=float(total - value_dependency(left, kappa).sizes().sum()), error=0.0
    )
