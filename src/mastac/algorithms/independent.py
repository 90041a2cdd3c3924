"""Independent learners: deterministic policy gradient for each agent by itself, on what it observes and does."""

from mastac.algorithms.base import NO_MIXER, NO_SETS, NOT_IN_SEQUENCE, Algorithm
from mastac.structure import Couplings
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import local


def independent_layout(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """Critic `i` reads agent `i`'s observation and action; nothing of the others enters but through the world."""
    return local(couplings)


INDEPENDENT = Algorithm(
    summary="every agent learns by itself from its observation, its action and its reward",
    layout=independent_layout,
    rewards=("own", "team"),
    fixed={**NO_MIXER, **NO_SETS, **NOT_IN_SEQUENCE, "others_actions": "policy"},
)
