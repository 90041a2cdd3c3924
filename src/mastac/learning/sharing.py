"""One actor, or one critic, for all agents of a kind; its weights stand once."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from mastac.envs.base import Environment
from mastac.envs.mixed_heads import mask_of
from mastac.learning.settings import Settings
from mastac.learning.spec import LearnerSpec, optimizer_step
from mastac.structure.couplings import Couplings
from mastac.structure.kinds import Blocks, Kinds, blocks_of, kinds_of_rows
from mastac.structure.layout import CriticLayout
from mastac.structure.roles import critic_kinds
from mastac.structure.sequences import CouplingSequence

COLUMNS = 4096
"""Columns that one product of a shared network takes on a CPU: members of a kind times a batch."""


def kinds_of(env: Environment) -> Kinds:
    """Agents are of one kind where an actor sees no difference.

    That is where sizes, centres, scales and limits are equal, or where the user named them alike
    and sizes are. That the entries of their observations and actions mean the same is the
    environment's word.
    """
    acts = mask_of(env.action_head, env.action_sizes)
    known = [env.obs_sizes[:, None], env.action_sizes[:, None], acts]
    names = names_of(env)
    if names is None:
        known += [_entries(env.obs_sizes, value) for value in (env.obs_center, env.obs_scale)]
        known.append(_entries(env.action_sizes, env.action_limit))
    else:
        known.append(names[:, None])
    return _alike(known)


def kinds_of_critics(env: Environment, layout: CriticLayout) -> Kinds:
    """Critics that are one network; see [`critic_kinds`][mastac.structure.roles.critic_kinds].

    Where the user named agents, critics of one name share where what they read has equal sizes.
    """
    names = names_of(env)
    if names is not None:
        sizes = _alike([env.state_sizes[:, None], env.action_sizes[:, None]])
        return critic_kinds(layout, sizes.of, None, names)
    return critic_kinds(layout, read_alike(env).of, _steady(env))


def read_alike(env: Environment) -> Kinds:
    """Agents whose states and actions critics read in equal sizes and declared units."""
    limit = env.action_limit if env.action_scale is None else env.action_scale
    known = [env.state_sizes[:, None], env.action_sizes[:, None]]
    known += [_entries(env.state_sizes, value) for value in (env.state_center, env.state_scale)]
    known += [_entries(env.action_sizes, value) for value in (env.action_center, limit)]
    return _alike(known)


def names_of(env: Environment) -> Int[np.ndarray, " agents"] | None:
    """The kinds that the user named, as numbers; `None` where there are none."""
    given = _steady(env).kinds
    if not given:
        return None
    return np.unique([given[agent] for agent in env.agents], return_inverse=True)[1].reshape(-1)


def _steady(env: Environment) -> Couplings:
    couplings = env.couplings
    return couplings.union() if isinstance(couplings, CouplingSequence) else couplings


def _entries(sizes: np.ndarray, value: np.ndarray | float | None) -> np.ndarray:
    """A field of the environment as rows, without what only fills them up."""
    real = np.arange(sizes.max()) < sizes[:, None]
    return np.where(real, np.broadcast_to(0.0 if value is None else value, real.shape), 0.0)


def _alike(columns: list[np.ndarray]) -> Kinds:
    known = np.concatenate(columns, axis=1).astype(np.float64)
    known = np.ascontiguousarray(known) + 0.0  # no zero has a sign
    return kinds_of_rows([row.tobytes() for row in known])


def actor_blocks(env: Environment, settings: Settings, chunk: int) -> Blocks | None:
    """Which agents share an actor; `None` where none do."""
    if not settings.share_actors:
        return None
    return blocks_of(kinds_of(env), most_together(settings, chunk))


def most_together(settings: Settings, chunk: int) -> int:
    """How many members of a kind are computed together; `chunk` 0: all of them."""
    return max(1, COLUMNS // settings.batch_size) if chunk else 2**31 - 1


def summed_over_kinds(
    spec: LearnerSpec, values: Float[Array, "agents *rest"]
) -> Float[Array, "networks *rest"]:
    """Sums over the agents of a kind, where they share actors."""
    blocks = spec.actors.blocks
    if blocks is None:
        return values
    return jax.ops.segment_sum(values, blocks.kinds.of, len(blocks.kinds.first))


def mean_of_kinds(kinds: Kinds, total: Any) -> Any:
    """Sums over the members of each kind as means."""
    sizes = kinds.sizes.astype(np.float32)
    return jax.tree.map(
        lambda leaf: leaf / sizes.reshape(-1, *(1,) * (leaf.ndim - 1)).astype(leaf.dtype), total
    )


def stepped(spec: LearnerSpec, actors: Any, gradient: Any, optimizer_state: Any) -> tuple[Any, Any]:
    """Every actor and its optimizer one step down the gradient.

    With `share_actors` each kind goes down the mean over its agents. The gradient of a shared actor
    is their sum (Theorem 3.7 and the chain rule); the mean is the same to Adam, and how many agents
    a kind has then does not matter to `max_grad_norm`.
    """
    step_all = jax.vmap(lambda *actor: optimizer_step(spec.actor_optimizer, *actor))
    return step_all(actors, mean_of_actors(spec, gradient), optimizer_state)


def mean_of_actors(spec: LearnerSpec, gradient: Any) -> Any:
    """The gradient of each actor; where agents share one, the mean over them."""
    blocks = spec.actors.blocks
    return gradient if blocks is None else mean_of_kinds(blocks.kinds, gradient)


def gradient_norms(spec: LearnerSpec, gradient: Any) -> Float[Array, " agents"]:
    """The norm of the gradient that each agent's actor follows."""
    norms = jax.vmap(optax.tree.norm)(mean_of_actors(spec, gradient))
    return spec.actors.of_agents(norms)


def pooled(kinds: Kinds, rows: Float[Array, "agents *rest"]) -> Float[Array, "kinds *rest"]:
    """Means over the agents of a kind."""
    total = jax.ops.segment_sum(rows, kinds.of, len(kinds.first))
    return jnp.asarray(mean_of_kinds(kinds, total))
