"""Monte Carlo against exact figures on a linear-quadratic network; heads; intervals; mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mastac.envs import make
from mastac.envs.base import Environment
from mastac.envs.linear_quadratic.dynamics import problem_of
from mastac.errors import UserError
from mastac.runs.policy import Policy
from mastac.structure import Couplings, steady
from mastac.theory.intervals import interval, ratio_interval
from mastac.theory.lq_variance import gaussian_network, lq_terms
from mastac.theory.monte_carlo import headed, network_means, sampled_terms, simple_means
from mastac.theory.sets import dependency_sets

SPREAD, DISCOUNT = 0.3, 0.7
NAMES = ("own", "rest", "cross", "score", "mean_centralised", "mean_structured")


@pytest.fixture(scope="module")
def network():
    """A stream of three agents, coupled strongly; states from time 8 on are stationary to 1e-6."""
    env = make("lq-3", horizon=32, graph=[[0, 1], [1, 2]], coupling=0.8, decay=0.4)
    problem = problem_of(env)
    gain = np.where(problem.gain_mask, -0.15, 0.0)
    exact = gaussian_network(problem, gain, DISCOUNT, SPREAD)
    weights = jnp.asarray(gain, jnp.float32)
    return env, exact, lambda state, time: (weights @ state[:, 0])[:, None]


def sampled(network, sets, baseline, samples=4096, **how):
    env, _, means = network
    return sampled_terms(
        env, sets, means, SPREAD, DISCOUNT, baseline, samples, times=(8, 12), **how
    )


def covers(batches, true, slack=2.0):
    """Whether a wider interval, which chance misses once in thousands of times, holds the truth."""
    found = interval(batches)
    return abs(true - found.mean) <= slack * (found.high - found.mean) + 1e-6 * (1 + abs(true))


@pytest.mark.parametrize(
    ("baseline", "kappa"), [("none", None), ("state", 0), ("counterfactual", 0)]
)
def test_intervals_cover_the_exact_terms(network, baseline, kappa):
    sets = dependency_sets(steady(network[0].couplings), kappa)
    exact, found = (
        lq_terms(network[1], sets, baseline),
        sampled(network, sets, baseline, samples=2048),
    )
    for i in range(3):
        for name in NAMES:
            assert covers(getattr(found.terms, name)[:, i], getattr(exact, name)[i]), (name, i)
        assert covers(found.gap[:, i], exact.bias[i] ** 2 * exact.mean_centralised[i])
        central = found.terms.centralised - np.asarray(found.terms.critic_centralised)
        assert covers(central[:, i], exact.centralised[i])
        assert baseline != "none" or interval(found.terms.own[:, i]).low > 0.5 * exact.own[i]


def test_a_wrong_set_shows_as_bias(network):
    """Agent 0 moves the value of agent 1; where that is left out its gradient is another one."""
    right = dependency_sets(steady(network[0].couplings))
    for sets, is_biased in ((right, False), (right.without(1, 0), True)):
        found = sampled(network, sets, "counterfactual", 2048, agents=[0])
        assert (interval(found.gap[:, 0]).low > 0) == is_biased
        assert covers(found.terms.own[:, 0], lq_terms(network[1], sets, "counterfactual").own[0])


def test_a_single_step_has_returns_without_noise():
    """One step: the return is a function of state and action, and has no noise of its own."""
    each = np.ones(2, int)
    env = Environment(
        id="single",
        couplings=Couplings(2),
        horizon=1,
        reset=lambda key: jnp.ones((2, 1)),
        step=lambda state, actions, time, key: state,
        reward=lambda state, actions, time: (actions**2)[:, 0],
        observe=lambda state: state,
        state_sizes=each,
        obs_sizes=each,
        action_sizes=each,
        action_head="linear",
    )
    found = sampled_terms(
        env, dependency_sets(Couplings(2)), lambda state, time: state, 0.5, 0.9, samples=64
    )
    assert np.all(found.terms.critic_centralised == 0) and np.all(found.terms.own > 0)


@pytest.mark.parametrize("id", ["warehouse-4", "thermal-3", "lq-2"])
def test_heads_undo_what_simple_means_do(id):
    env = make(id)
    state = env.reset(jax.random.key(0))
    assert env.simple_actions is not None
    actions = env.simple_actions(state, 0)
    assert np.asarray(headed(env, simple_means(env)(state, 0))) == pytest.approx(
        np.asarray(actions), rel=2e-3, abs=1e-5
    )


@pytest.mark.parametrize("id", ["warehouse-4", "thermal-3", "lq-2"])
def test_networks_act_as_the_policies_that_are_stored(id):
    env = make(id)
    random, n = np.random.default_rng(0), env.num_agents
    wide, out = int(env.obs_sizes.max()), int(env.action_sizes.max())
    layers = [(n, wide, 5), (n, 5, out)]
    policy = Policy(
        agents=env.agents,
        obs_sizes=env.obs_sizes,
        action_sizes=env.action_sizes,
        action_head=env.action_head,
        obs_center=np.broadcast_to(env.obs_center, (n, wide)).astype(np.float32),
        obs_scale=np.broadcast_to(env.obs_scale, (n, wide)).astype(np.float32),
        action_limit=np.broadcast_to(env.action_limit, (n, out)).astype(np.float32),
        weights=tuple(random.normal(0, 0.5, each).astype(np.float32) for each in layers),
        biases=tuple(random.normal(0, 0.5, (n, each[2])).astype(np.float32) for each in layers),
    )
    state = env.reset(jax.random.key(1))
    means = network_means(env, policy.weights, policy.biases, policy.action_limit)
    played = np.asarray(headed(env, means(state, 0)))
    assert played == pytest.approx(
        policy.act(np.asarray(env.observed(state, 0))), rel=1e-4, abs=1e-5
    )


def test_intervals():
    assert interval(np.array([3.0])) == (3, 3, 3)
    # By hand: mean 2, standard error 1 / sqrt(3), t with two degrees of freedom 4.302653.
    assert interval(np.array([1.0, 2.0, 3.0]))[1:] == pytest.approx(
        (2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5)
    )
    above = np.array([2.0, 4.0, 6.0])
    assert ratio_interval(above, above / 2) == pytest.approx((2, 2, 2))
    assert ratio_interval(above[:1], above[1:2]) == (0.5, 0.5, 0.5)


def test_what_takes_too_long_is_refused_at_once():
    env = make("warehouse-9")
    with pytest.raises(UserError, match="take at most"):
        sampled_terms(
            env, dependency_sets(steady(env.couplings)), simple_means(env), 0.3, 0.9, samples=10**9
        )
