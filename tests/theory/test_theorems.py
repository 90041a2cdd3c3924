"""Theorems 3.2, 3.6, 3.7 (a) and (b) to rounding; every check notices a missing member."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mastac.envs.graphs import couplings_of
from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.registry import checked_options
from mastac.structure import chain, steady
from mastac.theory import game_theorems, lq_theorems
from mastac.theory.example_games import random_game, random_logits
from mastac.theory.linear_quadratic import action_values, discounted_return
from mastac.theory.sets import dependency_sets
from theory.games import games

ROUNDING = 1e-11
MATTERS = 1e-9
GAME_CHECKS = [
    game_theorems.value_locality,
    game_theorems.gradient_decomposition,
    game_theorems.stochastic_policy_gradient,
]
LQ_CHECKS = [
    lq_theorems.value_locality,
    lq_theorems.gradient_decomposition,
    lq_theorems.deterministic_policy_gradient,
    lq_theorems.stochastic_policy_gradient,
]


@pytest.mark.parametrize("check", GAME_CHECKS)
@given(games(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_on_games(check, drawn, minimal):
    game, logits = drawn
    found = check(game, logits, dependency_sets(game.couplings, minimal=minimal))
    assert found.outside < ROUNDING
    assert not minimal or not found.inside < MATTERS


@given(games(), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_windows_on_games(drawn, kappa):
    """The minimal set of a window holds all that its rewards depend on, and nothing else."""
    game, logits = drawn
    found = game_theorems.value_locality(
        game, logits, dependency_sets(game.couplings, kappa), kappa
    )
    assert found.outside < ROUNDING and found.inside > MATTERS
    paper = game_theorems.value_locality(
        game, logits, dependency_sets(game.couplings, kappa, minimal=False), kappa
    )
    assert paper.outside < ROUNDING


@pytest.mark.parametrize("check", GAME_CHECKS)
@given(games(), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_a_missing_member_shows_on_games(check, drawn, agent, member):
    game, logits = drawn
    sets, n = dependency_sets(game.couplings), game.couplings.num_agents
    # An agent's own action is what its gradient is for; whoever else is in the set may be the one
    # that is missing.
    agent, member = agent % n, member % n
    assume(agent != member and sets.actions[agent, member])
    found = check(game, logits, sets.without(agent, member))
    assert found.outside > 1e-7


def network(num_agents=5, **options):
    id = f"lq-{num_agents}"
    options = checked_options(id, options)
    couplings = steady(couplings_of(id, options))
    return couplings, lq_problem(couplings, options)


def random_gain(problem, seed):
    return np.where(
        problem.free, np.random.default_rng(seed).normal(0, 0.1, problem.free.shape), 0.0
    )


edges = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(lambda e: e[0] != e[1]), max_size=5
)


@st.composite
def networks(draw):
    graphs = {
        name: [list(edge) for edge in draw(edges)] for name in ("graph", "observation", "reward")
    }
    sizes = draw(st.sampled_from([1, [2, 1, 1, 2]]))
    couplings, problem = network(4, **graphs, state_size=sizes, seed=draw(st.integers(0, 1000)))
    return couplings, problem, random_gain(problem, draw(st.integers(0, 1000)))


@pytest.mark.parametrize("check", LQ_CHECKS)
@given(networks(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_on_linear_quadratic_networks(check, drawn, minimal):
    couplings, problem, gain = drawn
    found = check(problem, gain, 0.5, dependency_sets(couplings, minimal=minimal))
    assert found.outside < ROUNDING
    assert not minimal or not found.inside < MATTERS


@pytest.mark.parametrize("check", LQ_CHECKS)
def test_a_missing_member_shows_on_linear_quadratic_networks(check):
    couplings, problem = network(4, graph=[[0, 1], [1, 2], [2, 3]])
    gain, sets = random_gain(problem, 3), dependency_sets(couplings)
    assert check(problem, gain, 0.9, sets).outside < ROUNDING
    for agent, member in ((1, 0), (3, 2), (3, 1)):
        assert check(problem, gain, 0.9, sets.without(agent, member)).outside > 1e-5


def test_a_window_is_no_exact_set():
    game = random_game(chain(4), seed=2)
    logits = random_logits(game, 3)
    for check in GAME_CHECKS:
        assert check(game, logits, dependency_sets(game.couplings)).outside < ROUNDING
        assert check(game, logits, dependency_sets(game.couplings, kappa=1)).outside > 1e-4


def test_the_papers_window_is_larger_than_it_must_be():
    """At kappa = 0 the action is given, so what the policies observe has no effect."""
    game = random_game(chain(3), seed=2)
    wide = game_theorems.value_locality(
        game, random_logits(game), dependency_sets(game.couplings, 0, minimal=False), 0
    )
    assert wide.outside == 0 and wide.inside == 0


def test_two_ways_to_the_same_forms_and_returns():
    _, problem = network(4, state_size=[1, 2, 1, 1])
    gain = random_gain(problem, 8)
    forms, values = lq_theorems.value_forms(problem, gain, 0.9), action_values(problem, gain, 0.9)
    assert forms == pytest.approx(-values.forms, rel=1e-11, abs=1e-12)
    assert lq_theorems.team_return(problem, gain, 0.9) == pytest.approx(
        discounted_return(problem, gain, 0.9)[0], rel=1e-11
    )
