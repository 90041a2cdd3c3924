"""Scalable actor-critic (Qu, Wierman, Li 2020): critics on κ-hop neighbourhoods of the coupling graph."""

from mastac.algorithms.base import NO_MIXER, NO_SETS, NOT_IN_SEQUENCE, Algorithm
from mastac.structure import Couplings
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import neighbourhoods


def khop_layout(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """Critic `i` reads the agents within κ undirected steps of `i`, and advises them; `None`: all that can be reached.

    Where the couplings are symmetric this is a layout of MAStAC with another count of κ; where they
    are directed the neighbourhood holds agents that cannot matter, and can miss some that do.
    """
    return neighbourhoods(couplings, couplings.num_agents if kappa is None else kappa)


KHOP = Algorithm(
    summary="scalable actor-critic: critics read, and advise, all agents within kappa undirected steps",
    layout=khop_layout,
    uses_kappa=True,
    fixed={**NO_MIXER, **NO_SETS, **NOT_IN_SEQUENCE},
)
