"""The paper's ablations (Section 5, Figure 2): the gradient is decomposed, the critics' inputs are not."""

from mastac.algorithms.base import NO_MIXER, NOT_IN_SEQUENCE, Algorithm
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import at_all_times, summed, undecomposed


def central_critics(couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool) -> CriticLayout:
    """Every critic reads everything; actors still climb the critics of their gradient dependency set."""
    return undecomposed(*at_all_times(couplings, kappa, minimal))


def summed_critics(couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool) -> CriticLayout:
    r"""Critic `i` learns $\hat Q_i$, the sum over the gradient dependency set, in one network that reads everything."""
    return summed(*at_all_times(couplings, kappa, minimal))


UNDECOMPOSED_Q = Algorithm(
    summary="MAStAC whose critics read everything: the gain of the value dependency sets, taken away",
    layout=central_critics,
    uses_kappa=True,
    follows_time=True,
    fixed={**NO_MIXER, **NOT_IN_SEQUENCE},
)
UNDECOMPOSED_QHAT = Algorithm(
    summary="one critic for each agent that reads everything and learns the sum of the rewards that the agent moves",
    layout=summed_critics,
    uses_kappa=True,
    follows_time=True,
    fixed={**NO_MIXER, **NOT_IN_SEQUENCE},
)
