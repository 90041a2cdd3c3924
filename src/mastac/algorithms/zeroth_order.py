"""Distributed zeroth-order learning on graph-induced local values (Jing et al. 2024, reference 20 of the paper)."""

from mastac.algorithms.base import NO_DISTANCES, ON_POLICY, Algorithm
from mastac.algorithms.mastac import mastac_layout

ZEROTH_ORDER = Algorithm(
    summary="no critics: perturbed policies climb what the perturbation earned the agents that they move",
    layout=mastac_layout,
    uses_kappa=True,
    takes_discrete=True,
    fixed={
        **ON_POLICY,
        **NO_DISTANCES,
        "share_actors": False,
        "estimator": "perturbation",
        "critic_lr": 1e-3,
        "critic_hidden": (64, 64, 64),
        "critic_activation": "relu",
        "finite_horizon": True,
        "reward_scale": 1.0,
        "batch_size": 256,
        "noise": 0.1,
        "gae_lambda": 0.95,
        "clip_ratio": 0.2,
        "normalize_advantages": True,
        "entropy_bonus": 0.0,
    },
    defaults={"updates_per_epoch": 1},
)
