"""Exact figures of rings of computers: `python benchmarks/computers.py [option=value …]`.

For three to six computers the simple policy, own play (a Markov perfect equilibrium: everybody knows all and looks
after its own return), the best policies found that see neighbours alone, and the optimum; returns of the team.
"""

import json
import sys
import time

import mastac
from common import write


def main() -> None:
    options = {name: json.loads(value) for name, _, value in (each.partition("=") for each in sys.argv[1:])}
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
        rows.append([num_agents, several[0], figures.simple, *several[1:], figures.best_known, figures.bound, seconds])
    header = ["agents", "nothing", "simple", "restart_infected", "own_play", "neighbours_alone", "optimum", "seconds"]
    write("computers", header, rows)


if __name__ == "__main__":
    main()
