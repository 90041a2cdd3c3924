"""Exact returns on rings of three to six computers.

    python benchmarks/computers.py [option=value …]
    python benchmarks/computers.py trained RUN …

The first form gives returns of the team for simple policies, for an equilibrium (every agent knows
all and maximises its own return), for the best known policies that see neighbours alone, and for
the optimum. The second gives what every seed of trained runs returns, computed exactly and without
episodes, beside the optimum.
"""

import json
import sys
import time

import mastac
from common import write
from mastac.envs.computers.exact import plan_of, problem_of, returns_of
from mastac.structure import steady


def trained(folders: list[str]) -> None:
    """Exact returns of the greedy policies of runs."""
    rows = []
    for folder in folders:
        run = mastac.load(folder)
        figures = run.env.reference()
        assert figures is not None and figures.bound is not None
        problem = problem_of(steady(run.env.couplings), run.env.options)
        for seed in run.config.seeds:
            value = float(returns_of(problem, plan_of(problem, run.policy(seed).act)).sum())
            shortfall = 1 - value / figures.bound
            start = [run.config.env, run.config.algorithm, run.summary["env_steps"]]
            rows.append([*start, seed, value, shortfall])
    header = ["env", "algorithm", "env_steps", "seed", "exact_return", "below_the_optimum"]
    write("computers-trained", header, rows)


def main() -> None:
    if sys.argv[1:2] == ["trained"]:
        trained(sys.argv[2:])
        return
    pairs = [argument.split("=", 1) for argument in sys.argv[1:]]
    options = {name: json.loads(value) for name, value in pairs}
    rows = []
    for num_agents in (3, 4, 5, 6):
        env = mastac.make(f"computers-{num_agents}", **options)
        began = time.perf_counter()
        figures = env.reference()
        assert figures is not None
        seconds = time.perf_counter() - began
        names = ("leave all alone", "restart the infected, too", "each for its own return")
        nothing, infected, own = (figures.policies.get(name, "") for name in names)
        policies = [nothing, figures.simple, infected, own, figures.best_known, figures.bound]
        rows.append([num_agents, *policies, seconds])
    header = ["agents", "nothing", "simple", "restart_infected", "own_play", "neighbours_alone"]
    header += ["optimum", "seconds"]
    write("computers", header, rows)


if __name__ == "__main__":
    main()
