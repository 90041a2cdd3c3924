"""FACMAC (Peng et al. 2021): utilities of observation and action, mixed on the state into one value of the team."""

from mastac.algorithms.base import NO_SETS, NO_TRICKS, NOT_IN_SEQUENCE, Algorithm
from mastac.structure import Couplings
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import team


def utilities(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """A utility for each agent, and one value that the mixer makes of them all."""
    return team(couplings)


FIXED = {**NO_SETS, **NO_TRICKS, **NOT_IN_SEQUENCE, "others_actions": "policy"}
FACMAC = Algorithm(
    summary="utilities and a monotonic mixer whose weights come from the state",
    layout=utilities,
    rewards=("team",),
    fixed={**FIXED, "mixer": "monotonic"},
)
FACMAC_NONMONOTONIC = Algorithm(
    summary="FACMAC whose mixer's weights may have any sign",
    layout=utilities,
    rewards=("team",),
    fixed={**FIXED, "mixer": "nonmonotonic"},
)
