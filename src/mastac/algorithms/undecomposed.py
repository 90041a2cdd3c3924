"""Ablations of MAStAC: without its value dependency sets, or without its gradient dependency sets.

`undecomposed-q` and `undecomposed-qhat` are those of the paper (Section 5, Figure 2), whose
critics read everything. `selfish` keeps the critics of MAStAC, but every actor follows its own
critic alone.
"""

from mastac.algorithms.base import Algorithm
from mastac.learning.kinds import Kind
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import at_all_times, selfish, summed, undecomposed


def central_critics(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """Every critic reads everything; actors follow those of their gradient dependency sets."""
    return undecomposed(*at_all_times(couplings, kappa, minimal))


def summed_critics(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    r"""Critic `i` reads everything and learns $\hat Q_i$, the sum over its dependency set."""
    return summed(*at_all_times(couplings, kappa, minimal))


def own_critics(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """Critics read the value dependency sets; every actor follows its own critic alone."""
    return selfish(*at_all_times(couplings, kappa, minimal))


UNDECOMPOSED_Q = Algorithm(
    summary="MAStAC whose critics read everything: without the gain of the value dependency sets",
    layout=central_critics,
    kind=Kind(reads="others", credit="sets"),
    uses_kappa=True,
    follows_time=True,
)
UNDECOMPOSED_QHAT = Algorithm(
    summary="a critic for each agent that reads everything and learns the sum of the rewards that "
    "the agent moves",
    layout=summed_critics,
    kind=Kind(reads="others", credit="sets"),
    uses_kappa=True,
    follows_time=True,
)
SELFISH = Algorithm(
    summary="MAStAC whose actors follow their own critics alone: without the gain of the gradient "
    "dependency sets",
    layout=own_critics,
    kind=Kind(reads="sets"),
    uses_kappa=True,
    follows_time=True,
)
