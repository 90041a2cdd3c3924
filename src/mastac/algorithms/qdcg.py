"""Deep coordination graphs as critics of continuous actions: the paper's "QDCG" baselines.

Böhmer, Kurin and Whiteson, "Deep Coordination Graphs" (ICML 2020). The team's value is the mean of
utilities plus the mean of payoffs of pairs; actors follow it with all actions from the current
policies. It differs from the original in that utilities and payoffs are networks of their own for
each agent and pair, so that agents of different observation and action sizes can take part; a
payoff sees its two agents in a fixed order, which makes symmetrising over the two directions
unnecessary.
"""

from itertools import combinations

from mastac.algorithms.base import Algorithm
from mastac.learning.kinds import Kind
from mastac.memory import check_free
from mastac.structure import Couplings
from mastac.structure.couplings import GRAPHS
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import team

PAIR = 250
"""Bytes of a payoff's pair while its layout is made: in Python, and in three sparse matrices."""


def no_pairs(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """Utilities alone: the critic of a centralised VDN."""
    return team(couplings)


def all_pairs(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """A payoff for every pair of agents: quadratic in their number."""
    n = couplings.num_agents
    pairs = n * (n - 1) // 2
    check_free(
        f"the payoffs of all pairs of {n} agents",
        PAIR * pairs,
        "choose qdcg-coupling, or fewer agents",
    )
    return team(couplings, list(combinations(range(n), 2)))


def coupled_pairs(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """A payoff for every two agents between which any of the graphs has an edge."""
    pairs = {
        (min(int(i), int(j)), max(int(i), int(j)))
        for name in GRAPHS
        for i, j in zip(*getattr(couplings, name).tocoo().coords, strict=True)
        if i != j
    }
    return team(couplings, sorted(pairs))


QDCG_DECENTRALISED = Algorithm(
    summary="the team's value as the mean of the agents' utilities (a central VDN critic)",
    layout=no_pairs,
    kind=Kind(mixer="sum", credit="others"),
    rewards=("team",),
)
QDCG_CENTRALISED = Algorithm(
    summary="utilities and a payoff for every pair of agents",
    layout=all_pairs,
    kind=Kind(mixer="sum", credit="others"),
    rewards=("team",),
)
QDCG_COUPLING = Algorithm(
    summary="utilities and a payoff for every coupled pair of agents",
    layout=coupled_pairs,
    kind=Kind(mixer="sum", credit="others"),
    rewards=("team",),
)
