"""Finite games against loops over joint states, sums of series and all policies."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mastac.errors import UserError
from mastac.structure import Couplings, ring
from mastac.theory.comparison import complex_slopes
from mastac.theory.example_games import infection_ring, random_game, random_logits
from mastac.theory.games import (
    action_values,
    closed_loop,
    expected_return,
    joint_policy,
    occupancy,
    optimum,
    policy_gradient,
    state_values,
)
from theory.games import by_loops, games


def exactly(values):
    return pytest.approx(values, rel=1e-11, abs=1e-12)


@given(games(most=3))
@settings(max_examples=6, deadline=None)
def test_joint_tables_are_products_of_the_local_ones(drawn):
    game, logits = drawn
    law, paid, policy = by_loops(game, logits)
    assert game.kernel == exactly(law)
    assert game.reward_table == exactly(paid)
    assert joint_policy(game, logits) == exactly(policy)
    assert game.kernel.sum(-1) == pytest.approx(1, abs=1e-12) and game.start.sum() == pytest.approx(
        1, abs=1e-12
    )


@given(games(most=3))
@settings(max_examples=15, deadline=None)
def test_values_satisfy_the_bellman_equation_and_windows_sum_to_them(drawn):
    game, logits = drawn
    policy, values = joint_policy(game, logits), action_values(game, logits)
    following = np.einsum("xay,yb,nyb->nxa", game.kernel, policy, values)
    assert values == exactly(game.reward_table + game.discount * following)
    assert action_values(game, logits, steps=0) == pytest.approx(game.reward_table)
    long = action_values(game, logits, steps=400)
    assert long == pytest.approx(values, rel=1e-9, abs=1e-9)


@given(games(most=3))
@settings(max_examples=15, deadline=None)
def test_return_and_occupancy_against_a_long_walk(drawn):
    game, logits = drawn
    loop, law = closed_loop(game, logits), game.start
    reward = np.einsum("sa,nsa->s", joint_policy(game, logits), game.reward_table)
    total, visits = 0.0, np.zeros_like(law)
    for time in range(400):
        total, visits = (
            total + game.discount**time * law @ reward,
            visits + game.discount**time * law,
        )
        law = law @ loop
    assert expected_return(game, logits) == pytest.approx(total, rel=1e-9, abs=1e-9)
    assert occupancy(game, logits) == pytest.approx((1 - game.discount) * visits, abs=1e-9)
    assert state_values(game, logits).sum(0) @ game.start == pytest.approx(
        total, rel=1e-9, abs=1e-9
    )


def test_complex_steps_are_derivatives():
    game = random_game(Couplings(2, state=[(0, 1)], observation=[(1, 0)]), seed=4)
    logits = random_logits(game, 5)
    slopes = complex_slopes(lambda tables: np.asarray(expected_return(game, tables)), logits, 0)
    for place in np.ndindex(logits[0].shape):
        moved = []
        for step in (1e-5, -1e-5):
            table = logits[0].copy()
            table[place] += step
            moved.append(expected_return(game, [table, logits[1]]))
        assert slopes[place] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_is_that_of_all_deterministic_policies(seed):
    game = random_game(Couplings(2, state=[(0, 1)], reward=[(1, 0)]), seed, num_actions=(2, 1))
    team, everywhere = game.reward_table.sum(0), np.arange(game.joint_states)
    returns = {}
    for chosen in itertools.product(range(game.joint_actions), repeat=game.joint_states):
        loop = game.kernel[everywhere, chosen]
        values = np.linalg.solve(
            np.eye(game.joint_states) - game.discount * loop, team[everywhere, chosen]
        )
        returns[chosen] = values @ game.start
    best, policy = optimum(game)
    assert best == pytest.approx(max(returns.values()), rel=1e-12)
    assert returns[tuple(policy.tolist())] == pytest.approx(best, rel=1e-12)


def test_infected_computers_by_hand():
    game = infection_ring(3, failure=0.1, infection=0.2, repair=0.9, price=0.5)
    assert (
        game.couplings.state.toarray().all()
        and (game.couplings.action.toarray() == np.eye(3)).all()
    )
    both_failed = game.kernel[0b011, 0b000].reshape(2, 2, 2)
    assert both_failed.sum((1, 2)) == pytest.approx(
        [0.5, 0.5]
    )  # the working one fails with 0.1 + 2 * 0.2
    assert both_failed[:, 1, 1].sum() == pytest.approx(1)  # failed ones stay so
    rebooted = game.kernel[0b011, 0b111].reshape(2, 2, 2)
    assert rebooted[0, 0, 0] == pytest.approx(0.9**3)
    assert game.reward_table[:, 0b011, 0b010] == pytest.approx([1, -0.5, 0])


def test_the_optimum_of_the_ring_bounds_every_policy_and_gradient_ascent_comes_near():
    game = infection_ring(4)
    best, chosen = optimum(game)
    assert (
        chosen[0] == 0 and chosen[-1] == game.joint_actions - 1
    )  # nobody reboots a working ring, all a failed one
    logits = [np.zeros((*game.table_shape("observation", None, i), 2)) for i in range(4)]
    simple = expected_return(game, logits)
    for _ in range(150):
        logits = [
            table + slope
            for table, slope in zip(logits, policy_gradient(game, logits), strict=True)
        ]
    learnt = expected_return(game, logits)
    assert simple < learnt < best
    assert learnt - simple > 0.9 * (best - simple)


def test_mistakes_are_told_by_name():
    game = random_game(Couplings(["pump", "tank"], state=[("pump", "tank")]))
    with pytest.raises(UserError, match="transition table of 'tank' has shape"):
        replace(game, transitions=(game.transitions[0], game.transitions[0]))
    with pytest.raises(UserError, match="start table of 'pump' holds no probabilities"):
        replace(game, starts=(np.array([0.5, 0.6]), game.starts[1]))
    with pytest.raises(UserError, match="below 1"):
        replace(game, discount=1.0)
    with pytest.raises(UserError, match="too large to enumerate"):
        random_game(ring(12))
    with pytest.raises(UserError, match="must be probabilities"):
        infection_ring(4, infection=0.6)


@given(st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_random_games_repeat(seed):
    one, two = (random_game(ring(3), seed) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one.transitions, two.transitions, strict=True))
