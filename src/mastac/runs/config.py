"""What a run is: every choice resolved and checked before anything is compiled. Imports no JAX."""

import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

from mastac.algorithms import ALGORITHMS
from mastac.checks import whole_number
from mastac.envs.naming import ImportedEnvironment, Origin
from mastac.envs.registry import NamedEnvironment, entry_of, is_built_in
from mastac.errors import UserError, unknown
from mastac.learning.knob_names import stored_knobs
from mastac.learning.settings import Settings, checked_settings
from mastac.runs.policy import FINAL_EPISODES
from mastac.runs.presets import PRESETS, Unscaled, settings_for
from mastac.version import __version__

if TYPE_CHECKING:
    from mastac.envs.base import Environment

Kappa = int | None | Literal["preset"]
HOST_EPISODES, FINAL_HOST_EPISODES = 5, 20
"""Episodes of an evaluation with a simulator outside JAX, while training and after it."""
MOST_WORKERS = 1024


@dataclass(frozen=True)
class ExperimentConfig:
    """Every choice of a run, stored as `config.json`.

    **Arguments:**

    - `env`, `env_options`: id and options of the environment.
    - `custom`: whether a user built it. Who gave the object must pass it again.
    - `origin`: where it was imported from, if it is a user's and was named `module:name`.
    - `algorithm`: a name in `ALGORITHMS`.
    - `kappa`: window of the value dependency sets; `None` for the exact ones.
    - `epochs`: episodes of each seed.
    - `seeds`: all different.
    - `preset`: the name of the preset that filled in what the user did not set.
    - `evaluation_interval`: epochs between evaluations of the greedy policy, and the length of the
        compiled chunk after which metrics are written.
    - `evaluation_episodes`: episodes of such an evaluation; see `final_episodes`.
    - `settings`: the knobs.
    - `workers`: processes that simulators run in, 0 for this one; `None` where JAX plays.
    - `partition`: devices that the agents of a seed are spread over; `None`: one.
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
    origin: Origin | None = None
    workers: int | None = None
    partition: int | None = None

    @property
    def final_episodes(self) -> int:
        """Episodes of the evaluation after training, or more if others have more."""
        least = FINAL_EPISODES if self.workers is None else FINAL_HOST_EPISODES
        return max(least, self.evaluation_episodes)

    def chosen_seed(self, seed: SupportsIndex | None) -> int:
        """One of the run's seeds, the first one for `None`; `UserError` if it has no such seed."""
        chosen = self.seeds[0] if seed is None else whole_number("seed", seed)
        if chosen not in self.seeds:
            seeds = ", ".join(map(str, self.seeds))
            raise UserError(f"the run has no seed {chosen}; it has {seeds}")
        return chosen

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
        # The first is called knobs; earlier versions lack the others.
        absent = ("settings", "origin", "workers", "partition")
        names = [field.name for field in fields(ExperimentConfig) if field.name not in absent]
        missing = [name for name in [*names, "knobs"] if name not in data]
        if missing:
            raise UserError(
                f"config.json lacks '{missing[0]}'; it was not written by this version of mastac"
            )
        values = {name: data[name] for name in names}
        values["seeds"] = checked_seeds(values["seeds"])
        values["kappa"] = checked_kappa(values["kappa"])
        for name in ("epochs", "evaluation_interval", "evaluation_episodes"):
            values[name] = whole_number(f"{name} in config.json", values[name], least=1)
        if (workers := data.get("workers")) is not None:
            workers = whole_number("workers in config.json", workers)
        return ExperimentConfig(
            settings=checked_settings(stored_knobs(data["knobs"])),
            origin=_origin(data.get("origin")),
            workers=workers,
            partition=_counted("partition in config.json", data.get("partition")),
            **values,
        )


def _origin(stored: Any) -> Origin | None:
    if stored is None:
        return None
    try:
        place, directory = str(stored["place"]), str(stored["directory"])
        return Origin(place, directory, dict(stored["options"]), stored.get("couplings"))
    except (KeyError, TypeError, ValueError):
        raise UserError(
            "config.json is damaged: origin must have a place, a directory and options"
        ) from None


def checked_kappa(kappa: Any) -> int | None:
    """A whole number from 0, or `None` for the exact sets."""
    return None if kappa is None or kappa == "exact" else whole_number("kappa", kappa)


def checked_seeds(seeds: Any) -> tuple[int, ...]:
    """Seeds as given; `UserError` if there is none, one is negative, or one stands twice."""
    given = list(seeds) if isinstance(seeds, Iterable) and not isinstance(seeds, str) else [seeds]
    if not given:
        raise UserError("seeds is empty; give at least one, for example --seeds 0-4")
    listed = tuple(whole_number("seed", seed, most=2**31 - 1) for seed in given)
    for seed, count in Counter(listed).items():
        if count > 1:
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
    evaluation_episodes: SupportsIndex | None = None,
    origin: Origin | None = None,
    unscaled_steps: int | None = None,
    discrete: bool = False,
    workers: SupportsIndex | None = None,
    partition: SupportsIndex | None = None,
    **knobs: Any,
) -> ExperimentConfig:
    """The configuration of a run, with the preset filled in and everything checked.

    Nothing is built, so this is fast. Arguments are those of `mastac.train`.

    **Arguments:**

    - `env_id`, `env_options`: the environment's id, and all its options.
    - `custom`, `origin`: whether the user built it, and where it was imported from.
    - `unscaled_steps`: steps of an episode, where it leaves scales open.
    - `discrete`: whether its actions are choices; of a built-in one this is known.
    - `workers`, `partition`: `None` where JAX plays, and where agents are on one device.

    **Raises:**

    - `UserError` that names the argument or knob that is wrong.
    """
    if algorithm not in ALGORITHMS:
        raise unknown("algorithm", algorithm, ALGORITHMS)
    discrete = discrete if custom else entry_of(env_id)[0].discrete
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    epochs = _counted("epochs", epochs)
    unscaled = None if unscaled_steps is None else Unscaled(unscaled_steps, epochs)
    given = settings_for(algorithm, env_id, preset, knobs, unscaled, discrete)
    settings, preset_kappa, preset_epochs = given
    epochs = preset_epochs if epochs is None else epochs
    if not ALGORITHMS[algorithm].uses_kappa:
        if kappa not in ("preset", None, "exact"):
            raise UserError(
                f"algorithm '{algorithm}' has no dependency sets that kappa could truncate; "
                "drop kappa"
            )
        kappa = None
    workers = None if workers is None else whole_number("workers", workers, most=MOST_WORKERS)
    if evaluation_episodes is None:
        evaluation_episodes = 20 if workers is None else HOST_EPISODES
    evaluation_episodes = whole_number("evaluation_episodes", evaluation_episodes, least=1)
    if evaluation_interval is None:
        # A simulator's steps are dear: they are spent on training, and a sixth on evaluation.
        rarely = 0 if workers is None else 5 * evaluation_episodes
        evaluation_interval = max(-(-epochs // 50), rarely)
    interval = whole_number("evaluation_interval", evaluation_interval, least=1)
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
        origin=origin,
        workers=workers,
        partition=_counted("partition", partition),
    )


def _counted(name: str, value: SupportsIndex | None) -> int | None:
    return None if value is None else whole_number(name, value, least=1)


def git_revision() -> str | None:
    """Revision of the package's own checkout, or `None` when installed otherwise."""
    here = Path(__file__).resolve().parent
    try:
        top = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return top.stdout.strip()


def configuration_of(
    env: "Environment | NamedEnvironment | ImportedEnvironment",
    workers: SupportsIndex = 0,
    **choices: Any,
) -> ExperimentConfig:
    """The configuration of a run on an environment, which may have a name; see [`resolve`][]."""
    origin = env.origin if isinstance(env, ImportedEnvironment) else None
    env = env.env if isinstance(env, ImportedEnvironment) else env
    is_host = not isinstance(env, NamedEnvironment) and env.is_host
    if is_host:
        choices["workers"] = workers
    elif workers != 0:
        raise UserError(
            f"workers play simulators outside JAX, and '{env.id}' is compiled; leave them out"
        )
    if isinstance(env, NamedEnvironment) or is_built_in(env):
        return resolve(env.id, env.options, **choices)
    # What the function was called with tells runs apart, as options do.
    options = {**(origin.options if origin else {}), **env.options}
    return resolve(
        env.id,
        options,
        custom=True,
        origin=origin,
        unscaled_steps=env.horizon if env.undeclared else None,
        discrete=env.head.has_choices,
        **choices,
    )
