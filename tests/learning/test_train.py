"""The loop: what it stores and measures, when it updates, how it stops a seed and goes on."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import SMALL, random_batch, small_environment, small_learner

from mastac.learning.buffer import Episode, replay_buffer
from mastac.learning.failures import failure_of, failure_of_learner
from mastac.learning.loop import (
    FAILURES,
    RunState,
    UpdateSchedule,
    exploring_episode,
    one_seed,
    training_program,
    update_schedule,
)
from mastac.learning.spec import Metrics

EPOCHS = 6


def program(settings=SMALL, env=None):
    small, spec, learner = small_learner(settings)
    return training_program(
        env or small, learner, replay_buffer(EPOCHS, settings.batch_size), settings, EPOCHS
    )


def keys(*seeds):
    return jax.vmap(jax.random.key)(jnp.asarray(seeds))


def seed_shape(env, learner, state):
    """The shape of an episode."""
    explored = (jnp.zeros(()), jnp.zeros(()), jax.random.key(0))
    return jax.eval_shape(lambda: exploring_episode(env, learner, state, *explored))


def same(a, b):
    return all(
        bool(jnp.array_equal(x, y))
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def test_stopping_in_between_changes_no_bit():
    run = program()
    seeds = keys(0, 7)
    whole, halves = run.init(seeds), run.init(seeds)
    whole, first = run.advance(whole, seeds, jnp.asarray(0), 3)
    whole, second = run.advance(whole, seeds, jnp.asarray(3), 3)
    halves, _ = run.advance(halves, seeds, jnp.asarray(0), 3)
    # Out to the host and back, as through a checkpoint.
    halves = jax.tree.map(jnp.asarray, jax.tree.map(np.asarray, halves))
    halves, again = program().advance(halves, seeds, jnp.asarray(3), 3)
    assert same(whole, halves) and same(second, again)
    assert not same(first, second)


def test_seeds_differ_and_updates_begin_when_a_batch_is_there():
    settings = replace(SMALL, batch_size=12)  # three episodes of five steps
    assert update_schedule(small_environment(), settings).first == 3
    run = program(settings)
    seeds = keys(0, 1)
    start = run.init(seeds)
    before = jax.tree.map(np.asarray, start.learner)
    state = start
    for epoch in range(2):
        state, metrics = run.advance(state, seeds, jnp.asarray(epoch), 1)
        assert same(before, state.learner)
        for column in (metrics.critic_loss, metrics.value, metrics.gradient_norm):
            assert jnp.isnan(column).all(), "what was not measured is not a number"
        assert (state.failed_epoch == -1).all() and jnp.isfinite(metrics.episode_return).all()
    state, metrics = run.advance(state, seeds, jnp.asarray(2), 1)
    assert not same(before, state.learner)
    assert (metrics.critic_loss > 0).all()
    assert metrics.episode_return[0] != metrics.episode_return[1]


@pytest.mark.parametrize("delay", [1, 2, 4])
def test_gradient_norm_is_that_of_the_updates_in_which_actors_move(delay):
    """With steps of size zero and one batch for all updates, every update has the same gradient."""
    still = {"actor_lr": 0.0, "critic_lr": 0.0, "updates_per_epoch": 4}
    env, spec, learner = small_learner(replace(SMALL, policy_delay=delay, **still))
    learner = learner._replace(measure=None)  # scales measured anew would change the gradient
    batch = random_batch(env, SMALL.batch_size)
    state = learner.init(jax.random.key(0))
    expected = learner.update(state, batch, jax.random.key(0), 0)[1].gradient_norm
    assert (expected > 0).all()
    fixed = replay_buffer(EPOCHS, SMALL.batch_size)._replace(draw=lambda *_: batch)
    seed = one_seed(env, learner, fixed, spec.settings, EPOCHS)
    start = RunState(state, fixed.init(seed_shape(env, learner, state)), *2 * [jnp.int32(-1)])
    _, row = jax.jit(seed.one_epoch)(start, jax.random.key(1), jnp.int32(1))
    np.testing.assert_allclose(row.gradient_norm, expected.mean(), rtol=1e-6)
    np.testing.assert_allclose(row.agent_gradient_norm, expected, rtol=1e-6)


def test_epochs_in_which_no_actor_moves_have_no_gradient_norm():
    settings = replace(SMALL, policy_delay=4, updates_per_epoch=2)
    run, seeds = program(settings), keys(0)
    state, metrics = run.advance(run.init(seeds), seeds, jnp.asarray(0), EPOCHS)
    first = update_schedule(small_environment(), settings).first
    moves = (np.arange(EPOCHS) - first + 1) % 2 == 0  # updates 0 and 4, the first of every second
    updated = np.arange(EPOCHS) >= first - 1
    assert (np.isfinite(metrics.gradient_norm[0]) == (moves & updated)).all()
    assert (np.isfinite(metrics.critic_loss[0]) == updated).all()
    of_agents = np.asarray(metrics.agent_gradient_norm)
    assert of_agents.shape == (1, 4), "one for each agent, however many the epochs"
    known = metrics.gradient_norm[0][moves & updated]
    np.testing.assert_allclose(of_agents.mean(), known.mean(), rtol=1e-6)
    assert int(state.failed_epoch[0]) == -1


def test_numbers_count_where_they_were_measured():
    env, _, learner = small_learner()
    state = learner.init(jax.random.key(0))
    finite = Episode(jnp.zeros((6, 4, 3)), jnp.zeros((5, 4, 3)), jnp.zeros((5, 4)))
    good, bad = jnp.ones(4), jnp.ones(4).at[2].set(jnp.nan)
    cases = [
        (Metrics(bad, good, good, True), 4 + 2),
        (Metrics(good, good, bad, True), 8 + 2),
        (Metrics(good, good, bad, False), -1),
        (Metrics(None, good, good, True), -1),
    ]
    for metrics, expected in cases:
        of_learner = failure_of_learner(env, metrics, state)
        assert int(failure_of(env, finite, of_learner)) == expected
    broken = finite._replace(rewards=finite.rewards.at[0, 3].set(jnp.inf))
    assert int(failure_of(env, broken, jnp.int32(4 + 2))) == 3


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 30))
def test_updates_are_counted(first, period, updates, epochs):
    schedule = UpdateSchedule(first, period, updates)
    done = 0
    for epoch in range(epochs):
        if schedule.is_due(epoch):
            assert schedule.updates_before(epoch) == done
            done += updates
    assert schedule.updates_after(epochs) == done
    assert (done == 0) == (epochs < first)


def test_the_replay_holds_what_happened():
    env, _, learner = small_learner()
    state = learner.init(jax.random.key(0))
    episode = exploring_episode(
        env, learner, state, jnp.float32(0.1), jnp.float32(0.0), jax.random.key(1)
    )
    assert episode.states.shape == (6, 4, 3)
    np.testing.assert_allclose(
        episode.rewards[2], env.reward(episode.states[2], episode.actions[2], 2), rtol=1e-6
    )
    buffer = replay_buffer(2, 50)
    store = buffer.init(jax.eval_shape(lambda: episode))
    for count in range(3):  # the third takes the first one's place
        marked = Episode(episode.states, episode.actions, jnp.full_like(episode.rewards, count))
        store = buffer.add(store, marked, jnp.asarray(count))
    batch = buffer.draw(store, jnp.asarray(3), jax.random.key(2))
    assert set(np.unique(batch.rewards)) == {1.0, 2.0}
    assert set(np.unique(batch.time)) == set(range(5))
    for k in range(50):
        np.testing.assert_array_equal(batch.state[k], episode.states[batch.time[k]])
        np.testing.assert_array_equal(batch.next_state[k], episode.states[batch.time[k] + 1])
    only_first = buffer.draw(store, jnp.asarray(1), jax.random.key(2))
    assert (only_first.rewards == 2.0).all(), (
        "before the replay is full only what was stored may be drawn"
    )


def test_a_seed_that_breaks_stops_alone_and_keeps_its_last_good_state():
    env = small_environment()

    def breaking(state, actions, time, key):
        # Agent c of about half of the seeds breaks: whether it does hangs on a number drawn at the
        # start.
        after = env.step(state, actions, time, key)
        return after.at[2, 0].set(jnp.where(state[0, 0] > 0.9, jnp.nan, after[2, 0]))

    run = program(env=replace(env, step=breaking))
    seeds = keys(*range(6))
    state = run.init(seeds)
    learners, failed = [], []
    for epoch in range(EPOCHS):
        state, _ = run.advance(state, seeds, jnp.asarray(epoch), 1)
        learners.append(jax.tree.map(np.asarray, state.learner))
        failed.append(np.asarray(state.failed_epoch))
    last = failed[-1]
    assert (last >= 0).any() and (last < 0).any(), "the test needs seeds of both kinds"
    for seed in range(6):
        weights = [np.asarray(leaf[seed]) for leaf in jax.tree.leaves(learners[-1])]
        assert all(np.isfinite(leaf).all() for leaf in weights)
        if last[seed] > 0:
            kept = [np.asarray(leaf[seed]) for leaf in jax.tree.leaves(learners[last[seed] - 1])]
            assert all((a == b).all() for a, b in zip(weights, kept, strict=True))
        if last[seed] >= 0:
            kind, agent = divmod(int(state.failure[seed]), env.num_agents)
            assert FAILURES[kind].startswith("the environment") and env.agents[agent] == "c"
        else:
            assert not all(
                (np.asarray(leaf[seed]) == other).all()
                for leaf, other in zip(
                    jax.tree.leaves(learners[0]),
                    [np.asarray(x[seed]) for x in jax.tree.leaves(learners[-1])],
                    strict=True,
                )
            )


def test_evaluation_is_greedy_and_repeatable():
    run = program()
    seeds = keys(0, 1)
    state = run.init(seeds)

    def returns(run, seed):
        return np.asarray(run.evaluate(state, jax.random.key(seed), 4).returns)

    a, b = returns(run, 9), returns(run, 9)
    assert a.shape == (2, 4, 4) and (a == b).all()
    assert not (a == returns(run, 8)).all()
    noisier = program(replace(SMALL, noise=5.0, random_fraction=1.0))
    np.testing.assert_array_equal(returns(noisier, 9), a)
