"""Networks of few computers solved exactly, by dynamic programming over joint conditions (numpy).

Given all conditions and choices the computers move independently, so the kernel of the joint chain
is a product. It is kept as its factors and never multiplied out: expectations take up one computer
after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from mastac.structure import Couplings

WORKING, INFECTED, FAILED = range(3)
CONDITIONS = 3
MOST_COMPUTERS = 6
"""Six have 729 joint conditions and 64 joint choices; one more: three times and twice as many."""

Values = Float[np.ndarray, "joint ..."]
Restarts = Bool[np.ndarray, "joint agents"]
Plan = Bool[np.ndarray, "time joint agents"]
"""Who restarts, at every time and in every joint condition."""


@dataclass(frozen=True)
class ComputersProblem:
    """The Markov chain behind `computers-N` ([`mastac.envs.computers.dynamics.computers`][]).

    Joint conditions are numbered in base 3, the first computer's digit leading.

    **Arguments:**

    - `infects`: `infects[i, j]` says whether `j` may infect `i`.
    - `observed`: for each agent the agents that it observes.
    - `start`: probability that a computer is infected at the start.
    - `spread`, `outbreak`, `failure`, `infected_earnings`, `restart_cost`, `horizon`: the options
        of the same names.
    """

    infects: Bool[np.ndarray, "agents agents"]
    observed: Sequence[Sequence[int]]
    spread: float
    outbreak: float
    failure: float
    start: float
    infected_earnings: float
    restart_cost: float
    horizon: int

    @property
    def num_agents(self) -> int:
        return len(self.infects)

    @cached_property
    def conditions(self) -> Int[np.ndarray, "joint agents"]:
        """Every computer's condition in every joint condition."""
        return np.indices((CONDITIONS,) * self.num_agents).reshape(self.num_agents, -1).T

    @cached_property
    def joint_choices(self) -> Bool[np.ndarray, "choices agents"]:
        """All joint choices; bit `i` of a number says whether computer `i` restarts."""
        return (np.arange(2**self.num_agents)[:, None] >> np.arange(self.num_agents)) & 1 == 1

    @cached_property
    def first(self) -> Float[np.ndarray, " joint"]:
        """The distribution of the first joint condition."""
        return np.array([1 - self.start, self.start, 0.0])[self.conditions].prod(1)

    def factors(self, restarts: Restarts) -> Float[np.ndarray, "joint agents 3"]:
        """Distribution of every computer's next condition, from every joint condition."""
        infectious = (self.conditions == INFECTED) & ~restarts
        escape = (1 - self.outbreak) * (1 - self.spread) ** (
            infectious @ self.infects.T.astype(int)
        )
        zero, one = np.zeros(escape.shape), np.ones(escape.shape)
        rows = [
            np.stack([escape, 1 - escape, zero], -1),
            np.stack([zero, (1 - self.failure) * one, self.failure * one], -1),
            np.stack([zero, zero, one], -1),
        ]
        left = np.choose(self.conditions[..., None], rows)
        return np.where(restarts[..., None], np.array([1.0, 0.0, 0.0]), left)

    def earned(self, restarts: Restarts) -> Float[np.ndarray, "joint agents"]:
        """Every computer's reward in every joint condition."""
        earnings = np.array([1.0, self.infected_earnings, 0.0])[self.conditions]
        return np.where(restarts, -self.restart_cost, earnings)

    @cached_property
    def steps(
        self,
    ) -> list[tuple[Float[np.ndarray, "joint agents"], Float[np.ndarray, "joint agents 3"]]]:
        """Rewards and [`factors`][] of every joint choice, made in all joint conditions alike."""
        everywhere = [
            np.broadcast_to(choice, self.conditions.shape) for choice in self.joint_choices
        ]
        return [(self.earned(restarts), self.factors(restarts)) for restarts in everywhere]


def problem_of(couplings: Couplings, values: Mapping[str, Any]) -> ComputersProblem:
    """The chain of `computers-N` with all its options."""
    from mastac.envs.base import observed_agents

    infects = couplings.state.toarray()
    np.fill_diagonal(infects, False)
    names = ("spread", "outbreak", "failure", "infected_earnings", "restart_cost", "horizon")
    chosen = {name: values[name] for name in names}
    return ComputersProblem(
        infects, observed_agents(couplings), start=values["start_infected"], **chosen
    )


def expected(values: Values, factors: Float[np.ndarray, "joint agents 3"]) -> Values:
    """The expectation of next joint conditions' values, from every joint condition."""
    num_joint, num_agents, _ = factors.shape
    rest = values.shape[1:]
    left = factors[:, 0] @ values.reshape(CONDITIONS, -1)
    for agent in range(1, num_agents):
        left = (factors[:, agent, None] @ left.reshape(num_joint, CONDITIONS, -1))[:, 0]
    return left.reshape(num_joint, *rest)


def moved(
    share: Float[np.ndarray, " joint"], factors: Float[np.ndarray, "joint agents 3"]
) -> np.ndarray:
    """The distribution of joint conditions one step on."""
    left = share[:, None]
    for agent in range(factors.shape[1] - 1):
        left = (left[:, :, None] * factors[:, agent, None]).reshape(len(share), -1)
    return (left.T @ factors[:, -1]).ravel()


def returns_of(problem: ComputersProblem, plan: Plan) -> Float[np.ndarray, " agents"]:
    """Every computer's exact expected return under a plan."""
    values = np.zeros(problem.conditions.shape)
    for restarts in plan[::-1]:
        values = problem.earned(restarts) + expected(values, problem.factors(restarts))
    return problem.first @ values


def optimum(problem: ComputersProblem) -> tuple[float, Plan]:
    """The best total return when everybody knows all conditions, and a plan that attains it."""
    values, plan = np.zeros(len(problem.conditions)), []
    for _ in range(problem.horizon):
        # Bellman: the value of every joint choice [choices, joint].
        totals = np.stack(
            [earned.sum(1) + expected(values, factors) for earned, factors in problem.steps]
        )
        best = totals.argmax(0)
        values = np.take_along_axis(totals, best[None], 0)[0]
        plan.append(problem.joint_choices[best])
    return float(problem.first @ values), np.stack(plan[::-1])


def own_play(problem: ComputersProblem) -> tuple[Plan, float]:
    """A Markov perfect equilibrium: nobody gains by deviating alone at any one step.

    Everybody knows all conditions and looks after its own return. By backward induction; of several
    equilibria of a step the one that is best for the team.

    **Returns:**

    The plan, and the most that anybody could gain at a step and condition: 0 unless some step has
    no equilibrium in pure choices, where the choices nearest to one are taken.
    """
    choices, agents = problem.joint_choices, np.arange(problem.num_agents)
    deviations = np.arange(len(choices))[:, None] ^ (1 << agents)
    values, plan, worst = np.zeros(problem.conditions.shape), [], 0.0
    for _ in range(problem.horizon):
        own = np.stack([earned + expected(values, factors) for earned, factors in problem.steps])
        gains = own[deviations, :, agents].transpose(0, 2, 1) - own  # [choices, joint, agents]
        regret = gains.max(2).clip(0).round(10)
        nearest = regret == regret.min(0)
        best = np.where(nearest, own.sum(2), -np.inf).argmax(0)
        worst = max(worst, float(regret.min(0).max()))
        values = np.take_along_axis(own, best[None, :, None], 0)[0]
        plan.append(choices[best])
    return np.stack(plan[::-1]), worst


def observation_codes(problem: ComputersProblem) -> Int[np.ndarray, "joint agents"]:
    """What each agent observes in every joint condition, as a number."""
    codes = [
        problem.conditions[:, seen] @ CONDITIONS ** np.arange(len(seen))
        for seen in map(list, problem.observed)
    ]
    return np.stack(codes, 1)


def plan_of(problem: ComputersProblem, act: Callable[[np.ndarray], Any]) -> Plan:
    """A policy of observations as a plan, so that [`returns_of`][] gives its exact return.

    **Arguments:**

    - `act`: from observations as `computers-N` gives them, `[agents, obs]`, to one-hot choices,
        `[agents, 2]`; for example the `act` of a trained [`Policy`][mastac.runs.policy.Policy].
    """
    flat = np.eye(CONDITIONS)[problem.conditions]  # [joint, agents, 3]
    width = CONDITIONS * max(map(len, problem.observed)) + 1
    plan = np.zeros((problem.horizon, *problem.conditions.shape), bool)
    for time, joint in np.ndindex(plan.shape[:2]):
        obs = np.zeros((problem.num_agents, width), np.float32)
        for row, seen in zip(obs, map(list, problem.observed), strict=True):
            row[: CONDITIONS * len(seen) + 1] = [*flat[joint, seen].ravel(), time / problem.horizon]
        plan[time, joint] = np.asarray(act(obs)).argmax(1) == 1
    return plan


def threshold_plan(problem: ComputersProblem, failed_until: int, infected_until: int) -> Plan:
    """Every computer restarts if it has failed before one time, or is infected before another."""
    times = np.arange(problem.horizon)[:, None, None]
    failed, infected = problem.conditions == FAILED, problem.conditions == INFECTED
    return (failed & (times < failed_until)) | (infected & (times < infected_until))


def best_local(problem: ComputersProblem, starts: Sequence[Plan]) -> tuple[float, Plan]:
    """The best plan found in which a choice depends on the time and the observation alone.

    Coordinate ascent: what one agent does on one observation at one time is set to the better
    choice, exactly, with all else held, until nothing changes. The result cannot be bettered by any
    one such change; it may be no optimum.
    """
    codes = observation_codes(problem)
    plans = [_ascended(problem, codes, _localised(problem, codes, start)) for start in starts]
    return max(plans, key=lambda plan: plan[0])


def _localised(problem: ComputersProblem, codes: np.ndarray, plan: Plan) -> Plan:
    """For each observation the choice that the plan makes more often while it is followed."""
    share, local = problem.first, np.empty_like(plan)
    for restarts, chosen in zip(plan, local, strict=True):
        for agent, code in enumerate(codes.T):
            vote = np.bincount(code, (share + 1e-12) * np.where(restarts[:, agent], 1.0, -1.0))
            chosen[:, agent] = vote[code] > 0
        share = moved(share, problem.factors(restarts))
    return local


def _ascended(problem: ComputersProblem, codes: np.ndarray, plan: Plan) -> tuple[float, Plan]:
    """Coordinate ascent from a plan of observations, which is changed in place."""
    values, changed = np.zeros(len(codes)), True
    while changed:
        changed = False
        shares = [problem.first]
        for restarts in plan[:-1]:
            shares.append(moved(shares[-1], problem.factors(restarts)))
        values = np.zeros(len(codes))
        for restarts, share in zip(plan[::-1], shares[::-1], strict=True):
            changed |= _bettered(problem, codes, restarts, share, values)
            values = problem.earned(restarts).sum(1) + expected(values, problem.factors(restarts))
    return float(problem.first @ values), plan


def _bettered(
    problem: ComputersProblem,
    codes: np.ndarray,
    restarts: Restarts,
    share: np.ndarray,
    values: np.ndarray,
) -> bool:
    """Improve every agent's choices of one time, in place; whether any was changed."""
    changed = False
    for agent, code in enumerate(codes.T):
        worth = []
        for choice in (False, True):
            tried = restarts.copy()
            tried[:, agent] = choice
            worth.append(problem.earned(tried).sum(1) + expected(values, problem.factors(tried)))
        gain = np.bincount(code, share * (worth[1] - worth[0]))[code]
        better = np.where(np.abs(gain) > 1e-10, gain > 0, restarts[:, agent])
        changed |= bool((better != restarts[:, agent]).any())
        restarts[:, agent] = better
    return changed
