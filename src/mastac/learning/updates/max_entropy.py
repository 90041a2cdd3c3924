r"""The soft actor-critic (Haarnoja et al. 2018) on local values: policies are rewarded for their entropy.

Value `i` predicts $r_i$ and, from the next step on, $-\alpha_i \ln \pi_i(a_i | o_i)$: the entropy
of its own agent. What an agent will observe is in its dependency set, so the sets are those of the
rewards alone. Actor `i` climbs the critics that it is credited with, at actions that all agents'
policies draw, and its own entropy. Of twins it climbs the first, as all actors here do; the
original climbs the smaller.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.stochastic import StochasticActor
from mastac.learning.buffer import Batch
from mastac.learning.critic_inputs import action_rows, observations, rewards_of_values, rows_with
from mastac.learning.spec import LearnerSpec, LearnerState, Metrics, is_due
from mastac.learning.updates.simultaneous import action_gradients, actor_step, update_critics


def with_temperature(spec: LearnerSpec, weights: Any) -> StochasticActor:
    """First weights: where temperatures are tuned each agent carries its own, and its optimiser tunes it."""
    if not spec.settings.tuned_temperature:
        return weights
    first = jnp.full(spec.env.num_agents, jnp.log(spec.settings.temperature), jnp.float32)
    return StochasticActor(weights.mean_network, weights.log_std, first)


def temperatures(spec: LearnerSpec, weights: StochasticActor) -> Float[Array, " agents"]:
    r"""$\alpha_i$, what a nat of entropy is worth to each agent, in units of scaled rewards."""
    if weights.log_temperature is None:
        return jnp.full(spec.env.num_agents, spec.settings.temperature, jnp.float32)
    return jnp.exp(weights.log_temperature)


def max_entropy_gradient(
    spec: LearnerSpec,
    weights: StochasticActor,
    obs: Float[Array, "agents obs batch"],
    key: PRNGKeyArray,
    gradient_at: Callable[[Float[Array, "rows batch"]], Float[Array, "rows batch"]],
) -> StochasticActor:
    r"""Batch mean of $\nabla_{\theta_i} (\hat Q_i - \alpha_i \ln \pi_i)$ at reparameterised actions, for all actors.

    The temperature's is that of $\ln \alpha_i (\bar H_i - H_i)$: it falls where the entropy $H_i$
    is above its target $\bar H_i$, `entropy_target` for every free number of the action.
    """
    env = spec.env

    def chosen(weights: StochasticActor) -> tuple[Array, Array]:
        actions, log_prob = spec.stochastic.actions_and_log_prob(weights, obs, key)
        return action_rows(env, actions), log_prob

    (actions, log_prob), pull_back = jax.vjp(chosen, weights)
    price = jnp.broadcast_to(-temperatures(spec, weights)[:, None], log_prob.shape)
    (gradient,) = pull_back(
        jax.tree.map(lambda each: each / obs.shape[-1], (gradient_at(actions), price))
    )
    if weights.log_temperature is None:
        return gradient
    lacking = spec.settings.entropy_target * jnp.asarray(
        env.head.free_entries(env.action_sizes), jnp.float32
    ) + log_prob.mean(1)
    return eqx.tree_at(lambda tree: tree.log_temperature, gradient, lacking)


def max_entropy_update(
    spec: LearnerSpec, state: LearnerState, batch: Batch, key: PRNGKeyArray, count: Any = 0
) -> tuple[LearnerState, Metrics]:
    """All critics and actors step from the same parameters; there are no target actors."""
    env, due = spec.env, is_due(spec.settings, count)
    now_key, next_key = jax.random.split(key)
    next_obs = observations(env, batch.next_state, batch.next_time)
    next_actions, log_prob = spec.stochastic.actions_and_log_prob(state.actors, next_obs, next_key)
    now, after, discount = rows_with(spec, batch, next_actions)
    bonus = -discount * temperatures(spec, state.actors)[:, None] * log_prob
    rewarded = batch._replace(rewards=batch.rewards + bonus.T / spec.settings.reward_scale)

    obs = observations(env, batch.state, batch.time)
    at = lambda policy_rows: action_gradients(spec, state.critics, now, policy_rows)  # noqa: E731
    actors, _, actor_optimizer, norms = actor_step(
        spec, state, lambda: max_entropy_gradient(spec, state.actors, obs, now_key, at), due
    )
    found = update_critics(
        spec, state, now, after, discount, rewards_of_values(spec, rewarded), due
    )
    learner = LearnerState(
        actors, found.critics, (), found.targets, actor_optimizer, found.optimizers
    )
    return learner, Metrics(found.losses, found.values, norms)
