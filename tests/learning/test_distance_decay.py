"""First weights and steps that shrink with distance, against the same learner on scaled inputs."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_world import SMALL, random_batch, small_environment

from mastac.algorithms import ALGORITHMS
from mastac.errors import UserError
from mastac.learning.critic_step import update_term
from mastac.learning.learner import learner_of, learner_spec
from mastac.runs.config import resolve
from mastac.structure.layouts import with_distances

DECAY = 0.25


def learner_with(decay, algorithm="mastac", **knobs):
    env = small_environment()
    how = ALGORITHMS[algorithm]
    settings = replace(SMALL, distance_decay=decay, **{**how.constant_knobs, **knobs})
    layout = with_distances(
        how.layout_for(env.couplings, None, True, "own"), env.couplings, None, True
    )
    spec = learner_spec(env, layout, settings, total_updates=100)
    return env, spec, learner_of(spec)


def factors(bucket, width):
    """The scale of each row of the first weights: decay to the distance, 1 for the time."""
    found = np.ones((len(bucket.terms), width))
    found[:, : bucket.distance.shape[1]] = DECAY ** bucket.distance.astype(float)
    return found


@pytest.mark.parametrize(
    ("algorithm", "knobs"), [("mastac", {}), ("mastac", {"twin_critics": True}), ("mastac-sac", {})]
)
def test_far_inputs_begin_small_and_step_short(algorithm, knobs):
    env, spec, near = learner_with(1.0, algorithm, **knobs)
    _, far_parts, far = learner_with(DECAY, algorithm, **knobs)
    key, batch = jax.random.key(1), random_batch(env, 6)
    plain, scaled = near.init(key), far.init(key)
    for bucket, one, other in zip(far_parts.buckets, plain.critics, scaled.critics, strict=True):
        of_rows = factors(bucket, one.weights[0].shape[-2])
        assert len(np.unique(of_rows)) > 1
        of_rows = of_rows[:, None, :, None] if one.weights[0].ndim == 4 else of_rows[:, :, None]
        np.testing.assert_allclose(other.weights[0], one.weights[0] * of_rows, rtol=1e-6)
        for mine, theirs in zip(one.weights[1:], other.weights[1:], strict=True):
            np.testing.assert_array_equal(mine, theirs)
    # From the same weights, one update differs by the first weights' steps alone.
    after, shorter = (jax.jit(each.update)(plain, batch, key, 0)[0] for each in (near, far))
    for bucket, before, one, other in zip(
        far_parts.buckets, plain.critics, after.critics, shorter.critics, strict=True
    ):
        of_rows = factors(bucket, before.weights[0].shape[-2])
        of_rows = of_rows[:, None, :, None] if before.weights[0].ndim == 4 else of_rows[:, :, None]
        expected = (one.weights[0] - before.weights[0]) * of_rows
        np.testing.assert_allclose(
            other.weights[0] - before.weights[0], expected, rtol=1e-3, atol=2e-7
        )
        np.testing.assert_allclose(other.weights[1], one.weights[1], rtol=1e-6, atol=1e-8)
        assert np.abs(expected).max() > 0


def test_it_is_a_critic_of_scaled_inputs():
    """A few steps of one critic, against the same critic on scaled inputs, without distances."""
    env, spec, learner = learner_with(DECAY)
    _, plain_parts, _ = learner_with(1.0)
    rng = np.random.default_rng(0)
    bucket = spec.buckets[0]
    state = learner.init(jax.random.key(2))
    take = lambda tree: jax.tree.map(lambda leaf: leaf[0], tree)  # noqa: E731
    critic, target, optimizer = map(
        take, (state.critics[0], state.target_critics[0], state.critic_optimizers[0])
    )
    width = critic.weights[0].shape[0]
    scale = jnp.asarray(factors(bucket, width)[0], jnp.float32)

    def unscaled(one):
        return jax.tree.map(
            lambda leaf: leaf / scale[:, None] if leaf.shape == critic.weights[0].shape else leaf,
            one,
        )

    other, other_target, other_optimiser = unscaled(critic), unscaled(target), optimizer
    rewards, discount = (
        jnp.asarray(rng.normal(size=(env.num_agents, 16)), jnp.float32),
        jnp.full(16, 0.9),
    )
    one, plain = (jax.jit(update_term(each, discount, rewards)) for each in (spec, plain_parts))
    term = jnp.asarray(bucket.terms[0])
    for _ in range(5):
        x, x_after = (jnp.asarray(rng.normal(size=(width, 16)), jnp.float32) for _ in range(2))
        critic, target, optimizer, error, _ = one(
            critic, target, optimizer, term, scale, x, x_after
        )
        other, other_target, other_optimiser, same, _ = plain(
            other,
            other_target,
            other_optimiser,
            term,
            None,
            x * scale[:, None],
            x_after * scale[:, None],
        )
        np.testing.assert_allclose(error, same, rtol=2e-5)
    np.testing.assert_allclose(
        critic.weights[0], other.weights[0] * scale[:, None], rtol=1e-3, atol=1e-5
    )


def test_agents_in_sequence_step_as_short():
    env, spec, far = learner_with(DECAY, "mastac-coordinated")
    _, _, near = learner_with(1.0, "mastac-coordinated")
    key, batch = jax.random.key(1), random_batch(env, 6)
    plain = near.init(key)
    after, shorter = (jax.jit(each.update)(plain, batch, key, 0)[0] for each in (near, far))
    (bucket,) = spec.buckets
    # The first agent of the sequence: nobody before it has stepped otherwise.
    step, short = (
        each.critics[0].weights[0][0] - plain.critics[0].weights[0][0] for each in (after, shorter)
    )
    np.testing.assert_allclose(
        short, step * factors(bucket, len(step))[0][:, None], rtol=1e-3, atol=2e-7
    )


def test_a_layout_without_distances_is_refused():
    env = small_environment()
    layout = ALGORITHMS["mastac"].layout_for(env.couplings, None, True, "own")
    spec = learner_spec(env, layout, replace(SMALL, distance_decay=DECAY), total_updates=100)
    with pytest.raises(UserError, match="with_distances"):
        learner_of(spec).init(jax.random.key(0))


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.5])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(UserError, match="distance_decay"):
        resolve("lq-4", {}, distance_decay=decay)


def test_central_critics_have_no_distances():
    with pytest.raises(UserError, match="distance_decay"):
        resolve("lq-4", {}, algorithm="maddpg", distance_decay=0.5)
