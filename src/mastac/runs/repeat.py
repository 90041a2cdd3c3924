"""The command that trains a stored run again. Needs no JAX."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from mastac.algorithms import ALGORITHMS
from mastac.envs.registry import entry_of
from mastac.errors import UserError
from mastac.runs.config import ExperimentConfig, resolve
from mastac.runs.results import Results
from mastac.text import seeds_text

WIDTH = 88  # characters of a line of a long command


def repeat_command(run: Results) -> str:
    """The `mastac train` that repeats a run, or the Python where its environment was an object.

    It names every knob that this version of mastac would choose otherwise.

    **Raises:**

    - [`mastac.errors.UserError`][] for a configuration of another version that this one cannot
        repeat.
    """
    config = ExperimentConfig.from_dict(run.config)
    knobs, schedule = _chosen(config, run.environment)
    if config.custom and config.origin is None:
        return _in_python(config, knobs, schedule)
    words = ["mastac", "train", config.env if config.origin is None else config.origin.place]
    words += [word for name, value in _env_options(config).items() for word in _set(name, value)]
    if config.origin is not None and config.origin.couplings is not None:
        words += ["--couplings", config.origin.couplings]
    words += ["--algorithm", config.algorithm]
    if ALGORITHMS[config.algorithm].uses_kappa:
        words += ["--kappa", "exact" if config.kappa is None else str(config.kappa)]
    words += ["--epochs", str(config.epochs), "--seeds", seeds_text(config.seeds)]
    if config.preset != "default":
        words += ["--preset", config.preset]
    for name, value in schedule.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    if config.workers:
        words += ["--workers", str(config.workers)]
    if config.partition:
        words += ["--partition", str(config.partition)]
    words += [word for name, value in knobs.items() for word in _set(name, value, "--set")]
    return _in_lines(words)


def _chosen(
    config: ExperimentConfig, environment: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, int]]:
    """The knobs, and the schedule of evaluations, that are others than this version's own."""
    how = ALGORITHMS.get(config.algorithm)
    if how is None:
        raise UserError(f"this version of mastac has no algorithm '{config.algorithm}'")

    def resolved(**choices: Any) -> ExperimentConfig:
        return resolve(**_fixed(config, environment), **choices)

    settings = {name: value for name, value in vars(config.settings).items() if how.uses(name)}
    # The rates that a preset gives depend on whose rewards critics predict.
    rewards = config.settings.rewards
    first = {} if rewards == how.rewards[0] else {"rewards": rewards}
    plain = resolved(**first)
    knobs = first | {
        name: value
        for name, value in settings.items()
        if value != getattr(plain.settings, name) and name not in how.constant_knobs
    }
    schedule = {
        name: getattr(config, name)
        for name in ("evaluation_interval", "evaluation_episodes")
        if getattr(config, name) != getattr(plain, name)
    }
    again = resolved(**knobs, **schedule)
    for name, value in settings.items():
        if value != getattr(again.settings, name):
            raise UserError(f"this version of mastac cannot have {name}={value}, as the run had")
    return knobs, schedule


def _fixed(config: ExperimentConfig, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of [`resolve`][mastac.runs.config.resolve] that the run itself gives."""
    head = environment.get("action_head")
    is_open = config.custom and environment.get("open_scales")
    return {
        "env_id": config.env,
        "env_options": config.env_options,
        "custom": config.custom,
        "algorithm": config.algorithm,
        "kappa": config.kappa if ALGORITHMS[config.algorithm].uses_kappa else "preset",
        "epochs": config.epochs,
        "seeds": config.seeds,
        "preset": config.preset,
        "origin": config.origin,
        "unscaled_steps": environment["horizon"] if is_open else None,
        "discrete": head == "discrete" or (isinstance(head, list) and "discrete" in head),
        "workers": config.workers,
        "partition": config.partition,
    }


def _env_options(config: ExperimentConfig) -> dict[str, Any]:
    """Options of the environment that are not its defaults."""
    if config.origin is not None:
        return dict(config.origin.options)
    known = entry_of(config.env)[0].options
    return {
        name: value
        for name, value in config.env_options.items()
        if name not in known or value != known[name].default
    }


def _set(name: str, value: Any, option: str = "--env-set") -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return [option, f"{name}={text}"]


def _in_python(config: ExperimentConfig, knobs: Mapping[str, Any], schedule: Any) -> str:
    """The call for an environment that was given as an object."""
    chosen = {"algorithm": config.algorithm, "epochs": config.epochs, "seeds": list(config.seeds)}
    if ALGORITHMS[config.algorithm].uses_kappa:
        chosen["kappa"] = config.kappa
    if config.preset != "default":
        chosen["preset"] = config.preset
    if config.workers:
        chosen["workers"] = config.workers
    if config.partition:
        chosen["partition"] = config.partition
    given = (f"    {name}={value!r}," for name, value in {**chosen, **schedule, **knobs}.items())
    return "\n".join(["mastac.train(", f"    env,  # your environment '{config.env}'", *given, ")"])


def _in_lines(words: list[str]) -> str:
    """A command, broken before its options where it is long."""
    lines, line = [], ""
    for k, word in enumerate(map(shlex.quote, words)):
        room = len(line) + len(word) + (len(words[k + 1]) if k + 1 < len(words) else 0)
        if word.startswith("--") and room + 4 > WIDTH:
            lines.append(line + " \\")
            line = "   "
        line += f" {word}" if line else word
    return "\n".join([*lines, line])
