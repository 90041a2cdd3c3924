"""Short imagined episodes, and the values that they end in, against exact linear-quadratic ones."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from learning.test_imagined import gain_of, random_transitions
from mastac.agents.actors import actors as actors_of
from mastac.algorithms import ALGORITHMS
from mastac.envs.linear_quadratic.dynamics import problem_of
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.model_based.imagined import (
    Starts,
    imagined,
    imagined_from,
    true_dynamics,
)
from mastac.learning.model_based.model import imagination
from mastac.learning.model_based.rounds import Stored
from mastac.learning.model_based.terminal import terminal_values, trained_critics
from mastac.learning.model_based.units import ages, measured_units
from mastac.learning.settings import checked_settings
from mastac.theory.linear_quadratic import episode_return

HORIZON = 8


@pytest.fixture(scope="module")
def env():
    return mastac.make("lq-3", noise=0.0, horizon=HORIZON)


@pytest.fixture(scope="module")
def actors(env):
    return actors_of(env, ())


@pytest.fixture(scope="module")
def weights(actors):
    weights = actors.init(jax.random.key(3))
    return replace(
        weights,
        weights=tuple(0.1 * leaf for leaf in weights.weights),
        biases=tuple(leaf + 0.3 for leaf in weights.biases),  # without them slopes are zero there
    )


def at(states, time) -> Starts:
    return Starts(states, jnp.full(len(states), time, jnp.int32))


def test_the_slope_of_short_episodes_with_the_exact_value_is_the_exact_policy_gradient(
    env, actors, weights
):
    problem, dynamics, key = problem_of(env), true_dynamics(env), jax.random.key(0)
    n, steps = problem.num_states, 3
    spread = np.sqrt(n * problem.start_variance)[:, None] * np.eye(n)
    points = np.concatenate([problem.start_mean + spread, problem.start_mean - spread])
    first = jnp.asarray(points, jnp.float32)[:, :, None]

    def exact(start):
        """The value of an action that the policies as they are follow, to the end."""

        def values(states, actions, times):
            following, rewards, _ = dynamics(states, actions, times, key)
            rest = imagined_from(
                env, actors, weights, dynamics, at(following, start + 1), HORIZON, key
            )
            return rewards + rest.returns

        return values

    def later(states, time):
        """Where the policies lead within so many steps."""
        for step in range(time):
            obs = jnp.moveaxis(jax.vmap(env.observe)(states), 0, -1)
            chosen = jnp.moveaxis(actors.apply(weights, obs), -1, 0)
            states = dynamics(states, chosen, step, key)[0]
        return states

    def objective(changed):
        # Two short episodes of three steps and a value, one after the other, pass all eight steps.
        parts = []
        for time in (0, steps + 1):
            starts, value = at(later(first, time), time), exact(time + steps)
            parts.append(
                imagined_from(
                    env, actors, changed, dynamics, starts, steps, key, terminal=value
                ).returns
            )
        return sum(part.mean(0).sum() for part in parts), parts[0].mean(0).sum()

    (_, whole), slope = jax.jit(jax.value_and_grad(objective, has_aux=True))(weights)
    gain, pulled_back = jax.vjp(lambda weights: gain_of(env, actors, weights), weights)
    expected, by_gain = episode_return(problem, np.asarray(gain, np.float64))
    assert float(whole) == pytest.approx(expected, rel=1e-4)
    (wanted,) = pulled_back(jnp.asarray(by_gain, jnp.float32))
    for found, right in zip(jax.tree.leaves(slope), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-3)
    assert np.abs(np.asarray(wanted.biases[-1])).min() > 0.1


def test_a_cut_ignores_what_is_paid_later_and_nothing_is_paid_after_the_end(env, actors, weights):
    starts = Starts(
        jnp.asarray(np.random.default_rng(0).normal(size=(3, 3, 1)), jnp.float32),
        jnp.asarray([0, 2, HORIZON - 2], jnp.int32),
    )

    @jax.jit
    def returns_and_slope(from_time):
        """Returns of four steps where a thousand times as much is paid from a time on."""

        def reward(state, actions, time):
            return env.reward(state, actions, time) * jnp.where(time >= from_time, 1e3, 1.0)

        changed = replace(env, reward=reward)

        def returns(weights):
            played = imagined_from(
                changed, actors, weights, true_dynamics(changed), starts, 4, jax.random.key(0)
            )
            return played.returns.sum(1)

        return returns(weights), jax.jacobian(returns)(weights)

    plain, slopes = returns_and_slope(HORIZON)
    # The first begins at 0 and counts the times 0 to 3; the last ends with the episode.
    assert (np.asarray(plain) < 0).all()
    for time, same in ((6, [1, 1, 0]), (5, [1, 0, 0]), (4, [1, 0, 0]), (3, [0, 0, 0])):
        other, other_slopes = returns_and_slope(time)
        np.testing.assert_array_equal(np.asarray(plain == other), np.array(same, bool))
        for one, two in zip(slopes.weights, other_slopes.weights, strict=True):
            equal = np.asarray(one == two).all(tuple(range(1, one.ndim)))
            np.testing.assert_array_equal(equal, np.array(same, bool))


def learner(env, algorithm: str, **knobs):
    """The parts of a learner through a model, and its first state."""
    how = ALGORITHMS[algorithm]
    base = checked_settings({**how.defaults, **how.constant_knobs})
    chosen = {"dynamics": "true", "actor_hidden": [], "imagined_episodes": 4, **knobs}
    settings = checked_settings(chosen, base)
    layout = how.layout_for(env.couplings, None, True, "own")
    spec = learner_spec(env, layout, settings, episodes=20)
    return spec, learner_of(spec).init(jax.random.key(0))


@pytest.fixture(scope="module")
def store(env):
    return jax.jit(lambda: random_transitions(env, 16))()


def test_steps_up_to_the_horizon_or_beyond_are_whole_episodes_bit_for_bit(
    env, actors, weights, store
):
    age, key = ages(16, jnp.int32(16)), jax.random.key(1)
    units = measured_units(store, age)

    def climbed(steps):
        spec, state = learner(env, "mastac-model", imagined_steps=steps)
        known = state.critics[0]._replace(units=units)

        @jax.jit
        def value_slope_and_promise(weights):
            objective, promise_of = imagination(spec, known, store, age, key, 0.0)
            (value, about), slope = jax.value_and_grad(objective, has_aux=True)(weights)
            return value, slope, promise_of(weights, about)

        return value_slope_and_promise(weights)

    whole = climbed(0)
    jax.tree.map(np.testing.assert_array_equal, climbed(HORIZON), whole)
    # They begin at first states, with nothing discounted.
    first_key, play_key = jax.random.split(key)
    first = jax.vmap(env.reset)(jax.random.split(first_key, 12))
    played = jax.jit(
        lambda: imagined(env, actors, weights, true_dynamics(env), first, play_key).returns
    )()
    np.testing.assert_allclose(whole[0], played.mean(0).sum(), rtol=1e-5)
    # Shorter ones are promised whole episodes, too, and climb something else.
    value, slope, promise = climbed(2)
    np.testing.assert_allclose(promise.returns, whole[2].returns, rtol=1e-5)
    assert float(value) != float(whole[0])
    assert not np.allclose(slope.weights[-1], whole[1].weights[-1], rtol=0.1)


def test_critics_learn_the_values_of_the_policies_in_the_units_of_the_models(
    env, actors, weights, store
):
    spec, state = learner(
        env, "mastac-model-critics", discount=0.9, critic_lr=3e-3, critic_steps=1500, tau=0.05
    )
    before, age = state.critics[0].critics, ages(16, jnp.int32(16))
    units = measured_units(store, age)
    stored = Stored(store, jnp.int32(16))

    @jax.jit
    def errors():
        after = trained_critics(
            spec, before, units, weights, stored, jax.random.key(2), jnp.bool(True)
        )
        states, actions = (leaf.reshape(-1, 3, 1) for leaf in (store.states[:, :-1], store.actions))
        times = jnp.tile(jnp.arange(HORIZON), 16)
        following, rewards, _ = true_dynamics(env)(states, actions, times, jax.random.key(0))
        rest = imagined_from(
            env,
            actors,
            weights,
            true_dynamics(env),
            Starts(following, times + 1),
            HORIZON,
            jax.random.key(0),
            discount=0.9,
        )
        # Critics predict what is paid above the mean.
        left = jnp.cumsum(0.9 ** jnp.arange(HORIZON))[HORIZON - 1 - times]
        exact = rewards + 0.9 * rest.returns - left[:, None] * units.reward_center[None]
        assert after
        found = terminal_values(spec, after)(states, actions, times)
        return found - exact, exact

    off, exact = (np.asarray(leaf) for leaf in errors())
    # There are 128 transitions to learn from.
    assert (np.median(np.abs(off), 0) < 0.2 * exact.std(0)).all()
    for error, value in zip(off.T, exact.T, strict=True):
        assert np.corrcoef(value + error, value)[0, 1] > 0.85
