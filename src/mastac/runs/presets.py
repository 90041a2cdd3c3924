"""What a preset gives for an environment and an algorithm. Imports no JAX."""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mastac.algorithms import ALGORITHMS, users_text
from mastac.errors import UserError
from mastac.learning.kinds import Kind, with_models
from mastac.learning.settings import Settings, checked_settings
from mastac.runs.preset_tables import (
    CHOICES,
    MODELS,
    PRESETS,
    ROLLOUTS,
    SEARCHED,
    STRANGERS,
    STRUCTURED,
)


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
    preset: str,
    env_id: str,
    algorithm: str | None = None,
    unscaled: Unscaled | None = None,
    discrete: bool = False,
) -> dict[str, Any]:
    """What a preset says of an environment: knobs, `kappa` and `epochs`.

    **Arguments:**

    - `preset`: a name in `PRESETS`.
    - `env_id`: the environment's name, such as "warehouse-9".
    - `algorithm`: a name from `mastac algorithms`; `None`: what those with a replay share.
    - `unscaled`: the run, where the environment leaves scales open.
    - `discrete`: whether actions are choices.
    """
    kind = Kind() if algorithm is None else ALGORITHMS[algorithm].kind
    estimator = kind.estimator
    layers = [*PRESETS[preset].items()]
    if preset == "default" and algorithm in ("mastac", "mastac-model-dyna"):
        layers += STRUCTURED.items()
    if preset == "default" and estimator == "score":
        layers += ROLLOUTS.items()
    if preset == "default" and with_models(kind):
        layers += MODELS.items()
    if preset == "default" and estimator == "pathwise" and discrete:
        layers += CHOICES.items()
    merged: dict[str, Any] = {}
    for pattern, knobs in layers:
        if fnmatchcase(env_id, pattern):
            merged |= knobs
    if unscaled is not None and preset == "default" and estimator == "pathwise":
        few = kind.imagined_data and unscaled.epochs is None
        merged |= for_strangers(unscaled._replace(epochs=merged["epochs"]) if few else unscaled)
    elif unscaled is not None and preset == "default" and estimator == "score":
        merged["keep"] = STRANGERS["keep"]
    return merged


def settings_for(
    algorithm: str,
    env_id: str,
    preset: str,
    knobs: Mapping[str, Any],
    unscaled: Unscaled | None = None,
    discrete: bool = False,
) -> tuple[Settings, int | None, int]:
    """The settings of a run, and the preset's window and length.

    From the preset, over it the algorithm's defaults, the user's knobs, and what the algorithm
    holds constant.

    **Arguments:**

    - `algorithm`, `env_id`, `preset`: names that exist.
    - `knobs`: what the user set.
    - `unscaled`, `discrete`: of [`preset_for`][mastac.runs.presets.preset_for].

    **Returns:** the settings; `kappa`, `None` for exact sets and where it has no meaning; epochs.

    **Raises:**

    - `UserError` for a knob that does not exist, is out of its range, or is constant.
    """
    how = ALGORITHMS[algorithm]
    chosen = preset_for(preset, env_id, algorithm, unscaled, discrete)
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
