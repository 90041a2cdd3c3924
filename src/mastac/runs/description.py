"""What defines an environment, written down: its declarations, and a digest of what it does."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mastac.envs.base import Environment, Reference
from mastac.envs.host.environment import HostEnvironment
from mastac.envs.once import compiled_for_once
from mastac.envs.validation import checked_reference
from mastac.errors import UserError
from mastac.files import read_json
from mastac.runs.config import ExperimentConfig
from mastac.runs.environment import ARRAYS, as_text, differences, read_environment
from mastac.runs.folder import RunFolder


def description_of(env: Environment, reference: Reference | None) -> dict[str, Any]:
    """What defines an environment, ready to be written as `environment.json`.

    **Arguments:**

    - `env`: the environment. Its functions are evaluated at four states and times.
    - `reference`: its reference figures, which are stored with it.

    **Returns:**

    Declarations by name; under `behaviour` a digest of each function (see
    [`behaviour_of`][mastac.runs.description.behaviour_of]), or under `spaces` what a simulator
    outside JAX declares; under `reference` the figures.
    """
    return {
        "agents": list(env.agents),
        "id": env.id,
        "options": dict(env.options),
        "horizon": int(env.horizon),
        "report": env.report,
        "action_head": env.action_head if isinstance(env.action_head, str) else [*env.action_head],
        **{name: _plain(_array(env, name)) for name in ARRAYS},
        "reward_scale": float(env.reward_scale),
        "open_scales": sorted(env.undeclared),
        **_of_simulator(env),
        "reference": None if reference is None else asdict(reference),
    }


def behaviour_of(env: Environment) -> dict[str, list[list[float | None]]]:
    """A digest of each function of an environment: for every agent a weighted sum of its values.

    A chain of four steps is taken from a fixed first state, at times from the first to the last one
    of the episode, with fixed actions.

    **Returns:**

    For `reset`, `step`, `reward` and `observe`, and where episodes may end early for `terminated`,
    two lists with one number for each agent: the weighted sum, and the sum of the absolute values,
    on whose scale sums are compared. `None` stands for a number that is not finite.
    """
    times = [0, min(1, env.horizon - 1), env.horizon // 2, env.horizon - 1]

    @compiled_for_once
    def probe(state: Any, actions: Any, time: Any, key: Any) -> Any:
        return *env.transition(state, actions, time, key), env.observed(state, time)

    reset = compiled_for_once(lambda key: env.reset(key).astype(jnp.float32))
    keys = [jax.random.key(k) for k in range(len(times))]
    # TF32 products of a GPU differ from a CPU's by more than the tolerance.
    with jax.default_matmul_precision("highest"):
        first = [reset(key) for key in keys[:2]]
        state, values = first[0], []
        for time, key, actions in zip(times, keys, _probing_actions(env, len(times)), strict=True):
            values.append(probe(state, actions, jnp.asarray(time), key))
            state = values[-1][0]
    steps, rewards, terminated, seen = zip(*values, strict=True)
    return {
        "reset": _digest(first),
        "step": _digest(steps),
        "reward": _digest(rewards),
        "observe": _digest(seen),
        **({} if terminated[0] is None else {"terminated": _digest(terminated)}),
    }


def _of_simulator(env: Environment) -> dict[str, Any]:
    """What an environment does; of a simulator outside JAX its spaces in place of that."""
    if not isinstance(env, HostEnvironment):
        return {"behaviour": behaviour_of(env)}
    return {"behaviour": {}, "spaces": {agent: list(words) for agent, words in env.spaces.items()}}


def _array(env: Environment, name: str) -> np.ndarray:
    value = getattr(env, name)
    return np.asarray(env.action_limit if name == "action_scale" and value is None else value)


def check_environment_of_run(
    env: Environment, folder: RunFolder, config: ExperimentConfig, rebuilt: bool
) -> None:
    """Refuse an environment that is not what the run was trained on, and say what differs.

    `rebuilt`: whether `env` was built or imported by what `config.json` names, and not given by the
    user.
    """
    difference = next(_differences_from_run(env, folder, config), None)
    if difference is None:
        return
    if not rebuilt:
        raise UserError(
            f"the environment '{env.id}' is not the one of the run in '{folder.path}': "
            f"{difference}; pass the one that it was trained on"
        )
    if config.origin is not None and config.custom:
        raise UserError(
            f"'{config.origin.place}' is not the environment that the run in '{folder.path}' was "
            f"trained on: {difference}; bring the module back to what it was (it was used in the "
            f"directory '{config.origin.directory}'), or train a new run"
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
    stored = read_environment(folder)["reference"]
    known = {field.name for field in fields(Reference)}
    return (
        None if stored is None else Reference(**{key: stored[key] for key in known & stored.keys()})
    )


def _differences_from_run(
    env: Environment, folder: RunFolder, config: ExperimentConfig
) -> Iterator[str]:
    if folder.environment.is_file():
        yield from differences(read_environment(folder), description_of(env, None))
    elif env.id != config.env:  # the folder of an earlier version
        yield f"its id is {as_text(env.id)}, not {as_text(config.env)}"
    stored, given = read_json(folder.couplings), env.couplings.to_dict()
    for name in sorted((stored.keys() | given.keys()) - {"positions"}):
        if stored.get(name) != given.get(name):
            yield f"its couplings differ ({name})"


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
    return [jnp.asarray(env.head.apply(row, limit, mask), jnp.float32) for row in logits]


def _digest(values: Sequence[Any]) -> list[list[float | None]]:
    """For each agent a weighted sum over points and entries, and the sum of its absolute terms."""
    array = np.stack([np.asarray(value, float).reshape(len(value), -1) for value in values], 1)
    array = array.reshape(len(array), -1)
    terms = array * (1.0 + 0.5 * np.sin(1.0 + np.arange(array.shape[1])))
    sums = (terms.sum(1), np.abs(terms).sum(1))
    return [[float(f"{x:.9g}") if np.isfinite(x) else None for x in sum.tolist()] for sum in sums]
