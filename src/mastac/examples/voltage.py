"""Ten houses along a feeder hold their voltage by inverters that feed in reactive power.

Power flows between neighbours in proportion to the difference of their voltages. Where more comes
in than is used, the voltage rises; a droop pulls it back to 230 V. Loads wander. A house pays for
the error of its voltage, for the difference to the house before it, which stands for losses in the
line, and for the reactive power of its inverter.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.random import normal

import mastac
from mastac.examples.playing import with_rule

# Where the line to each house comes from; the first hangs on the transformer, and a side line
# leaves the third house.
BEFORE = {2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 3, 9: 8, 10: 9}
REACTANCE = np.array([0.08, 0.1, 0.12, 0.1, 0.15, 0.12, 0.2, 0.15, 0.12, 0.2])  # ohm
LOAD = np.array([2.0, 3.0, 1.5, 4.0, 2.0, 3.5, 3.0, 2.0, 4.0, 2.5])  # kvar, on average
NOMINAL, TRANSFORMER = 230.0, 234.0  # V
LIMIT = 8.0  # kvar, of an inverter
RISE = 0.1  # V in a step for each kvar that is left over
DROOP = 0.05  # of an error of the voltage, in a step

HOUSES = [f"house {number}" for number in range(1, 11)]
LINES = [(f"house {source}", f"house {target}") for target, source in BEFORE.items()]
FEEDER = np.zeros((10, 10))  # [i, j] is 1 if the line to house i comes from house j
for target, source in BEFORE.items():
    FEEDER[target - 1, source - 1] = 1.0
FIRST = np.eye(10)[0]


def env() -> mastac.Environment:
    """The feeder: state and observation are voltage (V) and load (kvar).

    Each house but the first also observes the voltage of the house before it.
    """
    backward = [(target, source) for source, target in LINES]
    environment = mastac.Environment(
        id="voltage",
        couplings=mastac.Couplings(
            HOUSES,
            state=LINES + backward,
            observation=LINES,
            reward=LINES,
            action=[],
            reward_action=[],
        ),
        horizon=50,
        reset=_reset,
        step=_step,
        reward=_reward,
        observe=_observe,
        state_sizes=np.full(10, 2),
        obs_sizes=np.array([2] + [3] * 9),
        action_sizes=np.ones(10, int),
        action_head="tanh",
        action_limit=LIMIT,
        simple_actions=lambda state, time: jnp.zeros((10, 1)),
        units={"state": "V, kvar", "action": "kvar", "reward": "V2"},
    )
    return with_rule(environment, rule)


def _reset(key: jax.Array) -> jax.Array:
    noise = normal(key, (2, 10))
    return jnp.stack([NOMINAL + 3.0 * noise[0], jnp.asarray(LOAD) + noise[1]], axis=1)


def _step(state: jax.Array, action: jax.Array, time: jax.Array | int, key: jax.Array) -> jax.Array:
    voltage, load = state.T
    # kvar that reach each house by the line from the one before it
    flow = voltage * (_voltage_before(voltage) - voltage) / jnp.asarray(REACTANCE) / 1000.0
    surplus = flow - jnp.asarray(FEEDER.T) @ flow + action[:, 0] - load
    voltage = voltage + RISE * surplus + DROOP * (NOMINAL - voltage)
    load = load + 0.1 * (jnp.asarray(LOAD) - load) + 0.3 * normal(key, (10,))
    return jnp.stack([voltage, load], axis=1)


def _voltage_before(voltage: jax.Array) -> jax.Array:
    return jnp.asarray(FEEDER) @ voltage + TRANSFORMER * jnp.asarray(FIRST)


def _reward(state: jax.Array, action: jax.Array, time: jax.Array | int) -> jax.Array:
    voltage = state[:, 0]
    error, fall = voltage - NOMINAL, _voltage_before(voltage) - voltage
    return -(error**2) - 0.5 * fall**2 - 0.02 * action[:, 0] ** 2


def _observe(state: jax.Array) -> jax.Array:
    return jnp.concatenate([state, jnp.asarray(FEEDER) @ state[:, :1]], axis=1)


def rule(obs: jax.Array) -> jax.Array:
    """Supply one's own load, and more where the voltage is low."""
    voltage, load, _ = obs.T
    wanted = load + 3.0 * (NOMINAL - voltage)
    return jnp.clip(wanted, -LIMIT, LIMIT)[:, None]
