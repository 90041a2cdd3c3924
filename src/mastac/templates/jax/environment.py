"""Water tanks in a row, each with a pump of its own: an environment to make your own.

    python -m pytest test_NAME.py      do the tests hold?
    mastac graph NAME:env              whose states and actions does each value depend on?
    mastac check NAME:env              are the declared graphs true of the simulator?
    mastac train NAME:env              train one policy for each tank

Change it from top to bottom, step by step, and run the tests after each step.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

import mastac

# Change: the constants of your own system. Write them in natural units; nothing need be scaled.
# Here a tank's floor is such that a litre of water fills a centimetre.
TARGET = 100.0  # cm, the level that every tank should hold
RIM = 200.0  # cm
OUTFLOW = 0.1  # litres a minute that leave a tank through its pipe, for each cm of level
DEMAND = 5.0  # litres a minute that are drawn from each tank, on average
PUMP_LIMIT = 30.0  # litres a minute, into the tank or out of it


def env(tanks: int = 4) -> mastac.Environment:
    """The environment. Arguments are options: mastac train NAME:env --env-set tanks=6."""
    # Change: the agents. Everything that acts is one.
    names = [f"tank-{number}" for number in range(1, tanks + 1)]
    pipes = list(pairwise(names))  # from each tank to the next one

    # Change: who affects whom, in pairs (source, target). Every agent affects itself; that need
    # not be said. If you are not sure about an edge, declare it, and ask `mastac check`.
    couplings = mastac.Couplings(
        names,
        state=pipes,  # whose state enters the next state of whom: water flows down the pipes
        observation=pipes,  # who is seen by whom: a tank also sees the level above it
        reward=[],  # whose state enters whose reward: each tank is paid for its own level
        action=[],  # whose action enters whose next state: a pump moves its own tank's water
        reward_action=[],  # whose action enters whose reward: each pays for its own pump
    )
    return mastac.Environment(
        id="NAME",
        couplings=couplings,
        horizon=60,  # change: steps of an episode; a step is a minute here
        reset=lambda key: _reset(key, tanks),
        step=_step,
        reward=_reward,
        observe=_observe,
        # Change: how many numbers each agent's state, observation and action have.
        state_sizes=np.ones(tanks, int),
        obs_sizes=np.where(np.arange(tanks) == 0, 1, 2),  # there is no tank above the first one
        action_sizes=np.ones(tanks, int),
        action_head="tanh",  # within the limit; others: "linear", "softmax" and "discrete"
        action_limit=PUMP_LIMIT,
        simple_actions=lambda state, time: jnp.zeros((tanks, 1)),  # to compare with: pumps are off
        units={"state": "cm", "action": "l/min", "reward": "cm²"},
    )


# The functions below are compiled. They take and return arrays with one row for each agent, in the
# order of the names, and have no `if` on values: use jnp.where, jnp.clip and the like. All that is
# random comes from `key`.


def _reset(key: jax.Array, tanks: int) -> jax.Array:
    """Change: the state in which an episode begins, one row for each agent."""
    return jax.random.uniform(key, (tanks, 1), minval=50.0, maxval=150.0)


def _step(state: jax.Array, action: jax.Array, time: jax.Array | int, key: jax.Array) -> jax.Array:
    """Change: the state a step later."""
    outflow = OUTFLOW * state
    inflow = jnp.concatenate([jnp.zeros((1, 1)), outflow[:-1]])  # what leaves the tank above
    demand = DEMAND * jax.random.uniform(key, state.shape, maxval=2.0)
    return jnp.clip(state + inflow - outflow - demand + action, 0.0, RIM)


def _reward(state: jax.Array, action: jax.Array, time: jax.Array | int) -> jax.Array:
    """Change: one number for each agent, its own reward. Do not add them up."""
    return -((state[:, 0] - TARGET) ** 2) - 0.1 * action[:, 0] ** 2


def _observe(state: jax.Array) -> jax.Array:
    """Change: what each agent sees; rows with fewer numbers than others end in zeros."""
    above = jnp.concatenate([jnp.zeros((1, 1)), state[:-1]])
    return jnp.concatenate([state, above], axis=1)
