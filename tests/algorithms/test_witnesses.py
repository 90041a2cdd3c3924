"""What single algorithms compute, held against plain float64 loops and finite differences."""

from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_world import random_batch

from algorithms.plain_networks import (
    in_float64,
    plain_actions,
    plain_mixture,
    read_by,
    slope,
    term_value,
)
from algorithms.small_algorithms import BATCH, case, initial
from mastac.agents.mixers import state_mixer
from mastac.learning.actor_step import action_gradients
from mastac.learning.critic_inputs import action_inputs, batch_inputs
from mastac.learning.learner import learner_of
from mastac.learning.observing import observations
from mastac.learning.updates.mixed import mixed_values
from mastac.structure import steady

ALL = list(range(4))
DEEP: dict[str, Any] = {"critic_hidden": (8, 8)}


def slid(it):
    """One update by plain gradient steps of size one: what a weight moves by is its gradient."""
    spec = it.spec._replace(actor_optimizer=optax.sgd(1.0), critic_optimizer=optax.sgd(1.0))
    learner = learner_of(spec)
    optimizers = jax.jit(learner.init)(jax.random.key(0))
    start = initial(it)
    random = np.random.default_rng(0)
    # Biases begin at zero, where weights that a mixer takes the absolute value of can have no
    # slope.
    state = start._replace(
        critics=jax.tree.map(
            lambda leaf: leaf + 0.1 * random.normal(size=leaf.shape).astype("f"), start.critics
        ),
        actor_optimizer=optimizers.actor_optimizer,
        critic_optimizers=optimizers.critic_optimizers,
    )
    batch = random_batch(it.env, BATCH)
    after, metrics = jax.jit(learner.update)(state, batch, jax.random.key(0), jnp.int32(0))
    return state, after, batch, metrics


def kept_share(it, batch):
    """The discount of each transition: nothing after the last step."""
    return np.where(np.asarray(batch.time) + 1 == it.env.horizon, 0.0, it.spec.settings.discount)


def entries(leaf, count):
    """A few places of an array, spread over it."""
    places = np.linspace(0, leaf.size - 1, count).astype(int)
    return [np.unravel_index(place, leaf.shape) for place in places]


# Twin critics and smoothing (MATD3)


def test_of_twin_critics_the_smaller_enters_the_target():
    it = case("matd3", target_noise=0.0)
    state, batch = initial(it), random_batch(it.env, BATCH)
    _, metrics = it.update(state, batch, jax.random.key(0), jnp.int32(0))
    online, target = in_float64(state.critics), in_float64(state.target_critics)
    after = plain_actions(it.spec, in_float64(state.target_actors), batch.next_state)
    time, reward = np.asarray(batch.time), np.asarray(batch.rewards).mean(1)
    chose = []
    for agent in ALL:
        both = [
            term_value(it.spec, target, agent, (ALL, ALL), batch.next_state, after, time + 1, twin)
            for twin in (0, 1)
        ]
        chose.extend((both[0] < both[1]).tolist())
        y = reward + kept_share(it, batch) * np.minimum(*both)
        now = [
            term_value(
                it.spec,
                online,
                agent,
                (ALL, ALL),
                batch.state,
                np.asarray(batch.actions),
                time,
                twin,
            )
            for twin in (0, 1)
        ]
        error = sum(((y - value) ** 2).mean() for value in now)
        np.testing.assert_allclose(metrics.critic_loss[agent], error, rtol=2e-5)
    assert 0 < sum(chose) < len(chose), "each twin must be the smaller one somewhere"


@pytest.mark.parametrize("head", ["tanh", "linear"])
def test_smoothing_noise_is_clipped_and_keeps_to_the_limits(head):
    it = case("matd3", head=head)
    weights = it.init(jax.random.key(0)).actors
    batch = random_batch(it.env, 400)
    obs = observations(it.env, batch.state, batch.time)
    greedy = np.asarray(it.spec.actors.apply(weights, obs))
    real = np.arange(3) < it.env.action_sizes[:, None]
    for noise, clip in ((50.0, 0.5), (0.05, 0.5)):
        noisy = np.asarray(it.spec.actors.smoothed(weights, obs, noise, clip, jax.random.key(1)))
        change = (noisy - greedy)[real]
        assert (noisy[~real] == 0).all()
        assert np.abs(change).max() <= clip * 2.0 + 1e-5, "clip is in units of the limit"
        if head == "tanh":
            assert np.abs(noisy).max() <= 2.0 + 1e-6
        if noise == 50.0:
            assert np.mean(np.isclose(np.abs(change), 1.0, atol=1e-4)) > (
                0.5 if head == "tanh" else 0.9
            )
        elif head == "linear":
            np.testing.assert_allclose(change.std(), 0.05 * 2.0, rtol=0.1)
            assert abs(change.mean()) < 0.02


def test_smoothing_noise_keeps_shares_on_the_simplex():
    it = case("matd3", head="softmax")
    weights = it.init(jax.random.key(0)).actors
    batch = random_batch(it.env, 400)
    obs = observations(it.env, batch.state, batch.time)
    greedy = np.asarray(it.spec.actors.apply(weights, obs))
    noisy = np.asarray(it.spec.actors.smoothed(weights, obs, 50.0, 0.5, jax.random.key(1)))
    np.testing.assert_allclose(noisy.sum(1), 1.0, rtol=1e-5)
    assert (noisy >= 0).all()
    for agent, size in enumerate(it.env.action_sizes):
        assert (noisy[agent, size:] == 0).all()
        logits = np.log(noisy[agent, :size]) - np.log(greedy[agent, :size])
        # A common shift of the logits is lost in the normalisation; differences move by two clips
        # at most.
        spread = logits.max(0) - logits.min(0)
        assert spread.max() <= 1.0 + 1e-4
        assert size == 1 or spread.max() > 0.9


def test_the_key_of_the_smoothing_noise_matters_to_targets_alone():
    for name, matters in (("matd3", True), ("maddpg", False)):
        it = case(name)
        state, batch = initial(it), random_batch(it.env, BATCH)
        a, b = (it.update(state, batch, jax.random.key(k), jnp.int32(0))[0] for k in (0, 1))
        critics = zip(jax.tree.leaves(a.critics), jax.tree.leaves(b.critics), strict=True)
        assert any(bool((x != y).any()) for x, y in critics) == matters
        actors = zip(jax.tree.leaves(a.actors), jax.tree.leaves(b.actors), strict=True)
        assert all(bool((x == y).all()) for x, y in actors)


# The gradient of MADDPG's actors


@pytest.mark.parametrize("source", ["replay", "policy"])
def test_an_actor_of_maddpg_climbs_its_own_critic(source):
    it = case("maddpg", others_actions=source, **DEEP)
    state, after, batch, _ = slid(it)
    critics, actors = in_float64(state.critics), in_float64(state.actors)
    chosen = plain_actions(it.spec, actors, batch.state)
    for agent in ALL:

        def climbed(agent=agent):
            base = np.array(chosen if source == "policy" else batch.actions, np.float64)
            base[:, agent] = plain_actions(it.spec, actors, batch.state)[:, agent]
            return term_value(
                it.spec, critics, agent, (ALL, ALL), batch.state, base, batch.time
            ).mean()

        for layer, leaf in enumerate(actors.weights):
            for at in entries(leaf[agent], 3):
                step = (
                    after.actors.weights[layer][agent][at] - state.actors.weights[layer][agent][at]
                )
                expected = slope(climbed, leaf, (agent, *at))
                np.testing.assert_allclose(step, expected, rtol=2e-3, atol=2e-6)


def alone(it, critics, term):
    """The critics with all weights at zero but those of one."""
    keeps = [bucket.terms == term for bucket in it.spec.buckets]
    return tuple(
        jax.tree.map(lambda leaf, keep=keep: leaf * keep.reshape(-1, *[1] * (leaf.ndim - 1)), stack)
        for keep, stack in zip(keeps, critics, strict=True)
    )


@pytest.mark.parametrize("name", ["undecomposed-q", "mastac", "maddpg", "independent"])
def test_a_critic_moves_those_whom_it_advises_and_nobody_else(name):
    for source in ("policy", "replay") if name != "independent" else ("policy",):
        it = case(name, others_actions=source)
        state, batch = initial(it), random_batch(it.env, BATCH)
        now, _, _ = batch_inputs(it.spec, batch, state.actors)
        rows = action_inputs(
            it.env,
            it.spec.actors.apply(state.actors, observations(it.env, batch.state, batch.time)),
        )
        useful = it.spec.layout.useful_credit().toarray() > 0
        gradients = jax.jit(
            lambda critics, now=now, rows=rows, it=it: action_gradients(it.spec, critics, now, rows)
        )
        for term in ALL:
            only = alone(it, state.critics, term)
            found = np.asarray(gradients(only))[:-1].reshape(4, 3, BATCH)
            assert (np.abs(found).max((1, 2)) > 0).tolist() == useful[:, term].tolist()


# Mixed values


@pytest.mark.parametrize("name", ["qdcg-decentralised", "qdcg-coupling", "qdcg-centralised"])
def test_a_coordination_graph_is_the_mean_of_utilities_and_of_payoffs(name):
    it = case(name)
    state, batch = initial(it), random_batch(it.env, BATCH)
    sees = steady(it.env.couplings).observation.toarray()
    coupled = {(0, 1), (1, 2), (2, 3), (0, 2)}
    every = set(combinations(ALL, 2))
    pairs = sorted(
        {"qdcg-decentralised": set(), "qdcg-coupling": coupled, "qdcg-centralised": every}[name]
    )
    critics, chosen = in_float64(state.critics), np.asarray(batch.actions, np.float64)

    def mean(groups, first):
        values = []
        for k, members in enumerate(groups):
            reads = (sorted({j for i in members for j in np.flatnonzero(sees[i])}), list(members))
            values.append(
                term_value(it.spec, critics, first + k, reads, batch.state, chosen, batch.time)
            )
        return np.mean(values, axis=0) if values else 0.0

    expected = mean([(i,) for i in ALL], 0) + mean(pairs, 4)
    now, _, _ = batch_inputs(it.spec, batch, state.actors)
    found = mixed_values(it.spec, state.critics, now)
    assert found.shape == (1, BATCH)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("monotonic", [True, False])
def test_the_mixer_is_a_network_whose_weights_come_from_the_state(monotonic):
    mixer = state_mixer(3, 5, 4, monotonic)
    weights = mixer.init(jax.random.key(2))
    random = np.random.default_rng(0)
    weights = jax.tree.map(
        lambda leaf: jnp.asarray(random.normal(size=leaf.shape), jnp.float32), weights
    )
    terms, state = random.normal(size=(40, 3)), random.normal(size=(40, 5))
    plain = in_float64(weights)
    found = mixer.apply(
        weights, jnp.asarray(terms.T, jnp.float32), jnp.asarray(state.T, jnp.float32)
    )
    assert found.shape == (1, 40)
    expected = plain_mixture(plain, terms, state, monotonic)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-4)
    for term in range(3):
        step = 0.5 * np.eye(3)[term]
        rise = plain_mixture(plain, terms + step, state, monotonic) - expected
        assert (
            (rise >= -1e-9).all() if monotonic else ((rise < -1e-3).any() and (rise > 1e-3).any())
        )
        moved = mixer.apply(
            weights, jnp.asarray((terms + step).T, jnp.float32), jnp.asarray(state.T, jnp.float32)
        )
        np.testing.assert_allclose(moved[0] - found[0], rise, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["facmac", "facmac-nonmonotonic", "qdcg-coupling"])
def test_all_terms_the_mixer_and_the_actors_follow_their_gradients(name):
    it = case(name)
    state, after, batch, metrics = slid(it)
    online, target = in_float64(state.critics), in_float64(state.target_critics)
    actors, sees = in_float64(state.actors), steady(it.env.couplings).observation.toarray()
    members = [list(np.flatnonzero(row)) for row in it.spec.layout.actions.toarray()]
    reads = [
        (sorted({j for i in group for j in np.flatnonzero(sees[i])}), group) for group in members
    ]

    def value(critics, at, chosen, time):
        terms = [
            term_value(it.spec, critics, m, each, at, chosen, time) for m, each in enumerate(reads)
        ]
        if name == "qdcg-coupling":
            return np.mean(terms[:4], axis=0) + np.mean(terms[4:], axis=0)
        env = it.env
        whole = (np.asarray(at, np.float64) - env.state_center) / env.state_scale
        times = 2.0 * np.asarray(time)[:, None] / env.horizon - 1.0
        state = np.concatenate([whole.reshape(len(whole), -1), times], axis=1)
        return plain_mixture(critics[-1], np.transpose(terms), state, monotonic=name == "facmac")

    time, chosen = np.asarray(batch.time), np.asarray(batch.actions, np.float64)
    then = plain_actions(it.spec, in_float64(state.target_actors), batch.next_state)
    y = np.asarray(batch.rewards).mean(1) + kept_share(it, batch) * value(
        target, batch.next_state, then, time + 1
    )

    def loss():
        return ((y - value(online, batch.state, chosen, time)) ** 2).mean()

    np.testing.assert_allclose(metrics.critic_loss[0], loss(), rtol=1e-4)
    moved = 0
    for leaf, before, later in zip(
        *map(jax.tree.leaves, (online, state.critics, after.critics)), strict=True
    ):
        for at in entries(leaf, 3):
            expected = -slope(loss, leaf, at)
            np.testing.assert_allclose(later[at] - before[at], expected, rtol=5e-3, atol=5e-6)
            moved += abs(expected) > 1e-4
    assert moved > 5

    def climbed():
        return value(online, batch.state, plain_actions(it.spec, actors, batch.state), time).mean()

    for leaf, before, later in zip(
        *map(jax.tree.leaves, (actors, state.actors, after.actors)), strict=True
    ):
        for at in entries(leaf, 6):
            np.testing.assert_allclose(
                later[at] - before[at], slope(climbed, leaf, at), rtol=5e-3, atol=5e-6
            )


def test_read_by_names_every_entry_once():
    """The witness itself: as many columns as the agents have entries, and one for the time."""
    it = case("maddpg")
    batch = random_batch(it.env, BATCH)
    x = read_by(it.spec, ALL, ALL, batch.state, np.asarray(batch.actions), batch.time)
    assert x.shape == (BATCH, it.env.state_sizes.sum() + it.env.action_sizes.sum() + 1)
