"""Choices as actions: the likeliest is taken, padding never is.

Algorithms that need slopes in the action are refused by name.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mastac.agents.actors import actors
from mastac.analysis.influence import influence_curve
from mastac.envs import make
from mastac.runs.policy import Policy


@pytest.fixture(scope="module")
def chooser():
    """Actors of one, two and four choices, and the environment that they are made for."""
    env = dataclasses.replace(make("computers-3"), action_sizes=np.array([1, 2, 4]))
    return env, actors(env, [5])


def test_the_largest_real_logit_wins(chooser):
    env, made = chooser
    out = jnp.asarray([[-9.0, 5, 6, 7], [-2, -1, 9, 9], [-4, -3, -2, -8]])[:, :, None]
    chosen = np.asarray(made.actions_of(out))[:, :, 0]
    assert chosen.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]


def test_policies_without_jax_choose_alike(chooser):
    env, made = chooser
    center, limit = made.obs_center, np.asarray(made.constants.limit)
    for seed in range(20):
        weights = made.init(jax.random.key(seed))
        layers = tuple(map(np.asarray, weights.weights)), tuple(map(np.asarray, weights.biases))
        policy = Policy(
            env.agents,
            env.obs_sizes,
            env.action_sizes,
            env.action_head,
            center,
            1 / made.obs_inverse_scale,
            limit,
            *layers,
        )
        obs = np.random.default_rng(seed).standard_normal(center.shape).astype(np.float32)
        wanted = np.asarray(made.apply(weights, jnp.asarray(obs)[:, :, None]))[:, :, 0]
        assert np.array_equal(policy.act(obs), wanted) and wanted.sum(1).tolist() == [1, 1, 1]
        named = policy.act(dict(zip(env.agents, obs, strict=True)))
        for row, name, size in zip(wanted, env.agents, env.action_sizes, strict=True):
            assert np.array_equal(named[name], row[:size])


def test_exploration_chooses_too(chooser):
    env, made = chooser
    weights, obs = made.init(jax.random.key(0)), jnp.zeros((3, env.obs_sizes.max(), 4000))
    noisy = made.explore(weights, obs, jnp.asarray(0.0), jnp.asarray(1.0), jax.random.key(1))
    shares = np.asarray(noisy).mean(2)
    assert np.isin(np.asarray(noisy), (0.0, 1.0)).all() and np.asarray(noisy).sum(1).min() == 1
    assert shares == pytest.approx(np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4]), abs=0.04)


def test_influence_is_told_by_switching_whole_choices():
    """A reward that is worth nothing between two choices."""
    env = make("computers-3", horizon=3)

    def reward(state, actions, time):
        return jnp.where(
            jnp.isin(actions, jnp.array([0.0, 1.0])).all(),
            env.reward(state, actions, time),
            jnp.nan,
        )

    found = influence_curve(dataclasses.replace(env, reward=reward), rollouts=64)
    shares = [window["actions"]["mean"] for window in found["windows"]]
    assert all(0 <= each <= 1 for each in shares) and shares[0] > 0
