"""The warehouses `warehouse-N` and the paper's nine, `warehouse-9`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mastac.envs.family import AnyCouplings, Family, Figures, Options, Structure
from mastac.envs.named_graphs import OBSERVATION, REWARD, Edges, couplings_on, edges_of, ring
from mastac.envs.options import Option, choice, count, counted, edges, number, of_agents, plain
from mastac.errors import UserError, unknown
from mastac.structure import steady

if TYPE_CHECKING:
    from mastac.envs.base import Environment

# Source -> target, numbered from 1. From the public code of Jing et al., "Distributed multiagent
# reinforcement learning based on graph-induced local value functions" (IEEE TAC, 2024), the
# ancestor of the paper's example. The paper's own Figure 10 is not available to us, so that it
# shows this graph is unverified; the graph agrees with everything that the text says of it.
JING_GRAPH = (
    (1, 2),
    (2, 1),
    (2, 3),
    (3, 4),
    (4, 3),
    (5, 3),
    (5, 6),
    (5, 7),
    (6, 5),
    (7, 8),
    (8, 9),
    (9, 7),
)


def jing(num_agents: int) -> Edges:
    """The graph of the nine warehouses."""
    return [(source - 1, target - 1) for source, target in JING_GRAPH]


GRAPHS = {"ring": ring, "jing": jing}


def structure(num_agents: int, options: Options) -> Structure:
    """Stock flows along the graph, and what is sent is an action: the shares of each receiver."""
    graph = edges_of(options["graph"], num_agents, GRAPHS)
    couplings = couplings_on(graph, num_agents, "warehouse", options)
    # The warehouse itself is among the receivers where a share may stay.
    receivers = np.bincount(couplings.state.indices, minlength=num_agents)
    return Structure(couplings, np.full(num_agents, 2), receivers - (options["share"] == "send"))


def build(id: str, couplings: AnyCouplings, options: Options) -> "Environment":
    """The warehouses with these options."""
    from mastac.envs.warehouse.dynamics import warehouse

    return warehouse(id, steady(couplings), options)


def figures(couplings: AnyCouplings, options: Options, seconds: float) -> Figures:
    """Reference figures, and the shares at every step and edge of the best plan found."""
    from mastac.envs.warehouse.references import warehouse_figures

    return warehouse_figures(steady(couplings), options, seconds)


def supply(name: str, value: Any, num_agents: int) -> str | list[float]:
    """`halves`, `primes`, `runs-K`, `apart-D`, or one amplitude for each agent."""
    value = plain(value)
    if isinstance(value, str):
        if value in ("halves", "primes") or any(
            counted(value, kind) >= 1 for kind in ("runs", "apart")
        ):
            return value
        raise unknown(f"value of option {name}", value, ["halves", "primes", "runs-5", "apart-2"])
    if not isinstance(value, list):
        raise UserError(
            f"option {name} must be halves, primes, runs-5, apart-2 or a list of {num_agents} "
            f"numbers, not {value!r}"
        )
    return of_agents(number())(name, value, num_agents)


def options(graph: str, amplitudes: str) -> dict[str, Option]:
    """The options, with the default graph and supply."""
    return {
        "supply": Option(
            amplitudes,
            "sign and size of each net supply: halves, primes, runs-K, apart-D or a list",
            supply,
        ),
        "share": Option(
            "keep", "keep: a share may stay; send: all stock is sent on", choice("keep", "send")
        ),
        "frequency": Option(
            1.0, "of the supply, in rad per step; one number or one each", of_agents(number())
        ),
        "phase": Option(0.0, "of the supply, in rad; one number or one each", of_agents(number())),
        "noise": Option(
            0.0, "standard deviation of the supply's noise, in units of stock", number(0.0)
        ),
        "initial_stock": Option(
            1.0,
            "stock at the start, in units of stock; one number or one each",
            of_agents(number()),
        ),
        "graph": Option(graph, "who sends to whom: a name or [source, target] pairs", edges(graph)),
        "observation": Option(
            "graph", "who is seen by whom: graph (as stock flows), none, or pairs", OBSERVATION
        ),
        "reward": Option(
            "local", "who pays into whose reward: local, neighbours, or pairs", REWARD
        ),
        "horizon": Option(8, "steps of an episode", count()),
    }


FAMILY = Family(
    id="warehouse-N",
    summary="a ring of N warehouses that share stock so that none runs short",
    example="warehouse-40",
    options=options("ring", "halves"),
    structure=structure,
    build=build,
    figures=figures,
    stored=[
        *(
            ("warehouse-40", {"supply": supply, "share": share})
            for supply in ("halves", "primes", "runs-5")
            for share in ("keep", "send")
        ),
        *(
            ("warehouse-40", {"supply": supply, "frequency": 0.5, "initial_stock": 0.5})
            for supply in ("apart-2", "apart-3")
        ),
    ],
)

NINE = replace(
    FAMILY,
    id="warehouse-9",
    summary="nine warehouses on a directed graph share stock so that none runs short",
    example="warehouse-9",
    options=options("jing", "primes"),
    stored=[("warehouse-9", {"share": share}) for share in ("keep", "send")],
)
"""The same on the paper's graph of nine."""
