"""Eight towns on a road network fight an infection by restrictions and by vaccination.

People are susceptible, infected, or neither (recovered or vaccinated). Travellers carry the
infection along the roads; a restriction protects a town's own people and keeps its infected at
home. A town pays for its infected, for restrictions and for vaccine.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.random import normal, uniform

import mastac
from mastac.examples.playing import with_rule

ROADS = [(0, 1), (1, 2), (2, 3), (1, 4), (4, 5), (5, 6), (3, 6), (6, 7)]
TOWNS = ["Abbey", "Bridge", "Castle", "Dale", "Elm", "Ford", "Grove", "Hill"]
PEOPLE = np.array([40, 180, 60, 25, 90, 30, 120, 20], float) * 1000
CONTACTS = 0.25  # people whom an infected person infects in a day where all are susceptible
RECOVERY = 0.1  # share of the infected that recover in a day
TRAVEL = 0.05  # contacts with each neighbouring town, as a share of those at home
DOSES = 0.01  # share of a town's people that can be vaccinated in a day
COST_INFECTED = 0.1  # thousand euros a day for each infected person
COST_RESTRICTION = 0.02  # thousand euros a day for each person, were all contacts forbidden
COST_DOSE = 0.05  # thousand euros for each dose
BETWEEN = np.zeros((8, 8))  # [i, j] is 1 if a road leads from i to j
for one, other in ROADS:
    BETWEEN[one, other] = BETWEEN[other, one] = 1.0


def env() -> mastac.Environment:
    """The towns.

    State: susceptible and infected people. A town also sees how many infected people live in the
    neighbouring towns. Two actions: the restriction of contacts and the use of the vaccination
    centre, both as shares from 0 to 1, less one half.
    """
    both_ways = [(TOWNS[a], TOWNS[b]) for one, other in ROADS for a, b in _both(one, other)]
    environment = mastac.Environment(
        id="epidemic",
        couplings=mastac.Couplings(TOWNS, state=both_ways, observation=both_ways),
        horizon=100,
        reset=_reset,
        step=_step,
        reward=_reward,
        observe=_observe,
        state_sizes=np.full(8, 2),
        obs_sizes=np.full(8, 3),
        action_sizes=np.full(8, 2),
        action_head="tanh",
        action_limit=0.5,
        simple_actions=lambda state, time: jnp.full((8, 2), -0.5),
        units={"state": "people", "action": "1", "reward": "thousand euros"},
    )
    return with_rule(environment, rule)


def _both(one: int, other: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (one, other), (other, one)


def _reset(key: jax.Array) -> jax.Array:
    people = jnp.asarray(PEOPLE)
    infected = uniform(key, (8,), minval=0.0002, maxval=0.002) * people
    return jnp.stack([people - infected, infected], axis=1)


def _step(state: jax.Array, action: jax.Array, time: jax.Array | int, key: jax.Array) -> jax.Array:
    susceptible, infected = state.T
    people, (restriction, vaccination) = jnp.asarray(PEOPLE), action.T + 0.5
    prevalence = infected / people
    met = prevalence + TRAVEL * jnp.asarray(BETWEEN) @ ((1.0 - restriction) * prevalence)
    chance = CONTACTS * (1.0 - 0.8 * restriction) * met * jnp.exp(0.1 * normal(key, (8,)))
    caught = susceptible * (1.0 - jnp.exp(-chance))
    vaccinated = jnp.minimum(susceptible - caught, vaccination * DOSES * people)
    infected = (1.0 - RECOVERY) * infected + caught
    return jnp.stack([susceptible - caught - vaccinated, infected], axis=1)


def _reward(state: jax.Array, action: jax.Array, time: jax.Array | int) -> jax.Array:
    people, (restriction, vaccination) = jnp.asarray(PEOPLE), action.T + 0.5
    return (
        -COST_INFECTED * state[:, 1]
        - COST_RESTRICTION * restriction**2 * people
        - COST_DOSE * vaccination * DOSES * people
    )


def _observe(state: jax.Array) -> jax.Array:
    return jnp.concatenate([state, jnp.asarray(BETWEEN) @ state[:, 1:]], axis=1)


def rule(obs: jax.Array) -> jax.Array:
    """Vaccinate while many are susceptible, and restrict in proportion to the infected."""
    people = jnp.asarray(PEOPLE)
    susceptible, prevalence = obs[:, 0] / people, obs[:, 1] / people
    restriction = jnp.clip(10.0 * prevalence, 0.0, 1.0)
    vaccination = jnp.where(susceptible > 0.2, 1.0, 0.0)
    return jnp.stack([restriction, vaccination], axis=1) - 0.5
