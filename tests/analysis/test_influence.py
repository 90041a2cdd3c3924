"""Influence measured by rollouts, against the powers of the matrices of linear networks."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from mastac.analysis.influence import TOWARDS, influence, influence_curve
from mastac.analysis.influence_shares import Influence, shares_beyond
from mastac.envs import make
from mastac.envs.linear_quadratic.dynamics import problem_of
from mastac.errors import UserError
from mastac.structure import Couplings, CouplingSequence, ring, value_dependency

RING_OF_7 = {"horizon": 12, "noise": 0.0, "start": 0.0, "observation": "graph"}


def feedback(env, random):
    """A linear policy of what is observed: as a function, and as the matrix behind it."""
    problem = problem_of(env)
    gain = np.where(problem.gain_mask, random.uniform(-0.3, 0.3, problem.gain_mask.shape), 0.0)
    return (lambda obs, state, time: (gain @ state.ravel())[:, None]), gain


def by_matrix_powers(problem, gain, start, first_action, discount, steps):
    """Changes of all returns from rest, after a move of the state or of the first action."""
    loop = problem.state_matrix + problem.input_matrix @ gain
    changes = -problem.state_weights @ start**2 - problem.action_weights @ first_action**2
    after = problem.state_matrix @ start + problem.input_matrix @ first_action
    for k in range(1, steps):
        x = np.linalg.matrix_power(loop, k - 1) @ after
        changes = changes - discount**k * (
            problem.state_weights @ x**2 + problem.action_weights @ (gain @ x) ** 2
        )
    return np.abs(changes)


def test_influence_is_that_of_matrix_powers():
    """From rest and without noise every return is zero, and a move makes all of it."""
    env = make("lq-7", **RING_OF_7)
    problem = problem_of(env)
    acting, gain = feedback(env, np.random.default_rng(0))
    found = influence(env, acting, rollouts=4, discount=0.9)

    def expected(time, state, action):
        return np.stack(
            [
                by_matrix_powers(problem, gain, state * row, action * row, 0.9, env.horizon - time)
                for row in np.eye(7)
            ],
            axis=1,
        )

    for rollout, time in enumerate(found.times):
        assert 0 <= time < 6
        # Nothing varies in these rollouts, so states move by the scale of the environment, which is
        # one.
        by_states = expected(time, 1.0, 0.0)
        np.testing.assert_allclose(found.states[rollout], by_states, rtol=2e-4, atol=1e-7)
        # Changes are quadratic in the move; how far a random action lies is the one number not
        # known, by agent.
        unit = expected(time, 0.0, 1.0)
        squares = np.diag(found.actions[rollout]) / np.diag(unit)
        np.testing.assert_allclose(found.actions[rollout], unit * squares, rtol=2e-4, atol=1e-8)
        assert (squares > 0).all() and (squares < (TOWARDS * env.action_limit * 6) ** 2).all()


def test_with_noise_the_mean_agrees():
    """About a noisy state the change of a return has a linear part too; simulation gives it."""
    env = make("lq-4", horizon=8, noise=0.2, start=1.0)
    problem = problem_of(env)
    still = lambda obs, state, time: jnp.zeros((4, 1))  # noqa: E731
    found = influence(env, still, rollouts=600, discount=0.9, seed=2)
    a = problem.state_matrix
    variances = [np.diag(problem.start_variance)]
    for _ in range(env.horizon):
        variances.append(a @ variances[-1] @ a.T + np.diag(problem.noise_variance))
    scale = np.sqrt(np.mean([np.diag(each) for each in variances[:-1]], axis=0))
    # The mean of |d² + 2 d x| over noisy paths x, d going by powers of the matrix.
    random = np.random.default_rng(5)
    expected = np.zeros((4, 4))
    samples = 20_000
    for time in range(4):
        x = random.standard_normal((samples, 4)) @ np.linalg.cholesky(variances[time]).T
        paths = [x]
        for _ in range(env.horizon - time - 1):
            noise = random.standard_normal((samples, 4)) * np.sqrt(problem.noise_variance)
            paths.append(paths[-1] @ a.T + noise)
        for j in range(4):
            change = np.zeros((samples, 4))
            for k, path in enumerate(paths):
                d = np.linalg.matrix_power(a, k)[:, j] * scale[j]
                change -= 0.9**k * (d**2 + 2 * d * path) @ problem.state_weights.T
            expected[:, j] += np.abs(change).mean(0) / 4
    error = found.states.std(0) / np.sqrt(600)
    assert (np.abs(found.states.mean(0) - expected) < 5 * error + 0.02 * expected).all()


@pytest.mark.parametrize("name", ["lq-8", "thermal-6", "warehouse-9"])
def test_what_the_graph_excludes_has_no_influence(name):
    env = make(name, horizon=6)
    found = influence(env, rollouts=3)
    d = value_dependency(env.couplings)
    assert (found.states[:, ~d.states.toarray()] == 0).all() and (
        found.actions[:, ~d.actions.toarray()] == 0
    ).all()
    assert (found.states.max(0).diagonal() > 0).any()
    assert isinstance(env.couplings, Couplings)
    curve = shares_beyond(found, env.couplings)
    last = curve[-1]
    assert last["exact"] and last["states"]["mean"] == last["actions"]["mean"] == 0
    means = [row["states"]["mean"] for row in curve]
    assert means == sorted(means, reverse=True) and means[0] > 0
    assert all(
        row["states"]["low"] <= row["states"]["mean"] + 1e-9 <= row["states"]["high"] + 2e-9
        for row in curve
    )


def test_shares_are_those_of_the_changes():
    couplings = ring(6)
    changes = np.random.default_rng(0).exponential(size=(2, 5, 6, 6))
    changes[0, :, 4], changes[:, :, 5, 0] = 0.0, 30.0
    found = Influence(*changes, times=np.zeros(5, int))
    rows = shares_beyond(found, couplings, [0, 1])
    for row in rows:
        inside = value_dependency(couplings, row["kappa"])
        for kind in ("states", "actions"):
            weights = getattr(found, kind).mean(0)
            moved = weights.sum(1) > 0
            assert moved.sum() == (5 if kind == "states" else 6)
            weights, agents = (
                weights[moved],
                [name for name, is_moved in zip(couplings.agents, moved, strict=True) if is_moved],
            )
            shares = (weights * ~getattr(inside, kind).toarray()[moved]).sum(1) / weights.sum(1)
            assert row[kind]["mean"] == pytest.approx(shares.mean(), rel=1e-5)
            assert row[kind]["worst"] == pytest.approx(shares.max(), rel=1e-5)
            assert row[kind]["worst_agent"] == agents[int(shares.argmax())]
            assert row[kind]["low"] < shares.mean() < row[kind]["high"]


def test_where_nothing_moves_there_is_no_share():
    nothing = np.zeros((2, 3, 3))
    assert (
        shares_beyond(Influence(nothing, nothing, np.zeros(2, int)), ring(3))[0]["states"]["mean"]
        is None
    )


def test_mistakes():
    env = make("lq-3", horizon=3)
    with pytest.raises(UserError, match="environment 'lq-3' has no simple policy; train one"):
        influence(dataclasses.replace(env, simple_actions=None))
    with pytest.raises(UserError, match="rollouts must be a whole number, at least 2; got 1"):
        influence(env, rollouts=1)
    with pytest.raises(UserError, match="ask for at most 5555555 rollouts"):
        influence(env, rollouts=10**8)
    with pytest.raises(UserError, match="ask of fewer agents"):
        influence(dataclasses.replace(make("lq-2"), horizon=10**9))
    assert isinstance(env.couplings, Couplings)
    changing = dataclasses.replace(env, couplings=CouplingSequence([env.couplings] * 3))
    with pytest.raises(UserError, match="the couplings of 'lq-3' change with the time"):
        influence_curve(changing)
