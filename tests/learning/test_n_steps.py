"""Targets over several steps, against a plain loop in float64, in all updates that bootstrap."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_world import SMALL, random_batch, small_learner
from test_schedule import scheduled
from test_update import critic_of, forward, policy_actions, read_by

from mastac.learning.buffer import Episode, replay_buffer

HORIZON, EPISODES, DRAWN = 5, 3, 60


def stored(random):
    """A replay's store of random episodes."""
    shapes = ((EPISODES, HORIZON + 1, 4, 3), (EPISODES, HORIZON, 4, 3), (EPISODES, HORIZON, 4))
    return Episode(*(jnp.asarray(random.normal(size=shape), jnp.float32) for shape in shapes))


@pytest.mark.parametrize("steps", [2, 3, 9])
def test_rewards_are_summed_up_to_the_end_of_the_episode(steps):
    store = stored(np.random.default_rng(steps))
    batch = replay_buffer(EPISODES, DRAWN, steps, 0.7).draw(
        store, jnp.asarray(EPISODES), jax.random.key(0)
    )
    single = replay_buffer(EPISODES, DRAWN).draw(store, jnp.asarray(EPISODES), jax.random.key(0))
    for name in ("state", "actions", "time"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(single, name))
    states, rewards = (np.asarray(each, np.float64) for each in (store.states, store.rewards))
    assert set(np.asarray(batch.time)) == set(range(HORIZON))
    for k in range(DRAWN):
        (episode,) = {
            e for e in range(EPISODES) if (states[e, batch.time[k]] == batch.state[k]).all()
        }
        total, time = np.zeros(4), int(batch.time[k])
        while time < HORIZON and time < batch.time[k] + steps:
            total += 0.7 ** (time - int(batch.time[k])) * rewards[episode, time]
            time += 1
        np.testing.assert_allclose(batch.rewards[k], total, rtol=1e-5, atol=1e-6)
        assert batch.next_time[k] == time
        np.testing.assert_array_equal(batch.next_state[k], store.states[episode, time])


def test_one_step_is_what_it_was():
    store = stored(np.random.default_rng(0))
    one, two = (
        replay_buffer(EPISODES, DRAWN, steps, 0.7).draw(store, jnp.asarray(3), jax.random.key(0))
        for steps in (1, 2)
    )
    assert one.ahead is None
    for k in range(DRAWN):
        if one.time[k] == HORIZON - 1:  # one step is all that is left
            np.testing.assert_array_equal(one.rewards[k], two.rewards[k])
            np.testing.assert_array_equal(one.next_state[k], two.next_state[k])


def far(env, size, seed=0):
    """Transitions over one to three steps, none beyond the end of the episode."""
    batch = random_batch(env, size, seed)
    ahead = jnp.minimum(jnp.asarray(1 + np.arange(size) % 3, jnp.int32), env.horizon - batch.time)
    return batch._replace(ahead=ahead)


def test_the_target_is_the_rewards_and_what_the_last_state_is_worth():
    env, spec, learner = small_learner(replace(SMALL, discount=0.7))
    state, other = (learner.init(jax.random.key(seed)) for seed in (3, 4))
    state = state._replace(target_actors=other.actors, target_critics=other.critics)
    batch = far(env, 12)
    _, metrics = jax.jit(learner.update)(state, batch, jax.random.key(0))
    time, ahead = np.asarray(batch.time), np.asarray(batch.ahead)
    assert set(ahead) == {1, 2, 3} and ((time + ahead == env.horizon) & (ahead > 1)).any()
    keeps = np.where(time + ahead == env.horizon, 0.0, 0.7**ahead)
    chosen = policy_actions(spec, state.target_actors, batch.next_state, jnp.asarray(time + ahead))
    for agent in range(env.num_agents):
        x = read_by(spec, agent, batch.next_state, chosen, time + ahead)
        worth = forward(*critic_of(spec, state.target_critics, agent), x)[:, 0]
        y = np.asarray(batch.rewards, np.float64)[:, agent] + keeps * worth
        here = read_by(spec, agent, batch.state, batch.actions, time)
        value = forward(*critic_of(spec, state.critics, agent), here)[:, 0]
        np.testing.assert_allclose(metrics.critic_loss[agent], ((y - value) ** 2).mean(), rtol=2e-5)


@pytest.mark.parametrize("algorithm", ["mastac-coordinated", "qdcg-coupling"])
def test_three_steps_are_one_long_step_where_nobody_knows_the_time(algorithm):
    """Where critics bootstrap through the end, several steps differ by their discount alone."""
    one, learner = scheduled(
        algorithm, couplings=small_learner()[0].couplings, finite_horizon=False, discount=0.7**3
    )
    _, several = scheduled(
        algorithm, couplings=one.env.couplings, finite_horizon=False, discount=0.7
    )
    batch, state = random_batch(one.env, 6), learner.init(jax.random.key(0))
    expected = jax.jit(learner.update)(state, batch, jax.random.key(1))
    found = jax.jit(several.update)(state, batch._replace(ahead=jnp.full(6, 3)), jax.random.key(1))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("algorithm", ["mastac", "mastac-coordinated"])
def test_targets_read_the_sets_of_the_later_time(algorithm):
    """From time 1 on: at time 2 agent d's critic reads c, at time 4, the last, it reads d alone."""
    spec, learner = scheduled(algorithm)
    state, batch = learner.init(jax.random.key(0)), random_batch(spec.env, 6)
    early = batch._replace(time=jnp.ones(6, jnp.int32))
    moved = early._replace(next_state=early.next_state + (jnp.arange(4) == 2)[None, :, None])
    update = jax.jit(learner.update)

    def losses(steps):
        ahead = jnp.full(6, steps, jnp.int32)
        return [
            update(state, each._replace(ahead=ahead), jax.random.key(1))[1].critic_loss
            for each in (early, moved)
        ]

    one, other = losses(1)
    assert one[3] != other[3]
    one, other = losses(3)
    assert one[3] == other[3] and one[2] != other[2]
