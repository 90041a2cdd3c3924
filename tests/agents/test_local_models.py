"""Local models against their definitions: what they read, in which units, on which entries."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.small_world import SIZES, small_environment
from mastac.agents.gated import gated_networks, rescaled
from mastac.agents.local_models import local_models
from mastac.agents.model_inputs import Units
from mastac.structure import Couplings, CouplingSequence
from structure.witnesses import sequences, systems

N, STATE, ACT = 4, 3, 3


def random_units(seed: int, like: Units | None = None, growth: float = 2.0) -> Units:
    """Any units; with `like`, no scale is more than `growth` times as large as there."""
    random = np.random.default_rng(seed)
    shapes = [(N, STATE), (N, ACT), (N, STATE), (N,)]

    def numbers() -> list[np.ndarray]:
        return [
            part
            for shape in shapes
            for part in (random.normal(size=shape), np.exp(random.normal(size=shape)))
        ]

    units = Units(*(jnp.asarray(part, jnp.float32) for part in numbers()))
    if like is None:
        return units
    factors = {
        name: jnp.asarray(random.uniform(0.3, growth, old.shape), jnp.float32) * old
        for name, old in like._asdict().items()
        if name.endswith("scale") and old is not None
    }
    return units._replace(**factors)


def inputs_of(members: int, batch: int, seed: int = 0):
    """States, actions and times; padding is zero, as environments keep it."""
    random = np.random.default_rng(seed)

    def rows(sizes: np.ndarray) -> jnp.ndarray:
        mask = (np.arange(sizes.max()) < sizes[:, None])[:, :, None]
        drawn = random.normal(size=(members, *mask.shape[:2], batch))
        return jnp.asarray(np.where(mask, drawn, 0.0), jnp.float32)

    time = jnp.asarray(random.integers(0, 5, (members, batch)), jnp.float32)
    return rows(SIZES["state"]), rows(SIZES["action"]), time


def stirred(networks, seed: int = 0):
    """Weights none of which is zero: nothing is read or left out by chance."""
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: leaf + np.float32(0.3) * random.normal(size=leaf.shape).astype(np.float32),
        networks,
    )


def agents_read(rows: np.ndarray, size: int, num_agents: int) -> np.ndarray:
    """`[terms, agents]`, which agents' features are among these rows; padding is nobody's."""
    owner = np.minimum(np.asarray(rows) // size, num_agents)
    return np.stack([(owner == agent).any(1) for agent in range(num_agents)], axis=1)


class Sized:
    """As much of an environment as local models are laid out from."""

    horizon, terminates, stores_observations = 3, False, False

    def __init__(self, couplings, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.couplings = couplings
        self.state_sizes = random.integers(1, 4, couplings.num_agents)
        self.action_sizes = random.integers(1, 4, couplings.num_agents)
        self.obs_sizes = self.state_sizes


@given(systems() | sequences(), st.integers(0, 5), st.booleans())
@settings(max_examples=40)
def test_networks_have_inputs_for_whole_in_neighbours_and_nobody_else(couplings, seed, read_all):
    env: Any = Sized(couplings, seed)
    models = local_models(env, members=1, units=2, read_all=read_all)
    union = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    n = couplings.num_agents
    for buckets, graphs in (
        (models.dynamics, (union.state, union.action)),
        (models.rewards, (union.reward, union.reward_action)),
    ):
        assert sorted(np.concatenate([bucket.terms for bucket in buckets])) == list(range(n))
        for bucket in buckets:
            width = 0
            for rows, graph, sizes in (
                (bucket.state_rows, graphs[0], env.state_sizes),
                (bucket.action_rows, graphs[1], env.action_sizes),
            ):
                expected = np.ones((n, n), bool) if read_all else graph.toarray()
                read = agents_read(rows, int(sizes.max()), n)
                np.testing.assert_array_equal(read, expected[bucket.terms])
                width = width + expected[bucket.terms] @ sizes
            np.testing.assert_array_equal(bucket.fan_in, width)


@pytest.mark.parametrize("read_all", [False, True])
def test_predictions_have_slopes_in_what_the_graphs_say_and_nothing_else(read_all):
    env = small_environment()  # a directed chain of agents of unequal sizes
    models = local_models(env, members=1, units=6, read_all=read_all)
    networks = stirred(jax.jit(models.init)(jax.random.key(0)))
    units, (states, actions, time) = random_units(0), inputs_of(1, 1)

    def flat(states, actions):
        following, rewards = models.step(networks, units, states, actions, time)
        return following[0, :, :, 0], rewards[0, :, 0]

    slopes = jax.jit(jax.jacobian(flat, (0, 1)))(states, actions)
    found = [[np.asarray(slope)[..., 0, :, :, 0] for slope in pair] for pair in slopes]
    every, own = np.ones((N, N), bool), np.eye(N, dtype=bool)
    graphs = env.couplings
    assert isinstance(graphs, Couplings)
    real_state, real_action = (np.arange(3) < SIZES[name][:, None] for name in ("state", "action"))
    for number, graph in enumerate((graphs.state, graphs.action)):
        reads = every if read_all else graph.toarray()
        real = (real_state, real_action)[number]
        expected = real_state[:, :, None, None] & reads[:, None, :, None] & real[None, None]
        if number == 0:  # the state is carried over, padding too
            expected |= own[:, None, :, None] & np.eye(STATE, dtype=bool)[None, :, None, :]
        np.testing.assert_array_equal(found[0][number] != 0, expected)
    for number, graph in enumerate((graphs.reward, graphs.reward_action)):
        reads = every if read_all else graph.toarray()
        real = (real_state, real_action)[number]
        np.testing.assert_array_equal(found[1][number] != 0, reads[:, :, None] & real[None])


def test_a_gated_network_is_the_same_function_in_other_units():
    random = np.random.default_rng(0)
    sizes = (3, 8, 2)
    network = stirred(gated_networks(jax.random.key(0), (2,), np.array([3, 2]), sizes))
    stretch, out_stretch = (
        jnp.asarray(np.exp(random.normal(size=(2, size))), jnp.float32) for size in (3, 2)
    )
    shift, out_shift = (jnp.asarray(random.normal(size=(2, size)), jnp.float32) for size in (3, 2))
    moved = rescaled(network, stretch, shift, out_stretch, out_shift)
    new = jnp.asarray(random.normal(size=(2, 3, 7)), jnp.float32)
    applied = jax.vmap(lambda network, x: network(x))
    before = applied(network, stretch[:, :, None] * new + shift[:, :, None])
    after = applied(moved, new)
    expected = out_stretch[:, :, None] * before + out_shift[:, :, None]
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-4)
    assert np.abs(np.asarray(after - before)).max() > 0.1


MODELS = local_models(small_environment(), members=2, units=6)
FIRST = jax.jit(MODELS.init)(jax.random.key(0))
STEP = jax.jit(MODELS.step)
IN_UNITS = jax.jit(MODELS.in_units)


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_predictions_stay_the_same_when_units_change(seed):
    old = random_units(seed)
    new = random_units(seed + 1, like=old)
    networks = stirred(FIRST, seed)
    inputs = inputs_of(2, 5, seed)
    before = STEP(networks, old, *inputs)
    for a, b in zip(before, STEP(IN_UNITS(networks, old, new), new, *inputs), strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-3, atol=2e-3 * float(jnp.abs(a).max()))
    # The change of units counts: without it predictions would be others.
    assert np.abs(np.asarray(STEP(networks, new, *inputs)[1] - before[1])).max() > 1e-2


def test_what_was_constant_so_far_gets_no_loud_say():
    old = random_units(0)
    tiny = old.state_scale.at[1, 0].set(1e-6)
    old = old._replace(state_scale=tiny)
    new = old._replace(
        state_center=old.state_center.at[1, 0].add(1.0), state_scale=tiny.at[1, 0].set(1.0)
    )
    networks = stirred(FIRST)
    states, actions, time = inputs_of(2, 5)

    def at(value):
        return states.at[:, 1, 0].set(value)

    constant, moved = old.state_center[1, 0], new.state_center[1, 0]
    before = STEP(networks, old, at(constant), actions, time)[1]
    networks = IN_UNITS(networks, old, new)
    # One scale away from where it was, its agents' predictions move by no more than weights allow.
    for value in (constant, moved):
        after = STEP(networks, new, at(value), actions, time)[1]
        assert np.abs(np.asarray(after - before)).max() < 100.0
    np.testing.assert_allclose(
        STEP(networks, new, at(constant), actions, time)[1], before, rtol=1e-3, atol=1e-3
    )


def test_members_differ_and_read_only_their_own_batch():
    networks = FIRST
    states, actions, time = inputs_of(2, 5)
    same = [leaf.at[1].set(leaf[0]) for leaf in (states, actions, time)]
    units = random_units(0)
    both = STEP(networks, units, *same)[0]
    assert np.abs(np.asarray(both[0] - both[1])).max() > 1e-3
    other = STEP(networks, units, same[0].at[1].add(1.0), *same[1:])[0]
    np.testing.assert_array_equal(other[0], both[0])
    padding = np.arange(3) >= SIZES["state"][:, None]
    assert not np.asarray(both)[:, padding].any()
