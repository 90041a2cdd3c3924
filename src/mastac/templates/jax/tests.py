"""Tests of NAME.py.

python -m pytest test_NAME.py
"""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import mastac
from mastac.templates.jax.environment import env

SMALL = {"actor_hidden": [8], "critic_hidden": [8], "batch_size": 32, "updates_per_epoch": 1}


def test_the_graphs_are_true() -> None:
    """The simulator has the declared edges and no others."""
    checked = mastac.check(env(), points=128)
    assert not checked.missing, checked
    assert not checked.superfluous, checked


def test_a_pump_fills_its_own_tank() -> None:
    """Change: something that you know about your own simulator."""
    tanks, key = env(), jax.random.key(0)
    level = jnp.full((4, 1), 100.0)
    pump = jnp.zeros((4, 1)).at[1].set(10.0)
    without = np.asarray(tanks.step(level, 0.0 * pump, 0, key))
    raised = np.asarray(tanks.step(level, pump, 0, key)) - without
    np.testing.assert_allclose(raised[:, 0], [0.0, 10.0, 0.0, 0.0], atol=1e-3)


def test_policies_can_be_trained(tmp_path: Path) -> None:
    """A few episodes of small networks, to see that all fits together; nothing is learnt yet."""
    run = mastac.train(env(), epochs=3, out=tmp_path / "run", progress=False, **SMALL)
    assert math.isfinite(run.summary["greedy_mean"])
    actions = run.policy().act({"tank-1": [90.0], **{f"tank-{i}": [90.0, 90.0] for i in (2, 3, 4)}})
    assert all(abs(action[0]) <= 30.0 for action in actions.values())
