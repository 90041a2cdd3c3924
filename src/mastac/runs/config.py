"""What a run is: every choice resolved and checked before anything is compiled. Imports no JAX."""

import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_origin, get_type_hints

from mastac.algorithms import ALGORITHMS
from mastac.envs.registry import entry_of
from mastac.errors import UserError, unknown
from mastac.runs.presets import PRESETS, preset_for, tuned_for
from mastac.learning.settings import FORMER_NAMES, Settings, stored_knobs
from mastac.version import __version__

Kappa = int | None | Literal["preset"]

# Names that other libraries and older versions give to our knobs: never accepted silently, always
# explained.
ELSEWHERE = FORMER_NAMES | {
    "gamma": "discount",
    "lr_actor": "actor_lr",
    "policy_lr": "actor_lr",
    "lr_critic": "critic_lr",
    "q_lr": "critic_lr",
    "polyak_tau": "tau",
    "exploration_noise": "noise",
    "hidden_sizes": "actor_hidden and critic_hidden",
    "learning_starts": "warmup_epochs",
    "lr": "actor_lr and critic_lr",
}


@dataclass(frozen=True)
class ExperimentConfig:
    """A run's complete description, stored as `config.json`; two runs are the same when these are equal.

    `kappa` is `None` for the exact sets. `evaluation_interval` is in epochs and is also the length
    of the compiled chunk between which metrics are written; `custom` marks an environment that a
    user built and must bring again.
    """

    env: str
    env_options: Mapping[str, Any]
    custom: bool
    algorithm: str
    kappa: int | None
    epochs: int
    seeds: tuple[int, ...]
    preset: str
    evaluation_interval: int
    evaluation_episodes: int
    settings: Settings

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, knobs under `knobs`, with the versions that matter."""
        data = asdict(self)
        data["seeds"] = list(self.seeds)
        data["knobs"] = data.pop("settings")
        data["versions"] = {"mastac": __version__} | {
            name: metadata.version(name) for name in ("jax", "jaxlib", "optax", "equinox", "numpy")
        }
        data["git_revision"] = git_revision()
        return data

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "ExperimentConfig":
        """Inverse of `to_dict`; `UserError` names what is missing."""
        names = [each.name for each in fields(ExperimentConfig) if each.name != "settings"]
        missing = [name for name in [*names, "knobs"] if name not in data]
        if missing:
            raise UserError(f"config.json lacks '{missing[0]}'; it was not written by this version of mastac")
        values = {name: data[name] for name in names}
        values["seeds"] = tuple(values["seeds"])
        return ExperimentConfig(settings=checked_settings(stored_knobs(data["knobs"])), **values)


def checked_settings(knobs: Mapping[str, Any], base: Settings | None = None) -> Settings:
    """`Settings` with `knobs` set; `UserError` for an unknown name, a wrong type or an impossible value."""
    types = get_type_hints(Settings)
    values = asdict(base or Settings())
    for name, value in knobs.items():
        if name not in types:
            if name in ELSEWHERE:
                raise UserError(f"unknown knob '{name}'; here it is called {ELSEWHERE[name]}")
            raise unknown("knob", name, types)
        values[name] = _typed(name, value, types[name])
    settings = Settings(**values)
    _check_ranges(settings)
    return settings


def _typed(name: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple) or not all(type(v) is int and v > 0 for v in value):
            raise UserError(f"knob '{name}' must be a list of positive whole numbers like [64,64], got {value!r}")
        return tuple(value)
    if kind is str:
        choices = Settings.__dataclass_fields__[name].metadata["choices"]
        if value not in choices:
            raise UserError(f"knob '{name}' must be {', '.join(choices[:-1])} or {choices[-1]}, got {value!r}")
        return value
    if kind is bool:
        if not isinstance(value, bool):
            raise UserError(f"knob '{name}' must be true or false, got {value!r}")
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or (kind is int and int(value) != value):
        raise UserError(f"knob '{name}' must be a {'whole ' if kind is int else ''}number, got {value!r}")
    return kind(value)


def _check_ranges(settings: Settings) -> None:
    positive = ("actor_lr", "critic_lr", "batch_size", "buffer_size", "updates_per_epoch", "reward_scale")
    positive += ("n_steps", "temperature", "actor_output_scale", "policy_delay", "mixer_embedding", "target_noise_clip")
    positive += ("distance_decay",)
    shares = ("discount", "tau", "lr_final", "random_fraction", "random_fraction_final", "distance_decay")
    for name in positive:
        if getattr(settings, name) <= 0:
            raise UserError(f"knob '{name}' must be positive, got {getattr(settings, name)}")
    if not settings.critic_hidden:
        raise UserError("knob 'critic_hidden' needs at least one layer; a critic without one cannot tell good from bad")
    for name in shares:
        if not 0 <= getattr(settings, name) <= 1:
            raise UserError(f"knob '{name}' must lie between 0 and 1, got {getattr(settings, name)}")
    for name in ("noise", "noise_final", "warmup_epochs", "max_grad_norm", "target_noise"):
        if getattr(settings, name) < 0:
            raise UserError(f"knob '{name}' cannot be negative, got {getattr(settings, name)}")


def checked_kappa(kappa: Any) -> int | None:
    """A whole number from 0, or `None` for the exact sets."""
    if kappa is None or kappa == "exact":
        return None
    if isinstance(kappa, bool) or not isinstance(kappa, int) or kappa < 0:
        raise UserError(f"kappa must be a whole number from 0 on, or exact; got {kappa!r}")
    return kappa


def checked_seeds(seeds: Sequence[int] | int) -> tuple[int, ...]:
    """Seeds as given; `UserError` if there is none, one is negative, or one stands twice."""
    listed = (seeds,) if isinstance(seeds, int) else tuple(seeds)
    if not listed:
        raise UserError("seeds is empty; give at least one, for example --seeds 0-4")
    for seed in listed:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise UserError(f"seed {seed!r} is not a whole number from 0 to 2147483647")
        if listed.count(seed) > 1:
            raise UserError(f"seed {seed} stands twice in the list of seeds; give each once")
    return listed


def resolve(
    env_id: str,
    env_options: Mapping[str, Any],
    custom: bool = False,
    algorithm: str = "mastac",
    kappa: Kappa = "preset",
    epochs: int | None = None,
    seeds: Sequence[int] | int = (0,),
    preset: str = "default",
    evaluation_interval: int | None = None,
    evaluation_episodes: int = 20,
    **knobs: Any,
) -> ExperimentConfig:
    """Fill in the preset, check everything, and say which knob is wrong if one is. Fast: nothing is built."""
    if algorithm not in ALGORITHMS:
        raise unknown("algorithm", algorithm, ALGORITHMS)
    if not custom:
        check_actions(algorithm, env_id, entry_of(env_id)[0].discrete)
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    chosen = preset_for(preset, env_id, ALGORITHMS[algorithm].estimator)
    preset_kappa, preset_epochs = chosen.pop("kappa"), chosen.pop("epochs")
    rates = _tuned_rates(env_id, algorithm, knobs.get("rewards")) if preset == "default" else {}
    settings = _settings_of(algorithm, knobs, chosen | rates)
    if not ALGORITHMS[algorithm].uses_kappa:
        if kappa not in ("preset", None, "exact"):
            raise UserError(f"algorithm '{algorithm}' has no dependency sets that kappa could truncate; drop kappa")
        preset_kappa = kappa = None
    epochs = preset_epochs if epochs is None else epochs
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise UserError(f"epochs must be a whole number from 1 on, got {epochs!r}")
    interval = max(1, -(-epochs // 50)) if evaluation_interval is None else evaluation_interval
    if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
        raise UserError(f"evaluation_interval must be a whole number of epochs from 1 on, got {interval!r}")
    return ExperimentConfig(
        env=env_id,
        env_options=dict(env_options),
        custom=custom,
        algorithm=algorithm,
        kappa=preset_kappa if kappa == "preset" else checked_kappa(kappa),
        epochs=epochs,
        seeds=checked_seeds(seeds),
        preset=preset,
        evaluation_interval=min(interval, epochs),
        evaluation_episodes=evaluation_episodes,
        settings=settings,
    )


def check_actions(algorithm: str, env_id: str, discrete: bool) -> None:
    """`UserError` if the environment's actions are choices and the algorithm cannot take any."""
    how = ALGORITHMS[algorithm]
    if not discrete or how.takes_discrete:
        return
    climbs = how.estimator == "pathwise"
    wants = "climbs slopes of its critics in the action" if climbs else "needs actions that change by degrees"
    able = [name for name, other in ALGORITHMS.items() if other.takes_discrete]
    raise UserError(
        f"algorithm '{algorithm}' {wants}, and the actions of '{env_id}' are choices; "
        f"choose {', '.join(able[:-1])} or {able[-1]}"
    )


def _tuned_rates(env_id: str, algorithm: str, rewards: Any) -> dict[str, float]:
    """What the search chose for a baseline. MAStAC's own rates stand in the preset, which was made for it."""
    if algorithm in ("mastac", "mastac-coordinated"):
        return {}
    is_default = rewards in (None, ALGORITHMS[algorithm].rewards[0])
    return tuned_for(env_id, algorithm if is_default else f"{algorithm}-{rewards}")


def _settings_of(algorithm: str, knobs: Mapping[str, Any], chosen: Mapping[str, Any]) -> Settings:
    """The preset's knobs, over them the algorithm's defaults, the user's knobs, and what the algorithm fixes."""
    how = ALGORITHMS[algorithm]
    base = checked_settings({**chosen, "rewards": how.rewards[0], **how.defaults})
    settings = checked_settings(knobs, base)
    if settings.rewards not in how.rewards:
        able = [name for name, other in ALGORITHMS.items() if settings.rewards in other.rewards]
        raise UserError(
            f"algorithm '{algorithm}' cannot take rewards={settings.rewards}: its critics predict "
            f"{'each agent’s own reward' if how.rewards == ('own',) else 'the reward of the team'}; "
            f"choose one of {', '.join(able)}"
        )
    for name, value in how.fixed.items():
        if name in knobs and getattr(settings, name) != value:
            raise UserError(f"knob '{name}' is fixed to {value!r} by algorithm '{algorithm}'; choose another algorithm")
    return checked_settings(how.fixed, settings)


def git_revision() -> str | None:
    """Revision of the package's own checkout, or `None` when installed otherwise."""
    here = Path(__file__).resolve().parent
    try:
        top = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return top.stdout.strip()
