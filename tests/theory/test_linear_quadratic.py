"""Exact values, gradients and optima of linear-quadratic networks, against other ways to them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mastac.envs.graphs import couplings_of
from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.registry import checked_options
from mastac.structure import aggregate_dependency, gradient_dependency, steady, value_dependency
from mastac.theory.linear_quadratic import (
    action_values,
    agent_returns,
    best_structured_gain,
    discounted_moments,
    discounted_return,
    episode_return,
    lyapunov,
    riccati,
    value_supports,
)

DISCOUNT = 0.9
SIZES = {"state_size": [1, 2, 1, 2, 1], "reward": "neighbours"}


def network(num_agents=5, affine=True, **options):
    """Couplings and problem of `lq-N`; `affine` adds offsets, targets and a first state."""
    id = f"lq-{num_agents}"
    options = checked_options(id, options)
    couplings = steady(couplings_of(id, options))
    problem = lq_problem(couplings, options)
    if affine:
        random = np.random.default_rng(5)
        moved = {
            name: random.normal(size=problem.num_states)
            for name in ("offset", "target", "start_mean")
        }
        problem = dataclasses.replace(problem, **moved)
    return couplings, problem


def random_gain(problem, seed=0, size=0.1):
    return np.where(
        problem.free, np.random.default_rng(seed).normal(0, size, problem.free.shape), 0.0
    )


def rewards(problem, x, u):
    return -((x - problem.target) ** 2) @ problem.state_weights.T - u**2 @ problem.action_weights.T


def test_values_satisfy_the_bellman_equation():
    """Q_i(x, u) = r_i + discount E Q_i(x', K x'), the mean over noise by exact quadrature."""
    _, problem = network(**SIZES)
    gain = random_gain(problem)
    values = action_values(problem, gain, DISCOUNT)
    random = np.random.default_rng(1)
    x, u = (
        random.normal(size=(20, problem.num_states)),
        random.normal(size=(20, problem.num_actions)),
    )
    following = x @ problem.state_matrix.T + u @ problem.input_matrix.T + problem.offset
    spread = np.sqrt(problem.noise_variance * problem.num_states)
    # Points at ± sqrt(n) sd along each axis have the mean and covariance of the noise: exact for
    # quadratics.
    points = np.concatenate([np.diag(spread), -np.diag(spread)])
    ahead = np.mean(
        [
            values(y, y @ gain[:, :-1].T + gain[:, -1])
            for y in (following + point for point in points)
        ],
        axis=0,
    )
    assert values(x, u) == pytest.approx(rewards(problem, x, u) + DISCOUNT * ahead, rel=1e-11)


def test_values_against_sampled_episodes():
    _, problem = network(3, noise=0.3)
    gain = random_gain(problem)
    values = action_values(problem, gain, DISCOUNT)
    random = np.random.default_rng(2)
    x0, u0 = random.normal(size=3), random.normal(size=3)
    x, u, total = np.tile(x0, (20000, 1)), np.tile(u0, (20000, 1)), np.zeros((20000, 3))
    for t in range(120):
        total = total + DISCOUNT**t * rewards(problem, x, u)
        noise = random.normal(size=x.shape) * np.sqrt(problem.noise_variance)
        x = x @ problem.state_matrix.T + u @ problem.input_matrix.T + problem.offset + noise
        u = x @ gain[:, :-1].T + gain[:, -1]
    error = total.std(0) / np.sqrt(len(total))
    assert (np.abs(values(x0, u0) - total.mean(0)) < 4 * error + 1e-4).all()


def test_action_gradients_of_the_values():
    _, problem = network(4)
    values = action_values(problem, random_gain(problem), DISCOUNT)
    random = np.random.default_rng(3)
    x, u = random.normal(size=problem.num_states), random.normal(size=4)
    slopes = values.action_gradients(x, u)
    for k in range(4):
        step = 1e-5 * np.eye(4)[k]
        assert slopes[:, k] == pytest.approx(
            (values(x, u + step) - values(x, u - step)) / 2e-5, rel=1e-7, abs=1e-8
        )


pairs = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda e: e[0] != e[1]), max_size=6
)


@given(state=pairs, observation=pairs, reward=pairs, sizes=st.sampled_from([1, [2, 1, 1, 2, 1]]))
@settings(max_examples=60)
def test_values_depend_on_the_minimal_sets_alone(state, observation, reward, sizes):
    """Theorem 3.2: blocks of Q_i are exactly zero outside the minimal sets, and not inside."""

    def listed(edges):
        return [list(edge) for edge in edges]

    couplings, problem = network(
        graph=listed(state),
        observation=listed(observation),
        reward=listed(reward),
        state_size=sizes,
    )
    states, actions = value_supports(action_values(problem, random_gain(problem), 0.5), problem)
    minimal = value_dependency(couplings)
    assert np.array_equal(states.toarray(), minimal.states.toarray())
    assert np.array_equal(actions.toarray(), minimal.actions.toarray())
    window = value_dependency(couplings, minimal=False)
    assert not (states.toarray() & ~window.states.toarray()).any()


def test_the_policy_gradient_theorem():
    """The gradient by the exact values of the gradient set is the derivative of the return."""
    couplings, problem = network(
        graph=[[0, 1], [1, 2], [3, 4]], observation="none", state_size=[1, 2, 1, 1, 1]
    )
    gain = random_gain(problem)
    _, exact = discounted_return(problem, gain, DISCOUNT)
    moments = discounted_moments(problem, gain, DISCOUNT)
    values = action_values(problem, gain, DISCOUNT)
    advised = gradient_dependency(value_dependency(couplings)).toarray()
    assert not advised.all()
    n, m = problem.num_states, problem.num_actions
    for j in range(m):
        form = values.forms[advised[problem.action_owner[j]]].sum(0)
        # d/du_j of -z'Hz is linear in (x, 1) once u = K (x, 1): average it over the discounted
        # states.
        by_state = np.hstack([form[n + j, :n], form[n + j, -1]]) + form[n + j, n : n + m] @ gain
        assert np.where(problem.free[j], -2 * by_state @ moments, 0.0) == pytest.approx(
            exact[j], rel=1e-10, abs=1e-10
        )
    assert aggregate_dependency(value_dependency(couplings)).nnz < couplings.num_agents**2


@pytest.mark.parametrize("objective", ["discounted", "episode"])
def test_policy_gradients_against_differences(objective):
    _, problem = network(4, state_size=[1, 2, 1, 1], horizon=7)
    gain = random_gain(problem)

    def value(k):
        return (
            discounted_return(problem, k, DISCOUNT)
            if objective == "discounted"
            else episode_return(problem, k)
        )

    _, gradient = value(gain)
    assert not gradient[~problem.free].any()
    for k, j in np.argwhere(problem.free)[::3]:
        step = np.zeros_like(gain)
        step[k, j] = 1e-5
        slope = (value(gain + step)[0] - value(gain - step)[0]) / 2e-5
        assert gradient[k, j] == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_returns_are_the_sums_of_the_values():
    _, problem = network(**SIZES)
    gain = random_gain(problem)
    values = action_values(problem, gain, DISCOUNT)
    # E Q_i(x, Kx) over the first states, by the second moments of (x, u, 1).
    n = problem.num_states
    lift = np.vstack([np.eye(n + 1)[:n], gain, np.eye(n + 1)[n:]])
    expected = (
        -sum(np.sum(form * (lift @ problem.start @ lift.T)) for form in values.forms)
        - values.constants.sum()
    )
    assert discounted_return(problem, gain, DISCOUNT)[0] == pytest.approx(expected, rel=1e-11)


def test_episode_returns_against_sampled_episodes():
    _, problem = network(3, reward="neighbours", horizon=6, noise=0.4)
    gain = random_gain(problem)
    random = np.random.default_rng(4)
    x = problem.start_mean + random.normal(size=(40000, 3)) * np.sqrt(problem.start_variance)
    total = np.zeros((40000, 3))
    for _ in range(6):
        u = x @ gain[:, :-1].T + gain[:, -1]
        total += rewards(problem, x, u)
        noise = random.normal(size=x.shape) * np.sqrt(problem.noise_variance)
        x = x @ problem.state_matrix.T + u @ problem.input_matrix.T + problem.offset + noise
    returns = agent_returns(problem, gain)
    assert (np.abs(returns - total.mean(0)) < 4 * total.std(0) / np.sqrt(len(total))).all()
    assert returns.sum() == pytest.approx(episode_return(problem, gain)[0], rel=1e-12)


def test_the_best_structured_gain_is_stationary_and_below_the_riccati_optimum():
    _, problem = network(5, state_size=2, observation="none", horizon=10)
    gain, best = best_structured_gain(problem)
    value, gradient = episode_return(problem, gain)
    assert value == pytest.approx(best) and np.abs(gradient).max() < 1e-4 * abs(best)
    assert not gain[~problem.free].any()
    for seed in range(30):
        assert episode_return(problem, gain + random_gain(problem, seed, 0.05))[0] < best
    assert best < riccati(problem)[2]
    other, _ = best_structured_gain(problem, start=random_gain(problem, 9, 0.3))
    assert other == pytest.approx(gain, abs=1e-3)


def test_the_best_discounted_gain_is_stationary():
    _, problem = network(3, affine=False)
    gain, best = best_structured_gain(
        problem, lambda k: discounted_return(problem, k, DISCOUNT), constant=False
    )
    assert not gain[:, -1].any()
    assert np.abs(discounted_return(problem, gain, DISCOUNT)[1][:, :-1]).max() < 1e-5 * abs(best)


def test_riccati_is_attained_by_its_gains_and_by_no_other():
    _, problem = network(3, horizon=6)
    gains, values, best = riccati(problem)

    def earned(policy):
        moment, total = problem.start, 0.0
        weights, paid = problem.state_weights.sum(0), problem.action_weights.sum(0)
        for gain in policy:
            total -= np.sum(problem.state_cost(weights) * moment) + np.sum(
                paid * np.diag(gain @ moment @ gain.T)
            )
            loop = problem.transition + problem.inputs @ gain
            moment = loop @ moment @ loop.T + problem.noise
        return total

    assert len(gains) == 6 and len(values) == 7 and not values[-1].any()
    assert earned(gains) == pytest.approx(best, rel=1e-12)
    random = np.random.default_rng(6)
    for _ in range(20):
        assert earned([gain + random.normal(0, 0.05, gain.shape) for gain in gains]) < best


def test_one_agent_by_hand():
    """x' = x + u + w, r = -x^2 - u^2, u = -x: the start is paid once, then every step's noise."""
    _, problem = network(2, affine=False, graph=[])
    one = dataclasses.replace(
        problem,
        state_matrix=np.eye(2),
        input_matrix=np.eye(2),
        state_weights=np.eye(2),
        action_weights=np.eye(2),
        noise_variance=np.array([0.5, 0.0]),
    )
    values = action_values(one, -np.eye(2), 0.5)
    # Q = -x^2 - u^2 - 0.5 * 2 ((x + u)^2 + var) - 0.25 * 2 var / (1 - 0.5)
    x, u = np.array([1.0, 2.0]), np.array([2.0, -2.0])
    assert values(x, u) == pytest.approx([-1 - 4 - 9 - 0.5 - 0.5, -4 - 4 - 0])


def test_the_default_network_has_values_without_control():
    for seed in range(5):
        _, problem = network(40, affine=False, seed=seed)
        assert np.isfinite(action_values(problem, np.zeros((40, 40)), 0.99).constants).all()


def test_infinite_values_are_refused():
    _, problem = network(2, affine=False, graph=[])
    growing = dataclasses.replace(problem, state_matrix=1.2 * np.eye(2))
    for discount in (0.9, 1.0):
        with pytest.raises(ValueError, match="values are infinite"):
            action_values(growing, np.zeros((2, 2)), discount)


def test_lyapunov_sums_the_series():
    random = np.random.default_rng(7)
    matrix, source = random.normal(size=(4, 4)) / 3, np.diag(random.uniform(size=4))
    found = lyapunov(matrix, source, 0.8)
    assert found == pytest.approx(source + 0.8 * matrix @ found @ matrix.T, rel=1e-12, abs=1e-14)
