"""Zones without a cooler have a critic if that serves others, and no action."""

from typing import Any

import jax
import numpy as np
import pytest
from small_world import random_batch

import mastac
from mastac.learning.learner import learner_of, learner_spec
from mastac.runs.config import resolve
from mastac.runs.plan import layout_of

TINY: dict[str, Any] = {"actor_hidden": [4], "batch_size": 8, "updates_per_epoch": 2}
OPTIONS: dict[str, Any] = {"coolers": "every-2", "limit_kw": 30.0, "horizon": 6}


@pytest.mark.parametrize("algorithm", ["mastac", "mastac-ppo", "mastac-sac", "facmac"])
def test_they_are_trained_with_the_rest(algorithm, tmp_path):
    env = mastac.make("thermal-4", **OPTIONS)
    assert env.action_sizes.tolist() == [1, 1, 0, 0]
    knobs: dict[str, Any] = TINY | {"critic_hidden": [4]}
    if algorithm != "facmac":
        knobs |= {"kappa": 1}
    if algorithm == "mastac-ppo":
        knobs |= {"batch_size": 6, "rollout_steps": 6}
    run = mastac.train(
        env, algorithm=algorithm, epochs=4, seeds=[0, 1], out=tmp_path / "run", **knobs
    )
    assert np.isfinite(list(run.summary["greedy_by_seed"].values())).all()
    seen = {
        agent: [25.0] * int(size) for agent, size in zip(env.agents, env.obs_sizes, strict=True)
    }
    chosen = run.policy(seed=1).act(seen)
    assert [len(chosen[agent]) for agent in env.agents] == [1, 1, 0, 0]


def test_what_stands_in_the_place_of_no_action_is_not_learnt_from():
    """Bit for bit the same update whatever the padding of the replayed actions holds."""
    env = mastac.make("thermal-4", **OPTIONS)
    config = resolve(
        "thermal-4", OPTIONS, algorithm="mastac", kappa=None, critic_hidden=[4], **TINY
    )
    learner = learner_of(
        learner_spec(env, layout_of(env, config), config.settings, total_updates=10)
    )
    state, update = learner.init(jax.random.key(0)), jax.jit(learner.update)
    batch = random_batch(env, 8)
    noisy = batch._replace(actions=batch.actions.at[:, 2:].set(9.0))
    moved = batch._replace(actions=batch.actions.at[:, :2].set(9.0))
    one, same, other = (
        jax.tree.leaves(update(state, each, jax.random.key(1), 0)[0].critics)
        for each in (batch, noisy, moved)
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
