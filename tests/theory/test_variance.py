"""The variance identity, the corrected Theorem 4.2 and the counterexamples, by enumeration."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mastac.envs.graphs import couplings_of
from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.registry import checked_options
from mastac.errors import UserError
from mastac.structure import Couplings, chain, steady
from mastac.theory.comparison import complex_slopes
from mastac.theory.example_games import constant_pair, random_game, random_logits
from mastac.theory.games import action_values, joint_policy, occupancy, softmax
from mastac.theory.lq_variance import gaussian_network, lq_terms
from mastac.theory.sets import dependency_sets
from mastac.theory.variance import BASELINES, game_bounds, game_terms, known_actions
from theory.games import games


def scores(game, logits, agent):
    """The score of every joint state and action, by a complex step through the log-probability."""

    def log_probability(tables):
        chance = softmax(tables[agent])
        local = game.on_all_axes(chance, game.parents("observation", agent), [agent])
        return np.log(np.broadcast_to(local, game.axes)).reshape(
            game.joint_states, game.joint_actions
        )

    slopes = complex_slopes(log_probability, logits, agent)
    return np.moveaxis(slopes.reshape(-1, game.joint_states, game.joint_actions), 0, -1)


def baseline_of(game, policy, value, known):
    """The mean of a value given state and known actions, by sorting joint actions into groups."""
    if known is None:
        return np.zeros_like(value)
    actions = list(itertools.product(*(range(k) for k in game.num_actions)))
    groups = [tuple(a[j] for j in np.flatnonzero(known)) for a in actions]
    result = np.empty_like(value)
    for group in set(groups):
        members = [k for k, each in enumerate(groups) if each == group]
        chance = policy[:, members]
        result[:, members] = ((chance * value[:, members]).sum(1) / chance.sum(1))[:, None]
    return result


def total_variance(vectors, weights):
    """Of a random vector that takes these values with these probabilities."""
    mean = np.tensordot(weights, vectors, weights.ndim)
    return np.sum(weights * np.sum((vectors - mean) ** 2, -1))


@given(games(most=3), st.sampled_from(BASELINES), st.sampled_from([None, 0, 1]))
@settings(max_examples=30, deadline=None)
def test_the_identity(drawn, baseline, kappa):
    game, logits = drawn
    sets = dependency_sets(game.couplings, kappa)
    policy, values = joint_policy(game, logits), action_values(game, logits)
    weights = occupancy(game, logits)[:, None] * policy
    terms = game_terms(game, logits, sets, baseline)
    for i in range(len(logits)):
        known, score = known_actions(sets, i, baseline), scores(game, logits, i)
        team, own = values.sum(0), values[sets.gradient[i]].sum(0)
        estimators = [
            (q - baseline_of(game, policy, q, known))[..., None] * score for q in (team, own)
        ]
        central, structured = (total_variance(each, weights) for each in estimators)
        scale = {"rel": 1e-10, "abs": 1e-10 * (1 + np.abs(team).max() ** 2)}
        assert terms.centralised[i] == pytest.approx(central, **scale)
        assert terms.structured[i] == pytest.approx(structured, **scale)
        identity = terms.rest + terms.cross - (terms.mean_centralised - terms.mean_structured)
        assert identity[i] == pytest.approx(central - structured, **scale)
        means = [np.tensordot(weights, each, 2) for each in estimators]
        apart = np.linalg.norm(means[0] - means[1])
        assert apart == pytest.approx(terms.bias[i] * np.linalg.norm(means[0]), abs=1e-10)
        assert kappa is not None or apart < 1e-10


@given(games(most=3), st.floats(0, 2), st.floats(0, 2))
@settings(max_examples=10, deadline=None)
def test_errors_of_the_critics_enter_by_their_variance(drawn, central, structured):
    """Errors of plus or minus sigma with probability one half, for any state and action."""
    game, logits = drawn
    sets = dependency_sets(game.couplings)
    values, policy = action_values(game, logits), joint_policy(game, logits)
    weights = np.stack([occupancy(game, logits)[:, None] * policy / 2] * 2)
    terms = game_terms(game, logits, sets)
    terms = replace(
        terms,
        critic_centralised=central**2 * terms.score,
        critic_structured=structured**2 * terms.score,
    )
    sign = np.array([1.0, -1.0])[:, None, None]
    for i in range(len(logits)):
        score = scores(game, logits, i)
        first = total_variance((values.sum(0) + central * sign)[..., None] * score, weights)
        second = total_variance(
            (values[sets.gradient[i]].sum(0) + structured * sign)[..., None] * score, weights
        )
        assert terms.centralised[i] == pytest.approx(first, rel=1e-9, abs=1e-9)
        assert terms.difference[i] == pytest.approx(first - second, rel=1e-9, abs=1e-8)


@pytest.mark.parametrize(("rewards", "difference"), [((-1, -1), 1.5), ((1, -1), -0.5)])
def test_the_counterexamples(rewards, difference):
    """Theorem 4.2 as stated is false on both sides.

    Two logits make the squared score 1/2, twice that of one logit.
    """
    game = constant_pair(*rewards)
    logits, sets = [np.zeros((1, 2))] * 2, dependency_sets(Couplings(2))
    terms, bounds = game_terms(game, logits, sets), game_bounds(game, logits, sets)
    assert terms.difference == pytest.approx([difference] * 2)
    assert bounds.paper_lower == pytest.approx([0.5, 0.5]) and bounds.paper_upper == pytest.approx(
        [0, 0]
    )
    assert (difference > bounds.paper_upper).all() or (difference < bounds.paper_lower).all()
    assert game_terms(game, logits, sets, "state").difference == pytest.approx([0, 0])


@given(games())
@settings(max_examples=25, deadline=None)
def test_the_corrected_theorem(drawn):
    game, logits = drawn
    sets = dependency_sets(game.couplings)
    bounds, shared = game_bounds(game, logits, sets), game_terms(game, logits, sets, "shared")
    scale = 1e-10 * (1 + shared.own.max() + shared.rest.max())
    assert np.abs(shared.cross).max() < scale
    assert (bounds.lower <= shared.difference + scale).all() and (
        shared.difference <= bounds.upper + scale
    ).all()
    full = game_terms(game, logits, sets, "counterfactual")
    assert np.abs(full.difference).max() < 1e-10 * (1 + full.own.max())


@given(games())
@settings(max_examples=15, deadline=None)
def test_rewards_of_one_sign(drawn):
    """The paper's lower bound holds where no product of values is negative."""
    game, logits = drawn
    game = replace(game, rewards=tuple(-np.abs(table) for table in game.rewards))
    sets = dependency_sets(game.couplings)
    terms = game_terms(game, logits, sets)
    slack = 1e-10 * (1 + terms.own + terms.rest)
    assert (terms.difference >= terms.rest - slack).all()
    assert (terms.difference >= game_bounds(game, logits, sets).paper_lower - slack).all()


def test_the_bounds_say_something():
    """Two pairs: the other pair's reward is noise to the centralised estimator."""
    game = random_game(Couplings(4, state=[(0, 1), (2, 3)]), seed=1)
    # Policies that are close to uniform: least and largest scores are then alike.
    logits, sets = random_logits(game, scale=0.2), dependency_sets(game.couplings)
    bounds, terms = game_bounds(game, logits, sets), game_terms(game, logits, sets, "shared")
    assert (bounds.lower > 0.3 * terms.difference).all() and (
        bounds.upper < 20 * terms.difference
    ).all()


def network(num_agents, **options):
    id = f"lq-{num_agents}"
    options = checked_options(id, options)
    couplings = steady(couplings_of(id, options))
    return couplings, lq_problem(couplings, options)


def nodes(covariance, count=5):
    """Points and weights that integrate polynomials of degree nine exactly against a Gaussian."""
    points, weights = np.polynomial.hermite_e.hermegauss(count)
    dims = len(covariance)
    grid = np.stack(np.meshgrid(*[points] * dims, indexing="ij"), -1).reshape(-1, dims)
    chance = np.prod(
        np.stack(np.meshgrid(*[weights / weights.sum()] * dims, indexing="ij"), -1), -1
    ).ravel()
    return grid @ np.linalg.cholesky(covariance).T, chance


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("graph", [[], [[0, 1]]])
def test_the_identity_on_linear_networks_by_quadrature(baseline, graph):
    couplings, problem = network(2, graph=graph)
    gain, spread = np.where(problem.gain_mask, -0.2, 0.0), 0.4
    net, sets = gaussian_network(problem, gain, 0.9, spread), dependency_sets(couplings)
    z, chance = nodes(net.covariance)
    values = np.einsum("za,iab,zb->zi", z, net.forms, z) + net.constants
    terms = lq_terms(net, sets, baseline)
    for i in range(2):
        known, moved = known_actions(sets, i, baseline), sets.gradient[i]
        score = z[:, [2 + i]] * z[:, :2][:, net.seen[i]] / spread**2
        found = []
        for value in (values.sum(1), values[:, moved].sum(1)):
            if known is not None:
                # The known coordinates repeat on the grid of nodes: group by them.
                kept = np.concatenate([np.ones(2, bool), known])
                keys = np.unique(np.round(z[:, kept], 9), axis=0, return_inverse=True)[1].ravel()
                value = (
                    value - (np.bincount(keys, chance * value) / np.bincount(keys, chance))[keys]
                )
            found.append(total_variance(value[:, None] * score, chance))
        assert terms.centralised[i] == pytest.approx(found[0], rel=1e-10)
        assert terms.structured[i] == pytest.approx(found[1], rel=1e-10)
        assert terms.bias[i] < 1e-12


def test_values_of_noisy_policies_satisfy_the_bellman_equation():
    _, problem = network(2, graph=[[0, 1]])
    gain, spread = np.where(problem.gain_mask, -0.2, 0.0), 0.4
    net = gaussian_network(problem, gain, 0.9, spread)
    noise, chance = nodes(np.diag([*problem.noise_variance, spread**2, spread**2]), 3)
    for x, e in np.random.default_rng(1).normal(size=(5, 2, 2)):
        u = gain @ x + e
        following = problem.state_matrix @ x + problem.input_matrix @ u + noise[:, :2]
        z = np.hstack([following, noise[:, 2:]])
        ahead = chance @ (np.einsum("za,iab,zb->zi", z, net.forms, z) + net.constants)
        paid = -(problem.state_weights @ x**2) - problem.action_weights @ u**2
        here = np.concatenate([x, e])
        assert here @ net.forms @ here + net.constants == pytest.approx(
            paid + 0.9 * ahead, rel=1e-11
        )


def test_mistakes_are_told():
    game = random_game(chain(2))
    with pytest.raises(UserError, match="counterfactual"):
        game_terms(game, random_logits(game), dependency_sets(game.couplings), "counterfactul")
    _, problem = network(2, decay=1.5)
    with pytest.raises(UserError, match="does not settle"):
        gaussian_network(problem, np.zeros((2, 2)), 0.9, 0.3)
