"""Local models of when agents leave and of what they observe, against what is known exactly."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learning.leaving import leaving_environment
from learning.small_world import small_environment
from mastac import Couplings, Environment, Transition
from mastac.agents.actors import actors as actors_of
from mastac.agents.local_models import LocalModels, Networks, local_models
from mastac.agents.model_inputs import Units
from mastac.envs.episodes import rollout_return
from mastac.learning.buffer import Episode
from mastac.learning.model_based.fitting import (
    drawn,
    errors_of,
    fit,
    newest,
    newest_transitions,
    optimizer,
)
from mastac.learning.model_based.imagined import Imagined, imagined, true_dynamics
from mastac.learning.model_based.leaving import leaving_of, left_at, played_steps
from mastac.learning.model_based.seeing import learnt_observations, seeing_of
from mastac.learning.model_based.units import ages, measured_units, reward_range

AGENTS, STEPS = 2, 6


class Watched(Environment):
    """An environment whose observations are stored."""

    stores_observations = True  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]


def risky(couplings: Couplings | None = None) -> Environment:
    """Agents that leave by chance, the more likely the larger their action is, in [-1, 1]."""
    sizes = np.ones(AGENTS, int)

    def step(state, actions, time, key):
        risk = 0.5 * actions[:, 0] ** 2
        drift = jax.random.normal(jax.random.fold_in(key, 1), state.shape)
        ends = jax.random.uniform(jax.random.fold_in(key, 2), (AGENTS,)) < risk
        return Transition(0.5 * state + 0.1 * drift + 0.2 * actions, 1.0 + actions[:, 0], ends)

    return Watched(
        id="risky",
        couplings=Couplings(AGENTS, state=[], action=[]) if couplings is None else couplings,
        horizon=STEPS,
        reset=lambda key: jax.random.normal(key, (AGENTS, 1)),
        step=step,
        observe=lambda state: jnp.concatenate([3.0 * state, 1.0 + state[::-1], state[::-1]], 1),
        state_sizes=sizes,
        obs_sizes=3 * sizes,
        action_sizes=sizes,
        action_head="tanh",
    )


def episodes_of(env: Environment, number: int, seed: int = 0) -> Episode:
    """Episodes of random actions, padded to the horizon."""

    def one(key) -> Episode:
        first = env.reset(key)

        def one_step(carry, at):
            (state, alive), (time, key) = carry, at
            actions = jax.random.uniform(key, (AGENTS, 1), minval=-1.0) * alive[:, None]
            after = env.transition(state, actions, time, key, alive)
            row = (state, actions, after.rewards, alive, after.terminated)
            return (after.state, alive & ~after.terminated), row

        steps = (jnp.arange(STEPS), jax.random.split(jax.random.fold_in(key, 1), STEPS))
        begun = (first, jnp.ones(AGENTS, bool))
        (last, _), (states, actions, rewards, alive, ended) = jax.lax.scan(one_step, begun, steps)
        states = jnp.concatenate([states, last[None]])
        return Episode(
            states,
            actions,
            rewards,
            observations=jax.vmap(env.observe)(states),
            alive=alive,
            terminated=ended,
            length=alive.any(1).sum(),
        )

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(seed), number))


class Fitted(NamedTuple):
    """Local models of the risky environment after a fit, and what they were fitted to."""

    models: LocalModels
    networks: Networks
    units: Units
    store: Episode


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    both = [(0, 1), (1, 0)]
    env = risky(Couplings(AGENTS, state=[], action=[], observation=both))
    store = episodes_of(env, 300)
    age = ages(300, jnp.int32(300))
    models, units = local_models(env, members=2, units=6), measured_units(store, age)
    networks = jax.jit(models.init)(jax.random.key(0))

    @jax.jit
    def trained(networks):
        first, key = optimizer().init(networks), jax.random.key(1)
        leaving = leaving_of(store, age)
        given = (models, networks, first, units, store, age, key)
        return fit(*given, 400, jnp.int32(2), 128, 0.03, leaving)[0]

    return Fitted(models, trained(networks), units, store)


def everywhere(fitted: Fitted, number: int = 9):
    """States of all kinds with the same action for both agents, for both members."""
    action = np.linspace(-0.9, 0.9, number)
    actions = jnp.asarray(np.broadcast_to(action, (2, AGENTS, 1, number)), jnp.float32)
    states = jnp.asarray(np.random.default_rng(0).normal(size=actions.shape) * 0.3, jnp.float32)
    return states, actions, jnp.full((2, number), 2.0), jnp.ones((2, AGENTS, number))


def test_fitted_models_know_the_risk_of_an_action(fitted):
    states, actions, time, there = everywhere(fitted)
    models, networks, units, _ = fitted
    following = 0.5 * states + 0.2 * actions
    given = (networks, units, states, actions, time, following, there)
    found = jax.jit(models.log_staying)(*given, jnp.asarray(False))
    risk = 0.5 * np.asarray(actions)[:, :, 0] ** 2
    # A thousand steps of each agent, of which a sixth were the last one.
    np.testing.assert_allclose(np.exp(found), 1 - risk, atol=0.15)
    # Where all leave together, they stay only if nobody has a reason to leave.
    team = jax.jit(models.log_staying)(*given, jnp.asarray(True))
    np.testing.assert_allclose(team, found.sum(1, keepdims=True) + 0 * team, rtol=1e-5)


def test_fitted_models_know_what_agents_observe(fitted):
    states, _, time, there = everywhere(fitted)
    models, networks, units, _ = fitted
    found = jax.jit(models.observe)(networks, units, states, time, there)
    wide = (None, slice(None), slice(None), None)
    found = found * units.obs_scale[wide] + units.obs_center[wide]
    expected = jnp.concatenate([3.0 * states, 1.0 + states[:, ::-1], states[:, ::-1]], 2)
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_observations_that_are_states_are_these_exactly(fitted):
    models, networks, units, store = fitted
    sample = newest_transitions(store, ages(300, jnp.int32(300)), 2)
    seeing = seeing_of(models, jnp.full((AGENTS, 3), 0.5), sample)
    np.testing.assert_array_equal(seeing.is_state, [[False, False, True]] * 2)
    states = jnp.asarray(np.random.default_rng(1).normal(size=(4, AGENTS, 1)), jnp.float32)
    observe = jax.jit(learnt_observations(models, networks, units, seeing))
    seen = observe(states, jnp.int32(1), jax.random.key(0), jnp.ones((4, AGENTS)))
    np.testing.assert_array_equal(seen[:, :, 2], states[:, ::-1, 0])
    assert (np.asarray(seen[:, :, 1]) != np.asarray(1.0 + states[:, ::-1, 0])).all()


def test_nothing_is_read_of_those_that_left(fitted):
    """Of a neighbour that left: neither state nor action, but that it did."""
    states, actions, time, there = everywhere(fitted)
    models, networks, units, _ = fitted
    observe = jax.jit(models.observe)
    alone = there.at[:, 1].set(0.0)
    moved = states.at[:, 1].add(1.0)

    def seen(states, there):
        return np.asarray(observe(networks, units, states, time, there))[:, 0]

    assert (seen(moved, there) != seen(states, there)).any((0, 1)).all()
    np.testing.assert_array_equal(seen(moved, alone), seen(states, alone))
    # It counts by the probability that it is there if the one who sees is.
    half = there.at[:, 1].set(0.3)
    together = 0.3 * there
    np.testing.assert_allclose(seen(states, together), seen(states, there), rtol=1e-5)
    assert (seen(states, half) != seen(states, there)).any((0, 1)).all()


def test_only_played_steps_count():
    store = episodes_of(risky(), 40)
    age = ages(40, jnp.int32(30))
    played = np.asarray(store.alive)[:30]
    for sample in (drawn(store, age, jax.random.key(0), 2, 200), newest(store, age, 2, 30)):
        assert sample.alive is not None
        if sample.alive.shape[2] == 200:
            assert sample.alive.any(1).all()
    np.testing.assert_allclose(sample.share, played.mean((0, 1)), rtol=1e-6)
    units, later = measured_units(store, age), np.asarray(store.states)[15:30, :-1]
    recent = np.asarray(store.alive)[15:30]
    for agent in range(AGENTS):
        own = later[:, :, agent][recent[:, :, agent]]
        np.testing.assert_allclose(units.state_center[agent], own.mean(0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(units.state_scale[agent], own.std(0), rtol=1e-3)
        paid = np.asarray(store.rewards)[:30, :, agent][played[:, :, agent]]
        lowest, highest = (bound[agent] for bound in reward_range(store, age))
        assert (lowest, highest) == (paid.min(), paid.max()) and lowest > 0
    models = local_models(risky(), members=2, units=4)
    networks = jax.jit(models.init)(jax.random.key(0))
    for error in jax.jit(errors_of, static_argnums=0)(models, networks, units, sample):
        alone = np.asarray(sample.alive)
        alone = alone[:, :, None] if error.ndim == 4 else alone
        assert not np.asarray(error)[~np.broadcast_to(alone, error.shape)].any()
        assert np.asarray(error)[np.broadcast_to(alone, error.shape)].all()


def test_played_steps_are_drawn_evenly():
    lengths, oldest = jnp.array([3, 0, 5, 2, 0]), jnp.array([0] * 500 + [2] * 500)
    episode, time = played_steps(lengths, oldest, (2, 1000), jax.random.key(0))
    for part, steps in ((slice(0, 500), [3, 0, 5, 2, 0]), (slice(500, 1000), [0, 0, 5, 2, 0])):
        number = np.bincount(np.asarray(episode)[:, part].ravel(), minlength=5)
        np.testing.assert_allclose(number / 1000, np.array(steps) / sum(steps), atol=0.06)
    assert (np.asarray(time) < np.asarray(lengths)[episode]).all() and set(np.ravel(time)) == {
        *range(5)
    }


ALL = [[1, 1], [1, 1], [0, 0]]  # alive, by step
WAYS = {
    "everyone stays": ([[1, 1]] * 3, [[0, 0]] * 3, True, [0, 0]),
    "the episode ends": (ALL, [[0, 0], [1, 1], [0, 0]], True, [1, 1]),
    "it is truncated": (ALL, [[0, 0]] * 3, True, [1, 1]),
    "one goes on": ([[1, 1], [0, 1], [0, 1]], [[1, 0], [0, 0], [0, 0]], False, [1, 0]),
    "one ends at the horizon": ([[1, 1]] * 3, [[0, 0], [0, 0], [0, 1]], False, [0, 1]),
    "the last one follows": ([[1, 1], [0, 1], [0, 0]], [[1, 0], [0, 1], [0, 0]], False, [1, 1]),
}


@pytest.mark.parametrize("way", WAYS)
def test_how_agents_leave(way):
    alive, ended, together, happens = (np.array(part) for part in WAYS[way])
    numbers = jnp.zeros((1, 3, 2))
    store = Episode(
        numbers[:, :, :, None],
        numbers[:, :, :, None],
        numbers,
        alive=jnp.asarray(alive[None] > 0),
        terminated=jnp.asarray(ended[None] > 0),
        length=jnp.asarray(alive.any(1).sum()[None]),
    )
    found = leaving_of(store, ages(1, jnp.int32(1)))
    assert found is not None
    assert bool(found.together) == together
    np.testing.assert_array_equal(found.happens, happens)
    left = left_at(store, jnp.zeros(3, jnp.int32), jnp.arange(3))
    assert np.asarray(left).sum() == sum(happens) and not (np.asarray(left) & (alive == 0)).any()


def test_returns_are_expected_over_when_agents_leave():
    """Against the geometric distribution of the last step, with a slope along the risk."""
    env = small_environment()
    actors, first = actors_of(env, ()), jnp.zeros((3, 4, 3))
    weights, rewards = actors.init(jax.random.key(0)), jnp.array([1.0, -2.0, 0.5, 0.0])

    def played(risk) -> Imagined:
        def dynamics(states, actions, time, key, there):
            paid = (time[:, None] + 1.0) * rewards[None]
            return states, paid, there * (1.0 - risk)

        there = jnp.ones((3, 4))
        return imagined(env, actors, weights, dynamics, first, jax.random.key(0), there=there)

    def moments(risk: float):
        """Mean and standard deviation of 1 + 2 + … up to the last step."""
        last, horizon = np.arange(1, env.horizon + 1), env.horizon
        chance = risk * (1 - risk) ** (last - 1)
        chance[-1] = (1 - risk) ** (horizon - 1)
        paid = last * (last + 1) / 2
        mean = (chance * paid).sum()
        return mean, np.sqrt((chance * (paid - mean) ** 2).sum())

    found = jax.jit(played)(0.3)
    mean, deviation = moments(0.3)
    np.testing.assert_allclose(found.returns, np.tile(mean * rewards, (3, 1)), rtol=1e-5)
    np.testing.assert_allclose(found.luck, np.tile(deviation * abs(rewards), (3, 1)), rtol=1e-4)
    slope = jax.grad(lambda risk: played(risk).returns[0, 0])(0.3)
    up, down = moments(0.301)[0], moments(0.299)[0]
    assert float(slope) == pytest.approx((up - down) / 0.002, rel=1e-3)


def test_through_the_simulator_agents_leave_where_they_do():
    """What is computed of those that left is no number there, and reaches nothing."""
    made = leaving_environment()
    env = replace(
        made,
        step=lambda state, actions, time, key: made.step(state, actions, time, jax.random.key(7)),
    )
    actors = actors_of(env, ())
    weights = actors.init(jax.random.key(1))
    keys = jax.random.split(jax.random.key(2), 4)
    first = jax.vmap(lambda key: env.reset(jax.random.split(key)[0]))(keys)

    def policy(obs, state, time):
        return actors.apply(weights, obs[:, :, None])[:, :, 0]

    def returns(weights):
        dynamics, there = true_dynamics(env), jnp.ones((4, 4))
        return imagined(env, actors, weights, dynamics, first, keys[0], there=there).returns

    found = jax.jit(returns)(weights)
    expected = jax.jit(jax.vmap(lambda key: rollout_return(env, policy, key)))(keys)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
