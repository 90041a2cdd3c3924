"""A plant, two warehouses and four shops order goods from one another, day by day.

Each site orders from the one that supplies it; the plant makes what it orders. Goods arrive on the
second day. A supplier that is short shares what it has in proportion to the orders, so the orders
of neighbours matter. Demand that finds an empty shelf is lost. A site pays for its stock, for its
orders, and for what it could not deliver.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.random import poisson

import mastac
from mastac.examples.playing import with_rule

SITES = ["plant", "north", "south", "shop 1", "shop 2", "shop 3", "shop 4"]
SUPPLIES = [
    *(("plant", "north"), ("plant", "south"), ("north", "shop 1"), ("north", "shop 2")),
    *(("south", "shop 3"), ("south", "shop 4")),
]
DEMAND = np.array([0.0, 0.0, 0.0, 4.0, 6.0, 8.0, 5.0])  # a day, on average
LARGEST_ORDER = np.array([60.0, 30.0, 30.0, 20.0, 20.0, 20.0, 20.0])  # a day
FEEDS = np.zeros((7, 7))  # [i, j] is 1 if i supplies j
for supplier, customer in SUPPLIES:
    FEEDS[SITES.index(supplier), SITES.index(customer)] = 1.0
COST_STOCK, COST_ORDER, COST_LOST = 0.2, 0.1, 5.0  # for each unit

AT_STAKE = DEMAND + FEEDS @ DEMAND + FEEDS @ FEEDS @ DEMAND
"""Units a day that pass through each site if all demand is met."""
BASE_STOCK = 3.0 * AT_STAKE + 0.5 * np.sqrt(3.0 * AT_STAKE)


def env() -> mastac.Environment:
    """The supply chain.

    State of a site: its stock, what will arrive tomorrow, and what it could not deliver yesterday.
    An action is an order less half of the largest order. Sites also see the stock of their
    supplier.
    """
    upward = [(customer, supplier) for supplier, customer in SUPPLIES]
    siblings = [
        (one, other) for above, one in SUPPLIES for same, other in SUPPLIES if above == same
    ]
    environment = mastac.Environment(
        id="inventory",
        couplings=mastac.Couplings(
            SITES, state=SUPPLIES, observation=SUPPLIES, action=upward + siblings
        ),
        horizon=60,
        reset=_reset,
        step=_step,
        reward=_reward,
        observe=_observe,
        state_sizes=np.full(7, 3),
        obs_sizes=np.array([3, 4, 4, 4, 4, 4, 4]),
        action_sizes=np.ones(7, int),
        action_head="tanh",
        action_limit=LARGEST_ORDER[:, None] / 2,
        simple_actions=lambda state, time: -jnp.asarray(LARGEST_ORDER / 2, jnp.float32)[:, None],
        units={"state": "pieces", "action": "pieces a day", "reward": "euros a day"},
    )
    return with_rule(environment, rule)


def _reset(key: jax.Array) -> jax.Array:
    stock = jax.random.uniform(key, (7,), minval=0.5, maxval=1.5) * 2.0 * jnp.asarray(AT_STAKE)
    return jnp.stack([stock, *jnp.zeros((2, 7))], axis=1)


def _step(state: jax.Array, action: jax.Array, time: jax.Array | int, key: jax.Array) -> jax.Array:
    stock, arriving = state[:, 0], state[:, 1]
    order = _orders(action)
    asked = jnp.asarray(FEEDS) @ order + poisson(key, jnp.asarray(DEMAND), (7,))
    delivered = jnp.minimum(stock, asked)
    share = jnp.minimum(1.0, stock / jnp.maximum(asked, 1e-3))
    shipped = order * (jnp.asarray(FEEDS.T) @ share).at[0].set(1.0)
    return jnp.stack([stock - delivered + arriving, shipped, asked - delivered], axis=1)


def _orders(action: jax.Array) -> jax.Array:
    return action[:, 0] + jnp.asarray(LARGEST_ORDER / 2)


def _reward(state: jax.Array, action: jax.Array, time: jax.Array | int) -> jax.Array:
    return -COST_STOCK * state[:, 0] - COST_LOST * state[:, 2] - COST_ORDER * _orders(action)


def _observe(state: jax.Array) -> jax.Array:
    return jnp.concatenate([state, jnp.asarray(FEEDS.T) @ state[:, :1]], axis=1)


def rule(obs: jax.Array) -> jax.Array:
    """Order up to a base stock: three days of demand, and something for safety."""
    largest = jnp.asarray(LARGEST_ORDER)
    order = jnp.clip(jnp.asarray(BASE_STOCK) - obs[:, 0] - obs[:, 1], 0.0, largest)
    return (order - largest / 2)[:, None]
