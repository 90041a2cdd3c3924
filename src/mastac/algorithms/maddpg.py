"""MADDPG and MATD3: every agent has a critic that reads all states and actions.

Lowe et al., "Multi-Agent Actor-Critic for Mixed Cooperative-Competitive Environments" (NeurIPS
2017). MATD3 (Ackermann et al. 2019) differs by three numbers: two critics whose smaller value
enters the target, noise on the target policies' actions, and actors and targets that move at every
second update. The others' actions in an actor's gradient come from the replay buffer, as in both
originals; the team's reward is the default, since the examples are cooperative.
"""

from mastac.algorithms.base import Algorithm
from mastac.learning.kinds import Kind
from mastac.structure import Couplings
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import central


def central_layout(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """Critic `i` reads everything and is credited to agent `i` alone."""
    return central(couplings)


MADDPG = Algorithm(
    summary="a critic for each agent that reads everything",
    layout=central_layout,
    kind=Kind(reads="others"),
    rewards=("team", "own"),
    # With these it would be MATD3.
    fixed={
        "twin_critics": False,
        "target_noise": 0.0,
        "target_noise_clip": 0.5,
        "policy_delay": 1,
    },
    defaults={"others_actions": "replay"},
)
MATD3 = Algorithm(
    summary="MADDPG with twin critics, smoothed targets and delayed actors",
    layout=central_layout,
    kind=Kind(reads="others"),
    rewards=("team", "own"),
    defaults={
        "others_actions": "replay",
        "twin_critics": True,
        "target_noise": 0.2,
        "policy_delay": 2,
    },
)
