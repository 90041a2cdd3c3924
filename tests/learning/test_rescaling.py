"""Networks that keep their function while the scale of what they read changes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_world import SMALL, random_batch, small_environment, small_learner

from mastac.agents.actors import actors
from mastac.agents.networks import MOST_GROWTH
from mastac.agents.stochastic import StochasticActors
from mastac.learning.learner import learner_of
from mastac.learning.updates.perturbation import perturbed

CENTER = np.array([[0.3, -2.0, 0.0], [5.0, 0.0, 0.0], [1.0, 2.0, 3.0], [0.0, 0.5, 0.0]])


def new_scales(like: np.ndarray, largest: float) -> tuple[jax.Array, jax.Array]:
    """Centres and scales of other sizes, none more than `largest` times the old one (2)."""
    random = np.random.default_rng(0)
    center = np.resize(CENTER, like.shape)
    scale = 2.0 * random.uniform(0.2, largest, like.shape)
    return jnp.asarray(center, jnp.float32), jnp.asarray(scale, jnp.float32)


def observed(env, batch: int = 7) -> jax.Array:
    shape = (env.num_agents, int(env.obs_sizes.max()), batch)
    return jax.random.normal(jax.random.key(3), shape)


def test_rescaled_actors_are_the_same_function():
    env = small_environment()
    made = actors(env, [5, 4])
    weights, obs = made.init(jax.random.key(0)), observed(env)
    center, scale = new_scales(made.obs_center, MOST_GROWTH)
    after = made.rescaled(weights, center, scale, True)
    np.testing.assert_allclose(made.apply(after, obs), made.apply(weights, obs), atol=2e-6)
    assert np.array_equal(after.center, center)
    np.testing.assert_allclose(after.inverse_scale, 1 / scale, rtol=1e-6)
    drawn = StochasticActors(made, 0.5)
    first = drawn.init(jax.random.key(0))
    one, other = (
        drawn.draw(weights, obs, jax.random.key(1)).log_prob
        for weights in (first, drawn.rescaled(first, center, scale, True))
    )
    np.testing.assert_allclose(one, other, atol=2e-5)


def test_only_agents_to_keep_are_kept():
    env = small_environment()
    made = actors(env, [5])
    weights, obs = made.init(jax.random.key(0)), observed(env)
    center, scale = new_scales(made.obs_center, MOST_GROWTH)
    after = made.rescaled(weights, center, scale, jnp.array([True, False, True, False]))
    kept = made.rescaled(weights, center, scale, True)
    for layer in ("weights", "biases"):
        rows = [np.asarray(getattr(actor, layer)[0]) for actor in (after, kept, weights)]
        np.testing.assert_array_equal(rows[0][[0, 2]], rows[1][[0, 2]])
        np.testing.assert_array_equal(rows[0][[1, 3]], rows[2][[1, 3]])
    fresh = dataclasses.replace(env, obs_center=center, obs_scale=scale)
    alone = made.rescaled(weights, center, scale, False)
    wanted = actors(fresh, [5]).apply(actors(fresh, [5]).init(jax.random.key(0)), obs)
    np.testing.assert_allclose(made.apply(alone, obs), wanted, rtol=1e-5, atol=1e-6)


def test_an_input_that_was_constant_so_far_does_not_get_loud():
    env = small_environment()
    made = actors(env, [5])
    weights = made.init(jax.random.key(0))
    shape = made.obs_center.shape
    center, scale = jnp.full(shape, 40.0), jnp.full(shape, 2000.0)
    after = made.rescaled(weights, center, scale, True)
    np.testing.assert_allclose(
        after.weights[0], MOST_GROWTH * weights.weights[0], rtol=1e-5, atol=1e-7
    )
    assert np.abs(after.biases[0]).max() < np.abs(after.weights[0]).max()


@pytest.mark.parametrize("coordinated", [False, True])
def test_training_leaves_the_scales_alone(coordinated):
    settings = dataclasses.replace(SMALL, coordinated=coordinated, max_grad_norm=0.1)
    env, spec, learner = small_learner(settings)
    state = learner_of(spec).init(jax.random.key(0))
    after, _ = learner.update(state, random_batch(env, 6), jax.random.key(1))
    for before, later in ((state.actors, after.actors), (state.target_actors, after.target_actors)):
        assert np.array_equal(before.center, later.center)
        assert np.array_equal(before.inverse_scale, later.inverse_scale)
        assert not np.array_equal(before.weights[0], later.weights[0])


def test_perturbations_leave_the_scales_alone():
    _, spec, learner = small_learner(
        dataclasses.replace(SMALL, estimator="perturbation", perturbation=0.5)
    )
    weights = learner.init(jax.random.key(0)).actors
    moved = perturbed(spec, weights, jax.random.key(1))
    assert np.array_equal(moved.center, weights.center)
    assert np.array_equal(moved.inverse_scale, weights.inverse_scale)
    assert not np.array_equal(moved.biases[0], weights.biases[0])
