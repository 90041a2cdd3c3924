"""What a run is: every choice resolved and checked before anything is compiled. Imports no JAX."""

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, SupportsIndex

from mastac.algorithms import ALGORITHMS
from mastac.checks import whole_number
from mastac.envs.registry import entry_of
from mastac.errors import UserError, unknown
from mastac.learning.knob_names import stored_knobs
from mastac.learning.settings import Settings, checked_settings
from mastac.runs.presets import PRESETS, settings_for
from mastac.version import __version__

Kappa = int | None | Literal["preset"]


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


def checked_kappa(kappa: Any) -> int | None:
    """A whole number from 0, or `None` for the exact sets."""
    return None if kappa is None or kappa == "exact" else whole_number("kappa", kappa)


def checked_seeds(seeds: Any) -> tuple[int, ...]:
    """Seeds as given; `UserError` if there is none, one is negative, or one stands twice."""
    given = list(seeds) if isinstance(seeds, Iterable) and not isinstance(seeds, str) else [seeds]
    if not given:
        raise UserError("seeds is empty; give at least one, for example --seeds 0-4")
    listed = tuple(whole_number("seed", seed, most=2**31 - 1) for seed in given)
    for seed in listed:
        if listed.count(seed) > 1:
            raise UserError(f"seed {seed} stands twice in the list of seeds; give each once")
    return listed


def resolve(
    env_id: str,
    env_options: Mapping[str, Any],
    custom: bool = False,
    algorithm: str = "mastac",
    kappa: Kappa = "preset",
    epochs: SupportsIndex | None = None,
    seeds: Any = (0,),
    preset: str = "default",
    evaluation_interval: SupportsIndex | None = None,
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
    settings, preset_kappa, preset_epochs = settings_for(algorithm, env_id, preset, knobs)
    if not ALGORITHMS[algorithm].uses_kappa:
        if kappa not in ("preset", None, "exact"):
            raise UserError(f"algorithm '{algorithm}' has no dependency sets that kappa could truncate; drop kappa")
        kappa = None
    epochs = whole_number("epochs", preset_epochs if epochs is None else epochs, least=1)
    interval = -(-epochs // 50) if evaluation_interval is None else evaluation_interval
    interval = whole_number("evaluation_interval", interval, least=1)
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
    climbs = how.kind.estimator == "pathwise"
    wants = "climbs slopes of its critics in the action" if climbs else "needs actions that change by degrees"
    able = [name for name, other in ALGORITHMS.items() if other.takes_discrete]
    raise UserError(
        f"algorithm '{algorithm}' {wants}, and the actions of '{env_id}' are choices; "
        f"choose {', '.join(able[:-1])} or {able[-1]}"
    )


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
