"""Proximal policy optimisation (Schulman et al. 2017) of stochastic policies, on layouts that alone tell them apart.

MAStAC's: a value of states for each agent on its value dependency set, and every actor climbs the
advantages that it moves (Theorem 3.7b). MAPPO (Yu et al. 2022): one value of the team that reads
everything. IPPO (de Witt et al. 2020): each agent by itself. Without clipping and with one update
for each rollout it is the advantage actor-critic.
"""

from mastac.algorithms.base import NO_SETS, ON_POLICY, Algorithm
from mastac.algorithms.independent import independent_layout
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import local_values, of_the_team


def structured_values(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """Value `i` reads the states that matter to it before anyone has acted; actors hear of the values they move."""
    return local_values(couplings, kappa)


def team_value(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """One value of the team's mean reward reads all states and advises every actor."""
    return of_the_team(couplings)


SCORE = {**ON_POLICY, **NO_SETS, "estimator": "score", "perturbation": 0.05}
PPO = {"fixed": SCORE, "takes_discrete": True}
MASTAC_PPO = Algorithm(
    summary="stochastic policies climb local advantages on the value dependency sets, with clipped ratios",
    layout=structured_values,
    uses_kappa=True,
    follows_time=True,
    **PPO,
)
MASTAC_A2C = Algorithm(
    summary="the same by the plain score-function gradient: one step for each rollout, nothing clipped",
    layout=structured_values,
    uses_kappa=True,
    follows_time=True,
    fixed={**SCORE, "clip_ratio": 0.0},
    defaults={"updates_per_epoch": 1},
    takes_discrete=True,
)
MAPPO = Algorithm(
    summary="PPO with one value of the team that reads everything",
    layout=team_value,
    rewards=("team",),
    **PPO,
)
IPPO = Algorithm(
    summary="PPO for each agent by itself, from its observation and its reward",
    layout=independent_layout,
    rewards=("own", "team"),
    **PPO,
)
