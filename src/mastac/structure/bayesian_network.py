"""The multi-agent Bayesian network (section 3.1), node by node.

It defines the dependency sets, and drawings are made of it.

Nodes are `("s" | "a" | "z", agent, t)`: the state, the action and the reward of a named agent at a
time.
"""

from collections.abc import Iterator

import networkx as nx
from scipy.sparse import csr_array

from mastac.checks import whole_number
from mastac.errors import UserError
from mastac.structure.couplings import Couplings
from mastac.structure.sequences import CouplingSequence

Node = tuple[str, str, int]


def bayesian_network(
    couplings: Couplings | CouplingSequence, horizon: int | None = None
) -> nx.DiGraph:
    r"""The unrolled network, `t = 0 … horizon` (section 3.1): $3N(T+1)$ nodes.

    **Arguments:**

    - `couplings`: the same at all times, or a sequence.
    - `horizon`: $T$, the time of the last reward; may be left out for a sequence.

    **Raises:**

    - [`mastac.errors.UserError`][] if `horizon` is negative, missing, or past the end of the
        sequence.

    !!! example

        >>> for edge in sorted(bayesian_network(Couplings(["a"]), horizon=0).edges):
        ...     print(*edge)
        ('a', 'a', 0) ('z', 'a', 0)
        ('s', 'a', 0) ('a', 'a', 0)
        ('s', 'a', 0) ('z', 'a', 0)
    """
    last = _last_time(couplings, horizon)
    network = nx.DiGraph()
    for time in range(last + 1):
        now = couplings if isinstance(couplings, Couplings) else couplings[time]
        _add_time(network, now, time)
        if time < last:
            _add_step(network, now, time)
    return network


def folded_network(couplings: Couplings) -> nx.DiGraph:
    r"""Two steps of the network, folded: $s_i(t)$ and $s_i(t+1)$ lead to each other (appendix B).

    Nodes have time 0 and 1. Each use of an edge from `("s", i, 1)` back to `("s", i, 0)` stands for
    one more step, so what reaches `("z", i, 1)` from time 0 with at most `k` of them is the paper's
    set of the window `kappa = k + 1`.

    **Raises:**

    - [`mastac.errors.UserError`][] for a sequence of couplings.
    """
    if not isinstance(couplings, Couplings):
        raise UserError(
            "only couplings that stay the same can be folded; use bayesian_network for a sequence"
        )
    network = bayesian_network(couplings, horizon=1)
    network.add_edges_from((("s", agent, 1), ("s", agent, 0)) for agent in couplings.agents)
    return network


def _last_time(couplings: Couplings | CouplingSequence, horizon: int | None) -> int:
    if isinstance(couplings, CouplingSequence):
        last = couplings.horizon if horizon is None else whole_number("horizon", horizon)
        if last > couplings.horizon:
            raise UserError(
                f"horizon = {last} is past the end of the coupling sequence, {couplings.horizon}"
            )
        return last
    if horizon is None:
        raise UserError("the unrolled network of couplings that stay the same needs a horizon")
    return whole_number("horizon", horizon)


def _add_time(network: nx.DiGraph, now: Couplings, time: int) -> None:
    names = now.agents
    network.add_nodes_from((kind, name, time) for kind in "saz" for name in names)
    for kind, matrix, result in (
        ("s", now.observation, "a"),
        ("s", now.reward, "z"),
        ("a", now.reward_action, "z"),
    ):
        network.add_edges_from(
            ((kind, names[j], time), (result, names[i], time)) for i, j in _pairs(matrix)
        )


def _add_step(network: nx.DiGraph, now: Couplings, time: int) -> None:
    names = now.agents
    for kind, matrix in (("s", now.state), ("a", now.action)):
        network.add_edges_from(
            ((kind, names[j], time), ("s", names[i], time + 1)) for i, j in _pairs(matrix)
        )


def _pairs(matrix: csr_array) -> Iterator[tuple[int, int]]:
    rows, columns = matrix.tocoo().coords
    return zip(rows.tolist(), columns.tolist(), strict=True)
