"""On-policy learning against float64 loops, finite differences, and the return's exact gradient."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from small_world import random_rollout, small_environment

import mastac
from algorithms.plain_networks import forward, in_float64
from mastac.agents.stochastic import StochasticActor
from mastac.algorithms import ALGORITHMS
from mastac.learning.buffer import rollout_buffer
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.loop import exploring_episode, update_schedule
from mastac.learning.observing import observations
from mastac.learning.settings import Settings
from mastac.learning.updates.on_policy import advantages, credited, local_advantages, objective
from mastac.learning.updates.perturbation import direction, perturbation_update
from mastac.structure.layouts import local_values

PLAIN = Settings(
    estimator="score",
    actor_hidden=(8,),
    critic_hidden=(8,),
    noise=0.7,
    rollout_steps=15,
    batch_size=10,
    clip_ratio=0.2,
    lr_final=1.0,
)


@cache
def parts_of(how=PLAIN, head="tanh", kappa=1):
    env = small_environment(head)
    return learner_spec(env, local_values(env.couplings, kappa), how, total_updates=100)


numbers = st.floats(-3, 3, allow_subnormal=False)


@given(
    arrays(np.float64, 6, elements=numbers),
    arrays(np.float64, 5, elements=numbers),
    st.floats(0, 1),
    st.floats(0, 1),
)
@settings(max_examples=50, deadline=None)
def test_advantages_are_weighted_sums_of_later_errors(values, rewards, discount, trace):
    errors = [rewards[t] + discount * values[t + 1] - values[t] for t in range(5)]
    wanted = [sum((discount * trace) ** k * errors[t + k] for k in range(5 - t)) for t in range(5)]
    found = advantages(
        jnp.asarray(values, jnp.float32), jnp.asarray(rewards, jnp.float32), discount, trace
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("finite_horizon", [True, False])
def test_local_advantages_against_plain_loops(finite_horizon):
    spec = parts_of(
        replace(PLAIN, finite_horizon=finite_horizon, normalize_advantages=False, reward_scale=0.5)
    )
    env, layout, how = spec.env, spec.layout, spec.settings
    state, played = learner_of(spec).init(jax.random.key(1)), random_rollout(env, 3, "score", 5)
    found, returns = jax.jit(lambda *given: local_advantages(spec, *given))(state.critics, played)
    values = np.zeros((4, 3, 6))
    for bucket, stack in zip(spec.buckets, in_float64(state.critics), strict=True):
        for place, agent in enumerate(bucket.terms):
            reads = layout.states[[agent]].indices
            wanted = (
                mastac.value_dependency(env.couplings, kappa=1, minimal=False)
                .states[[agent]]
                .indices
            )
            assert sorted(reads) == sorted(wanted), "a value of states reads the paper's set"
            x = [
                (np.asarray(played.states)[:, :, j, : env.state_sizes[j]] - 0.1) / 2.0
                for j in sorted(reads)
            ]
            time = np.broadcast_to(2.0 * np.arange(6) / 5 - 1.0, (3, 6))[:, :, None]
            x = np.concatenate([*x, time] if finite_horizon else x, axis=2)
            real = np.concatenate(
                [
                    bucket.state_rows[place] < 4 * 3,
                    np.ones(bucket.action_rows.shape[1] + finite_horizon, bool),
                ]
            )
            weights = [np.asarray(w)[place] for w in stack.weights]
            out = forward([weights[0][real], *weights[1:]], [b[place] for b in stack.biases], x)
            values[agent] = out[:, :, 0]
    if finite_horizon:
        values[:, :, -1] = 0
    total = np.zeros((4, 3, 5))
    for i in range(4):
        for e in range(3):
            after = 0.0
            for t in reversed(range(5)):
                error = (
                    0.5 * played.rewards[e, t, i]
                    + how.discount * values[i, e, t + 1]
                    - values[i, e, t]
                )
                after = error + how.discount * how.gae_lambda * after
                total[i, e, t] = after
    np.testing.assert_allclose(found, total, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(returns, total + values[:, :, :-1], rtol=1e-4, atol=1e-5)
    moved = mastac.gradient_dependency(mastac.value_dependency(env.couplings, kappa=1)).toarray()
    wanted = np.einsum("kj,jb->kb", moved, total.reshape(4, 15))
    np.testing.assert_allclose(credited(spec, found), wanted, rtol=1e-4, atol=1e-5)
    level = credited(spec._replace(settings=replace(how, normalize_advantages=True)), found)
    np.testing.assert_allclose(
        level,
        (wanted - wanted.mean(1, keepdims=True)) / wanted.std(1, keepdims=True),
        rtol=1e-3,
        atol=1e-4,
    )


@pytest.mark.parametrize("head", ["tanh", "softmax", "linear", "discrete"])
def test_densities_and_entropies(head):
    spec = parts_of(head="tanh" if head == "discrete" else head)
    env = spec.env
    if head == "discrete":
        env = replace(env, action_head="discrete")
        spec = learner_spec(env, spec.layout, PLAIN)
    weights = spec.stochastic.init(jax.random.key(2))
    obs = jnp.moveaxis(
        jax.random.normal(jax.random.key(3), (7, 4, int(env.obs_sizes.max()))), 0, -1
    )
    obs = jnp.where((np.arange(obs.shape[1]) < env.obs_sizes[:, None])[:, :, None], obs, 0.0)
    draw = jax.jit(spec.stochastic.draw)(weights, obs, jax.random.key(4))
    density, entropy = jax.jit(spec.stochastic.log_prob_and_entropy)(weights, obs, draw.drawn)
    np.testing.assert_allclose(density, draw.log_prob, rtol=1e-6)
    plain = in_float64(weights)
    for i in range(4):
        size = env.action_sizes[i]
        x = np.asarray(obs[i], np.float64).T / 2.0
        out = forward(
            [w[i] for w in plain.mean_network.weights], [b[i] for b in plain.mean_network.biases], x
        )[:, :size]
        drawn = np.asarray(draw.drawn[i], np.float64).T[:, :size]
        if head == "discrete":
            chance = softmax(out, axis=1)
            assert (drawn.sum(1) == 1).all() and set(np.unique(drawn)) <= {0.0, 1.0}
            wanted, least = np.log((chance * drawn).sum(1)), -(chance * np.log(chance)).sum(1)
        else:
            spread = np.exp(plain.log_std[i, :size])
            assert np.exp(plain.log_std[i]) == pytest.approx(0.7)
            wanted = (
                -0.5 * ((drawn - out) / spread) ** 2 - np.log(spread * np.sqrt(2 * np.pi))
            ).sum(1)
            least = np.full(7, np.log(spread * np.sqrt(2 * np.pi * np.e)).sum())
        np.testing.assert_allclose(density[i], wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(entropy[i], least, rtol=1e-4, atol=1e-5)
        acted = np.asarray(draw.actions[i]).T
        assert (acted[:, size:] == 0).all()
        limited = {"tanh": lambda u: 2 * np.tanh(u), "linear": lambda u: 2 * u}
        heads = limited | {"softmax": lambda u: softmax(u, 1), "discrete": lambda u: u}
        np.testing.assert_allclose(acted[:, :size], heads[head](drawn), rtol=1e-4, atol=1e-5)


def test_slopes_of_choices_are_finite_where_agents_have_fewer():
    env = replace(small_environment(), action_head="discrete")
    spec = learner_spec(env, local_values(env.couplings, 1), PLAIN)
    weights = spec.stochastic.init(jax.random.key(2))
    obs = jnp.zeros((4, int(env.obs_sizes.max()), 3))
    drawn = spec.stochastic.draw(weights, obs, jax.random.key(4)).drawn
    slope = jax.jit(
        jax.grad(
            lambda w: sum(
                each.sum() for each in spec.stochastic.log_prob_and_entropy(w, obs, drawn)
            )
        )
    )(weights)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(slope))


def test_the_objective_counts_clipped_ratios():
    spec = parts_of()
    weights = spec.stochastic.init(jax.random.key(2))
    played = random_rollout(spec.env, 2, "score", 3)
    obs = observations(
        spec.env, played.states[:, :-1].reshape(10, 4, 3), jnp.tile(jnp.arange(5), 2)
    )
    drawn = jnp.moveaxis(played.drawn[0].reshape(10, 4, -1), 0, -1)
    density = spec.stochastic.log_prob_and_entropy(weights, obs, drawn)[0]
    random = np.random.default_rng(0)
    before = density - random.normal(0, 0.5, density.shape)
    gains = jnp.asarray(random.normal(size=density.shape))
    ratio = np.exp(np.asarray(density - before, np.float64))
    least = np.minimum(ratio * gains, np.clip(ratio, 0.8, 1.2) * gains)
    assert (least != ratio * gains).any(1).all()
    np.testing.assert_allclose(
        objective(spec, weights, obs, drawn, before, gains), least.mean(1), rtol=1e-4
    )
    free = spec._replace(settings=replace(PLAIN, clip_ratio=0.0))
    np.testing.assert_allclose(
        objective(free, weights, obs, drawn, before, gains), (ratio * gains).mean(1), rtol=1e-4
    )


def test_the_mean_update_is_the_exact_gradient_of_the_return():
    """Theorem 3.7 (b): scores times local returns, against the exact gradient of an LQ network."""
    env = mastac.make("lq-3", horizon=4, noise=0.0, limit=1.0)
    how = replace(
        PLAIN,
        actor_hidden=(),
        actor_output_scale=0.1,
        noise=0.5,
        discount=1.0,
        gae_lambda=1.0,
        clip_ratio=0.0,
    )
    how = replace(how, normalize_advantages=False)
    spec = learner_spec(env, local_values(env.couplings, None), how)
    learner = learner_of(spec)
    state = learner.init(jax.random.key(0))
    state = state._replace(critics=jax.tree.map(jnp.zeros_like, state.critics))

    def expected(mean_network, key):
        """The return with common noise: its slope in the weights is the pathwise gradient."""
        actors = StochasticActor(mean_network, state.actors.log_std)
        moved = learner.init(jax.random.key(0))._replace(actors=actors)
        return exploring_episode(
            env, learner, moved, jnp.zeros(()), jnp.zeros(()), key
        ).rewards.sum()

    def score(key):
        played = exploring_episode(env, learner, state, jnp.zeros(()), jnp.zeros(()), key)
        played = jax.tree.map(lambda leaf: leaf[None], played)
        gains = credited(spec, local_advantages(spec, state.critics, played)[0])
        obs = observations(env, played.states[0, :-1], jnp.arange(4))
        drawn, before = (jnp.moveaxis(each[0], 0, -1) for each in played.drawn)
        climbed = lambda mean_network: (  # noqa: E731
            4
            * objective(
                spec, StochasticActor(mean_network, state.actors.log_std), obs, drawn, before, gains
            ).sum()
        )
        return jax.grad(climbed)(state.actors.mean_network)

    keys = jax.random.split(jax.random.key(9), 40_000)
    both = jax.jit(
        jax.vmap(lambda key: (jax.grad(expected)(state.actors.mean_network, key), score(key)))
    )(keys)
    clearest = 0.0
    for one, other in zip(*map(jax.tree.leaves, both), strict=True):
        error = np.std(other - one, axis=0) / np.sqrt(len(keys))
        assert (np.abs(np.mean(other - one, axis=0)) < 5 * error + 1e-6).all()
        clearest = max(clearest, float((np.abs(np.mean(one, axis=0)) / error).max()))
    assert clearest > 20, "a gradient that noise would hide proves nothing"


def test_perturbations_against_plain_loops():
    env = small_environment()
    how = Settings(estimator="perturbation", actor_hidden=(4,), perturbation=0.1, lr_final=1.0)
    layout = ALGORITHMS["zeroth-order"].layout_for(env.couplings, 1, True, "own")
    spec = learner_spec(env, layout, how)
    learner = learner_of(spec)
    state, played = learner.init(jax.random.key(1)), random_rollout(env, 6, "perturbation", 2)
    moved, data = learner.begin(state, jax.random.key(7), jnp.zeros(()))
    u = direction(state.actors, jax.random.wrap_key_data(data))
    for new, old, way in zip(*map(jax.tree.leaves, (moved.actors, state.actors, u)), strict=True):
        np.testing.assert_allclose(new, old + 0.1 * way, rtol=1e-5, atol=1e-6)
    credit = layout.credit.toarray()
    returns = np.einsum(
        "eti,t->ie", np.asarray(played.rewards, np.float64), how.discount ** np.arange(5)
    )
    climbed = credit @ returns
    gains = (climbed - climbed.mean(1, keepdims=True)) / climbed.std(1, keepdims=True)
    ways = [direction(state.actors, jax.random.wrap_key_data(data)) for data in played.drawn]
    total = np.zeros(4)
    for leaf in zip(*map(jax.tree.leaves, ways), strict=True):
        estimate = (
            np.mean(
                [gains[:, e].reshape(-1, *[1] * (w.ndim - 1)) * w for e, w in enumerate(leaf)], 0
            )
            / 0.1
        )
        total += (estimate**2).reshape(4, -1).sum(1)
    _, metrics = jax.jit(lambda *given: perturbation_update(spec, *given))(state, played)
    np.testing.assert_allclose(metrics.gradient_norm, np.sqrt(total), rtol=1e-4)
    np.testing.assert_allclose(metrics.value, returns.mean(1), rtol=1e-4)


def test_a_rollout_is_drawn_whole_and_without_replacement():
    env = small_environment()
    example = jax.tree.map(lambda leaf: leaf[0], random_rollout(env, 1, "score"))
    buffer = rollout_buffer(4, 3)
    store = buffer.init(example)
    for count in range(6):
        store = buffer.add(
            store,
            example._replace(rewards=jnp.full_like(example.rewards, count)),
            jnp.asarray(count),
        )
    drawn = buffer.draw(store, jnp.asarray(6), jax.random.key(0))
    numbers = np.asarray(drawn.rewards[:, 0, 0])
    assert (
        drawn.states.shape == (3, 6, 4, 3)
        and len(set(numbers)) == 3
        and set(numbers) <= {2.0, 3.0, 4.0, 5.0}
    )


@given(st.integers(1, 40), st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_updates_come_after_whole_rollouts(steps, updates):
    env = small_environment()
    schedule = update_schedule(env, replace(PLAIN, rollout_steps=steps, updates_per_epoch=updates))
    assert schedule.period == schedule.first == -(-steps // env.horizon)
    done = 0
    for epoch in range(30):
        if schedule.is_due(jnp.asarray(epoch)):
            assert schedule.updates_before(epoch) == done
            done += updates
        assert schedule.updates_after(epoch + 1) == done
    assert done == (30 // schedule.period) * updates
