"""Exact figures of rings of computers: `python benchmarks/computers.py [option=value …]`, or `… trained RUN …`.

For three to six computers the simple policy, own play (a Markov perfect equilibrium: everybody
knows all and looks after its own return), the best policies found that see neighbours alone, and
the optimum; returns of the team. With `trained`, what every seed of the runs returns, exactly and
without episodes, beside the optimum.
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
        figures, problem = (
            run.env.reference(),
            problem_of(steady(run.env.couplings), run.env.options),
        )
        assert figures is not None and figures.bound is not None
        for seed in run.config.seeds:
            value = float(returns_of(problem, plan_of(problem, run.policy(seed).act)).sum())
            shortfall = 1 - value / figures.bound
            rows.append(
                [
                    run.config.env,
                    run.config.algorithm,
                    run.summary["env_steps"],
                    seed,
                    value,
                    shortfall,
                ]
            )
    header = ["env", "algorithm", "env_steps", "seed", "exact_return", "below_the_optimum"]
    write("computers-trained", header, rows)


def main() -> None:
    if sys.argv[1:2] == ["trained"]:
        trained(sys.argv[2:])
        return
    options = {
        name: json.loads(value) for name, _, value in (each.partition("=") for each in sys.argv[1:])
    }
    rows = []
    for num_agents in (3, 4, 5, 6):
        env = mastac.make(f"computers-{num_agents}", **options)
        began = time.perf_counter()
        figures = env.reference()
        assert figures is not None
        seconds = time.perf_counter() - began
        policies = figures.policies
        names = ("leave all alone", "restart the infected, too", "each for its own return")
        several = [policies.get(name, "") for name in names]
        rows.append(
            [
                num_agents,
                several[0],
                figures.simple,
                *several[1:],
                figures.best_known,
                figures.bound,
                seconds,
            ]
        )
    header = [
        "agents",
        "nothing",
        "simple",
        "restart_infected",
        "own_play",
        "neighbours_alone",
        "optimum",
        "seconds",
    ]
    write("computers", header, rows)


if __name__ == "__main__":
    main()
