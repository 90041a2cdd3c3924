"""One actor for each kind of agent: equal bit for bit, moved by its members' mean gradient."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_world import SMALL, random_batch, small_environment

import mastac
from mastac.algorithms import ALGORITHMS
from mastac.learning.actor_step import action_gradients, actor_gradient
from mastac.learning.critic_inputs import batch_inputs
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.observing import observations
from mastac.learning.sharing import kinds_of
from mastac.learning.spec import optimizer_step


@pytest.fixture(scope="module")
def world():
    return mastac.make("warehouse-9")


def sharing(world, algorithm="mastac", **knobs):
    how = ALGORITHMS[algorithm]
    chosen = {**how.defaults, **how.constant_knobs, "share_actors": True, **knobs}
    settings = replace(SMALL, **chosen)
    spec = learner_spec(
        world, how.layout_for(world.couplings, 1, True, "own"), settings, total_updates=100
    )
    return spec, learner_of(spec)


def grouped(kinds):
    """Which agents are of one kind."""
    return {
        frozenset(np.flatnonzero(kinds.of == kind).tolist()) for kind in range(len(kinds.first))
    }


def test_agents_of_one_kind_have_equal_sizes_scales_and_limits(world):
    kinds = kinds_of(world)
    sizes = list(zip(world.obs_sizes.tolist(), world.action_sizes.tolist(), strict=True))
    by_size = {frozenset(i for i, each in enumerate(sizes) if each == size) for size in set(sizes)}
    assert grouped(kinds) == by_size and 1 < len(by_size) < 9
    assert all(kinds.of[first] == kind for kind, first in enumerate(kinds.first))
    limits = np.ones((9, 1))
    limits[4] = 2.0
    apart = replace(world, action_limit=limits)
    assert frozenset({4}) in grouped(kinds_of(apart))
    assert len(kinds_of(small_environment()).first) == 4


def test_members_stay_equal_bit_for_bit(world):
    spec, learner = sharing(world, "mastac-sac", max_grad_norm=0.1)
    kinds, update = kinds_of(world), jax.jit(learner.update)
    # Inside of what is compiled, as a search for rates puts its learners together.
    state = jax.jit(
        lambda rate: sharing(world, "mastac-sac", actor_lr=rate, max_grad_norm=0.1)[1].init(
            jax.random.key(0)
        )
    )(1e-3)
    for count in range(3):
        for leaf in map(
            np.asarray, jax.tree.leaves((state.actors, state.target_actors, state.actor_optimizer))
        ):
            assert (leaf == leaf[kinds.first[kinds.of]]).all()
        firsts = np.asarray(jax.tree.leaves(state.actors)[0])[kinds.first]
        assert all((a != b).any() for k, a in enumerate(firsts) for b in firsts[:k]), (
            "kinds have actors of their own"
        )
        before, (state, _) = (
            state,
            update(state, random_batch(world, 6, count), jax.random.key(count), count),
        )
        assert not (jax.tree.leaves(before.actors)[0] == jax.tree.leaves(state.actors)[0]).all()


def test_a_kind_moves_by_the_mean_of_its_members_gradients(world):
    spec, learner = sharing(world)
    kinds, state, batch = kinds_of(world), learner.init(jax.random.key(0)), random_batch(world, 6)
    now, _, _ = batch_inputs(spec, batch, state.actors)
    obs = observations(world, batch.state, batch.time)
    at = lambda rows: action_gradients(spec, state.critics, now, rows)  # noqa: E731
    alone = jax.jit(lambda weights: actor_gradient(spec, weights, obs, at))(state.actors)
    found = jax.jit(learner.update)(state, batch, jax.random.key(1))[0].actors
    for kind in range(len(kinds.first)):
        members = np.flatnonzero(kinds.of == kind)
        mean = jax.tree.map(
            lambda leaf, m=members: -jnp.asarray(np.asarray(leaf, np.float64)[m].mean(0)), alone
        )
        own, optimizer = jax.tree.map(
            lambda leaf, m=members: leaf[m[0]], (state.actors, state.actor_optimizer)
        )
        expected, _ = optimizer_step(spec.actor_optimizer, own, mean, optimizer)
        for agent in members:
            for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
                np.testing.assert_allclose(a[agent], b, rtol=1e-4, atol=2e-6)
