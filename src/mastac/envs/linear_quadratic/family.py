"""The linear-quadratic networks `lq-N`."""

from typing import TYPE_CHECKING

import numpy as np

from mastac.envs.actuators import with_actuator
from mastac.envs.family import (
    MOST_AGENTS_WITH_FIGURES,
    AnyCouplings,
    Family,
    Figures,
    Options,
    Structure,
)
from mastac.envs.linear_quadratic.couplings import GRAPHS, lq_couplings, period_of
from mastac.envs.named_graphs import OBSERVATION, REWARD
from mastac.envs.options import (
    LARGEST_SEED,
    Option,
    count,
    edges,
    every,
    number,
    of_agents,
    positive,
)
from mastac.structure import steady

if TYPE_CHECKING:
    from mastac.envs.base import Environment


def structure(num_agents: int, options: Options) -> Structure:
    """Couplings as the options say; one action for each agent with an actuator."""
    period_of(num_agents, options)  # refused before anything is built
    state_sizes = np.ones(num_agents, int) * np.asarray(options["state_size"])
    action_sizes = with_actuator(num_agents, options["actuators"]).astype(int)
    return Structure(lq_couplings(num_agents, options), state_sizes, action_sizes)


def build(id: str, couplings: AnyCouplings, options: Options) -> "Environment":
    """The network with these options."""
    from mastac.envs.linear_quadratic.dynamics import linear_quadratic
    from mastac.envs.linear_quadratic.system import lq_system

    network = steady(couplings)
    system = lq_system(network, options)
    return linear_quadratic(network, system, options["limit"], id=id, options=options)


def figures(couplings: AnyCouplings, options: Options, seconds: float) -> Figures:
    """Reference figures, and the gain of the best structured feedback."""
    from mastac.envs.linear_quadratic.references import lq_figures

    return lq_figures(steady(couplings), options)


def has_figures(num_agents: int, options: Options) -> bool:
    """Networks whose draws repeat are as well known as small ones."""
    return num_agents <= MOST_AGENTS_WITH_FIGURES or options["repeat"] > 0


FAMILY = Family(
    id="lq-N",
    summary="a linear-quadratic network of N agents whose exact values and optimum are known",
    example="lq-8",
    options={
        "seed": Option(0, "of the matrices' entries", count(0, LARGEST_SEED)),
        "repeat": Option(0, "after how many agents the entries repeat; 0: all are drawn", count(0)),
        "actuators": Option(
            "all",
            "whose action drives its state: all, or every-K: the first of every K agents",
            every,
        ),
        "state_size": Option(
            1, "entries of each agent's state; one number or one each", of_agents(count())
        ),
        "decay": Option(
            0.65, "how much of its own state an agent keeps from step to step", number(0.0)
        ),
        "coupling": Option(
            0.25, "how much of the neighbours' states (together) enters a step", number(0.0)
        ),
        "control_cost": Option(0.1, "weight of the squared action in the reward", positive),
        "noise": Option(0.1, "standard deviation of the disturbance", number(0.0)),
        "start": Option(1.0, "standard deviation of the first state", number(0.0)),
        "limit": Option(2.0, "natural scale of the actions (they are unbounded)", positive),
        "graph": Option("ring", "who affects whom: ring or [source, target] pairs", edges(*GRAPHS)),
        "observation": Option(
            "graph",
            "who is seen by whom: graph (as states are coupled), none, or pairs",
            OBSERVATION,
        ),
        "reward": Option(
            "local", "who pays into whose reward: local, neighbours, or pairs", REWARD
        ),
        "horizon": Option(25, "steps of an episode", count()),
    },
    structure=structure,
    build=build,
    figures=figures,
    has_figures=has_figures,
)
