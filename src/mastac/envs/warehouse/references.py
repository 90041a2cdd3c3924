"""Reference figures of the warehouses: the best plan of flows and a proven bound.

Without noise an episode is one fixed sequence, and where an agent's own net supply differs from
step to step (it does with the default frequency over eight steps) the agent knows the time, so the
best decentralised policy is the best plan of flows. Where supplies repeat, a plan may need to know
more than an agent sees; the bound holds for it all the same.
"""

import time

import numpy as np
from jaxtyping import Float

from mastac.envs.family import Figures, Options
from mastac.envs.warehouse.plan import (
    PlanProgram,
    WarehouseProblem,
    simulate,
    uniform_shares,
    warehouse_problem,
)
from mastac.structure import Couplings


def best_plan(
    problem: WarehouseProblem, seconds: float = 20.0, gap: float = 1e-5
) -> tuple[Float[np.ndarray, "steps edges"], float, float]:
    """The best plan of shares found, its simulated return, and a bound on every plan's return.

    Relaxed program first, then the exact one with whole-number signs, both with tangents added
    where the solution's cost lies below the square. Between the exact programs the signs of the
    best plan are held and the plan improved, which is a convex problem.

    **Arguments:**

    - `problem`: supplies, first stocks and who sends to whom.
    - `seconds`, `gap`: the search ends after so long, or when bound and plan agree to this share.
    """
    best = uniform_shares(problem)
    best_return, _ = simulate(problem, best)
    if best.size == 0:  # nothing to decide: one plan, which is its own bound
        return best, best_return, best_return
    settled = float(
        problem.weight @ np.minimum(problem.start, 0.0) ** 2
    )  # short before anything is sent
    program, until, bound = PlanProgram(problem), time.monotonic() + seconds, -settled

    def consider(solution: np.ndarray | None) -> bool:
        """Keep a better plan; add tangents where its cost was too low. Whether any was added."""
        nonlocal best, best_return
        if solution is None:
            return False
        shares = program.shares(solution)
        value, _ = simulate(problem, shares)
        if value > best_return:
            best, best_return = shares, value
        short = solution[program.short]
        lacking = short**2 - solution[program.cost] > 1e-7
        program.add_tangents(short, lacking)
        return bool(lacking.any())

    for whole, rounds in ((False, 12), (True, 12)):
        for _ in range(rounds):
            left = until - time.monotonic()
            if left <= 0 or best_return >= bound - gap * max(1.0, -bound):
                return best, best_return, bound
            solution, cost = program.solve(whole, left)
            bound = min(bound, -settled - cost)
            more = consider(solution)
            for _ in range(6):
                _, stocks = simulate(problem, best)
                held, _ = program.solve(
                    False, max(0.1, until - time.monotonic()), (stocks[1:] >= 0).astype(float)
                )
                if not consider(held):
                    break
            if not more:
                break
    return best, best_return, bound


def noisy_return(
    problem: WarehouseProblem, shares: np.ndarray, noise: float, episodes: int = 256, seed: int = 2
) -> float:
    """Mean return of a plan of shares when the supplies are noisy, over sampled episodes."""
    if noise == 0:
        return simulate(problem, shares)[0]
    random = np.random.default_rng(seed)
    supplies = problem.supply + noise * random.standard_normal((episodes, *problem.supply.shape))
    return float(np.mean([simulate(problem, shares, supply)[0] for supply in supplies]))


def warehouse_figures(
    couplings: Couplings,
    values: Options,
    seconds: float = 20.0,
) -> Figures:
    """Reference figures of the warehouses, summed over them, and the best known plan of shares.

    With noise the figures are means over sampled episodes, the best known is that of the noiseless
    problem's plan (which follows the clock, not the stocks) and there is no bound.

    **Arguments:**

    - `couplings`, `values`: of the environment; all options.
    - `seconds`: limit of the search.
    """
    problem, noise = warehouse_problem(couplings, values), values["noise"]
    shares, _, bound = best_plan(problem, seconds)
    shares = rounded_shares(problem, shares)
    simple = noisy_return(problem, uniform_shares(problem), noise)
    policies = (
        {"no transfer": noisy_return(problem, np.zeros_like(shares), noise)} if problem.keep else {}
    )
    figures = {
        "simple": simple,
        "best_known": max([noisy_return(problem, shares, noise), simple, *policies.values()]),
        "bound": None if noise else bound,
        "policies": policies,
        "notes": NOISY_NOTES if noise else NOTES,
    }
    return figures, shares


def rounded_shares(problem: WarehouseProblem, shares: np.ndarray, digits: int = 5) -> np.ndarray:
    """Shares with few digits that still sum to at most one (exactly one where nothing may stay)."""
    coarse = np.floor(np.clip(shares, 0, 1) * 10**digits) / 10**digits
    if problem.keep:
        return coarse
    sums = np.stack([np.bincount(problem.source, step, problem.num_agents) for step in coarse])
    last = {int(source): edge for edge, source in enumerate(problem.source)}
    for source, edge in last.items():
        coarse[:, edge] += 1 - sums[:, source]
    return np.round(coarse, digits)


NOTES = (
    "Simple: the uniform split. Best known: the best plan of flows found. Bound: no plan returns "
    "more (mixed-integer program with the squared shortages replaced by tangents from below)."
)
NOISY_NOTES = (
    "Simple: the uniform split. Best known: the best plan of flows without noise. "
    "Means over sampled episodes."
)
