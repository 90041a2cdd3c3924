"""MAStAC (paper, Section 4.1): exact, or approximated with a window of `kappa` steps (Definition 4.3)."""

from mastac.algorithms.base import NO_MIXER, NO_TRICKS, NOT_IN_SEQUENCE, Algorithm
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import at_all_times, structured


def mastac_layout(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """One critic for each agent on its value dependency set; every actor climbs the critics that it moves."""
    return structured(*at_all_times(couplings, kappa, minimal))


MASTAC = Algorithm(
    summary="structured critics on the value dependency sets, all agents update at once",
    layout=mastac_layout,
    uses_kappa=True,
    follows_time=True,
    fixed={**NO_MIXER, **NOT_IN_SEQUENCE},
)
MASTAC_COORDINATED = Algorithm(
    summary="the same, but agents update in sequence, each seeing the updates before it",
    layout=mastac_layout,
    uses_kappa=True,
    follows_time=True,
    fixed={**NO_MIXER, **NO_TRICKS, "coordinated": True, "share_actors": False},
)
MASTAC_SAC = Algorithm(
    summary="structured twin critics, and stochastic policies that are rewarded for their entropy",
    layout=mastac_layout,
    uses_kappa=True,
    follows_time=True,
    fixed={
        **NO_MIXER,
        **NOT_IN_SEQUENCE,
        "max_entropy": True,
        # The entropies of the steps between would be missing from the target.
        "n_steps": 1,
        "target_noise": 0.0,
        "target_noise_clip": 0.5,
        "noise_final": 0.0,
        "random_fraction": 0.0,
        "random_fraction_final": 0.0,
    },
    defaults={"twin_critics": True},
)
