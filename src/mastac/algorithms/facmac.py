"""FACMAC: one value of the team, mixed from the agents' utilities.

Peng et al., "FACMAC: Factored Multi-Agent Centralised Policy Gradients" (NeurIPS 2021). It differs
from MADDPG in its critic: each agent has a utility of its observation and action, and a mixing
network with weights made from the state turns them all into one value of the team. Actors follow
that value with all actions taken from the current policies. The mixer is monotonic in the utilities
as in QMIX, or of any sign (the paper's "FACMAC-nonmonotonic").
"""

from mastac.algorithms.base import Algorithm
from mastac.learning.kinds import Kind
from mastac.structure import Couplings
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import team


def utilities(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """A utility for each agent, and one value that the mixer makes of them all."""
    return team(couplings)


FACMAC = Algorithm(
    summary="utilities and a monotonic mixer whose weights come from the state",
    layout=utilities,
    kind=Kind(mixer="monotonic", credit="others"),
    rewards=("team",),
)
FACMAC_NONMONOTONIC = Algorithm(
    summary="FACMAC whose mixer's weights may have any sign",
    layout=utilities,
    kind=Kind(mixer="nonmonotonic", credit="others"),
    rewards=("team",),
)
