"""Figures of rings whose draws repeat, against those of the whole ring."""

import numpy as np
import pytest

from mastac import UserError, memory
from mastac.envs.graphs import couplings_of
from mastac.envs.linear_quadratic.references import (
    alike_along,
    folded,
    lq_figures,
    lq_problem,
    repeating_optimum,
)
from mastac.envs.linear_system import episode_return, riccati
from mastac.envs.registry import checked_options
from mastac.structure import steady

RINGS = [
    {"repeat": 3, "actuators": "every-3", "horizon": 5},
    {"repeat": 4, "actuators": "every-2", "horizon": 3, "reward": "neighbours"},
    {"repeat": 2, "horizon": 4, "coupling": 0.5},
]
LONG = 36


def problem_of(num_agents, options):
    values = checked_options(f"lq-{num_agents}", options)
    return lq_problem(steady(couplings_of(f"lq-{num_agents}", values)), values), values


@pytest.fixture(
    params=RINGS, ids=lambda options: f"{options['repeat']}-{options.get('actuators', 'all')}"
)
def ring(request):
    return request.param


def test_draws_repeat(ring):
    problem, values = problem_of(LONG, ring)
    shift = values["repeat"]
    acts = problem.num_actions * shift // LONG
    assert np.array_equal(
        np.roll(problem.state_matrix, (shift, shift), (0, 1)), problem.state_matrix
    )
    assert np.array_equal(
        np.roll(problem.input_matrix, (shift, acts), (0, 1)), problem.input_matrix
    )
    assert len(np.unique(problem.state_matrix.diagonal())) == shift, (
        "within a period all agents differ"
    )


def test_a_long_ring_earns_what_the_short_one_does(ring):
    """The best gain of the shortest ring, laid along the whole one, and the whole one's own."""
    problem, values = problem_of(LONG, ring)
    figures, gain = lq_figures(steady(couplings_of(f"lq-{LONG}", values)), values)
    short = folded(LONG, values)
    assert 2 * values["horizon"] < short < LONG
    along = np.zeros((problem.num_actions, problem.num_states))
    acts, seen = problem.num_actions * short // LONG, short
    for row in range(problem.num_actions):
        for column in np.flatnonzero(gain[row % acts, :-1]):
            shift = (
                column - row % acts * LONG // problem.num_actions + seen // 2
            ) % seen - seen // 2
            along[row, (row * LONG // problem.num_actions + shift) % LONG] = gain[
                row % acts, column
            ]
    assert episode_return(problem, problem.affine(along))[0] / LONG == pytest.approx(
        figures["best_known"], rel=1e-12
    )
    nothing = np.zeros((problem.num_actions, problem.num_states))
    assert episode_return(problem, problem.affine(nothing))[0] / LONG == pytest.approx(
        figures["simple"], rel=1e-12
    )
    random = np.random.default_rng(0)
    for _ in range(20):  # nothing nearby is better, on the whole ring
        nudged = along + 1e-2 * random.standard_normal(along.shape) * problem.gain_mask
        assert (
            episode_return(problem, problem.affine(nudged))[0] / LONG
            < figures["best_known"]
            < figures["bound"]
        )


def test_the_optimum_by_wave_numbers_is_that_of_the_whole_ring(ring):
    problem, values = problem_of(LONG, ring)
    assert repeating_optimum(LONG, values) == pytest.approx(riccati(problem)[2] / LONG, rel=1e-12)


def test_a_mean_over_shifts_is_the_same_after_a_shift():
    problem, values = problem_of(12, RINGS[0])
    gain = problem.affine(
        np.random.default_rng(1).standard_normal((problem.num_actions, problem.num_states))
    )
    alike = alike_along(problem, gain, values)
    assert np.allclose(np.roll(alike[:, :-1], (1, 3), (0, 1)), alike[:, :-1], atol=1e-15)
    assert alike[:, :-1].mean() == pytest.approx(gain[:, :-1].mean())


def test_matrices_that_memory_does_not_hold_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 10**7)
    with pytest.raises(UserError, match=r"lq-900 take 13 MB of memory, and 10 MB are free; ask"):
        problem_of(900, {})
    assert problem_of(700, {})
