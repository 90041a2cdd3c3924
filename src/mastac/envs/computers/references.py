"""Reference figures of the computers: exact ones of few, simulated ones and a bound of many."""

import dataclasses

import numpy as np

from mastac.envs.computers.exact import (
    FAILED,
    INFECTED,
    MOST_COMPUTERS,
    ComputersProblem,
    best_local,
    optimum,
    own_play,
    problem_of,
    returns_of,
    threshold_plan,
)
from mastac.envs.family import Figures, Options
from mastac.structure import Couplings

MOST_FOR_OWN_PLAY = 5
EPISODES = 512
"""Of each policy that is tried; figures are from sixteen times as many, up to `MOST_SIMULATED`."""
MOST_SIMULATED = 400_000
"""Computers times episodes of a simulation."""


def computers_figures(couplings: Couplings, values: Options) -> Figures:
    """Reference figures, and the best known plan `[time, joint, agents]`.

    Up to `MOST_COMPUTERS` computers: exact. Of more: simulated thresholds, whose two times are the
    witness.
    """
    problem = problem_of(couplings, values)
    return _exact(problem) if problem.num_agents <= MOST_COMPUTERS else _simulated(problem)


def _exact(problem: ComputersProblem) -> Figures:
    end = problem.horizon
    bound, plan = optimum(problem)
    simple, always, never = (
        threshold_plan(problem, *until) for until in ((end, 0), (end, end), (0, 0))
    )
    policies = {
        "restart the infected, too": float(returns_of(problem, always).sum()),
        "leave all alone": float(returns_of(problem, never).sum()),
    }
    notes = "Simple: restart what has failed. "
    notes += "Bound: the optimum with full information (dynamic programming). "
    if problem.num_agents <= MOST_FOR_OWN_PLAY:
        own, gain = own_play(problem)
        policies["each for its own return"] = float(returns_of(problem, own).sum())
        kind = (
            "a Markov perfect equilibrium"
            if gain == 0
            else f"nobody gains more than {gain:.2g} by deviating once"
        )
        notes += f"Each for its own return: {kind}, with full information. "
    if all(len(seen) == problem.num_agents for seen in problem.observed):
        best, witness = bound, plan
        notes += "Best known: the bound, for everybody observes all. All exact."
    else:
        best, witness = best_local(
            problem, [plan, simple, always] if problem.num_agents < MOST_COMPUTERS else [plan]
        )
        notes += "Best known: the best policies found that see what the agents observe "
        notes += "(coordinate ascent). All exact."
    figures = {
        "simple": float(returns_of(problem, simple).sum()),
        "best_known": best,
        "bound": bound,
        "policies": policies,
        "notes": notes,
    }
    return figures, witness


def _simulated(problem: ComputersProblem) -> Figures:
    """The best of a grid of thresholds, simulated."""
    end = problem.horizon
    times = range(end, max(0, end - 10) - 1, -2)
    untils = [(failed, infected) for failed in times for infected in (*times, 0)]
    trials = [simulated_return(problem, *until, episodes=EPISODES, seed=0) for until in untils]
    best = untils[int(np.argmax(trials))]
    simple, known = (
        simulated_return(problem, *until, episodes=16 * EPISODES, seed=1)
        for until in ((end, 0), best)
    )
    figures = {
        "simple": simple,
        "best_known": max(simple, known),
        "bound": alone_bound(problem),
        "policies": {},
        "notes": "Simple: restart what has failed. Best known: restart what has failed before one "
        f"time and what is infected before another ({best[0]} and {best[1]}). Both simulated. "
        "Bound: every computer by itself, without neighbours to infect it.",
    }
    return figures, np.array(best)


def alone_bound(problem: ComputersProblem) -> float:
    """A bound for any number of computers: the optimum if nobody could infect another.

    With the same random numbers and choices a computer without infectious neighbours is never in a
    worse condition, and a better condition never earns less.
    """
    alone = dataclasses.replace(problem, infects=np.zeros((1, 1), bool), observed=[[0]])
    return problem.num_agents * optimum(alone)[0]


def simulated_return(
    problem: ComputersProblem, failed_until: int, infected_until: int, episodes: int, seed: int
) -> float:
    """Mean total return of a [`threshold_plan`][mastac.envs.computers.exact.threshold_plan].

    Simulated in numpy, all episodes at once.
    """
    from scipy.sparse import csr_array

    random, n = np.random.default_rng(seed), problem.num_agents
    count = max(1, min(episodes, MOST_SIMULATED // n))
    infects = csr_array(problem.infects.astype(float))
    condition = (random.random((n, count)) < problem.start).astype(int) * INFECTED
    total = 0.0
    for time in range(problem.horizon):
        infected, failed = condition == INFECTED, condition == FAILED
        restarted = (failed & (time < failed_until)) | (infected & (time < infected_until))
        earned = np.array([1.0, problem.infected_earnings, 0.0])[condition]
        total += float(np.where(restarted, -problem.restart_cost, earned).sum()) / count
        around = infects @ (infected & ~restarted).astype(float)
        caught = 1 - (1 - problem.outbreak) * (1 - problem.spread) ** around
        chance = random.random((n, count))
        ill = np.where(chance < problem.failure, FAILED, INFECTED)
        left = np.where(
            failed, FAILED, np.where(infected, ill, np.where(chance < caught, INFECTED, 0))
        )
        condition = np.where(restarted, 0, left)
    return total
