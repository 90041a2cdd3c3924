"""The environment of a run: stored when the run begins, compared before it goes on.

A run folder names its environment, but a name does not say which reward or dynamics were behind it.
`environment.json` holds every declaration (sizes, action head, limits, scales, horizon, report) and
a digest of what the functions do at a few fixed points, so that another environment is refused by
the name of what differs. This module reads, compares and builds again, itself without JAX;
`mastac.runs.description` describes an environment.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mastac.errors import UserError
from mastac.files import read_json
from mastac.reading import checked
from mastac.runs.folder import RunFolder
from mastac.runs.schemas import EnvironmentFile, MoreOfEnvironment
from mastac.text import shortened

if TYPE_CHECKING:
    from mastac.envs.base import Environment
    from mastac.envs.registry import NamedEnvironment
    from mastac.runs.config import ExperimentConfig

ARRAYS = (
    "state_sizes",
    "obs_sizes",
    "action_sizes",
    "action_limit",
    "state_center",
    "state_scale",
    "obs_center",
    "obs_scale",
    "action_center",
    "action_scale",
)
# Environments of earlier versions had neither; what they left open was taken as it stands.
LATER = ("reward_scale", "open_scales")
DECLARATIONS = ("id", "horizon", "report", "action_head", *ARRAYS)
FUNCTIONS = {
    "reset": "first state",
    "step": "step",
    "reward": "reward",
    "observe": "observation",
}
# Rounding differs between machines and devices; another function differs by far more than this.
TOLERANCE = 1e-4


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two descriptions, in words; the declarations first."""
    if stored["agents"] != given["agents"]:
        yield f"its agents are {as_text(given['agents'])}, not {as_text(stored['agents'])}"
    yield from option_differences(stored["options"], given["options"])
    later = [name for name in LATER if name in stored]
    for name in (*DECLARATIONS, *later):
        if not _equal(stored[name], given[name]):
            yield f"its {name} is {as_text(given[name])}, not {as_text(stored[name])}"
    yield from _space_differences(stored.get("spaces", {}), given.get("spaces", {}))
    for name, words in FUNCTIONS.items():
        if not {name} <= stored["behaviour"].keys() & given["behaviour"].keys():
            continue  # of a simulator outside JAX
        agent = _first_difference(stored["behaviour"][name], given["behaviour"][name])
        if agent is not None:
            yield f"the {words} of agent '{given['agents'][agent]}' differs"
    ends = [each["behaviour"].get("terminated") for each in (stored, given)]
    if ends[0] != ends[1]:
        yield "when its episodes end differs"


def _space_differences(
    stored: Mapping[str, Sequence[str]], given: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Which spaces of a simulator outside JAX differ, in words."""
    if bool(stored) != bool(given):
        yield f"it is {'a' if given else 'no'} simulator outside JAX"
    for agent in stored.keys() & given.keys():
        for kind, there, here in zip(
            ("observation", "action"), stored[agent], given[agent], strict=True
        ):
            if there != here:
                yield f"the {kind} space of agent '{agent}' is {here}, not {there}"


def option_differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """Which options differ, in words."""
    for name in sorted(stored.keys() | given.keys()):
        if stored.get(name) != given.get(name):
            here, there = as_text(given.get(name)), as_text(stored.get(name))
            yield f"its option {name} is {here}, not {there}"


def read_environment(folder: RunFolder) -> dict[str, Any]:
    """What `environment.json` of a run holds; `UserError` if it is damaged."""
    stored = read_json(folder.environment, EnvironmentFile)
    try:
        checked(stored, MoreOfEnvironment)
        _check_agents(stored)
    except UserError as error:
        raise UserError(
            f"'{folder.environment}' is damaged: {error}; restore it or start the run anew"
        ) from error
    return stored


def _check_agents(stored: Mapping[str, Any]) -> None:
    """Refuse what is not of all agents of a stored environment."""
    digests, agents = stored["behaviour"], len(stored["agents"])
    if not (digests.keys() >= FUNCTIONS.keys() or "spaces" in stored):
        raise UserError("what its functions do is missing")
    if any(len(part) != agents for digest in digests.values() for part in digest):
        raise UserError("what its functions do is not of all agents")
    sizes = {}
    for name in ("state_sizes", "obs_sizes", "action_sizes"):
        given = stored[name]
        sizes[name] = given if isinstance(given, list) else [given] * agents
        if len(sizes[name]) != agents:
            raise UserError(f"its {name} are not of all agents")
    inputs, state_sizes = stored.get("inputs"), sizes["state_sizes"]
    if inputs is None:
        return
    sources = [source for row in inputs for source in row if source is not None]
    if [len(row) for row in inputs] != sizes["obs_sizes"] or any(
        agent >= agents or entry >= state_sizes[agent] for agent, entry in sources
    ):
        raise UserError("its inputs are not those of its observations")


def named_environment(folder: RunFolder, config: "ExperimentConfig") -> "NamedEnvironment":
    """The built-in environment of a stored run, resolved; `UserError` if there is none like it."""
    from mastac.envs.registry import named

    try:
        return named(config.env, config.env_options)
    except UserError as error:
        raise UserError(f"'{folder.config}': {error}") from error


def rebuilt_environment(folder: RunFolder, config: "ExperimentConfig") -> "Environment":
    """The environment of a stored run, built or imported; `UserError` if only the user has it."""
    if not config.custom:
        return named_environment(folder, config).build()
    in_python = f"mastac.load('{folder.path}', env=...).evaluate(), or mastac.resume with env=..."
    if config.origin is None:
        raise UserError(
            f"run '{folder.path}' uses an environment of your own ('{config.env}'), which its "
            f"folder cannot build again; pass it from Python: {in_python}"
        )
    from mastac.envs.naming import environment_from

    place, directory = config.origin.place, config.origin.directory
    graphs = None if config.origin.couplings is None else folder.couplings  # the file may be gone
    try:
        return environment_from(place, config.origin.options, graphs).build()
    except UserError as error:
        raise UserError(
            f"run '{folder.path}' was trained on '{place}' in the directory '{directory}', and "
            f"{error}; set PYTHONPATH='{directory}' if the module is there, or pass the "
            f"environment from Python: {in_python}"
        ) from error


def _first_difference(stored: Any, given: Any) -> int | None:
    """Number of the first agent whose digests differ by more than rounding."""
    (one, one_size), (two, two_size) = (np.array(digest, float) for digest in (stored, given))
    if one.shape != two.shape:
        return 0
    sizes = np.fmax(one_size, two_size)
    close = np.abs(one - two) <= TOLERANCE * sizes + 1e-6 * np.nanmax(sizes, initial=0) + 1e-12
    differs = ~(close | (np.isnan(one) & np.isnan(two)))
    return int(np.argmax(differs)) if differs.any() else None


def _equal(stored: Any, given: Any) -> bool:
    if stored == given:
        return True
    try:
        return bool(np.allclose(np.array(stored, float), np.array(given, float), rtol=1e-5, atol=0))
    except (TypeError, ValueError):  # texts, or arrays whose shapes do not go together
        return False


def as_text(value: Any) -> str:
    """A value as short JSON text."""
    return shortened(json.dumps(value, ensure_ascii=False), 60)
