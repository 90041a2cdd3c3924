"""Presets: knobs by preset and environment, and what they give for an algorithm. Imports no JAX.

The last pattern that fits wins, knob by knob.
"""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mastac.algorithms import ALGORITHMS, users_text
from mastac.errors import UserError
from mastac.learning.settings import Settings, checked_settings

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
# each of them. Its actors learn five times as fast, once critics know a little; found on seeds 10
# to 12, see docs/learning.md.
STRUCTURED: dict[str, Mapping[str, Any]] = {
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


# Over the default preset, for learners through a model: how long they take.
MODELS: dict[str, Mapping[str, Any]] = {
    "*": {"epochs": 100},
    "warehouse-*": {"epochs": 375},
    "warehouse-9": {"epochs": 62},
    "lq-*": {"epochs": 60},
    "computers-*": {"epochs": 300},
}


# Over the default preset, for learners from a replay in environments that leave scales open; found
# on platoon and reservoirs of `mastac.examples`.
STRANGERS: Mapping[str, Any] = {
    "actor_lr": 1e-3,
    "critic_lr": 3e-3,
    "actor_hidden": [32],
    "critic_hidden": [64, 64],
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
}


class Unscaled(NamedTuple):
    """A run in an environment that leaves scales open.

    - `steps`: of an episode.
    - `epochs`: that the user asked for, `None` for the preset's.
    """

    steps: int
    epochs: int | None = None


def for_strangers(run: Unscaled) -> dict[str, Any]:
    """The preset of an environment that leaves scales open.

    Its length is counted in environment steps: 20,000, with three updates for every two. A
    twentieth of the episodes comes before the first update, and as many before actors move.
    """
    epochs = -(-20_000 // run.steps) if run.epochs is None else run.epochs
    updates, twentieth = max(1, 3 * run.steps // 2), epochs // 20
    return {
        **STRANGERS,
        "epochs": epochs,
        "warmup_epochs": twentieth,
        "updates_per_epoch": updates,
        "critics_first": twentieth * updates,
    }


# Environments that were searched stand for those like them; the last pattern that fits wins.
SEARCHED = {"warehouse-*": "warehouse-40", "thermal-*": "thermal-40", "warehouse-9": "warehouse-9"}


@cache
def tuned() -> dict[str, dict[str, dict[str, float]]]:
    """Environment -> row of the comparison -> rates, as `mastac reproduce search` chose them."""
    path = Path(__file__).with_name("tuned.json")
    return json.loads(path.read_text(encoding="utf-8"))


def tuned_for(env_id: str, row: str) -> dict[str, float]:
    """The rates that the search chose for a row of the comparison ("maddpg", "maddpg-own", …).

    Empty where none was searched.
    """
    searched = [env for pattern, env in SEARCHED.items() if fnmatchcase(env_id, pattern)]
    return tuned().get(searched[-1], {}).get(row, {}) if searched else {}


def preset_for(
    preset: str, env_id: str, algorithm: str | None = None, unscaled: Unscaled | None = None
) -> dict[str, Any]:
    """What a preset says of an environment: knobs, `kappa` and `epochs`.

    **Arguments:**

    - `preset`: a name in `PRESETS`.
    - `env_id`: the environment's name, such as "warehouse-9".
    - `algorithm`: a name from `mastac algorithms`; `None`: what those with a replay share.
    - `unscaled`: the run, where the environment leaves scales open.
    """
    estimator = "pathwise" if algorithm is None else ALGORITHMS[algorithm].kind.estimator
    layers = [*PRESETS[preset].items()]
    if preset == "default" and algorithm == "mastac":
        layers += STRUCTURED.items()
    if preset == "default" and estimator == "score":
        layers += ROLLOUTS.items()
    if preset == "default" and estimator == "model":
        layers += MODELS.items()
    merged: dict[str, Any] = {}
    for pattern, knobs in layers:
        if fnmatchcase(env_id, pattern):
            merged |= knobs
    if unscaled is not None and preset == "default" and estimator == "pathwise":
        merged |= for_strangers(unscaled)
    return merged


def settings_for(
    algorithm: str,
    env_id: str,
    preset: str,
    knobs: Mapping[str, Any],
    unscaled: Unscaled | None = None,
) -> tuple[Settings, int | None, int]:
    """The settings of a run, and the preset's window and length.

    From the preset, over it the algorithm's defaults, the user's knobs, and what the algorithm
    holds constant.

    **Arguments:**

    - `algorithm`, `env_id`, `preset`: names that exist.
    - `knobs`: what the user set.
    - `unscaled`: of [`preset_for`][mastac.runs.presets.preset_for].

    **Returns:** the settings; `kappa`, `None` for exact sets and where it has no meaning; epochs.

    **Raises:**

    - `UserError` for a knob that does not exist, is out of its range, or is constant.
    """
    how = ALGORITHMS[algorithm]
    chosen = preset_for(preset, env_id, algorithm, unscaled)
    kappa, epochs = chosen.pop("kappa"), chosen.pop("epochs")
    if preset == "default":
        chosen |= _tuned_rates(env_id, algorithm, knobs.get("rewards"))
    base = checked_settings({**chosen, "rewards": how.rewards[0], **how.defaults})
    settings = checked_settings(knobs, base)
    if settings.rewards not in how.rewards:
        able = [name for name, other in ALGORITHMS.items() if settings.rewards in other.rewards]
        own = how.rewards == ("own",)
        raise UserError(
            f"algorithm '{algorithm}' cannot take rewards={settings.rewards}: its critics predict "
            f"{'each agent’s own reward' if own else 'the reward of the team'}; "
            f"choose one of {', '.join(able)}"
        )
    for name, value in how.constant_knobs.items():
        if name in knobs and getattr(settings, name) != value:
            raise _is_constant(algorithm, name, value)
    settings = checked_settings(how.constant_knobs, settings)
    return settings, kappa if how.uses_kappa else None, epochs


def _is_constant(algorithm: str, knob: str, value: Any) -> UserError:
    if ALGORITHMS[algorithm].uses(knob):
        return UserError(
            f"knob '{knob}' is fixed to {value!r} by algorithm '{algorithm}'; "
            "choose another algorithm"
        )
    return UserError(
        f"algorithm '{algorithm}' does not use knob '{knob}'; it is used by {users_text(knob)}"
    )


def _tuned_rates(env_id: str, algorithm: str, rewards: Any) -> dict[str, float]:
    """What the search chose for a baseline; MAStAC's own rates are the preset's."""
    if algorithm in ("mastac", "mastac-coordinated"):
        return {}
    is_default = rewards in (None, ALGORITHMS[algorithm].rewards[0])
    return tuned_for(env_id, algorithm if is_default else f"{algorithm}-{rewards}")
