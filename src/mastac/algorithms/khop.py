"""Scalable actor-critic: critics on κ-hop neighbourhoods of the coupling graph.

Qu, Wierman and Li, "Scalable Reinforcement Learning of Localized Policies for Multi-Agent Networked
Systems" (L4DC 2020). It differs from MAStAC in the sets: agents within κ steps of the undirected
graph, whatever the direction of the couplings. A critic reads them and is credited to them.
"""

from mastac.algorithms.base import Algorithm
from mastac.learning.kinds import Kind
from mastac.structure import Couplings
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import neighbourhoods


def khop_layout(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """Critic `i` reads, and is credited to, the agents within κ undirected steps of `i`.

    `kappa=None` takes all agents that can be reached. Where the couplings are symmetric this is a
    layout of MAStAC with another count of κ; where they are directed the neighbourhood holds agents
    that cannot matter, and can miss some that do.
    """
    return neighbourhoods(couplings, kappa)


KHOP = Algorithm(
    summary="scalable actor-critic: critics of, and for, all agents within kappa undirected steps",
    layout=khop_layout,
    kind=Kind(reads="others", credit="others"),
    uses_kappa=True,
)
