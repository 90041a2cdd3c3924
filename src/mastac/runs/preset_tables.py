"""Presets: knobs by name and environment, for all algorithms and for some kinds. Imports no JAX.

The last pattern that fits wins, knob by knob.
"""

from collections.abc import Mapping
from typing import Any

PRESETS: dict[str, dict[str, Mapping[str, Any]]] = {
    # Ours: tuned on the three examples.
    "default": {
        # Small first actions: an untrained linear policy may otherwise make a stable system
        # unstable. What is far away is learnt last, by a factor found on thermal-40; see
        # docs/choosing.md.
        "*": {"kappa": 2, "epochs": 2000, "actor_output_scale": 0.1, "distance_decay": 0.25},
        "lq-*": {
            "epochs": 600,
            "discount": 0.9,
            "actor_lr": 3e-3,
            "critic_lr": 3e-3,
            "noise": 0.3,
            "noise_final": 0.3,
            "actor_hidden": [],
        },
        "warehouse-*": {
            "actor_output_scale": 1.0,
            "epochs": 3000,
            "discount": 1.0,
            "batch_size": 128,
            "critic_lr": 2e-3,
            "noise": 1.0,
            "noise_final": 0.5,
            "random_fraction_final": 0.1,
            "actor_hidden": [64, 64],
        },
        "warehouse-9": {"epochs": 2000},
        "thermal-*": {
            "actor_output_scale": 1.0,
            "epochs": 1200,
            "discount": 0.9,
            "actor_lr": 1e-2,
            "critic_lr": 3e-3,
            "lr_final": 0.05,
            "buffer_size": 8000,
            "noise": 0.15,
            "noise_final": 0.05,
            "random_fraction": 0.02,
            "random_fraction_final": 0.0,
            "reward_scale": 0.1,
            "actor_hidden": [],
        },
    },
    # Table 3, completed as in the MADDPG code whose settings it repeats; see
    # docs/notes-on-the-paper.md.
    "paper": {
        "*": {
            "kappa": 2,
            "epochs": 5000,
            "actor_lr": 1e-4,
            "critic_lr": 1e-3,
            "lr_final": 1.0,
            "discount": 0.95,
            "tau": 0.01,
            "batch_size": 256,
            "buffer_size": 500_000,
            "updates_per_epoch": 1,
            "noise": 0.1,
            "noise_final": 0.05,
            "random_fraction": 0.1,
            "random_fraction_final": 0.05,
            "others_actions": "replay",
            "minimal": False,
            "finite_horizon": False,
        },
        "warehouse-9": {"epochs": 3500},
        "warehouse-40": {"epochs": 6000, "actor_lr": 5e-4, "critic_lr": 5e-3},
        "thermal-*": {"epochs": 5000, "discount": 0.9, "actor_hidden": []},
    },
}


# Over the default preset, for `mastac` itself: other algorithms have rates that were searched for
# each of them. In buildings its actors learn five times as fast, once critics know a little; in
# warehouses actors are slower and critics faster. Found on seeds 10 to 12, see docs/learning.md.
STRUCTURED: dict[str, Mapping[str, Any]] = {
    "warehouse-*": {
        "actor_lr": 3e-4,
        "critic_lr": 5e-3,
        "reward_scale": 2.8,
        "relative_errors": True,
    },
    "thermal-*": {"actor_lr": 5e-2, "lr_final": 0.02, "critics_first": 200},
}


# Over the default preset, for algorithms that learn by scores of stochastic policies from rollouts.
ROLLOUTS: dict[str, Mapping[str, Any]] = {
    "*": {
        "actor_lr": 3e-3,
        "critic_lr": 3e-3,
        "noise": 0.5,
        "gae_lambda": 0.8,
        "rollout_steps": 400,
        "batch_size": 400,
        "updates_per_epoch": 10,
        # Small first outputs: a distribution that begins where the head is flat never hears of
        # anything else.
        "actor_output_scale": 0.01,
    },
    "warehouse-*": {"epochs": 3000, "noise": 1.0},
    "thermal-*": {"gae_lambda": 0.7, "reward_scale": 0.01},
    # An optimum that nobody finds alone: long rollouts, a small reward for staying undecided.
    "computers-*": {
        "epochs": 6000,
        "kappa": None,
        "discount": 1.0,
        "gae_lambda": 0.9,
        "rollout_steps": 1000,
        "batch_size": 1000,
        "updates_per_epoch": 40,
        "entropy_bonus": 1e-2,
        "actor_hidden": [64, 64],
        "critic_hidden": [64, 64],
    },
    "doors-*": {"gae_lambda": 0.7, "reward_scale": 0.01, "discount": 0.9, "actor_hidden": []},
}


# Over the default preset, for learners with a model: how long they take.
MODELS: dict[str, Mapping[str, Any]] = {
    "*": {"epochs": 100},
    "warehouse-*": {"epochs": 375},
    "warehouse-9": {"epochs": 62},
    "lq-*": {"epochs": 60},
    "computers-*": {"epochs": 300},
}


# Over the default preset, for learners from a replay whose actions are choices. Without a cost
# actors are certain long before their critics are right, and then have no slope to learn by.
CHOICES: dict[str, Mapping[str, Any]] = {
    "*": {"saturation_cost": 0.1},
    "computers-*": {
        "kappa": None,
        "discount": 1.0,
        "actor_lr": 3e-3,
        "critic_lr": 3e-3,
        "updates_per_epoch": 10,
    },
}


# Over the default preset, for learners from a replay in environments that leave scales open; found
# on platoon and reservoirs of `mastac.examples`.
STRANGERS: Mapping[str, Any] = {
    "actor_lr": 1e-3,
    "critic_lr": 3e-3,
    "actor_hidden": [32],
    "critic_hidden": [64, 64],
    # Values reach over many sizes, and with kinks the slopes of the small ones are lost: with relu
    # one of five seeds on platoon ended at score 0.51.
    "critic_activation": "silu",
    "batch_size": 128,
    "discount": 0.98,
    "n_steps": 3,
    "reward_scale": 0.3,
    "noise": 0.5,
    "noise_cycle": True,
    "episode_noise": 3.0,
    "random_fraction": 0.0,
    "saturation_cost": 0.5,
    "relative_errors": True,
    # Where nobody knows what goes wrong, nothing that was attained is lost.
    "keep": "best",
}


# Environments that were searched stand for those like them; the last pattern that fits wins.
SEARCHED = {"warehouse-*": "warehouse-40", "thermal-*": "thermal-40", "warehouse-9": "warehouse-9"}
