"""Whether the functions of an environment give what it declares."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mastac.envs.base import Environment, Reference
from mastac.envs.once import compiled_for_once
from mastac.envs.registry import is_built_in
from mastac.envs.transitions import stepped
from mastac.errors import UserError


def check_environment(env: Environment) -> None:
    """Compare what the functions of an environment give with what it declares.

    Every function is traced once, with the time as an array, as in training: nothing is computed.
    Only where agents differ in size is one step played, to see that rows are filled up with zeros.
    An environment that [`mastac.make`][] built needs no check.

    **Raises:**

    - `UserError` that names the function, what was expected and what it gave; also where the
        function itself raises, and where JAX is in 64-bit mode, in which nothing here trains.
    """
    if jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise UserError(
            "JAX is in 64-bit mode and training takes 32-bit numbers; "
            'switch it off with jax.config.update("jax_enable_x64", False)'
        )
    if is_built_in(env) or env.is_host:  # a simulator was tried when it was adapted
        return
    key, time = jax.random.key(0), jax.ShapeDtypeStruct((), jnp.int32)
    state = _checked(env, "reset", env.reset, "state", key)
    actions = jax.ShapeDtypeStruct((env.num_agents, int(env.action_sizes.max())), jnp.float32)
    given = (state, actions, time, key)
    _checked(env, "step", lambda *of: stepped(env, *of).state, "state", *given)
    if env.reward is not None:
        _checked(env, "reward", env.reward, None, state, actions, time)
    _check_transition(env, *given)
    _checked(env, "observe", env.observed, "obs", state, time)
    if env.simple_actions is not None:
        _checked(env, "simple_actions", env.simple_actions, "action", state, time)
    if np.ptp(env.state_sizes) or np.ptp(env.obs_sizes):
        _check_padding(env)


def _check_transition(env: Environment, *given: Any) -> None:
    """Rewards that `step` gives, and whether it or `reward` does; who it says has left."""
    itself, agents = jax.eval_shape(lambda *of: stepped(env, *of), *given), (env.num_agents,)
    wanted = {
        "rewards": ((agents,), jnp.float32, "one 32-bit float for each agent"),
        "terminated": ((agents, ()), jnp.bool_, "one bool for each agent, or one for the team"),
    }
    for name, (shapes, dtype, meaning) in wanted.items():
        found = getattr(itself, name)
        if found is None:
            continue
        if not isinstance(found, jax.ShapeDtypeStruct):
            raise UserError(
                f"{name} from step of environment '{env.id}' must be {meaning}, got one "
                f"{type(found).__name__}"
            )
        if found.shape not in shapes or found.dtype != dtype:
            raise UserError(
                f"{name} from step of environment '{env.id}' must be {meaning} (shape "
                f"{[env.num_agents]}), got {found.dtype} of shape {list(found.shape)}"
            )
    jax.eval_shape(env.transition, *given)


def _check_padding(env: Environment) -> None:
    """Refuse rows that go on beyond an agent's size.

    Networks read whole rows in training, and a policy that is used later only what is real.
    """
    key, width = jax.random.key(0), int(env.action_sizes.max())
    first = (np.arange(width) == 0) & (env.action_sizes[:, None] > 0)  # valid for every head

    @compiled_for_once
    def one_step() -> dict[str, jax.Array]:
        state = env.reset(key)
        after = stepped(env, state, jnp.asarray(first, jnp.float32), 0, key).state
        return {"reset": state, "step": after, "observe": env.observed(after, 1)}

    for name, rows in one_step().items():
        space = "obs" if name == "observe" else "state"
        sizes = getattr(env, f"{space}_sizes")
        beyond = np.argwhere((np.arange(rows.shape[1]) >= sizes[:, None]) & (rows != 0))
        if len(beyond):
            agent, entry = beyond[0]
            raise UserError(
                f"{name} of environment '{env.id}' gives {rows[agent, entry]:g} as entry {entry} "
                f"of agent '{env.agents[agent]}', whose {space}_sizes is {sizes[agent]}; "
                "fill up rows with zeros, or declare what is there"
            )


def checked_reference(env: Environment) -> Reference | None:
    """The reference figures of an environment, computed.

    **Raises:**

    - `UserError` if the function raises, gives something else, or a figure is no finite number.
    """
    try:
        reference = env.reference()
    except Exception as error:
        raise _raised(env, "reference", error) from error
    if reference is not None and not isinstance(reference, Reference):
        raise UserError(
            f"reference of environment '{env.id}' must return a mastac.Reference or None, "
            f"got {type(reference).__name__}"
        )
    return reference


def _checked(
    env: Environment, name: str, function: Callable[..., Any], space: str | None, *arguments: Any
) -> jax.ShapeDtypeStruct:
    """Shape and dtype that a function gives; they must be those of a space, or of rewards."""
    shape, meaning = (env.num_agents,), "one number for each agent"
    if space is not None:
        shape = (env.num_agents, int(getattr(env, f"{space}_sizes").max()))
        meaning = f"one row for each agent, as wide as the largest of {space}_sizes"
    try:
        result = jax.eval_shape(function, *arguments)
    except Exception as error:
        raise _raised(env, name, error) from error
    expected = f"{name} of environment '{env.id}' must return one float32 array of shape "
    expected += f"{list(shape)} ({meaning})"
    if not isinstance(result, jax.ShapeDtypeStruct):
        raise UserError(f"{expected}, got {type(result).__name__}")
    if result.shape != shape:
        raise UserError(f"{expected}, got shape {list(result.shape)}")
    if result.dtype != jnp.float32:
        raise UserError(f"{expected}, got {result.dtype}; convert it with .astype(jnp.float32)")
    return result


def _raised(env: Environment, name: str, error: Exception) -> UserError:
    said = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, UserError):
        return UserError(f"{name} of environment '{env.id}': {said}")
    return UserError(
        f"{name} of environment '{env.id}' raised {type(error).__name__}: {said}".rstrip(": ")
    )
