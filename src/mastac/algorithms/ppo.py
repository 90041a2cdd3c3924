"""Proximal policy optimisation of stochastic policies, on layouts that alone tell these apart.

Schulman et al., "Proximal Policy Optimization Algorithms" (2017). MAStAC's variant has a value of
states for each agent on its value dependency set, and every actor follows the advantages that it
moves (Theorem 3.7b). MAPPO (Yu et al. 2022) has one value of the team that reads everything; IPPO
(de Witt et al. 2020) trains each agent by itself. Without clipping and with one update for each
rollout it is the advantage actor-critic (A2C; Mnih et al. 2016).
"""

from mastac.algorithms.base import Algorithm
from mastac.algorithms.independent import independent_layout
from mastac.learning.kinds import Kind
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import local_values, of_the_team


def structured_values(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """Value `i` reads the states that matter to it before anyone has acted (Theorem 3.7b)."""
    return local_values(couplings, kappa)


def team_value(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """One value of the team's mean reward reads all states and is credited to every actor."""
    return of_the_team(couplings)


MASTAC_PPO = Algorithm(
    summary="local advantages on the value dependency sets, with clipped ratios",
    layout=structured_values,
    kind=Kind(estimator="score", reads="sets", credit="sets"),
    uses_kappa=True,
    follows_time=True,
)
MASTAC_A2C = Algorithm(
    summary="the same by the plain score-function gradient: one step for each rollout, unclipped",
    layout=structured_values,
    kind=Kind(estimator="score", reads="sets", credit="sets"),
    uses_kappa=True,
    follows_time=True,
    fixed={"clip_ratio": 0.0},
    defaults={"updates_per_epoch": 1},
)
MAPPO = Algorithm(
    summary="PPO with one value of the team that reads everything",
    layout=team_value,
    kind=Kind(estimator="score", reads="others", credit="others"),
    rewards=("team",),
)
IPPO = Algorithm(
    summary="PPO for each agent by itself, from its observation and its reward",
    layout=independent_layout,
    kind=Kind(estimator="score"),
    rewards=("own", "team"),
)
