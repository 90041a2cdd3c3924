"""Imagined transitions in ordinary updates: what and how much, and when models are fitted."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from leaving import as_given, leaving_environment, partial_rollout
from small_world import random_batch, small_environment

import mastac
from host_worlds import Tanks
from learning.test_imagined import random_transitions
from mastac.algorithms import ALGORITHMS
from mastac.learning.acting import Acting
from mastac.learning.learner import buffer_of, learner_of, learner_spec, update_schedule
from mastac.learning.loop import one_seed
from mastac.learning.model_based.branches import imagined_transitions
from mastac.learning.model_based.rounds import Stored
from mastac.learning.settings import checked_settings
from mastac.learning.updates.dyna import Drawn, imagined_batch

TINY: dict[str, Any] = {
    "actor_hidden": [4],
    "critic_hidden": [4],
    "batch_size": 10,
    "actor_output_scale": 0.1,
}
MODELS: dict[str, Any] = {"model_units": 4, "model_steps": 4, "model_members": 1}
HORIZON = 5


def parts(env, algorithm="mastac-model-dyna", **knobs):
    how = ALGORITHMS[algorithm]
    base = checked_settings({**how.defaults, **how.constant_knobs})
    settings = checked_settings({**TINY, **knobs}, base)
    layout = how.layout_for(env.couplings, 1, True, "own")
    return learner_spec(env, layout, settings, total_updates=100, episodes=20)


def always_seen():
    """A world that agents leave one by one, with observations that are numbers everywhere."""
    return replace(leaving_environment(), observe=small_environment().observe)


@pytest.fixture(scope="module")
def env():
    return mastac.make("lq-3", noise=0.0, horizon=HORIZON)


@pytest.fixture(scope="module")
def store(env):
    return jax.jit(lambda: random_transitions(env, 8))()


def test_with_the_simulator_imagined_transitions_are_its_own(env, store):
    spec = parts(env, dynamics="true", branch_steps=3, noise=0.0, random_fraction=0.0)
    actors = spec.actors.init(jax.random.key(1))
    number, branches = 17, 6  # of three members as many each

    @jax.jit
    def imagine(store, total):
        batch = imagined_batch(spec, actors, (), Stored(store, total), number, jax.random.key(2))
        greedy = spec.actors.apply(actors, jnp.moveaxis(jax.vmap(env.observe)(batch.state), 0, -1))
        following = jax.vmap(env.step)(
            batch.state, batch.actions, batch.time, jax.random.split(jax.random.key(0), number)
        )
        paid = jax.vmap(env.reward)(batch.state, batch.actions, batch.time)
        return batch, jnp.moveaxis(greedy, -1, 0), following, paid

    batch, greedy, following, paid = jax.tree.map(np.asarray, imagine(store, jnp.int32(1)))
    assert batch.alive is None and batch.obs is None and len(batch.time) == number
    np.testing.assert_allclose(batch.actions, greedy, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(batch.next_state, following, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(batch.rewards, paid, rtol=1e-5, atol=1e-6)
    # A branch goes on where it was, or begins in the one episode that there is.
    begun = 0
    for row in range(number):
        before = row - branches
        if before >= 0 and batch.time[before] + 1 < HORIZON:
            assert batch.time[row] == batch.time[before] + 1
            np.testing.assert_array_equal(batch.state[row], batch.next_state[before])
        else:
            begun += 1
            np.testing.assert_array_equal(batch.state[row], store.states[0, batch.time[row]])
    assert branches < begun < number


def test_nothing_imagined_is_mastac(env, store):
    """The same draws, the same first weights and the same update, as programs."""
    texts = []
    for algorithm, knobs in (
        ("mastac", {"updates_per_epoch": 10}),
        ("mastac-model-dyna", {"imagined_share": 0, "updates_per_step": 2}),
    ):
        spec = parts(env, algorithm, n_steps=2, target_noise=0.1, **knobs)
        learner, buffer = learner_of(spec), buffer_of(env, spec.settings, 8)

        def epoch(key, store, spec=spec, learner=learner, buffer=buffer):
            state = learner.init(key)
            assert state.model == ()
            drawn = buffer.draw(store, jnp.int32(8), key)
            return learner.update(state, drawn, key, 3)

        texts.append(jax.jit(epoch).lower(jax.random.key(0), store).as_text())
        assert update_schedule(env, spec.settings) == (2, 1, 10)
    assert texts[0] == texts[1]


def test_shares_and_updates_are_counted(env, store):
    spec = parts(env, imagined_share=0.7, updates_per_step=0.3, n_steps=2)
    draw = buffer_of(env, spec.settings, 8).draw
    drawn = jax.eval_shape(draw, store, jnp.int32(8), jax.random.key(0))
    assert drawn.batch.time.shape == (3,)
    assert drawn.stored.episodes.states.shape == store.states.shape
    assert update_schedule(env, spec.settings) == (1, 1, 2)  # 1.5 updates, rounded to even
    everything = replace(spec.settings, imagined_share=1.0, updates_per_step=0.01)
    assert update_schedule(env, everything) == (1, 1, 1)


def test_who_leaves_is_drawn_and_who_has_left_stays_as_it_was():
    env = always_seen()
    spec = parts(env, branch_steps=2, model_members=1)
    actors, number = spec.actors.init(jax.random.key(0)), 1200
    store = as_given(env, partial_rollout(env, 30, "pathwise"))

    def dynamics(states, actions, time, key, there):
        return states + 1.0, jnp.ones_like(there), 0.5 * there

    def observing(states, time, key, there):
        return jnp.full((len(states), 4, int(env.obs_sizes.max())), 7.0) + time[:, None, None]

    @jax.jit
    def imagine(together):
        key, loud = jax.random.key(1), (jnp.float32(0.5), jnp.float32(0.1))
        stored = Stored(store, jnp.int32(30))
        given = (dynamics, observing, stored, number, loud, key, together)
        return imagined_transitions(spec, actors, *given)

    for together in (False, True):
        batch = jax.tree.map(np.asarray, imagine(jnp.asarray(together)))
        gone, stays = ~batch.alive, batch.remains
        assert batch.alive.any(1).all() and gone.any() and not (stays & gone).any()
        moved = np.where(gone[:, :, None], batch.state, batch.state + np.float32(1.0))
        np.testing.assert_array_equal(batch.next_state, moved)
        np.testing.assert_array_equal(batch.rewards, ~gone * 1.0)
        assert (batch.actions[gone] == 0).all() and np.isfinite(batch.actions).all()
        assert abs(stays[~gone].mean() - 0.5) < 0.05
        same = (stays == (stays.any(1, keepdims=True) & ~gone)).all(1)
        assert same.all() == together
        # The second half goes on where somebody is left before the horizon.
        half = number // 2
        on = stays[:half].any(1) & (batch.time[:half] + 1 < env.horizon)
        assert 0 < on.sum() < half
        np.testing.assert_array_equal(batch.alive[half:][on], stays[:half][on])
        np.testing.assert_array_equal(batch.obs[half:][on], batch.next_obs[:half][on])
        assert (batch.next_obs == 8.0 + batch.time[:, None, None]).all()


def test_nobody_is_imagined_where_nothing_can_be_seen():
    """An agent that a model takes where its observation is no number has left."""
    env = leaving_environment()
    spec = parts(env, model_members=1, noise=0.0)
    store = partial_rollout(env, 2, "pathwise")
    store = store._replace(states=0.0 * store.states)
    shift = jnp.asarray([0.1, 0.2, 0.1, 0.3])[None, :, None]  # they may go as far as 0.15

    def dynamics(states, actions, time, key, there):
        return states + shift, there, there

    @jax.jit
    def imagine():
        key, quiet = jax.random.key(1), (jnp.float32(0.0), jnp.float32(0.0))
        actors, stored = spec.actors.init(key), Stored(store, jnp.int32(2))
        return imagined_transitions(spec, actors, dynamics, None, stored, 20, quiet, key)

    batch = imagine()
    assert bool(batch.alive.any(0).all()) and bool(jnp.isfinite(batch.actions).all())
    np.testing.assert_array_equal(batch.remains, batch.alive & (shift[:, :, 0] < 0.15))


def test_models_are_fitted_before_the_first_update_after_a_round(env, store):
    """A round of two episodes of five steps, with 0.6 updates for each step, has six updates."""
    spec = parts(env, updates_per_step=0.6, imagined_share=0.6, **MODELS)
    learner = learner_of(spec)
    state, update = jax.jit(learner.init)(jax.random.key(0)), jax.jit(learner.update)
    moved = []
    for count in range(7):
        drawn = Drawn(random_batch(env, 4, count), Stored(store, jnp.int32(6 + count // 3)))
        before, (state, metrics) = state, update(state, drawn, jax.random.key(count), count)
        one, two = (jax.tree.leaves(each.model.known.networks) for each in (before, state))
        moved.append(not all(bool((a == b).all()) for a, b in zip(one, two, strict=True)))
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((state, metrics)))
        assert not bool((before.actors.weights[0] == state.actors.weights[0]).all())
    assert moved == [True, False, False, False, False, False, True]
    assert 0 < state.model.error < 10
    assert sorted(spec.kind.findings(state)) == ["disagreement", "one_step_error"]
    for found, bound in zip(state.model.seen.rewards, (np.min, np.max), strict=True):
        np.testing.assert_array_equal(found, bound(np.asarray(store.rewards), axis=(0, 1)))


def test_a_simulator_outside_jax_gives_its_observations(tmp_path):
    """The shapes of a learner after an update are those before; its dynamics are not asked for."""
    env = mastac.from_pettingzoo(Tanks)
    spec = parts(env, **MODELS)
    assert env.stores_observations and env.terminates
    learner, buffer = learner_of(spec), buffer_of(env, spec.settings, 6)
    episode = Acting(one_seed(env, learner, buffer, spec.settings, 6), env.horizon)
    store = jax.eval_shape(buffer.init, episode.episode_shape(env))
    key = jax.eval_shape(jax.random.key, 0)
    count = jax.ShapeDtypeStruct((), jnp.int32)
    state = jax.eval_shape(learner.init, key)
    drawn = jax.eval_shape(buffer.draw, store, count, key)
    after, _ = jax.eval_shape(learner.update, state, drawn, key, count)
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
    with pytest.raises(mastac.UserError, match="'mastac-model-dyna' cannot use its true dynamics"):
        mastac.train(env, "mastac-model-dyna", out=tmp_path / "run", dynamics="true")
    assert not (tmp_path / "run").exists()
