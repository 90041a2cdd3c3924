"""Whether an environment gives what it declares, by abstract evaluation: nothing is compiled."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mastac.envs.base import Environment, Reference
from mastac.envs.registry import is_built_in
from mastac.errors import UserError


def check_environment(env: Environment) -> None:
    """Compare what the functions of an environment give with what it declares.

    Every function is traced once, with the time as an array, as in training. An environment that
    [`mastac.make`][] built is not traced.

    **Raises:**

    - `UserError` that names the function, what was expected and what it gave; also where the
        function itself raises, and where JAX is in 64-bit mode, in which nothing here trains.
    """
    if jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise UserError(
            "JAX is in 64-bit mode and training takes 32-bit numbers; "
            'leave it by jax.config.update("jax_enable_x64", False)'
        )
    if is_built_in(env):
        return
    key, time = jax.random.key(0), jax.ShapeDtypeStruct((), jnp.int32)
    state = _checked(env, "reset", env.reset, "state", key)
    actions = jax.ShapeDtypeStruct((env.num_agents, int(env.action_sizes.max())), jnp.float32)
    _checked(env, "step", env.step, "state", state, actions, time, key)
    _checked(env, "reward", env.reward, None, state, actions, time)
    _checked(env, "observe", env.observed, "obs", state, time)
    if env.simple_actions is not None:
        _checked(env, "simple_actions", env.simple_actions, "action", state, time)


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
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return UserError(f"{name} of environment '{env.id}' raised {kind}{said}".rstrip(": "))
