"""The slopes that `benchmarks/slope_errors.py` compares, against exact values."""

import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_linear_quadratic import gain_of

import mastac
from mastac.envs.linear_quadratic.dynamics import problem_of
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.settings import Settings
from mastac.structure.layouts import structured
from mastac.theory.linear_quadratic import action_values

HIDDEN = {"actor_hidden": (), "critic_hidden": (8,), "actor_output_scale": 0.1, "discount": 0.8}


@pytest.fixture
def slope_errors(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("slope_errors")


def world(env, **knobs):
    """The parts of an untrained learner, and states to compare slopes at."""
    layout = structured(mastac.value_dependency(env.couplings, kappa=1))
    spec = learner_spec(env, layout, Settings(**HIDDEN, **knobs), 1)
    learner = learner_of(spec).init(jax.random.key(0))
    state = jax.vmap(env.reset)(jax.random.split(jax.random.key(1), 3))
    return spec, learner, state


def slopes_at(slope_errors, env, spec, learner, state, time):
    keys = jax.random.split(jax.random.key(2), (len(state), 2))
    return slope_errors.slopes_at(spec, learner, state, jnp.asarray(time), keys)


def test_true_slopes_are_those_of_exact_action_values(slope_errors):
    env = mastac.make("lq-8", noise=0.0, horizon=60)
    spec, learner, state = world(env, finite_horizon=False)
    slopes = slopes_at(slope_errors, env, spec, learner, state, 0)
    problem, gain = problem_of(env), gain_of(spec, learner.actors)
    x = np.asarray(state)[:, :, 0]
    u = np.concatenate([x, np.ones((3, 1))], 1) @ gain.T
    exact = action_values(problem, gain, 0.8).action_gradients(x, u)
    # Logits are in units of the limit.
    np.testing.assert_allclose(
        np.moveaxis(slopes.true[:, :, 0], -1, 0), exact * env.action_limit, rtol=1e-3, atol=1e-4
    )


def test_at_the_last_step_only_its_own_cost_counts(slope_errors):
    env = mastac.make("lq-8")
    spec, learner, state = world(env)
    slopes = slopes_at(slope_errors, env, spec, learner, state, env.horizon - 1)
    x = np.asarray(state)[:, :, 0]
    u = np.concatenate([x, np.ones((3, 1))], 1) @ gain_of(spec, learner.actors).T
    own = -2 * problem_of(env).action_weights.diagonal() * u * env.action_limit
    expected = np.eye(8)[:, :, None] * own.T[:, None]
    np.testing.assert_allclose(slopes.true[:, :, 0], expected, atol=1e-5)


def test_learnt_slopes_add_up_to_what_actors_follow(slope_errors):
    env = mastac.make("warehouse-9")
    spec, learner, state = world(env, reward_scale=0.5)
    by_critic = slope_errors.critics_slopes(spec, learner, state, jnp.asarray(3))
    credited = slope_errors.credit_of(spec)[:, :, None, None] * by_critic
    followed = importlib.import_module("slopes").learnt_slopes(spec, learner, state, 3)
    np.testing.assert_allclose(np.moveaxis(credited.sum(0), -1, 0), followed, atol=1e-5)


def test_what_is_twice_the_truth_is_wrong_by_the_truth_at_every_distance(slope_errors):
    env = mastac.make("lq-8")
    spec, learner, state = world(env)
    slopes = jax.tree.map(np.asarray, slopes_at(slope_errors, env, spec, learner, state, 0))
    read = spec.layout.actions.toarray()[:, :, None, None]
    true = slopes.true * read  # so that nothing of the truth lies beyond what critics read
    rows = slope_errors.figures_of(spec, slopes._replace(true=true, learnt=2 * true))
    assert [row[0] for row in rows] == [0, 1, "unread", "sum", "gradient"]
    assert [row[1] for row in rows] == [8, 16, 40, 8, 8]
    names = slope_errors.HEADER[slope_errors.HEADER.index("distance") :]
    for row in rows:
        if row[0] in (0, 1, "sum"):
            figures = dict(zip(names, row, strict=True))
            assert figures["relative_error"] == pytest.approx(1, rel=1e-5)
            assert figures["cosine"] == pytest.approx(1, rel=1e-5)
    for share in ("share_of_sum", "share_of_error"):
        place = names.index(share)
        assert sum(row[place] for row in rows[:3]) == pytest.approx(1, rel=1e-5)
