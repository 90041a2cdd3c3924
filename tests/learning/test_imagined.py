"""Imagined episodes and fitted models against simulators and exact linear-quadratic values."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from learning.small_world import SIZES, small_environment
from mastac.agents.actors import actors as actors_of
from mastac.agents.local_models import local_models
from mastac.envs.episodes import rollout_return
from mastac.envs.heads import SATURATED
from mastac.envs.linear_quadratic.dynamics import problem_of
from mastac.learning.buffer import Episode
from mastac.learning.model_based.fitting import fit, optimizer
from mastac.learning.model_based.imagined import (
    _saturation,
    imagined,
    learnt_dynamics,
    slope_bounded,
    true_dynamics,
)
from mastac.learning.model_based.units import ages, measured_units, no_units
from mastac.structure import Couplings
from mastac.theory.linear_quadratic import agent_returns, episode_return


def without_noise(env):
    """The environment with the same disturbance at every time, in every episode."""
    return replace(
        env,
        step=lambda state, actions, time, key: env.step(state, actions, time, jax.random.key(7)),
    )


@pytest.mark.parametrize("head", ["tanh", "softmax"])
def test_episodes_through_the_simulator_are_the_simulators_own(head):
    env = without_noise(small_environment(head))
    actors = actors_of(env, (5,))
    weights = actors.init(jax.random.key(1))
    keys = jax.random.split(jax.random.key(2), 3)

    def policy(obs, state, time):
        return actors.apply(weights, obs[:, :, None])[:, :, 0]

    expected = jax.jit(jax.vmap(lambda key: rollout_return(env, policy, key)))(keys)
    first = jax.vmap(lambda key: env.reset(jax.random.split(key)[0]))(keys)
    played = jax.jit(
        lambda weights: imagined(env, actors, weights, true_dynamics(env), first, keys[0])
    )(weights)
    np.testing.assert_allclose(played.returns, expected, rtol=1e-5)
    assert np.unique(np.asarray(expected).round(3)).size == expected.size


def unmoved_reading(actor):
    """The direction with no part in how observations are read, which is never trained."""
    return replace(
        actor,
        center=jnp.zeros_like(actor.center),
        inverse_scale=jnp.zeros_like(actor.inverse_scale),
    )


def test_slopes_of_imagined_returns_are_finite_differences():
    env = without_noise(small_environment())
    with jax.enable_x64(True):
        actors = actors_of(env, (5,))
        weights = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, jnp.float64), actors.init(jax.random.key(1))
        )
        first = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 3)))
        first = jnp.where(np.arange(3) < SIZES["state"][:, None], first, 0.0)
        dynamics = true_dynamics(env)

        @jax.jit
        def value(weights):
            return imagined(env, actors, weights, dynamics, first, jax.random.key(0)).returns.sum()

        slope = jax.jit(jax.grad(value))(weights)
        random = np.random.default_rng(1)
        for _ in range(3):
            ways = jax.tree.map(
                lambda leaf: jnp.asarray(1e-6 * random.normal(size=leaf.shape)), weights
            )
            ways = unmoved_reading(ways)
            up = value(jax.tree.map(jnp.add, weights, ways))
            down = value(jax.tree.map(jnp.subtract, weights, ways))
            along = sum(jax.tree.leaves(jax.tree.map(lambda a, b: (a * b).sum(), slope, ways)))
            assert float(along) == pytest.approx(float(up - down) / 2, rel=1e-5)
        for leaf in (slope.center, slope.inverse_scale):
            assert not np.asarray(leaf).any()


def gain_of(env, actors, weights):
    """The gain `[actions, states + 1]` of linear actors, by probing them with unit states."""
    probes = jnp.concatenate([jnp.zeros((1, env.num_agents)), jnp.eye(env.num_agents)])[:, :, None]
    obs = jnp.moveaxis(jax.vmap(env.observe)(probes), 0, -1)
    actions = actors.apply(weights, obs)[:, 0]
    return jnp.concatenate([actions[:, 1:] - actions[:, :1], actions[:, :1]], axis=1)


def test_slopes_of_imagined_returns_are_the_exact_policy_gradient():
    env = mastac.make("lq-5", noise=0.0, horizon=8)
    problem, actors = problem_of(env), actors_of(env, ())
    weights = actors.init(jax.random.key(3))
    weights = replace(
        weights,
        weights=tuple(0.1 * leaf for leaf in weights.weights),
        biases=tuple(leaf + 0.3 for leaf in weights.biases),  # without them slopes are zero there
    )
    # Points whose mean and covariance are those of first states: quadratic returns come out exact.
    n = problem.num_states
    spread = np.sqrt(n * problem.start_variance)[:, None] * np.eye(n)
    points = np.concatenate([problem.start_mean + spread, problem.start_mean - spread])
    first = jnp.asarray(points, jnp.float32)[:, :, None]

    def returns(weights):
        dynamics = true_dynamics(env)
        return imagined(env, actors, weights, dynamics, first, jax.random.key(0)).returns.mean(0)

    gain, pulled_back = jax.vjp(lambda weights: gain_of(env, actors, weights), weights)
    exact, by_gain = episode_return(problem, np.asarray(gain, np.float64))
    value, slope = jax.jit(jax.value_and_grad(lambda weights: returns(weights).sum()))(weights)
    assert float(value) == pytest.approx(exact, rel=1e-4)
    np.testing.assert_allclose(
        jax.jit(returns)(weights), agent_returns(problem, np.asarray(gain)), rtol=1e-4
    )
    (expected,) = pulled_back(jnp.asarray(by_gain, jnp.float32))
    for found, wanted in zip(jax.tree.leaves(slope), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)
    for leaf in (*expected.weights, *expected.biases):
        assert np.abs(np.asarray(leaf)).max() > 0.1


def random_transitions(env, episodes: int, seed: int = 0) -> Episode:
    """Episodes of random actions."""
    reset_key, action_key = jax.random.split(jax.random.key(seed))
    shape = (env.horizon, episodes, env.num_agents, int(env.action_sizes.max()))
    actions = jax.random.normal(action_key, shape)

    def one(states, at):
        time, actions = at
        keys = jax.random.split(jax.random.fold_in(reset_key, time), episodes)
        following = jax.vmap(env.step, (0, 0, None, 0))(states, actions, time, keys)
        rewards = jax.vmap(env.reward, (0, 0, None))(states, actions, time)
        return following, (following, rewards)

    first = 2.0 * jax.random.normal(reset_key, (episodes, env.num_agents, 1))
    _, (later, rewards) = jax.lax.scan(one, first, (jnp.arange(env.horizon), actions))
    states = jnp.concatenate([first[None], later])
    return Episode(*(jnp.swapaxes(leaf, 0, 1) for leaf in (states, actions, rewards)))


def test_slopes_are_bounded_at_every_step_and_values_are_kept():
    def final(first, limit):
        def step(value, _):
            return 3.0 * slope_bounded(value, limit), None

        return jax.lax.scan(step, first, None, length=5)[0].sum()

    first, limit = jnp.array([0.5, -2.0]), jnp.array([1e6, 10.0])
    value, slope = jax.value_and_grad(final)(first, limit)
    assert float(value) == pytest.approx(3.0**5 * -1.5)
    # Free below the limit; held at it where slopes grow beyond, however many steps there are.
    np.testing.assert_allclose(slope, [3.0**5, 10.0])


def test_a_slope_that_is_no_number_counts_as_none():
    slope = jax.grad(lambda value: jnp.sqrt(slope_bounded(value, jnp.ones(()))))(jnp.zeros(()))
    assert float(slope) == 0.0


@pytest.mark.parametrize("steepest", [1e6, 1e-3])
def test_bounded_slopes_are_the_exact_ones_unless_they_are_steeper(steepest):
    env = mastac.make("lq-3", noise=0.0, horizon=4)
    actors = actors_of(env, ())
    weights = actors.init(jax.random.key(3))
    first = jax.vmap(env.reset)(jax.random.split(jax.random.key(1), 4))

    def returns(weights, steepest):
        played = imagined(
            env, actors, weights, true_dynamics(env), first, jax.random.key(0), steepest
        )
        return played.returns.mean(0).sum()

    slope = jax.jit(jax.grad(returns))
    exact, held = slope(weights, None), slope(weights, jnp.full((3, first.shape[-1]), steepest))
    differences = [
        float(jnp.abs(one - other).max())
        for one, other in zip(jax.tree.leaves(exact), jax.tree.leaves(held), strict=True)
    ]
    assert (max(differences) == 0.0) == (steepest == 1e6)


def test_fitted_models_have_the_slopes_of_the_true_matrices():
    env = mastac.make("lq-3", noise=0.0, horizon=8)
    problem = problem_of(env)
    store = jax.jit(lambda: random_transitions(env, 32))()
    states, actions = (
        np.asarray(leaf, np.float64).reshape(-1, 3)
        for leaf in (store.states[:, :-1], store.actions)
    )
    following = np.asarray(store.states[:, 1:], np.float64).reshape(-1, 3)
    # The data hold the matrices: a linear regression finds them.
    read = np.concatenate([states, actions, np.ones((len(states), 1))], axis=1)
    regressed = np.linalg.lstsq(read, following)[0].T
    true = np.concatenate([problem.state_matrix, problem.input_matrix], axis=1)
    np.testing.assert_allclose(regressed[:, :-1], true, atol=1e-5)

    age = ages(32, jnp.int32(32))
    models = local_models(env, members=2, units=8)
    units = measured_units(store, age)
    networks = jax.jit(models.init)(jax.random.key(0))

    @jax.jit
    def fitting(networks, times):
        first, key = optimizer().init(networks), jax.random.key(1)
        return fit(models, networks, first, units, store, age, key, 300, times, 64, 0.03)

    trained, _, errors = fitting(networks, jnp.int32(3))

    def step(states, actions):
        """Next states and rewards of both members, `[members, agents, batch]`."""
        of_state, of_action = (jnp.stack([leaf.T[:, None]] * 2) for leaf in (states, actions))
        time = jnp.zeros((2, len(states)))
        following, rewards = models.step(trained, units, of_state, of_action, time)
        return following[:, :, 0], rewards

    near = [units.state_scale[:, 0], units.action_scale[:, 0]]
    centre = [units.state_center[:, 0], units.action_center[:, 0]]
    probes = jax.random.normal(jax.random.key(5), (2, 40, 3)) * 0.7

    @jax.jit
    def steps_and_slopes(states, actions):
        by_one = jax.jacobian(lambda s, a: step(s[None], a[None])[0][:, :, 0], (0, 1))
        slopes = jnp.concatenate(jax.vmap(by_one)(states, actions), axis=-1)
        return *step(states, actions), slopes

    at = [centre[k][None] + near[k][None] * probes[k] for k in range(2)]
    following, rewards, found = map(np.asarray, steps_and_slopes(*at))
    found = found.mean(0)  # [members, agents, states and actions]
    assert np.abs(found - true[None]).max() < 0.03 * np.abs(true).max()
    # What is no in-neighbour has no slope at all.
    couplings = env.couplings
    assert isinstance(couplings, Couplings)
    graphs = np.concatenate([couplings.state.toarray(), couplings.action.toarray()], axis=1)
    assert not found[:, ~graphs].any()
    expected = np.asarray(at[0]) @ problem.state_matrix.T + np.asarray(at[1]) @ (
        problem.input_matrix.T
    )
    off = following - (expected + problem.offset).T[None]
    assert np.sqrt((off**2).mean()) < 0.03 * expected.std()
    paid = jax.vmap(env.reward, (0, 0, None))(at[0][:, :, None], at[1][:, :, None], 0)
    off = rewards - np.asarray(paid).T[None]
    assert np.sqrt((off**2).mean()) < 0.1 * np.asarray(paid).std()
    # What is said of the errors is of their size, and a fit that is not trained is far worse.
    assert (np.asarray(errors.change) < 1e-3).all() and (np.asarray(errors.residual) > 0).all()
    untrained = fitting(networks, jnp.int32(0))[0]
    jax.tree.map(np.testing.assert_array_equal, untrained, networks)


def test_every_member_plays_its_part_of_the_batch_within_what_was_seen():
    env = small_environment()
    models = local_models(env, members=2, units=4)
    networks, step = jax.jit(models.init)(jax.random.key(0)), jax.jit(models.step)
    episode = Episode(jnp.zeros((4, 3)), jnp.zeros((4, 3)), jnp.zeros(4))
    units, random = no_units(episode), np.random.default_rng(0)
    real = (np.arange(3) < SIZES[name][:, None] for name in ("state", "action"))
    states, actions = (
        jnp.asarray(np.where(mask, random.normal(size=(6, 4, 3)), 0.0), jnp.float32)
        for mask in real
    )
    endless = (jnp.full((4, 3), -1e9), jnp.full((4, 3), 1e9))
    unpaid = (jnp.full(4, -1e9), jnp.full(4, 1e9))

    @jax.jit
    def played(residual, seen, paid):
        dynamics = learnt_dynamics(models, networks, units, residual, seen, paid)
        return dynamics(states, actions, jnp.int32(2), jax.random.key(0))[:2]

    following, rewards = played(jnp.zeros((4, 3)), endless, unpaid)
    for member in range(2):
        rows = slice(3 * member, 3 * member + 3)
        parts = [jnp.stack([jnp.moveaxis(leaf[rows], 0, -1)] * 2) for leaf in (states, actions)]
        expected = step(networks, units, *parts, jnp.full((2, 3), 2.0))
        for found, wanted in zip((following, rewards), expected, strict=True):
            np.testing.assert_allclose(
                found[rows], jnp.moveaxis(wanted[member], -1, 0), rtol=1e-5, atol=1e-6
            )
    residual = jnp.zeros((4, 3)).at[2, 1].set(0.5)
    noisy = played(residual, endless, unpaid)[0] - following
    assert np.asarray(noisy)[:, 2, 1].all()
    np.testing.assert_array_equal((np.asarray(noisy) != 0).sum(0), 6 * (np.asarray(residual) > 0))
    narrow = (jnp.full((4, 3), -0.1), jnp.full((4, 3), 0.1))
    inside, few = played(residual, narrow, (jnp.zeros(4), jnp.full(4, 0.01)))
    np.testing.assert_allclose(inside, np.clip(following + noisy, -0.1, 0.1), atol=1e-6)
    np.testing.assert_allclose(few, np.clip(rewards, 0.0, 0.01), atol=1e-7)


def test_choices_are_drawn_and_have_the_slopes_of_their_probabilities():
    env = replace(small_environment(), action_head="discrete")
    actors, key = actors_of(env, ()), jax.random.key(3)
    real = np.arange(3) < SIZES["action"][:, None]
    logits = np.random.default_rng(0).normal(size=(4, 3, 1)).astype(np.float32)
    logits = jnp.asarray(np.repeat(logits, 4000, axis=2))
    chosen = np.asarray(actors.with_slopes(logits, key))
    hard = chosen.round()
    np.testing.assert_allclose(chosen, hard, atol=1e-6)
    np.testing.assert_array_equal(hard.sum(1), 1)
    assert not hard[~real].any()
    powers = np.where(real, np.exp(np.asarray(logits)[:, :, 0]), 0.0)
    np.testing.assert_allclose(
        hard.mean(-1), powers / powers.sum(1, keepdims=True), atol=4 * 0.5 / np.sqrt(4000)
    )

    weight = np.random.default_rng(1).normal(size=(4, 3, 1)).astype(np.float32)
    slope = jax.grad(lambda logits: (weight * actors.with_slopes(logits, key)).sum())(logits)
    # The Jacobian of a softmax, p (w - p·w), of the very logits that were drawn from.
    noisy = np.asarray(logits + jax.random.gumbel(key, logits.shape), np.float64)
    soft = np.where(real[:, :, None], np.exp(noisy), 0.0)
    soft /= soft.sum(1, keepdims=True)
    expected = soft * (weight - (soft * weight).sum(1, keepdims=True))
    np.testing.assert_allclose(slope, expected, atol=1e-5)
    assert (np.where(real[:, :, None], noisy, -np.inf).argmax(1) == hard.argmax(1)).all()


def test_logits_count_as_saturated_beyond_what_is_held_and_choices_always():
    env, choosing = small_environment(), replace(small_environment(), action_head="discrete")
    real = np.arange(3) < SIZES["action"][:, None]
    logits = np.where(real, np.random.default_rng(0).normal(scale=5, size=(4, 3)), 99.0)

    def expected(values, held):
        return np.where(real, np.maximum(np.abs(values) - held, 0.0) ** 2, 0.0).mean()

    for held in (2.0, 4.0, 1e3):
        found = _saturation(env, actors_of(env, ()), jnp.asarray(logits)[:, :, None], held)
        np.testing.assert_allclose(found, expected(logits, held), rtol=1e-5)
    mean = np.where(real, logits, 0.0).sum(1, keepdims=True) / real.sum(1, keepdims=True)
    found = _saturation(choosing, actors_of(choosing, ()), jnp.asarray(logits)[:, :, None], 1e3)
    np.testing.assert_allclose(found, expected(logits - mean, SATURATED), rtol=1e-5)
