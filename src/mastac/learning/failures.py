"""Where a number first stopped being finite."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from mastac.envs.base import Environment
from mastac.learning.buffer import Episode
from mastac.learning.spec import Metrics

# Where a number first stopped being finite; the agent's index is added to the kind times the number
# of agents.
FAILURES = ("the environment's state or reward of", "the critic of", "the actor of")


def failure_of(
    env: Environment, episode: Episode, learner_failure: Int[Array, ""]
) -> Int[Array, ""]:
    """-1 if every number is finite, else kind and agent of the first that is not.

    `learner_failure`: of the updates after the episode; -1 where there were none.
    """
    agents = env.num_agents
    # In order of time, states before rewards: what breaks in one agent soon spreads to those it is
    # coupled to.
    states = ~jnp.isfinite(episode.states).all(2)
    rewards = jnp.concatenate([~jnp.isfinite(episode.rewards), jnp.zeros((1, agents), bool)])
    in_env = jnp.stack([states, rewards], axis=1).ravel()
    return jnp.where(in_env.any(), jnp.argmax(in_env) % agents, learner_failure)


def failure_of_learner(env: Environment, metrics: Metrics, learner_state: Any) -> Int[Array, ""]:
    """The same of what an epoch's updates measured and of the weights that they left."""
    agents = env.num_agents
    in_critic = jnp.zeros(agents, bool)
    if metrics.critic_loss is not None:
        critics = ~jnp.isfinite(metrics.critic_loss)
        is_own = len(critics) == agents
        in_critic = critics if is_own else jnp.broadcast_to(critics.any(), (agents,))
    in_actor = ~jnp.isfinite(metrics.gradient_norm) & metrics.actors_moved
    weights = (learner_state.critics, learner_state.actors)
    # Weights can overflow in the very last update of an epoch, before any loss shows it.
    # Sums of zeros: over truth values the compiler takes ten times as long for a reduction.
    zeros = [(leaf * 0).sum() for leaf in jax.tree.leaves(weights)]
    finite = jnp.isfinite(jnp.stack(zeros)).all()
    return jnp.where(
        in_critic.any(),
        agents + jnp.argmax(in_critic),
        jnp.where(in_actor.any(), 2 * agents + jnp.argmax(in_actor), jnp.where(finite, -1, agents)),
    )
