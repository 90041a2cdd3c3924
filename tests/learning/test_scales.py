"""Scales that an environment leaves open are measured, and networks keep their functions."""

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_world import SMALL, random_batch, small_environment

import mastac
from mastac import value_dependency
from mastac.envs.base import OPEN_CENTER, OPEN_SCALE, SCALES
from mastac.learning.buffer import Episode
from mastac.learning.critic_inputs import inputs_with
from mastac.learning.critic_step import each_critic, values_at
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.scales import (
    declared_scales,
    measured,
    rescaled_critics,
    which_episodes,
)
from mastac.learning.spec import Learner
from mastac.learning.updates.on_policy import visited
from mastac.runs.evaluation import policies_of
from mastac.structure.layouts import structured

OPEN = {name: OPEN_CENTER if name.endswith("center") else OPEN_SCALE for name in SCALES}


def unscaled(settings=SMALL, **changes):
    """The small environment with everything left open, its parts and its learner."""
    env = dataclasses.replace(small_environment(), **{**OPEN, "action_scale": None, **changes})
    layout = structured(value_dependency(env.couplings, kappa=1))
    spec = learner_spec(env, layout, settings, total_updates=100)
    return env, spec, learner_of(spec)


def store_of(env, episodes: int, seed: int = 0) -> Episode:
    """Episodes of random numbers, the later ones half as large; padding is zero."""
    random = np.random.default_rng(seed)

    def rows(sizes: np.ndarray, steps: int) -> jax.Array:
        real = np.arange(sizes.max()) < sizes[:, None]
        sizes_of_episodes = 5.0 * 0.8 ** np.arange(episodes)[:, None, None, None]
        drawn = 3.0 + sizes_of_episodes * random.normal(size=(episodes, steps, *real.shape))
        return jnp.asarray(np.where(real, drawn, 0.0), jnp.float32)

    states = rows(env.state_sizes, env.horizon + 1)
    actions = rows(env.action_sizes, env.horizon)
    return Episode(states, actions, 100.0 * actions.sum(3))


def measure(learner: Learner) -> Callable[..., Any]:
    """What the loop calls to measure scales."""
    assert learner.measure is not None
    return jax.jit(learner.measure)


def test_scales_that_are_declared_are_not_measured():
    env, spec, learner = unscaled(SMALL, **dict.fromkeys(SCALES, 1.0))
    assert env.undeclared == frozenset() and learner.measure is None
    assert learner.init(jax.random.key(0)).scales == ()
    for name in ("lq-3", "thermal-4", "warehouse-9", "computers-3"):
        assert mastac.make(name).undeclared == frozenset()


def test_only_what_is_open_is_measured():
    env, _, learner = unscaled(state_scale=7.0, obs_center=0.5)
    assert env.undeclared == {*SCALES} - {"state_scale", "obs_center"}
    assert dataclasses.replace(env, horizon=4).undeclared == env.undeclared
    state = learner.init(jax.random.key(0))
    after = measure(learner)(state, store_of(env, 6), jnp.asarray(6), jnp.asarray(True))
    assert np.all(np.asarray(after.scales.state_scale) == 7.0)
    assert not np.allclose(after.scales.state_center, 0.0)
    assert np.all(np.asarray(after.actors.center) == 0.5)
    assert not np.allclose(after.actors.inverse_scale, state.actors.inverse_scale)


@pytest.mark.parametrize(("count", "recent"), [(3, {1, 2}), (6, {3, 4, 5}), (8, {1, 0, 5})])
def test_the_newer_half_of_the_store_counts(count, recent):
    env, _, _ = unscaled()
    which = which_episodes(store_of(env, 6), jnp.asarray(count))
    assert set(np.flatnonzero(which.is_recent).tolist()) == recent
    assert np.flatnonzero(which.is_there).tolist() == list(range(min(count, 6)))


def test_measures_are_medians_over_episodes():
    random = np.random.default_rng(1)
    values = random.normal(size=(5, 7, 2)) * np.array([1, 2, 3, 4, 1e6])[:, None, None]
    recent, there = np.array([1, 1, 1, 0, 1], bool), np.array([1, 1, 1, 1, 1], bool)
    found = measured(jnp.asarray(values, jnp.float32), jnp.asarray(recent), jnp.asarray(there))
    center = np.median(values[recent].mean(1), axis=0)
    spread = np.sqrt(np.median(((values[recent] - center) ** 2).mean(1), axis=0))
    np.testing.assert_allclose(found.center, center, rtol=1e-4)
    np.testing.assert_allclose(found.spread, spread, rtol=1e-3)
    assert (np.asarray(found.overall) > 1e5).all()


def values_of(spec, state, batch, actions):
    """Every critic's values of a batch, times the rewards' unit."""
    now, _, _ = inputs_with(spec, batch, actions, state.scales)
    return [
        each_critic(lambda critic, x: critic(x)[0], bucket, [now], stack, chunk=0)
        * state.scales.reward
        for bucket, stack in zip(spec.buckets, state.critics, strict=True)
    ]


def test_networks_stay_the_same_functions_when_scales_change():
    env, spec, learner = unscaled()
    store, batch = store_of(env, 12), random_batch(env, 9)
    actions = jnp.moveaxis(batch.actions, 0, -1)
    obs = jax.random.normal(jax.random.key(2), (4, int(env.obs_sizes.max()), 9))
    values = jax.jit(lambda state: values_of(spec, state, batch, actions))
    state = measure(learner)(
        learner.init(jax.random.key(0)), store, jnp.asarray(4), jnp.asarray(True)
    )
    states = [state]
    for count in (6, 9, 12):
        states.append(measure(learner)(states[-1], store, jnp.asarray(count), jnp.asarray(False)))
    for before, after in pairwise(states):
        assert (np.asarray(after.scales.reward) < np.asarray(before.scales.reward)).all()
        assert not np.allclose(before.actors.inverse_scale, after.actors.inverse_scale)
        one, other = (spec.actors.apply(at.actors, obs) for at in (before, after))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        one, other = (spec.actors.apply(at.target_actors, obs) for at in (before, after))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        old, new = (values(at) for at in (before, after))
        for was, now in zip(old, new, strict=True):
            np.testing.assert_allclose(was, now, rtol=1e-3, atol=1e-3 * np.abs(was).max())


def test_learners_from_rollouts_keep_their_functions_too():
    """Else the densities of what was drawn would not be those of the policies that drew it."""
    env, spec, learner = unscaled(dataclasses.replace(SMALL, estimator="score"))
    store = store_of(env, 12)
    obs = 3.0 + jax.random.normal(jax.random.key(2), (4, int(env.obs_sizes.max()), 9))

    @jax.jit
    def functions(state):
        values = values_at(spec, state.critics, visited(spec, store, True, state.scales))
        greedy = spec.actors.logits(state.actors.mean_network, obs)
        return values * state.scales.reward, greedy

    blind = learner.init(jax.random.key(0))
    assert np.allclose(functions(blind)[1], functions(blind)[1][:, :, :1], atol=1e-6)
    state = measure(learner)(blind, store, jnp.asarray(6), jnp.asarray(True))
    assert not np.allclose(functions(state)[1], functions(state)[1][:, :, :1], atol=1e-2)
    after = measure(learner)(state, store, jnp.asarray(12), jnp.asarray(False))
    assert not np.allclose(state.scales.state_scale, after.scales.state_scale)
    for one, other in zip(functions(state), functions(after), strict=True):
        size = float(np.abs(one).max())
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3 * size)


def test_twins_are_rescaled_alike():
    settings = dataclasses.replace(SMALL, twin_critics=True)
    env, spec, learner = unscaled(settings)
    state, old = learner.init(jax.random.key(0)), declared_scales(env)
    new = jax.tree.map(lambda leaf: 1.5 * leaf + 0.1, old)
    for bucket, stack in zip(spec.buckets, state.critics, strict=True):
        both = rescaled_critics(bucket, stack, old, new)
        for twin in (0, 1):
            alone = jax.tree.map(lambda leaf, twin=twin: leaf[:, twin], stack)
            wanted = rescaled_critics(bucket, alone, old, new)
            for one, other in zip(jax.tree.leaves(both), jax.tree.leaves(wanted), strict=True):
                np.testing.assert_allclose(one[:, twin], other, rtol=1e-5, atol=1e-7)


def test_agents_that_share_an_actor_share_its_scales():
    settings = dataclasses.replace(SMALL, share_actors=True)
    env, _, learner = unscaled(
        settings,
        state_sizes=np.ones(4, int),
        obs_sizes=np.ones(4, int),
        action_sizes=np.ones(4, int),
        reset=lambda key: jax.random.normal(key, (4, 1)),
        step=lambda state, actions, time, key: state + actions,
        observe=lambda state: state * jnp.array([[1.0], [2.0], [3.0], [4.0]]),
    )
    state = learner.init(jax.random.key(0))
    after = measure(learner)(state, store_of(env, 4), jnp.asarray(4), jnp.asarray(True))
    for leaf in jax.tree.leaves(after.actors):
        assert np.array_equal(leaf, np.broadcast_to(leaf[:1], leaf.shape))
    assert float(1 / after.actors.inverse_scale[0, 0]) > 5.0


def test_exported_policies_act_as_in_training():
    env, spec, learner = unscaled()
    state = learner.init(jax.random.key(0))
    state = measure(learner)(state, store_of(env, 6), jnp.asarray(6), jnp.asarray(True))
    (policy,) = policies_of(spec, jax.tree.map(lambda leaf: leaf[None], state))
    obs = np.random.default_rng(0).normal(size=(4, int(env.obs_sizes.max())))
    obs = np.where(np.arange(obs.shape[1]) < env.obs_sizes[:, None], obs, 0.0).astype(np.float32)
    np.testing.assert_allclose(
        policy.act(obs), learner.act(state, jnp.asarray(obs)), rtol=1e-4, atol=1e-5
    )


def test_first_actors_do_not_saturate():
    env, spec, learner = unscaled()
    state = learner.init(jax.random.key(0))
    loud = jnp.full((4, int(env.obs_sizes.max())), 1e4)
    assert np.abs(np.asarray(learner.act(state, loud))).max() < 0.01
