r"""The soft actor-critic (Haarnoja et al. 2018) on local values: policies are paid for entropy.

Value `i` predicts $r_i$ and, from the next step on, $-\alpha_i \ln \pi_i(a_i | o_i)$: the entropy
of its own agent. What an agent will observe is in its dependency set, so the sets are those of the
rewards alone. Actor `i` steps up the critics that it is credited with, at actions that all agents'
policies draw, and its own entropy. Of twins it follows the first, as all actors here do; the
original follows the smaller.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.stochastic import StochasticActor
from mastac.envs.mixed_heads import mask_of
from mastac.learning.actor_step import GradientAt, action_gradients, actor_step, over_samples
from mastac.learning.buffer import Batch, replay_of
from mastac.learning.critic_inputs import (
    action_inputs,
    inputs_with,
    reward_factor,
    rewards_of_values,
    step_discount,
)
from mastac.learning.critic_step import update_critics
from mastac.learning.observing import next_observations_of, observations_of
from mastac.learning.presence import alive_of, read_of, sample_mean, sample_weights
from mastac.learning.schedule import after_episodes
from mastac.learning.sharing import summed_over_kinds
from mastac.learning.spec import LearnerSpec, LearnerState, Metrics, UpdateKind, is_due


def explore_by_drawing(
    spec: LearnerSpec,
    state: LearnerState,
    obs: Float[Array, "agents obs"],
    noise: Float[Array, ""],
    random_fraction: Float[Array, ""],
    key: PRNGKeyArray,
) -> tuple[Float[Array, "agents act"], None]:
    """Stochastic policies explore by what they draw; `noise` and `random_fraction` are not used."""
    return spec.stochastic.draw(state.actors, obs[:, :, None], key).actions[:, :, 0], None


def first_actors(spec: LearnerSpec, key: PRNGKeyArray) -> StochasticActor:
    """First weights. Where temperatures are tuned each agent's is a weight beside its network's."""
    weights = spec.stochastic.init(key)
    if not spec.settings.tune_temperature:
        return weights
    networks = len(weights.log_std)
    start = jnp.full(networks, jnp.log(spec.settings.temperature), jnp.float32)
    return StochasticActor(weights.mean_network, weights.log_std, start)


def temperatures(spec: LearnerSpec, weights: StochasticActor) -> Float[Array, " agents"]:
    r"""$\alpha_i$, what a nat of entropy is worth to each agent, in units of scaled rewards."""
    if weights.log_temperature is None:
        return jnp.full(spec.env.num_agents, spec.settings.temperature, jnp.float32)
    return spec.actors.of_agents(jnp.exp(weights.log_temperature))


def max_entropy_gradient(
    spec: LearnerSpec,
    weights: StochasticActor,
    obs: Float[Array, "agents obs batch"],
    key: PRNGKeyArray,
    gradient_at: GradientAt,
    scales: Any = (),
    alive: Any = None,
) -> StochasticActor:
    r"""Batch mean of $\nabla_{\theta_i} (\hat Q_i - \alpha_i \ln \pi_i)$, for all actors at once.

    At reparameterised actions $a_i = f_{\theta_i}(\epsilon_i; o_i)$, whose noise `key` draws. The
    critics and the temperatures in it are taken as they are. Where temperatures are tuned, the
    gradient of $\ln \alpha_i$ is $\bar H_i - H_i$: it falls while the entropy $H_i$ is above its
    target $\bar H_i$, the head's for `entropy_target`.

    **Arguments:**

    - `gradient_at`: $\nabla_a \hat Q$ at given actions, both in the critics' units.
    - `alive`: who is there in each sample; means are over those in which an agent is.
    """
    env, counts = spec.env, sample_weights(alive)

    def drawn(weights: StochasticActor) -> tuple[Array, Array]:
        actions, log_prob = spec.stochastic.actions_and_log_prob(weights, obs, key)
        return read_of(action_inputs(env, actions, scales), alive), log_prob

    (actions, log_prob), pull_back = jax.vjp(drawn, weights)
    price = jnp.broadcast_to(-temperatures(spec, weights)[:, None], log_prob.shape)
    price = price / obs.shape[-1] if counts is None else price * counts
    (gradient,) = pull_back((over_samples(gradient_at(actions), alive), price))
    if weights.log_temperature is None:
        return gradient
    mask = mask_of(env.action_head, env.action_sizes)
    aim = jnp.asarray(env.head.entropy_aim(spec.settings.entropy_target, mask), jnp.float32)
    # Nothing is lacking where an agent is in no sample.
    aim = aim if counts is None else aim * counts.sum(1)
    lacking = summed_over_kinds(spec, aim + sample_mean(log_prob, counts))
    return eqx.tree_at(lambda tree: tree.log_temperature, gradient, lacking)


def max_entropy_update(
    spec: LearnerSpec, state: LearnerState, batch: Batch, key: PRNGKeyArray, count: Any = 0
) -> tuple[LearnerState, Metrics]:
    r"""All critics and actors step from the same parameters; there are no target actors.

    The target is $y_i = r_i + \gamma (Q'_i(s', a') - \alpha_i \ln \pi_i(a'_i | o'_i))$ with $a'$
    drawn from the current policies. Nothing in it is differentiated.
    """
    env, due = spec.env, is_due(spec.settings, count)
    now_key, next_key = jax.random.split(key)
    next_obs = next_observations_of(env, batch)
    next_actions, log_prob = spec.stochastic.actions_and_log_prob(state.actors, next_obs, next_key)
    now, after, discount = inputs_with(spec, batch, next_actions, state.scales)
    bonus = -step_discount(spec, batch)[None] * temperatures(spec, state.actors)[:, None] * log_prob
    bonus = bonus if after.alive is None else jnp.where(after.alive, bonus, 0.0)
    # Rewards are scaled on their way into the target; the bonus is in scaled units already.
    rewarded = batch._replace(rewards=batch.rewards + bonus.T / reward_factor(spec, state.scales))

    def gradient() -> StochasticActor:
        obs = observations_of(env, batch)
        return max_entropy_gradient(
            spec,
            state.actors,
            obs,
            now_key,
            lambda policy_inputs: action_gradients(spec, state.critics, now, policy_inputs),
            state.scales,
            alive_of(batch),
        )

    actors = actor_step(spec, state, gradient, due)
    rewards = rewards_of_values(spec, rewarded, state.scales)
    critics = update_critics(spec, state, now, after, discount, rewards, due)
    metrics = Metrics(critics.losses, critics.values, actors.norms, due)
    return state.stepped(actors, critics), metrics


UPDATE = UpdateKind(
    update=max_entropy_update,
    explore=explore_by_drawing,
    buffer=replay_of,
    schedule=after_episodes,
    first_actors=first_actors,
    has_target_actors=False,
)
