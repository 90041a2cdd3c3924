"""Functions of stacks of networks, a chunk of members after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mastac.agents.networks import each_member, step_each_member


def stepped(state, x):
    """Both arrays need the other as it was, as an optimizer's moments and weights do."""
    weights, moment = state
    later = 0.9 * moment + weights @ weights * x
    return (weights - later / (1.0 + moment**2), later), weights.sum() * x


@pytest.fixture
def state():
    keys = jax.random.split(jax.random.key(0))
    return tuple(jax.random.normal(key, (64, 32, 32)) for key in keys)


@pytest.mark.parametrize("chunk", [0, 1, 5, 64, 100])
def test_members_step_as_they_would_alone(state, chunk):
    x = jnp.arange(64.0)
    found = jax.jit(lambda state: step_each_member(stepped, state, x, chunk=chunk))(state)
    collected = jax.jit(lambda state: each_member(stepped, state, x, chunk=chunk))(state)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(collected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[1], state[0].sum((1, 2)) * x, rtol=1e-4, atol=1e-3)


def test_members_step_in_place(state):
    def temporary(each):
        step = jax.jit(lambda state, x: each(stepped, state, x, chunk=2), donate_argnums=0)
        memory = step.lower(state, jnp.arange(64.0)).compile().memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes

    one_stack = state[0].nbytes
    assert temporary(step_each_member) < one_stack / 2 < temporary(each_member)
