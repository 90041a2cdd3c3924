"""Episodes that end early: what is played, stored, drawn and learnt, against plain loops."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from leaving import (
    FAR,
    as_given,
    everyone_there,
    leaving_environment,
    partial_rollout,
    partly_there,
)
from small_world import SMALL, random_batch, small_learner
from test_update import critic_of, forward, policy_actions, read_by

from algorithms.small_algorithms import case, initial, material
from mastac.envs.episodes import rollout_return
from mastac.learning.buffer import replay_buffer
from mastac.learning.exploring import exploring_episode
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.scales import measured
from mastac.learning.updates.on_policy import advantages, local_advantages

EPISODES = 40


@pytest.fixture(scope="module")
def played():
    """Environment, and episodes of it as numpy arrays."""
    _, spec, _ = small_learner()
    env = leaving_environment()
    learner = learner_of(learner_spec(env, spec.layout, SMALL))
    state, noise = learner.init(jax.random.key(0)), jnp.asarray(0.3)
    play = jax.jit(jax.vmap(lambda key: exploring_episode(env, learner, state, noise, noise, key)))
    return env, jax.tree.map(np.asarray, play(jax.random.split(jax.random.key(1), EPISODES)))


def test_who_left_stays_as_it_was_and_earns_nothing(played):
    env, episodes = played
    alive, terminated = episodes.alive, episodes.terminated
    assert alive[:, 0].all()
    np.testing.assert_array_equal(alive[:, 1:], alive[:, :-1] & ~terminated[:, :-1])
    assert (terminated <= alive).all()
    far = np.abs(episodes.states[:, 1:, :, 0]) > FAR
    np.testing.assert_array_equal(terminated, far & alive)
    gone = ~alive
    assert gone.any() and alive[:, -1].any()
    frozen = np.where(gone[..., None], episodes.states[:, :-1], episodes.states[:, 1:])
    np.testing.assert_array_equal(episodes.states[:, 1:], frozen)
    assert (episodes.rewards[gone] == 0).all() and (episodes.actions[gone] == 0).all()
    for leaf in (episodes.states, episodes.actions, episodes.rewards):
        assert np.isfinite(leaf).all()
    np.testing.assert_array_equal(episodes.length, alive.any(2).sum(1))
    assert len(set(episodes.length.tolist())) > 1


def test_returns_end_with_the_episode():
    """A policy that does nothing, one step after the other, agent by agent."""
    env = leaving_environment()
    key, nothing = jax.random.key(5), jnp.zeros((4, 3))
    found = jax.jit(lambda key: rollout_return(env, lambda *_: nothing, key))(key)
    reset_key, step_key = jax.random.split(key)
    state, there = np.asarray(env.reset(reset_key)), set(range(4))
    total = np.zeros(4)
    for time, noise in enumerate(jax.random.split(step_key, env.horizon)):
        after = jax.tree.map(np.asarray, env.step(jnp.asarray(state), nothing, time, noise))
        state = state.copy()
        for agent in sorted(there):
            state[agent] = after.state[agent]
            total[agent] += after.rewards[agent]
            if after.terminated[agent]:
                there.discard(agent)
    assert len(there) < 4
    np.testing.assert_allclose(found, total, rtol=1e-5, atol=1e-6)


def test_draws_are_uniform_over_the_steps_that_were_played(played):
    _, episodes = played
    number = 40_000
    store = jax.tree.map(jnp.asarray, episodes)
    empty = jax.tree.map(lambda leaf: jnp.concatenate([leaf, jnp.zeros_like(leaf)]), store)
    batch = jax.jit(replay_buffer(2 * EPISODES, number).draw)(
        empty, jnp.asarray(EPISODES), jax.random.key(0)
    )
    assert np.asarray(batch.alive).any(1).all()
    index = {episodes.states[e, 0].tobytes(): e for e in range(EPISODES)}
    assert len(index) == EPISODES
    first = np.asarray(batch.time) == 0
    drawn = [index[row.tobytes()] for row in np.asarray(batch.state)[first]]
    expected = number / episodes.length.sum()
    counts = np.bincount(drawn, minlength=EPISODES)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    by_time = np.bincount(np.asarray(batch.time), minlength=6)
    expected = number * np.asarray(episodes.alive).any(2).sum(0) / episodes.length.sum()
    assert (np.abs(by_time - expected) <= 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("steps", [1, 3, 9])
def test_several_steps_stop_where_somebody_is_truncated(steps):
    """Rewards, next states, and whose future counts, by a loop over each transition's steps."""
    env = small_learner()[0]
    store = partial_rollout(env, 30, "pathwise", seed=steps)
    arrays = jax.tree.map(np.asarray, store)
    batch = jax.tree.map(
        np.asarray,
        replay_buffer(30, 300, steps, 0.7).draw(store, jnp.asarray(30), jax.random.key(0)),
    )
    index = {row.tobytes(): e for e, states in enumerate(arrays.states) for row in states}
    cuts = 0
    for k in range(300):
        episode, start = index[batch.state[k].tobytes()], int(batch.time[k])
        alive, terminated = arrays.alive[episode], arrays.terminated[episode]
        total, time, ends = np.zeros(4), start, alive[start] & False
        while time < env.horizon and time < start + steps:
            total += 0.7 ** (time - start) * arrays.rewards[episode, time]
            ends |= terminated[time]
            stays = alive[time + 1] if time + 1 < env.horizon else np.zeros(4, bool)
            time += 1
            if (alive[time - 1] & ~terminated[time - 1] & ~stays).any():
                cuts += time < min(start + steps, env.horizon)
                break
        np.testing.assert_allclose(batch.rewards[k], total, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(batch.next_state[k], arrays.states[episode, time])
        np.testing.assert_array_equal(batch.alive[k], alive[start])
        np.testing.assert_array_equal(batch.remains[k], alive[start] & ~ends)
        if steps > 1:
            assert batch.ahead[k] == time - start
    assert steps == 1 or cuts > 10


@pytest.mark.parametrize("finite_horizon", [True, False])
def test_targets_end_with_the_agent(finite_horizon):
    """Every value's target and loss by hand, from what is there of each agent."""
    env, spec, learner = small_learner(
        replace(SMALL, finite_horizon=finite_horizon, discount=0.7), kappa=None
    )
    state, other = (learner.init(jax.random.key(seed)) for seed in (3, 4))
    state = state._replace(target_actors=other.actors, target_critics=other.critics)
    batch = partly_there(env, 12)
    # Whatever stands in the rows of agents that left has no effect.
    alive, remains = np.asarray(batch.alive), np.asarray(batch.remains)
    batch = batch._replace(actions=jnp.where(alive[:, :, None], batch.actions, 7.0))
    _, metrics = jax.jit(learner.update)(state, batch, jax.random.key(0))
    assert np.isfinite(np.asarray(metrics.gradient_norm)).all()

    def masked(rows, there, center):
        return np.where(there[:, :, None], np.asarray(rows, np.float64), center)

    now = masked(batch.state, alive, env.state_center)
    acted = masked(batch.actions, alive, env.action_center)
    time, later = np.asarray(batch.time), np.asarray(batch.time) + 1
    chosen = policy_actions(spec, state.target_actors, batch.next_state, jnp.asarray(later))
    chosen = masked(chosen, remains, env.action_center)
    after = masked(batch.next_state, remains, env.state_center)
    for agent in range(env.num_agents):
        worth = forward(
            *critic_of(spec, state.target_critics, agent),
            read_by(spec, agent, after, chosen, later),
        )[:, 0]
        keeps = 0.7 * remains[:, agent] * ~((later == env.horizon) & finite_horizon)
        y = np.asarray(batch.rewards, np.float64)[:, agent] + keeps * worth
        value = forward(
            *critic_of(spec, state.critics, agent), read_by(spec, agent, now, acted, time)
        )[:, 0]
        loss = ((y - value) ** 2)[alive[:, agent]].mean()
        np.testing.assert_allclose(metrics.critic_loss[agent], loss, rtol=2e-5)


def test_a_team_value_ends_when_the_last_agent_leaves():
    it = case("maddpg")
    state = initial(it)
    batch = random_batch(it.env, 6)
    alive = jnp.ones((6, 4), bool)
    one_left = alive.at[:, 1:].set(False)

    def loss(remains, shift):
        moved = batch._replace(next_state=batch.next_state + shift, alive=alive, remains=remains)
        return it.update(state, moved, jax.random.key(0), jnp.int32(0))[1].critic_loss

    only_first = (jnp.arange(4) == 0)[None, :, None] * 1.0
    # Agent c is observed by a: also what was left behind is.
    others = (jnp.arange(4) % 2 == 1)[None, :, None] * 1.0
    assert (loss(one_left, others) == loss(one_left, 0 * others)).all()
    assert (loss(one_left, only_first) != loss(one_left, 0 * others)).all()
    assert (loss(~alive, only_first) == loss(~alive, 0 * others)).all()


@pytest.mark.parametrize("name", ["mastac", "mastac-coordinated"])
def test_samples_without_an_agent_teach_it_nothing(name):
    """An agent's step is the one that it takes from the samples alone in which it is there."""
    it = case(name, kappa=None)
    state, batch = initial(it), partly_there(it.env, 12)
    after, metrics = it.update(state, batch, jax.random.key(0), jnp.int32(0))
    for agent in range(it.env.num_agents):
        own = np.flatnonzero(np.asarray(batch.alive)[:, agent])
        part = jax.tree.map(lambda leaf, own=own: leaf[own], batch)
        alone, found = it.update(state, part, jax.random.key(0), jnp.int32(0))
        if name == "mastac" or agent == 0:  # the others have seen the steps of those before them
            np.testing.assert_allclose(
                found.critic_loss[agent], metrics.critic_loss[agent], rtol=1e-4
            )
            np.testing.assert_allclose(
                found.gradient_norm[agent], metrics.gradient_norm[agent], rtol=1e-4
            )
            for one, other in zip(
                jax.tree.leaves(alone.actors), jax.tree.leaves(after.actors), strict=True
            ):
                np.testing.assert_allclose(one[agent], other[agent], rtol=1e-4, atol=2e-6)


KINDS = [
    "mastac", "mastac-coordinated", "facmac", "mastac-sac", "mastac-ppo", "zeroth-order",
]  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_nothing_changes_where_nobody_leaves(name):
    """The word that all are there, and observations from outside, change nothing."""
    it = case(name)
    state, given = initial(it), material(it)
    plain = it.update(state, given, jax.random.key(0), jnp.int32(0))
    marked = it.update(
        state, as_given(it.env, everyone_there(given)), jax.random.key(0), jnp.int32(0)
    )
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(marked), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=5e-6)


def test_observations_from_outside_are_what_policies_are_taught_by():
    it = case("mastac")
    state, batch = initial(it), as_given(it.env, random_batch(it.env, 6))
    update = lambda batch: it.update(state, batch, jax.random.key(0), jnp.int32(0))  # noqa: E731
    before, _ = update(batch)
    seen, _ = update(batch._replace(obs=batch.obs + 1.0))
    later, _ = update(batch._replace(next_obs=batch.next_obs + 1.0))
    weights = lambda tree: np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])  # noqa: E731
    assert (weights(seen.actors) != weights(before.actors)).any()
    assert (weights(seen.critics) == weights(before.critics)).all()
    assert (weights(later.actors) == weights(before.actors)).all()
    assert (weights(later.critics) != weights(before.critics)).any()


def test_advantages_stop_where_an_agent_leaves():
    """Against sums over each agent's own steps; truncated ones count what their last state is."""
    random = np.random.default_rng(2)
    values, rewards = random.normal(size=(4, 7)), random.normal(size=(4, 6))
    last, ends = np.array([0, 3, 5, 2]), np.array([True, False, True, False])
    alive = np.arange(6) <= last[:, None]
    remains = alive & ~((np.arange(6) == last[:, None]) & ends[:, None])
    found = advantages(jnp.asarray(values), jnp.asarray(rewards), 0.9, 0.8, alive, remains)
    for agent in range(4):
        for time in range(6):
            total = 0.0
            for k in range(time, last[agent] + 1):
                follows = values[agent, k + 1] if k < last[agent] or not ends[agent] else 0.0
                error = rewards[agent, k] + 0.9 * follows - values[agent, k]
                total += (0.9 * 0.8) ** (k - time) * error
            np.testing.assert_allclose(found[agent, time], total, rtol=1e-5, atol=1e-6)


def test_returns_of_critics_are_the_values_of_a_chain_with_an_end():
    """With full traces a critic is taught the sum of what its agent still earns."""
    it = case("mastac-ppo", gae_lambda=1.0, discount=0.8)
    rollout = partial_rollout(it.env, 3, "score")
    stays = jnp.pad(rollout.alive[:, 1:], ((0, 0), (0, 1), (0, 0)))
    rollout = rollout._replace(terminated=rollout.alive & ~stays)
    _, returns = local_advantages(it.spec, initial(it).critics, rollout)
    alive, rewards = np.asarray(rollout.alive), np.asarray(rollout.rewards, np.float64)
    for agent in range(4):
        for episode in range(3):
            for time in np.flatnonzero(alive[episode, :, agent]):
                own = rewards[episode, time:, agent]
                worth = (0.8 ** np.arange(len(own)) * own).sum() * float(
                    it.spec.settings.reward_scale / it.env.reward_scale
                )
                np.testing.assert_allclose(
                    returns[agent, episode, time], worth, rtol=1e-4, atol=1e-5
                )


def test_scales_are_those_of_the_agents_that_are_there():
    random = np.random.default_rng(0)
    values = random.normal(size=(1, 8, 2, 3))
    counts = np.arange(8)[:, None] < np.array([3, 8])
    one = jnp.ones(1, bool)
    found = measured(jnp.asarray(values, jnp.float32), one, one, counts=jnp.asarray(counts)[None])
    for agent, steps in enumerate((3, 8)):
        own = values[0, :steps, agent]
        np.testing.assert_allclose(found.center[agent], own.mean(0), rtol=1e-5)
        np.testing.assert_allclose(found.spread[agent], own.std(0), rtol=1e-4)
