"""The computers `computers-N` that infect their neighbours and fail."""

from typing import TYPE_CHECKING

import numpy as np

from mastac.envs.family import AnyCouplings, Family, Figures, Options, Structure
from mastac.envs.named_graphs import OBSERVATION, chain, couplings_on, edges_of, ring
from mastac.envs.options import Option, count, edges, number, probability
from mastac.structure import steady

if TYPE_CHECKING:
    from mastac.envs.base import Environment

GRAPHS = {"ring": ring, "chain": chain}


def structure(num_agents: int, options: Options) -> Structure:
    """A computer infects along the graph unless it is restarted, which is an action."""
    graph = edges_of(options["graph"], num_agents, GRAPHS)
    couplings = couplings_on(graph, num_agents, "computer", options)
    conditions, choices = np.full(num_agents, 3), np.full(num_agents, 2)
    return Structure(couplings, conditions, choices)


def build(id: str, couplings: AnyCouplings, options: Options) -> "Environment":
    """The computers with these options."""
    from mastac.envs.computers.dynamics import computers

    return computers(id, steady(couplings), options)


def figures(couplings: AnyCouplings, options: Options, seconds: float) -> Figures:
    """Reference figures, and who restarts when, as a plan of joint conditions or as two times."""
    from mastac.envs.computers.references import computers_figures

    return computers_figures(steady(couplings), options)


FAMILY = Family(
    id="computers-N",
    summary="computers on a ring that infect their neighbours and fail: each is left alone or "
    "restarted",
    example="computers-4",
    options={
        "spread": Option(
            0.6, "probability that an infected computer infects a neighbour in a step", probability
        ),
        "outbreak": Option(
            0.15,
            "probability that a working computer is infected from outside in a step",
            probability,
        ),
        "failure": Option(
            0.2, "probability that an infected computer fails in a step", probability
        ),
        "start_infected": Option(
            0.3, "probability that a computer is infected at the start", probability
        ),
        "infected_earnings": Option(
            0.8,
            "of an infected computer in a step, as a share of a working one's",
            probability,
        ),
        "restart_cost": Option(
            3.0, "of restarting, in steps' earnings of a working computer", number(0.0)
        ),
        "graph": Option(
            "ring", "who infects whom: ring, chain or [source, target] pairs", edges(*GRAPHS)
        ),
        "observation": Option(
            "graph", "who is seen by whom: graph (who may infect), none, or pairs", OBSERVATION
        ),
        "horizon": Option(20, "steps of an episode", count()),
    },
    structure=structure,
    build=build,
    figures=figures,
    discrete=True,
)
