"""Six crossings in a grid of two rows and three columns divide their green time.

Each crossing has four queues, of vehicles from north, east, south and west. In a cycle of one
minute a share of green goes to north and south, the rest to east and west. Vehicles that leave go
straight on, left or right, as far as there is room in the next street; those that find none wait
(the cell transmission model, with one cell for each street). A crossing pays for its queues.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.random import uniform

import mastac
from mastac.examples.playing import with_rule

ROWS, COLUMNS = 2, 3
SATURATION = 36.0  # vehicles a minute that leave a queue while it has green
STORAGE = 40.0  # vehicles that fit into a street between two crossings
INTO_ROW, INTO_COLUMN = (7.0, 10.0), (6.0, 22.0, 12.0)  # vehicles a minute from outside, each way
# Sides are numbered north, east, south, west. [a, s]: the share of queue a that leaves by side s.
LEAVES = np.array([[0, 1, 8, 1], [1, 0, 1, 8], [8, 1, 0, 1], [1, 8, 1, 0]]) / 10
OPPOSITE = np.array([2, 3, 0, 1])
CROSSINGS = [f"{row}-{column}" for row in range(ROWS) for column in range(COLUMNS)]
NEXT = np.full((ROWS * COLUMNS, 4), -1)  # [i, s]: the crossing beyond side s, or -1 for outside
ARRIVING = np.zeros((ROWS * COLUMNS, 4))  # vehicles a minute from outside
for row in range(ROWS):
    for column in range(COLUMNS):
        here = row * COLUMNS + column
        for side, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
            if 0 <= row + down < ROWS and 0 <= column + right < COLUMNS:
                NEXT[here, side] = (row + down) * COLUMNS + column + right
            else:
                ARRIVING[here, side] = INTO_COLUMN[column] if down else INTO_ROW[row]
IS_INSIDE = NEXT >= 0


def env() -> mastac.Environment:
    """The crossings: each sees its four queues, and the queues that its vehicles will join."""
    neighbors = [(CROSSINGS[here], CROSSINGS[NEXT[here, side]]) for here, side in _streets()]
    size = len(CROSSINGS)
    environment = mastac.Environment(
        id="traffic",
        couplings=mastac.Couplings(CROSSINGS, state=neighbors, observation=neighbors),
        horizon=40,
        reset=lambda key: uniform(key, (size, 4), maxval=10.0),
        step=_step,
        reward=lambda queues, green, time: -queues.sum(1),
        observe=lambda queues: jnp.concatenate([queues, _queues_beyond(queues)], axis=1),
        state_sizes=np.full(size, 4),
        obs_sizes=np.full(size, 8),
        action_sizes=np.full(size, 2),
        action_head="softmax",
        simple_actions=lambda state, time: jnp.full((size, 2), 0.5),
        units={"state": "vehicles", "action": "share of green", "reward": "vehicles"},
    )
    return with_rule(environment, rule)


def _streets() -> list[tuple[int, int]]:
    """Crossing and side of every street that leads to another crossing."""
    return [(int(here), int(side)) for here, side in np.argwhere(IS_INSIDE)]


def _queues_beyond(queues: jax.Array) -> jax.Array:
    """For each crossing and side, the queue that vehicles leaving there join; outside is none."""
    return jnp.where(IS_INSIDE, queues[NEXT, OPPOSITE[None]], 0.0)


def _step(queues: jax.Array, green: jax.Array, time: jax.Array | int, key: jax.Array) -> jax.Array:
    leaves = jnp.asarray(LEAVES)
    ready = jnp.minimum(queues, SATURATION * jnp.concatenate([green, green], axis=1))
    wanting = ready @ leaves
    room = STORAGE - _queues_beyond(queues)
    fitting = jnp.where(IS_INSIDE, jnp.clip(room / jnp.maximum(wanting, 1e-3), 0.0, 1.0), 1.0)
    left = ready * (fitting @ leaves.T)
    passing = wanting * fitting
    coming = jnp.where(IS_INSIDE, passing[NEXT, OPPOSITE[None]], 0.0)
    from_outside = jnp.asarray(ARRIVING) * uniform(key, queues.shape, minval=0.5, maxval=1.5)
    return queues - left + coming + from_outside


def rule(obs: jax.Array) -> jax.Array:
    """Green in proportion to the longer queue of each direction."""
    longer = jnp.maximum(obs[:, :2], obs[:, 2:4]) + 1.0
    return longer / longer.sum(1, keepdims=True)
