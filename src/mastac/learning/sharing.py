"""One actor for all agents of a kind.

Its weights stand once for each of them and are equal by construction, so that everything else
treats shared actors and others alike.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from mastac.envs.base import Environment
from mastac.envs.mixed_heads import mask_of
from mastac.learning.spec import LearnerSpec, optimizer_step


class Kinds(NamedTuple):
    """Which agents share an actor.

    - `of`: the kind of each agent.
    - `first`: one agent of each kind.
    """

    of: Int[np.ndarray, " agents"]
    first: Int[np.ndarray, " kinds"]


def kinds_of(env: Environment) -> Kinds:
    """Agents are of one kind where an actor sees no difference.

    That is where sizes, centres, scales and limits are equal. That the entries of their
    observations and actions mean the same is the environment's word.
    """

    def entries(sizes: np.ndarray, value: np.ndarray | float) -> np.ndarray:
        real = np.arange(sizes.max()) < sizes[:, None]
        return np.where(real, np.broadcast_to(value, real.shape), 0.0)

    seen = [entries(env.obs_sizes, value) for value in (env.obs_center, env.obs_scale)]
    done = entries(env.action_sizes, env.action_limit)
    acts = mask_of(env.action_head, env.action_sizes)
    known = np.concatenate(
        [env.obs_sizes[:, None], env.action_sizes[:, None], acts, *seen, done], axis=1
    )
    _, first, of = np.unique(known, axis=0, return_index=True, return_inverse=True)
    return Kinds(of.reshape(-1), first)


def alike(spec: LearnerSpec, actors: Any) -> Any:
    """With `share_actors` the weights of the first agent of each kind for all of it."""
    if not spec.settings.share_actors:
        return actors
    kinds = kinds_of(spec.env)
    return jax.tree.map(lambda leaf: leaf[kinds.first[kinds.of]], actors)


def stepped(spec: LearnerSpec, actors: Any, gradient: Any, optimizer_state: Any) -> tuple[Any, Any]:
    """Every actor and its optimizer one step down the gradient.

    With `share_actors` each kind goes down the mean over its agents. The gradient of a shared actor
    is their sum (Theorem 3.7 and the chain rule); the mean is the same to Adam, and how many agents
    a kind has then does not matter to `max_grad_norm`.
    """
    step_all = jax.vmap(lambda *actor: optimizer_step(spec.actor_optimizer, *actor))
    if not spec.settings.share_actors:
        return step_all(actors, gradient, optimizer_state)
    kinds = kinds_of(spec.env)
    sizes = np.bincount(kinds.of)

    def mean(leaf: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(leaf, kinds.of, len(sizes)) / sizes.reshape(
            -1, *(1,) * (leaf.ndim - 1)
        )

    # One step for each kind, handed to its members: they cannot drift apart.
    own, optimizer_state = (
        jax.tree.map(lambda leaf: leaf[kinds.first], tree) for tree in (actors, optimizer_state)
    )
    after = step_all(own, jax.tree.map(mean, gradient), optimizer_state)
    return jax.tree.map(lambda leaf: leaf[kinds.of], after)
