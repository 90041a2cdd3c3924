"""MAStAC (paper, Section 4.1), exact or with a window of `kappa` steps (Definition 4.3).

Every agent has a critic of its own reward, which reads the agent's value dependency set; every
actor follows the sum of the critics of its gradient dependency set (Theorem 3.7a, Algorithm 1). The
coordinated variant updates the agents in sequence. The maximum-entropy variant takes its targets
and its actors' objective from the soft actor-critic (Haarnoja et al. 2018).
"""

from mastac.algorithms.base import Algorithm
from mastac.learning.kinds import Kind
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import at_all_times, structured


def mastac_layout(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """A critic for each agent on its value dependency set, credited to the agents that move it."""
    return structured(*at_all_times(couplings, kappa, minimal))


MASTAC = Algorithm(
    summary="structured critics on the value dependency sets, all agents update at once",
    layout=mastac_layout,
    kind=Kind(reads="sets", credit="sets"),
    uses_kappa=True,
    follows_time=True,
)
MASTAC_COORDINATED = Algorithm(
    summary="the same, but agents update in sequence, each seeing the updates before it",
    layout=mastac_layout,
    kind=Kind(coordinated=True, reads="sets", credit="sets"),
    uses_kappa=True,
    follows_time=True,
)
MASTAC_SAC = Algorithm(
    summary="structured twin critics, and stochastic policies that are rewarded for their entropy",
    layout=mastac_layout,
    kind=Kind(max_entropy=True, reads="sets", credit="sets"),
    uses_kappa=True,
    follows_time=True,
    defaults={"twin_critics": True},
)
