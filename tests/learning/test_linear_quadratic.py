"""Learning against exact linear-quadratic values: the policy gradient and the critics."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac.envs.linear_quadratic.dynamics import problem_of
from mastac.learning.actor_step import actor_gradient
from mastac.learning.buffer import Batch
from mastac.learning.critic_inputs import (
    CriticInputs,
    action_inputs,
    critic_input,
    state_inputs,
    time_inputs,
)
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.observing import observations
from mastac.learning.settings import Settings
from mastac.learning.spec import LearnerSpec
from mastac.structure.layouts import structured
from mastac.theory.linear_quadratic import (
    action_values,
    best_structured_gain,
    discounted_moments,
    discounted_return,
    episode_return,
)

DISCOUNT = 0.9


def parts_for(env, settings, kappa=None):
    return learner_spec(
        env, structured(mastac.value_dependency(env.couplings, kappa=kappa)), settings, 1
    )


def gain_of(spec, weights) -> np.ndarray:
    """The gain [actions, states+1] of linear actors, found by probing them with unit states."""
    env = spec.env
    probes = np.concatenate([np.zeros((1, env.num_agents)), np.eye(env.num_agents)])[:, :, None]
    obs = observations(env, jnp.asarray(probes, jnp.float32), jnp.zeros(len(probes), int))
    actions = np.asarray(spec.actors.apply(weights, obs), np.float64)[
        :, 0
    ]  # one entry for each agent
    return np.concatenate([actions[:, 1:] - actions[:, :1], actions[:, :1]], axis=1)


@pytest.mark.parametrize("options", [{}, {"observation": "none"}])
def test_with_exact_critics_the_actors_gradient_is_the_exact_policy_gradient(options):
    env = mastac.make("lq-5", **options)
    problem = problem_of(env)
    spec = parts_for(env, Settings(actor_hidden=(), discount=DISCOUNT))
    first = spec.actors.init(jax.random.key(3))
    # All but the centre and scale of the observations, which are no weights.
    weights = jax.tree.map(lambda leaf: 0.03 * leaf, first)
    weights = eqx.tree_at(
        lambda actor: (actor.center, actor.inverse_scale),
        weights,
        (first.center, first.inverse_scale),
    )
    gain = gain_of(spec, weights)
    exact_value, by_gain = discounted_return(problem, gain, DISCOUNT)
    values = action_values(problem, gain, DISCOUNT)

    # Points whose mean and covariance are those of the discounted states: quadratic integrands come
    # out exactly.
    moments = discounted_moments(problem, gain, DISCOUNT)
    total, n = moments[-1, -1], problem.num_states
    mean = moments[:n, -1] / total
    spread = np.linalg.cholesky(moments[:n, :n] / total - np.outer(mean, mean)) * np.sqrt(n)
    points = np.concatenate([mean + spread.T, mean - spread.T])
    credit = spec.layout.useful_credit().toarray()
    limit = np.broadcast_to(env.action_limit, (env.num_agents, 1)).ravel()

    def exact_gradient(rows):
        u = np.asarray(rows)[: env.num_agents].T * limit
        slopes = values.action_gradients(points, u)  # [points, values, actions]
        climbed = np.einsum("iv,pvi->ip", credit, slopes) * limit[:, None]
        return jnp.concatenate(
            [jnp.asarray(climbed, jnp.float32), jnp.zeros((1, len(points)), jnp.float32)]
        )

    obs = observations(
        env, jnp.asarray(points, jnp.float32)[:, :, None], jnp.zeros(len(points), int)
    )
    found = actor_gradient(spec, weights, obs, exact_gradient)

    # The exact gradient in the same coordinates: the gain is linear in the actors' weights.
    leaves, tree = jax.tree.flatten(weights)
    for place, leaf in enumerate(leaves[:-2]):  # without the centre and scale
        for at in np.ndindex(*leaf.shape):
            moved = [x.at[at].add(1.0) if k == place else x for k, x in enumerate(leaves)]
            direction = gain_of(spec, jax.tree.unflatten(tree, moved)) - gain
            expected = (by_gain * direction).sum() / total
            np.testing.assert_allclose(
                jax.tree.leaves(found)[place][at], expected, rtol=2e-4, atol=2e-6
            )
    assert exact_value < 0
    assert np.abs(by_gain).max() > 0.01


@pytest.mark.slow
def test_the_trained_policy_comes_within_two_percent_of_the_best_structured_feedback(tmp_path):
    """Judged by the exact return of the learnt gain, not by sampled episodes."""
    env = mastac.make("lq-4")
    problem = problem_of(env)
    run = mastac.train(env, epochs=500, seeds=[0, 1], out=tmp_path / "lq", progress=False)
    _, best = best_structured_gain(problem)
    none = np.zeros((problem.num_actions, problem.num_states + 1))
    assert episode_return(problem, none)[0] < 1.3 * best, "doing nothing must be far from the best"
    for seed in (0, 1):
        gain = gain_of_policy(env, run.policy(seed))
        exact = episode_return(problem, gain)[0]
        assert best * 1.02 <= exact <= best * (1 - 1e-9), f"seed {seed}: {exact} against {best}"


def gain_of_policy(env, policy) -> np.ndarray:
    """The gain [actions, states+1] of linear policies, found by probing them with unit states."""
    states = np.concatenate([np.zeros((1, env.num_agents)), np.eye(env.num_agents)])[:, :, None]
    actions = np.array(
        [policy.act(np.asarray(env.observe(jnp.asarray(s, jnp.float32))))[:, 0] for s in states]
    )
    return np.concatenate([(actions[1:] - actions[0]).T, actions[:1].T], axis=1).astype(np.float64)


def transitions_of(env: mastac.Environment, key) -> Batch:
    """Transitions from random states and actions on the scale that the environment declares."""
    scale = float(np.asarray(env.state_scale).max())
    limit = float(np.asarray(env.action_limit).max())
    state_key, action_key, step_key = jax.random.split(key, 3)
    states = scale * jax.random.normal(state_key, (128, 3, 1))
    actions = limit * jax.random.normal(action_key, (128, 3, 1))
    after = jax.vmap(lambda s, a, k: env.step(s, a, 0, k))(
        states, actions, jax.random.split(step_key, 128)
    )
    rewards = jax.vmap(lambda s, a: env.reward(s, a, 0))(states, actions)
    return Batch(states, actions, rewards, after.astype(jnp.float32), jnp.zeros(128, jnp.int32))


def learnt_values(spec: LearnerSpec, critics, batch: Batch) -> np.ndarray:
    """What every critic says of a batch, `[values, batch]`."""
    inputs = CriticInputs(
        state_inputs(spec.env, batch.state),
        action_inputs(spec.env, jnp.moveaxis(batch.actions, 0, -1)),
        time_inputs(spec, batch.time),
        batch.time,
    )
    learnt = np.zeros((spec.layout.num_values, len(batch.time)))
    for bucket, stack in zip(spec.buckets, critics, strict=True):
        for place, term in enumerate(bucket.terms):
            critic = jax.tree.map(lambda leaf, place=place: leaf[place], stack)
            read = critic_input(inputs, bucket.state_rows[place], bucket.action_rows[place])
            learnt[term] = critic(read)[0]
    return learnt


def test_learnt_critics_approach_the_exact_values():
    env = mastac.make("lq-3")
    settings = Settings(
        actor_hidden=(),
        critic_hidden=(32, 32),
        discount=0.7,
        finite_horizon=False,
        actor_lr=0.0,
        critic_lr=3e-3,
        lr_final=0.02,
        tau=0.05,
        critic_activation="silu",
    )
    spec = learner_spec(env, structured(mastac.value_dependency(env.couplings)), settings, 2500)
    learner = learner_of(spec)
    state = learner.init(jax.random.key(0))
    # A policy under which values are finite.
    calm = jax.tree.map(lambda leaf: 0.1 * leaf, state.actors)
    state = state._replace(actors=calm, target_actors=calm)

    @jax.jit
    def learn(state):
        return jax.lax.scan(
            lambda state, key: (learner.update(state, transitions_of(env, key), key)[0], None),
            state,
            jax.random.split(jax.random.key(1), 2500),
        )[0]

    values = action_values(problem_of(env), gain_of(spec, state.actors), 0.7)
    test = transitions_of(env, jax.random.key(2))
    exact = values(
        np.asarray(test.state[:, :, 0], np.float64), np.asarray(test.actions[:, :, 0], np.float64)
    ).T

    def error(state) -> float:
        return float(((learnt_values(spec, state.critics, test) - exact) ** 2).mean() / exact.var())

    before, after = error(state), error(learn(state))
    assert before > 0.5, (
        "untrained critics must be far from the truth for the test to mean anything"
    )
    assert after < 0.02
