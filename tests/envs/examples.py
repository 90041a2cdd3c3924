"""Environments for every test of this folder: all families, their options, and odd graphs."""

import jax
import jax.numpy as jnp
import numpy as np

from mastac.envs.base import Environment, Reference, Time

EXAMPLES = [
    ("warehouse-9", {}),
    (
        "warehouse-6",
        {"share": "send", "reward": "neighbours", "noise": 0.3, "frequency": [1, 2, 3, 1, 2, 3]},
    ),
    (
        "warehouse-5",
        {
            "graph": [[0, 1], ["warehouse-3", "warehouse-1"], [3, 4]],
            "observation": [[4, 0], [1, 2]],
        },
    ),
    (
        "warehouse-4",
        {"reward": [[0, 3], [1, 3]], "observation": "none", "supply": [1.0, -2.0, 0.5, 0.0]},
    ),
    ("thermal-7", {}),
    ("warehouse-8", {"supply": "apart-2", "frequency": 0.5, "initial_stock": 0.5}),
    ("thermal-6", {"coolers": "every-2", "limit_kw": 30.0, "reward": "neighbours"}),
    ("thermal-5", {"coolers": "every-3", "weak_kw": 2.0, "reward": [[0, 1], [4, 2]]}),
    (
        "thermal-4",
        {
            "graph": [[0, 1], [2, 1]],
            "observation": [[3, 0]],
            "limit_kw": [1, 2, 3, 4],
            "target": 21,
        },
    ),
    (
        "thermal-3",
        {
            "graph": [["zone-1", "zone-2"], ["zone-2", "zone-3"]],
            "wall_resistance": [["zone-2", "zone-1", 2.0], ["zone-2", "zone-3", 0.5]],
            "capacitance": [150.0, 200.0, 400.0],
        },
    ),
    ("doors-6", {"turn": 2}),
    ("doors-5", {"known": "union", "graph": [[0, 1], [1, 2], [3, 1]], "observation": "none"}),
    ("computers-4", {}),
    (
        "computers-5",
        {"graph": [[0, 1], [1, 2], [2, 1], [4, 2]], "observation": [[0, 3], [2, 4]], "horizon": 7},
    ),
    ("lq-6", {}),
    ("lq-12", {"actuators": "every-3", "repeat": 6, "horizon": 4}),
    (
        "lq-5",
        {
            "state_size": [1, 2, 3, 1, 2],
            "reward": "neighbours",
            "graph": [[0, 1], [1, 2], [4, 2], [3, 0]],
        },
    ),
]
IDS = [f"{id}-{','.join(options) or 'default'}" for id, options in EXAMPLES]


def random_state(env: Environment, random: np.random.Generator) -> jax.Array:
    """A state with entries of both signs, zero where rows are padded; or random conditions."""
    if env.action_head == "discrete":
        return jnp.asarray(np.eye(3)[random.integers(0, 3, env.num_agents)], jnp.float32)
    width = np.asarray(env.reset(jax.random.key(0))).shape[1]
    spread = np.asarray(env.state_center) + 2 * np.asarray(
        env.state_scale
    ) * random.standard_normal((env.num_agents, width))
    return jnp.asarray(
        np.where(np.arange(width) < env.state_sizes[:, None], spread, 0.0), jnp.float32
    )


def random_actions(env: Environment, random: np.random.Generator) -> jax.Array:
    """Actions that the environment's head can take."""
    width = int(env.action_sizes.max())
    real = np.arange(width) < env.action_sizes[:, None]
    if env.action_head == "softmax":
        shares = np.where(real, np.exp(random.standard_normal(real.shape)), 0.0)
        return jnp.asarray(shares / shares.sum(1, keepdims=True), jnp.float32)
    if env.action_head == "discrete":
        return jnp.asarray(np.eye(width)[random.integers(0, env.action_sizes)], jnp.float32)
    within = random.uniform(-1, 1, real.shape) * np.asarray(env.action_limit)
    return jnp.asarray(np.where(real, within, 0.0), jnp.float32)


def figures_of(env: Environment) -> Reference:
    """The reference figures of an environment that has some."""
    found = env.reference()
    assert found is not None
    return found


def simple_actions(env: Environment, state: jax.Array, time: Time = 0) -> jax.Array:
    """The actions of the environment's simple policy."""
    assert env.simple_actions is not None
    return env.simple_actions(state, time)
