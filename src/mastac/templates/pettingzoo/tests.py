"""Tests of NAME.py.

python -m pytest test_NAME.py
"""

import math
from pathlib import Path

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

import mastac
from mastac.templates.pettingzoo.environment import COUPLINGS, Tanks, env

SMALL = {"actor_hidden": [8], "critic_hidden": [8], "batch_size": 32, "updates_per_epoch": 1}


def test_the_simulator_speaks_as_pettingzoo_asks() -> None:
    """PettingZoo's own tests."""
    parallel_api_test(Tanks(), num_cycles=100)
    parallel_seed_test(Tanks)


def test_the_same_seed_gives_the_same_episode() -> None:
    """To the end, which PettingZoo's test of seeds does not look at."""
    first, second = Tanks(), Tanks()
    np.testing.assert_equal(first.reset(seed=3), second.reset(seed=3))
    while first.agents:
        actions = {agent: first.action_space(agent).sample() for agent in first.agents}
        np.testing.assert_equal(first.step(actions), second.step(actions))


def test_couplings_name_the_agents_of_the_simulator() -> None:
    """Each of them, once."""
    assert sorted(COUPLINGS.agents) == sorted(Tanks().possible_agents)


def test_a_pump_fills_its_own_tank() -> None:
    """Change: something that you know about your own simulator."""
    levels = []
    for pumped in (0.0, 10.0):
        tanks = Tanks()
        tanks.reset(seed=0)
        tanks.step({"upper": [0.0], "middle": [pumped], "lower": [0.0]})
        levels.append(tanks.level)
    np.testing.assert_allclose(levels[1] - levels[0], [0.0, 10.0, 0.0])


@pytest.mark.skipif(
    not hasattr(mastac, "from_pettingzoo"), reason="needs a mastac with from_pettingzoo"
)
def test_policies_can_be_trained(tmp_path: Path) -> None:
    """A few episodes of small networks, to see that all fits together; nothing is learnt yet."""
    run = mastac.train(env(), epochs=3, out=tmp_path / "run", progress=False, **SMALL)
    assert math.isfinite(run.summary["greedy_mean"])
