"""Computers: the simulator against the exact chain, dynamic programming against enumeration."""

import dataclasses
import itertools
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.examples import figures_of
from mastac.envs import make, rollout_return
from mastac.envs.computers.exact import (
    INFECTED,
    ComputersProblem,
    best_local,
    expected,
    moved,
    observation_codes,
    optimum,
    own_play,
    plan_of,
    problem_of,
    returns_of,
    threshold_plan,
)
from mastac.envs.computers.references import alone_bound, computers_figures, simulated_return
from mastac.structure import steady

share = st.floats(0, 1)


@st.composite
def problems(draw, num_agents=2, horizon=3):
    """Any few computers, on any graph."""
    flags = draw(st.lists(st.booleans(), min_size=num_agents**2, max_size=num_agents**2))
    infects = np.array(flags).reshape(num_agents, num_agents) & ~np.eye(num_agents, dtype=bool)
    names = ("spread", "outbreak", "failure", "start", "infected_earnings")
    rates = {name: draw(share) for name in names}
    observed = [[i, *np.flatnonzero(infects[i]).tolist()] for i in range(num_agents)]
    return ComputersProblem(
        infects, observed, **rates, restart_cost=draw(st.floats(0, 4)), horizon=horizon
    )


def problem_behind(env):
    return problem_of(steady(env.couplings), env.options)


def chances(problem, conditions, restarts):
    """Each computer's chances of working, being infected and having failed next, by the rules."""
    found = []
    for i, condition in enumerate(conditions):
        if restarts[i]:
            found.append((1.0, 0.0, 0.0))
        elif condition == 0:
            escape = 1 - problem.outbreak
            for j, other in enumerate(conditions):
                if problem.infects[i, j] and other == INFECTED and not restarts[j]:
                    escape *= 1 - problem.spread
            found.append((escape, 1 - escape, 0.0))
        else:
            found.append(
                (0.0, 1 - problem.failure, problem.failure)
                if condition == INFECTED
                else (0.0, 0.0, 1.0)
            )
    return found


def paid(problem, conditions, restarts):
    earnings = (1.0, problem.infected_earnings, 0.0)
    return [
        -problem.restart_cost if r else earnings[c]
        for c, r in zip(conditions, restarts, strict=True)
    ]


def exhaustive(problem, conditions, left):
    """The best total return from here on, by going through all choices and all outcomes."""
    if left == 0:
        return 0.0
    n, best = problem.num_agents, -np.inf
    for restarts in itertools.product((False, True), repeat=n):
        total, rows = (
            sum(paid(problem, conditions, restarts)),
            chances(problem, conditions, restarts),
        )
        for after in itertools.product(range(3), repeat=n):
            chance = np.prod([row[c] for row, c in zip(rows, after, strict=True)])
            total += chance * exhaustive(problem, after, left - 1) if chance else 0.0
        best = max(best, total)
    return best


@given(problem=problems(horizon=2))
@settings(max_examples=15)
def test_dynamic_programming_against_enumeration(problem):
    start = {0: 1 - problem.start, 1: problem.start, 2: 0.0}
    wanted = sum(
        start[one] * start[other] * exhaustive(problem, (one, other), 2)
        for one in range(2)
        for other in range(2)
    )
    best, plan = optimum(problem)
    assert best == pytest.approx(wanted, abs=1e-9)
    assert returns_of(problem, plan).sum() == pytest.approx(best, abs=1e-9)


def test_dynamic_programming_against_enumeration_of_three_steps():
    values = make("computers-2", horizon=3).options
    problem = problem_behind(make("computers-2", **values))
    infected = problem.start
    wanted = sum(
        (infected if one else 1 - infected)
        * (infected if other else 1 - infected)
        * exhaustive(problem, (one, other), 3)
        for one in range(2)
        for other in range(2)
    )
    assert optimum(problem)[0] == pytest.approx(wanted, abs=1e-9)


@given(problem=problems(num_agents=3), seed=st.integers(0, 2**31))
@settings(max_examples=15)
def test_the_product_of_factors_is_the_chain(problem, seed):
    random = np.random.default_rng(seed)
    joint = list(itertools.product(range(3), repeat=3))
    restarts = random.random((27, 3)) < 0.5
    kernel = np.array(
        [
            [
                np.prod([row[c] for row, c in zip(chances(problem, now, do), after, strict=True)])
                for after in joint
            ]
            for now, do in zip(joint, restarts, strict=True)
        ]
    )
    assert problem.conditions.tolist() == [list(each) for each in joint]
    factors, values, before = (
        problem.factors(restarts),
        random.standard_normal((27, 2)),
        random.random(27),
    )
    assert expected(values, factors) == pytest.approx(kernel @ values)
    assert moved(before, factors) == pytest.approx(before @ kernel)
    assert problem.earned(restarts).tolist() == [
        paid(problem, *each) for each in zip(joint, restarts, strict=True)
    ]


@given(problem=problems(num_agents=3, horizon=4), seed=st.integers(0, 2**31))
@settings(max_examples=15)
def test_no_plan_passes_the_optimum_and_no_optimum_the_bound(problem, seed):
    random = np.random.default_rng(seed)
    best, _ = optimum(problem)
    for _ in range(5):
        assert returns_of(problem, random.random((4, 27, 3)) < random.random()).sum() <= best + 1e-9
    assert best <= alone_bound(problem) + 1e-9
    apart = dataclasses.replace(problem, spread=0.0)
    assert optimum(apart)[0] == pytest.approx(alone_bound(apart))


@given(problem=problems())
@settings(max_examples=10)
def test_nobody_gains_by_leaving_own_play(problem):
    plan, most = own_play(problem)
    returns = returns_of(problem, plan)
    for time, joint, agent in np.ndindex(plan.shape):
        other = plan.copy()
        other[time, joint, agent] ^= True
        assert returns_of(problem, other)[agent] <= returns[agent] + most + 1e-9


def test_the_best_of_all_plans_that_see_only_the_own_computer():
    """Two computers, two steps, own conditions: all 4096 plans, against coordinate ascent."""
    rates = {"spread": 1.0, "outbreak": 0.0, "failure": 0.5, "start_infected": 0.5}
    costs = {"infected_earnings": 0.5, "restart_cost": 0.5}
    problem = problem_behind(make("computers-2", observation="none", horizon=2, **rates, **costs))
    codes = observation_codes(problem)
    assert codes.tolist() == problem.conditions.tolist()
    plans = [
        np.array(bits).reshape(2, 2, 3)[:, np.arange(2), codes]
        for bits in itertools.product((False, True), repeat=12)
    ]
    best = max(returns_of(problem, plan).sum() for plan in plans)
    bound, start = optimum(problem)
    found, plan = best_local(problem, [start, threshold_plan(problem, 2, 0)])
    assert found == pytest.approx(best) and found < bound - 1e-3
    assert any(np.array_equal(plan, each) for each in plans)


def test_transitions_against_the_simulator():
    """30 conditions and choices, 20,000 steps of each: frequencies within five standard errors."""
    env = make("computers-3", graph=[[0, 1], [2, 1], [1, 2]])
    problem, random, count = problem_behind(env), np.random.default_rng(0), 20_000
    joint, restarts = random.integers(0, 27, 30), random.random((27, 3)) < 0.4
    states, actions = np.eye(3)[problem.conditions[joint]], np.eye(2)[restarts[joint].astype(int)]

    @jax.jit
    def frequencies(state, actions, key):
        keys = jax.random.split(key, count)
        after = jax.vmap(lambda key: env.step(state, actions, 0, key))(keys)
        return after.mean(0), jnp.einsum("ka,kb->ab", after[:, 1], after[:, 2]) / count

    wanted = problem.factors(restarts)[joint]
    for number, (state, choice) in enumerate(zip(states, actions, strict=True)):
        given = jnp.asarray(state, jnp.float32), jnp.asarray(choice, jnp.float32)
        alone, together = frequencies(*given, jax.random.key(number))
        for found, chance in (
            (alone, wanted[number]),
            (together, np.outer(wanted[number, 1], wanted[number, 2])),
        ):
            slack = 5 * np.sqrt(chance * (1 - chance) / count) + 1e-6
            assert (np.abs(np.asarray(found) - chance) <= slack).all()
        assert np.asarray(env.reward(*given, 0)) == pytest.approx(
            problem.earned(restarts)[joint[number]]
        )


@cache
def four():
    env = make("computers-4", horizon=8)
    return env, problem_behind(env)


def test_plans_return_in_the_simulator_what_they_are_said_to():
    """The optimum, own play and the best local plan, within four standard errors; observations."""
    env, problem = four()
    bound, plan = optimum(problem)
    local, local_plan = best_local(problem, [plan])
    plans = jnp.asarray(np.stack([plan, own_play(problem)[0], local_plan]).astype(int))
    codes, powers = observation_codes(problem), 3 ** np.arange(4)[::-1]

    def play(plan, key):
        def act(obs, state, time):
            return jax.nn.one_hot(plan[time, state.argmax(1) @ powers], 2)

        return rollout_return(env, act, key)

    returns = np.asarray(
        jax.jit(jax.vmap(jax.vmap(play, (None, 0)), (0, None)))(
            plans, jax.random.split(jax.random.key(0), 6000)
        )
    )
    for found, plan in zip(returns, np.asarray(plans).astype(bool), strict=True):
        assert (
            np.abs(found.mean(0) - returns_of(problem, plan)).max()
            < 4.5 * found.std(0).max() / 6000**0.5
        )
    assert local <= bound and local == pytest.approx(returns_of(problem, local_plan).sum())
    for joint in (0, 17, 80):
        obs = np.asarray(
            env.observe(jnp.asarray(np.eye(3)[problem.conditions[joint]], jnp.float32), 6)
        )
        seen = obs[:, :9].reshape(4, 3, 3).argmax(2) @ 3 ** np.arange(3)
        assert seen.tolist() == codes[joint].tolist() and obs[:, 9].tolist() == [0.75] * 4


def test_the_plan_of_a_policy_of_observations():
    """The plan of a network makes the choices that the network makes, and returns as much."""
    env = make("computers-3", graph=[[0, 1], [2, 1], [1, 2]], horizon=5)
    problem, weights = problem_behind(env), np.random.default_rng(0).standard_normal((3, 10, 2))

    def act(obs, xp=np):
        chosen = xp.einsum("ai,aio->ao", obs, weights[:, : obs.shape[1]]).argmax(1)
        return xp.eye(2)[chosen]

    plan = plan_of(problem, act)
    play = jax.jit(
        jax.vmap(lambda key: rollout_return(env, lambda obs, state, time: act(obs, jnp), key))
    )
    returns = np.asarray(play(jax.random.split(jax.random.key(1), 6000)))
    assert 0.1 < plan.mean() < 0.9
    assert (
        np.abs(returns.mean(0) - returns_of(problem, plan)).max()
        < 4.5 * returns.std(0).max() / 6000**0.5
    )


def test_simulated_thresholds_against_exact_ones():
    _, problem = four()
    for until in ((8, 0), (6, 4), (0, 0)):
        exact = returns_of(problem, threshold_plan(problem, *until)).sum()
        assert simulated_return(problem, *until, episodes=20_000, seed=3) == pytest.approx(
            exact, abs=0.15
        )


@pytest.mark.parametrize("num_agents", [3, 4])
def test_cooperation_pays(num_agents):
    """The defaults: alone nobody cleans an infected computer, together they do, and earn more."""
    env = make(f"computers-{num_agents}")
    figures, problem = figures_of(env), problem_behind(env)
    assert figures.bound is not None
    own = figures.policies["each for its own return"]
    assert (
        max(figures.simple, own) < 0.85 * figures.bound < 0.99 * figures.bound < figures.best_known
    )
    sees_all = num_agents == 3
    assert (figures.best_known == figures.bound) == sees_all
    infected = problem.conditions == INFECTED
    together, alone = optimum(problem)[1], own_play(problem)[0]
    assert not (alone & infected).any() and (together & infected).any()
    assert returns_of(problem, alone).sum() == pytest.approx(own)


def test_figures_of_many_computers():
    env = make("computers-30")
    figures, until = computers_figures(steady(env.couplings), env.options)
    assert figures["simple"] < figures["best_known"] < figures["bound"]
    again = simulated_return(problem_behind(env), *until.tolist(), episodes=2000, seed=9)
    assert again == pytest.approx(figures["best_known"], rel=0.01)
