"""Ablations: the gradient decomposed, the critics' inputs not (paper, Section 5, Figure 2), and the other way round."""

from mastac.algorithms.base import NO_DISTANCES, NO_MIXER, NOT_IN_SEQUENCE, Algorithm
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import at_all_times, selfish, summed, undecomposed


def central_critics(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """Every critic reads everything; actors still climb the critics of their gradient dependency set."""
    return undecomposed(*at_all_times(couplings, kappa, minimal))


def summed_critics(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    r"""Critic `i` learns $\hat Q_i$, the sum over the gradient dependency set, in one network that reads everything."""
    return summed(*at_all_times(couplings, kappa, minimal))


def own_critics(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """Critics on the value dependency sets; every actor climbs its own alone."""
    return selfish(*at_all_times(couplings, kappa, minimal))


UNDECOMPOSED_Q = Algorithm(
    summary="MAStAC whose critics read everything: the gain of the value dependency sets, taken away",
    layout=central_critics,
    uses_kappa=True,
    follows_time=True,
    fixed={**NO_MIXER, **NOT_IN_SEQUENCE, **NO_DISTANCES},
)
UNDECOMPOSED_QHAT = Algorithm(
    summary="one critic for each agent that reads everything and learns the sum of the rewards that the agent moves",
    layout=summed_critics,
    uses_kappa=True,
    follows_time=True,
    fixed={**NO_MIXER, **NOT_IN_SEQUENCE, **NO_DISTANCES},
)
SELFISH = Algorithm(
    summary="MAStAC whose actors climb their own critics alone: the gain of the gradient dependency sets, taken away",
    layout=own_critics,
    uses_kappa=True,
    follows_time=True,
    fixed={**NO_MIXER, **NOT_IN_SEQUENCE},
)
