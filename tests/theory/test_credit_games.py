"""Fixed points of gradient play, against finite differences, optima and best responses."""

import dataclasses

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from mastac.envs.graphs import couplings_of
from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.linear_system import agent_returns, best_structured_gain, episode_return
from mastac.envs.registry import checked_options
from mastac.errors import UserError
from mastac.structure import Couplings, steady
from mastac.theory.credit_games import credited_fixed_point, credited_gradient, windowed_credit


def network(num_agents, acting=None, affine=False, **options):
    """Couplings and problem of `lq-N`.

    Only `acting` agents keep their actuators; `affine` adds offsets and targets.
    """
    id = f"lq-{num_agents}"
    options = checked_options(id, options)
    couplings = steady(couplings_of(id, options))
    problem = lq_problem(couplings, options)
    if acting is not None:
        keep = np.isin(problem.action_owner, acting)
        problem = dataclasses.replace(problem, input_matrix=problem.input_matrix * keep)
    if affine:
        random = np.random.default_rng(5)
        moved = {
            name: random.normal(size=problem.num_states)
            for name in ("offset", "target", "start_mean")
        }
        problem = dataclasses.replace(problem, **moved)
    return couplings, problem


def by_differences(problem, gain, credit):
    """Central differences of every owner's credited return, by every entry of the gain."""
    found, size = np.zeros(problem.free.shape), 1e-5
    for row, column in zip(*np.nonzero(problem.free), strict=True):
        nudge = np.zeros(problem.free.shape)
        nudge[row, column] = size
        change = agent_returns(problem, gain + nudge) - agent_returns(problem, gain - nudge)
        found[row, column] = credit[problem.action_owner[row]] @ change / (2 * size)
    return found


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_slopes_are_those_of_the_credited_returns(data):
    """On any graph, for any credit, with several states, targets and short episodes."""
    n = data.draw(st.integers(2, 4))
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    options = {
        "graph": data.draw(st.lists(st.sampled_from(pairs), unique=True)),
        "horizon": data.draw(st.integers(1, 6)),
    }
    options |= {
        "reward": data.draw(st.sampled_from(["local", "neighbours"])),
        "seed": data.draw(st.integers(0, 9)),
    }
    sizes = data.draw(st.lists(st.integers(1, 2), min_size=n, max_size=n))
    _, problem = network(n, affine=True, state_size=sizes, **options)
    credit = np.array(data.draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))).reshape(
        n, n
    )
    gain = np.where(problem.free, np.random.default_rng(0).normal(0, 0.2, problem.free.shape), 0.0)
    expected = by_differences(problem, gain, credit)
    assert credited_gradient(problem, gain, credit) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_slopes_with_all_credited_are_those_of_the_team():
    _, problem = network(7, affine=True, state_size=[1, 2, 1, 3, 1, 1, 2])
    gain = np.where(problem.free, np.random.default_rng(1).normal(0, 0.1, problem.free.shape), 0.0)
    everybody = np.ones((7, 7), bool)
    assert credited_gradient(problem, gain, everybody) == pytest.approx(
        episode_return(problem, gain)[1], rel=1e-10
    )


@pytest.mark.parametrize("affine", [False, True])
def test_all_credited_settles_at_the_best_structured_gain(affine):
    _, problem = network(6, affine=affine, coupling=0.5, decay=0.4)
    settled = credited_fixed_point(problem, np.ones((6, 6), bool))
    gain, best = best_structured_gain(problem)
    assert settled.converged
    assert settled.residual < 1e-9
    assert settled.gain == pytest.approx(gain, abs=1e-5)
    assert episode_return(problem, settled.gain)[0] == pytest.approx(best, rel=1e-9)


def test_own_credit_settles_where_neither_of_two_has_a_better_answer():
    """Alternating best responses, by a search that knows only returns, end at the same gains."""
    _, problem = network(2, coupling=0.6, decay=0.35, graph=[[0, 1], [1, 0]])
    gain = np.zeros((2, 2))
    for _ in range(30):
        before = gain.copy()
        for i in range(2):

            def cost(row, i=i):
                tried = gain.copy()
                tried[i] = row
                return -agent_returns(problem, tried)[i]

            search = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000}
            gain[i] = scipy.optimize.minimize(cost, gain[i], method="Nelder-Mead", options=search).x
        if np.abs(gain - before).max() < 1e-8:
            break
    settled = credited_fixed_point(problem, np.eye(2, dtype=bool), constant=False)
    assert settled.gain[:, :2] == pytest.approx(gain, abs=1e-5)
    team, _ = best_structured_gain(problem, constant=False)
    assert np.abs(settled.gain - team).max() > 1e-3, (
        "else selfish and common play were the same here"
    )


@pytest.mark.parametrize("kappa", [0, 1, None])
def test_plain_gradient_play_ends_up_there(kappa):
    """Small gradient steps of all agents at once, from zero: the fixed point attracts learners."""
    couplings, problem = network(6, acting=[0, 3], coupling=0.6, decay=0.35)
    credit, gain = windowed_credit(couplings, kappa), np.zeros((6, 7))
    for _ in range(1500):
        gain = gain + 0.01 * credited_gradient(problem, gain, credit)
    settled = credited_fixed_point(problem, credit)
    assert np.abs(settled.gain).max() > 0.1
    assert settled.gain == pytest.approx(gain, abs=1e-6)


def test_without_couplings_every_credit_is_the_same():
    _, problem = network(4, graph=[], observation="none")
    random = np.random.default_rng(3)
    own = credited_fixed_point(problem, np.eye(4, dtype=bool)).gain
    assert np.abs(own).max() > 0.1
    for _ in range(3):
        credit = np.eye(4, dtype=bool) | (random.random((4, 4)) < 0.5)
        assert credited_fixed_point(problem, credit).gain == pytest.approx(own, abs=1e-8)


def test_windows_close_the_gap_where_effects_travel():
    couplings, problem = network(10, acting=[0, 5], coupling=0.6, decay=0.3)
    _, best = best_structured_gain(problem, constant=False)
    found = [
        credited_fixed_point(problem, windowed_credit(couplings, k), constant=False).gain
        for k in (0, 1, 2, None)
    ]
    own, one, two, exact = (best - episode_return(problem, gain)[0] for gain in found)
    assert own > 3 * one > 9 * two >= 0
    assert exact == pytest.approx(0, abs=1e-8 * abs(best))


def test_who_cannot_act_does_not():
    _, problem = network(6, acting=[0, 3])
    gain = credited_fixed_point(problem, np.ones((6, 6), bool)).gain
    assert np.abs(gain[[1, 2, 4, 5]]).max() < 1e-8 < 0.1 < np.abs(gain[[0, 3]]).max()


HARD = {
    "coupling": 0.05,
    "decay": 0.95,
    "seed": 3,
}  # one that explodes is steadied by its neighbours alone


def test_what_has_not_settled_says_so_and_more_steps_mend_it():
    couplings, problem = network(10, acting=range(0, 10, 2), **HARD)
    credit = windowed_credit(couplings, 2)
    early = credited_fixed_point(problem, credit, constant=False, damped=(8,))
    assert not early.converged
    assert early.residual > 1e-3
    late = credited_fixed_point(problem, credit, constant=False)
    assert late.converged
    by_size = (
        np.abs(by_differences(problem, late.gain, credit)).max()
        / np.abs(by_differences(problem, 0 * late.gain, credit)).max()
    )
    assert by_size < 1e-7


def test_bad_input_is_named():
    _, problem = network(3)
    with pytest.raises(UserError, match="3 rows of 3 agents"):
        credited_fixed_point(problem, np.ones((2, 2), bool))
    changing = dataclasses.replace(
        problem, schedule=np.stack([problem.state_matrix] * problem.horizon)
    )
    with pytest.raises(UserError, match="stays the same"):
        credited_gradient(changing, np.zeros((3, 4)), np.ones((3, 3), bool))


def test_credit_follows_the_couplings():
    line = Couplings(3, state=[(0, 1), (1, 2)], action=[], reward_action=[])
    assert windowed_credit(line, None).astype(int).tolist() == [[1, 1, 1], [0, 1, 1], [0, 0, 1]]
    assert windowed_credit(line, 0).astype(int).tolist() == np.eye(3, dtype=int).tolist()
