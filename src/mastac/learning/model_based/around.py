"""Local models of the dynamics around given policies, fitted to fresh episodes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.actors import Actors
from mastac.agents.local_models import Networks, local_models
from mastac.agents.model_inputs import Units
from mastac.envs.base import Environment
from mastac.learning.buffer import Episode
from mastac.learning.model_based.fitting import fit, optimizer
from mastac.learning.model_based.imagined import Dynamics, learnt_dynamics
from mastac.learning.model_based.known import MARGIN
from mastac.learning.model_based.units import ages, measured_units, reward_range, state_range

MEMBERS, WIDTH = 4, 32  # models of each next state and reward, and their hidden units
STEPS, BATCH, RATE = 2000, 64, 0.03  # of the fit
NOISE, RANDOM = 0.3, 0.1  # exploration in three episodes of four; the fourth has none


class Fitted(NamedTuple):
    """What local models are made of, and the ranges that they are held to."""

    networks: Networks
    units: Units
    residual: Float[Array, "agents state"]
    states: tuple[Float[Array, "agents state"], Float[Array, "agents state"]]
    rewards: tuple[Float[Array, " agents"], Float[Array, " agents"]]


def fitted_around(
    env: Environment, actors: Actors, weights: Any, key: PRNGKeyArray, episodes: int
) -> Fitted:
    """Local models, fitted to so many episodes of the policies with exploration."""
    play_key, first_key, fit_key = jax.random.split(key, 3)
    explores = jnp.where(jnp.arange(episodes) % 4 > 0, 1.0, 0.0)
    store = jax.vmap(lambda key, much: _episode(env, actors, weights, key, much))(
        jax.random.split(play_key, episodes), explores
    )
    models, age = local_models(env, MEMBERS, WIDTH), ages(episodes, jnp.asarray(episodes))
    networks, units = models.init(first_key), measured_units(store, age)
    networks, _, errors = fit(
        models,
        networks,
        optimizer().init(networks),
        units,
        store,
        age,
        fit_key,
        steps=STEPS,
        times=jnp.asarray(1),
        batch=BATCH,
        rate=RATE,
    )
    ranges = state_range(store, age, MARGIN), reward_range(store, age)
    return Fitted(networks, units, errors.residual, *ranges)


def dynamics_around(env: Environment, fitted: Fitted) -> Dynamics:
    """The fitted models as dynamics; batches are multiples of `MEMBERS`."""
    return learnt_dynamics(local_models(env, MEMBERS, WIDTH), *fitted)


def _episode(
    env: Environment, actors: Actors, weights: Any, key: PRNGKeyArray, explores: Array
) -> Episode:
    reset_key, step_key, noise_key = jax.random.split(key, 3)

    def one_step(state: Array, at: tuple[Array, PRNGKeyArray, PRNGKeyArray]):
        time, step_key, noise_key = at
        obs = env.observed(state, time)[:, :, None]
        much = (NOISE * explores, RANDOM * explores)
        actions = actors.explore(weights, obs, *much, noise_key)[:, :, 0]
        after = env.transition(state, actions, time, step_key)
        return after.state, (after.state, actions, after.rewards)

    first = env.reset(reset_key)
    times = jnp.arange(env.horizon)
    steps, noises = (jax.random.split(key, env.horizon) for key in (step_key, noise_key))
    _, (states, actions, rewards) = jax.lax.scan(one_step, first, (times, steps, noises))
    return Episode(jnp.concatenate([first[None], states]), actions, rewards)
