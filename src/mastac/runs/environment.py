"""What defined the environment of a run: written down when it begins, compared before it goes on.

A run folder names its environment, but a name does not say which reward or dynamics were behind it.
`environment.json` holds every declaration (sizes, action head, limits, scales, horizon, report) and
a digest of what the functions do at a few fixed points, so that another environment is refused by
the name of what differs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mastac.envs.base import Environment, Reference
from mastac.envs.heads import HEADS
from mastac.envs.validation import checked_reference
from mastac.errors import UserError
from mastac.files import read_json
from mastac.runs.config import ExperimentConfig
from mastac.runs.folder import RunFolder

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
DECLARATIONS = ("id", "horizon", "report", "action_head", *ARRAYS)
FUNCTIONS = {
    "reset": "first state",
    "step": "step",
    "reward": "reward",
    "observe": "observation",
}
# Rounding differs between machines and devices; another function differs by far more than this.
TOLERANCE = 1e-4


def description_of(env: Environment, reference: Reference | None) -> dict[str, Any]:
    """What defines an environment, ready to be written as `environment.json`.

    **Arguments:**

    - `env`: the environment. Its functions are evaluated at four states and times.
    - `reference`: its reference figures, which are stored with it.

    **Returns:**

    Declarations by name; under `behaviour` a digest of each function (see
    [`behaviour_of`][mastac.runs.environment.behaviour_of]); under `reference` the figures.

    **Raises:**

    - `UserError` if an option cannot be written as JSON.
    """
    return {
        "agents": list(env.agents),
        "id": env.id,
        "options": _json_options(env),
        "horizon": int(env.horizon),
        "report": env.report,
        "action_head": env.action_head,
        **{name: _plain(_array(env, name)) for name in ARRAYS},
        "behaviour": behaviour_of(env),
        "reference": None if reference is None else asdict(reference),
    }


def behaviour_of(env: Environment) -> dict[str, list[list[float | None]]]:
    """A digest of each function of an environment: for every agent a weighted sum of its values.

    A chain of four steps is taken from a fixed first state, at times from the first to the last one
    of the episode, with fixed actions.

    **Returns:**

    For `reset`, `step`, `reward` and `observe` two lists with one number for each agent: the
    weighted sum, and the sum of the absolute values, on whose scale sums are compared. `None`
    stands for a number that is not finite.
    """
    times = [0, min(1, env.horizon - 1), env.horizon // 2, env.horizon - 1]

    @jax.jit
    def probe(state: Any, actions: Any, time: Any, key: Any) -> Any:
        return (
            env.step(state, actions, time, key),
            env.reward(state, actions, time),
            env.observed(state, time),
        )

    keys = [jax.random.key(k) for k in range(len(times))]
    # TF32 products of a GPU differ from a CPU's by more than the tolerance.
    with jax.default_matmul_precision("highest"):
        first = [env.reset(key).astype(jnp.float32) for key in keys[:2]]
        state, values = first[0], []
        for time, key, actions in zip(times, keys, _probing_actions(env, len(times)), strict=True):
            values.append(probe(state, actions, jnp.asarray(time), key))
            state = values[-1][0]
    steps, rewards, seen = zip(*values, strict=True)
    return {
        "reset": _digest(first),
        "step": _digest(steps),
        "reward": _digest(rewards),
        "observe": _digest(seen),
    }


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two descriptions, in words; the declarations first."""
    if stored["agents"] != given["agents"]:
        yield f"its agents are {_text(given['agents'])}, not {_text(stored['agents'])}"
    yield from option_differences(stored["options"], given["options"])
    for name in DECLARATIONS:
        if not _equal(stored[name], given[name]):
            yield f"its {name} is {_text(given[name])}, not {_text(stored[name])}"
    for name, words in FUNCTIONS.items():
        agent = _first_difference(stored["behaviour"][name], given["behaviour"][name])
        if agent is not None:
            yield f"the {words} of agent '{given['agents'][agent]}' differs"


def option_differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """Which options differ, in words."""
    for name in sorted(stored.keys() | given.keys()):
        if stored.get(name) != given.get(name):
            yield f"its option {name} is {_text(given.get(name))}, not {_text(stored.get(name))}"


def check_environment_of_run(env: Environment, folder: RunFolder, config: ExperimentConfig) -> None:
    """`UserError` that says what differs, unless `env` is what the run was trained on."""
    difference = next(_differences_from_run(env, folder, config), None)
    if difference is None:
        return
    if config.custom:
        raise UserError(
            f"the environment '{env.id}' is not the one of the run in '{folder.path}': "
            f"{difference}; pass the one that it was trained on"
        )
    raise UserError(
        f"the environment that config.json in '{folder.path}' names belongs to another "
        f"configuration than the run: {difference}; restore the original config.json, or use the "
        f"version of mastac that it names"
    )


def reference_of_run(folder: RunFolder, env: Environment) -> Reference | None:
    """The reference figures that a run was begun with; those of `env` where none are stored."""
    if not folder.environment.is_file():  # the folder of an earlier version
        return checked_reference(env)
    stored = read_json(folder.environment)["reference"]
    return None if stored is None else Reference(**stored)


def _differences_from_run(
    env: Environment, folder: RunFolder, config: ExperimentConfig
) -> Iterator[str]:
    if folder.environment.is_file():
        yield from differences(read_json(folder.environment), description_of(env, None))
    elif env.id != config.env:  # the folder of an earlier version
        yield f"its id is {_text(env.id)}, not {_text(config.env)}"
    stored, given = read_json(folder.couplings), env.couplings.to_dict()
    for name in sorted(stored.keys() | given.keys()):
        if stored.get(name) != given.get(name):
            yield f"its couplings differ ({name})"


def _json_options(env: Environment) -> dict[str, Any]:
    options = dict(env.options)
    for name, value in options.items():
        try:
            json.dumps({name: value}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"option '{name}' of environment '{env.id}' cannot be stored as JSON ({error}); "
                "give numbers, texts, lists or none"
            ) from None
    return json.loads(json.dumps(options))


def _array(env: Environment, name: str) -> np.ndarray:
    value = getattr(env, name)
    return np.asarray(env.action_limit if name == "action_scale" and value is None else value)


def _plain(array: np.ndarray) -> Any:
    """As lists; one number where all entries are equal."""
    is_constant = array.size > 0 and bool((array == array.flat[0]).all())
    return array.flat[0].item() if is_constant else array.tolist()


def _probing_actions(env: Environment, count: int) -> list[Float[jax.Array, "agents act"]]:
    """Valid actions that are the same on every machine and for every version of the generators."""
    widest = int(env.action_sizes.max())
    mask = np.arange(widest) < env.action_sizes[:, None]
    limit = np.broadcast_to(np.asarray(env.action_limit, np.float32), mask.shape)
    logits = 1.5 * np.sin(1.0 + np.arange(count * mask.size)).reshape(count, *mask.shape)
    head = HEADS[env.action_head]
    return [jnp.asarray(head.apply(row, limit, mask), jnp.float32) for row in logits]


def _digest(values: Sequence[Any]) -> list[list[float | None]]:
    """For each agent a weighted sum over points and entries, and the sum of its absolute terms."""
    array = np.stack([np.asarray(value, float).reshape(len(value), -1) for value in values], 1)
    array = array.reshape(len(array), -1)
    terms = array * (1.0 + 0.5 * np.sin(1.0 + np.arange(array.shape[1])))
    sums = (terms.sum(1), np.abs(terms).sum(1))
    return [[float(f"{x:.9g}") if np.isfinite(x) else None for x in sum.tolist()] for sum in sums]


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


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
