"""MADDPG (Lowe et al. 2017): every agent has a critic that reads all states and actions; and MATD3 on top of it.

MATD3 (Ackermann et al. 2019) differs by three numbers: two critics whose smaller value enters the
target, noise on the target policies' actions, and actors and targets that move at every second
update. The others' actions in an actor's gradient come from the replay, as in both originals; the
team's reward is the default, since the examples are cooperative.
"""

from mastac.algorithms.base import NO_MIXER, NO_SETS, NO_TRICKS, NOT_IN_SEQUENCE, Algorithm
from mastac.structure import Couplings
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import central


def central_layout(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """Critic `i` reads everything and advises agent `i` alone."""
    return central(couplings)


MADDPG = Algorithm(
    summary="a critic for each agent that reads everything",
    layout=central_layout,
    rewards=("team", "own"),
    fixed={**NO_MIXER, **NO_SETS, **NOT_IN_SEQUENCE, **NO_TRICKS},
    defaults={"others_actions": "replay"},
)
MATD3 = Algorithm(
    summary="MADDPG with twin critics, smoothed targets and delayed actors",
    layout=central_layout,
    rewards=("team", "own"),
    fixed={**NO_MIXER, **NO_SETS, **NOT_IN_SEQUENCE},
    defaults={
        "others_actions": "replay",
        "twin_critics": True,
        "target_noise": 0.2,
        "policy_delay": 2,
    },
)
