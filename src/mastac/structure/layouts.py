"""The named layouts: each algorithm's answer to what its critics read, predict and advise."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array, eye_array, vstack

from mastac.structure.couplings import GRAPHS, Couplings
from mastac.structure.dependency import (
    Dependency,
    gradient_dependency,
    value_dependencies,
    value_dependency,
)
from mastac.structure.layout import CriticLayout
from mastac.structure.sequences import CouplingSequence
from mastac.structure.windows import smallest_kappas


def at_all_times(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> tuple[Dependency, ...]:
    """The value dependency sets of every time: one where couplings stay the same."""
    if isinstance(couplings, CouplingSequence):
        return value_dependencies(couplings, kappa, minimal)
    return (value_dependency(couplings, kappa, minimal=minimal),)


def structured(*over_time: Dependency) -> CriticLayout:
    """MAStAC: critic `i` reads $I_Q^i$, predicts agent `i`'s reward, and advises every agent in its set ($I_{GD}$).

    Of time-varying couplings the sets of all times are given: a critic has room for their union and
    reads at each time what is in that time's set.
    """
    couplings = over_time[0].couplings
    return CriticLayout(
        agents=couplings.agents,
        states=_union([each.states for each in over_time]),
        actions=_union([each.actions for each in over_time]),
        rewards=csr_array(eye_array(couplings.num_agents)),
        credit=_union([gradient_dependency(each) for each in over_time]),
        schedule=tuple((each.states, each.actions) for each in over_time)
        if len(over_time) > 1
        else None,
    )


def selfish(*over_time: Dependency) -> CriticLayout:
    """Critics as in [`structured`][], but every agent climbs its own alone: nobody answers for the others' rewards."""
    layout = structured(*over_time)
    return replace(layout, credit=csr_array(eye_array(layout.num_agents)))


def with_distances(
    layout: CriticLayout, couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """The same layout, told how far away each agent is in each set; at any time, where couplings change.

    That is the smallest kappa at which it is in the set, and at least 1 for others: who enters the
    same reward is no nearer than who is coupled. None of the sets may be larger than those of
    `kappa`.
    """
    whole = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    states, actions = (_others_apart(each) for each in smallest_kappas(whole, minimal, kappa))
    return replace(layout, distances=(states, actions))


def _others_apart(windows: csr_array) -> csr_array:
    """At least 1 off the diagonal."""
    rows = np.repeat(np.arange(len(windows.indptr) - 1), np.diff(windows.indptr))
    apart = np.maximum(windows.data, rows != windows.indices)
    return csr_array((apart, windows.indices, windows.indptr), shape=windows.shape)


def local_values(couplings: Couplings | CouplingSequence, kappa: int | None) -> CriticLayout:
    r"""Values of states for on-policy MAStAC: value `i` reads what $V_i$ depends on, and advises those that move $Q_i$.

    $V_i(s) = E_a Q_i(s, a)$: the actions that the minimal set leaves open are those of policies,
    which read what they observe. So the states are the paper's set $D O = U$, while actions outside
    the minimal set move nothing.
    """
    states, minimal = (at_all_times(couplings, kappa, each) for each in (False, True))
    layout = structured(*minimal)
    schedule = tuple(
        (one.states, other.actions) for one, other in zip(states, minimal, strict=True)
    )
    return replace(
        layout,
        states=_union([each.states for each in states]),
        schedule=schedule if len(schedule) > 1 else None,
    )


def of_the_team(couplings: Couplings) -> CriticLayout:
    """One value of the team's mean reward that reads everything and advises everyone."""
    n = couplings.num_agents
    everything = csr_array(np.ones((1, n), bool))
    return CriticLayout(
        agents=couplings.agents,
        states=everything,
        actions=everything,
        rewards=_mean(n),
        credit=csr_array(np.ones((n, 1))),
    )


def _union(matrices: Sequence[csr_array]) -> csr_array:
    total = matrices[0]
    for each in matrices[1:]:
        total = csr_array(total + each)
    return total


def undecomposed(*over_time: Dependency) -> CriticLayout:
    """Critics of agents' own rewards as in [`structured`][], but each reads everything (the ablation of Section 5)."""
    everything = _all_pairs(over_time[0].couplings.num_agents)
    return replace(structured(*over_time), states=everything, actions=everything, schedule=None)


def summed(*over_time: Dependency) -> CriticLayout:
    r"""Critic `i` reads everything and predicts $\hat Q_i$ itself: the rewards of all agents that `i` moves, summed."""
    agents = over_time[0].couplings.agents
    return CriticLayout(
        agents=agents,
        states=_all_pairs(len(agents)),
        actions=_all_pairs(len(agents)),
        rewards=_union([gradient_dependency(each) for each in over_time]),
        credit=csr_array(eye_array(len(agents))),
    )


def central(couplings: Couplings) -> CriticLayout:
    """Critic `i` reads everything, predicts agent `i`'s reward and advises agent `i` alone."""
    n = couplings.num_agents
    own = csr_array(eye_array(n))
    return CriticLayout(
        agents=couplings.agents,
        states=_all_pairs(n),
        actions=_all_pairs(n),
        rewards=own,
        credit=own,
    )


def local(couplings: Couplings) -> CriticLayout:
    """Critic `i` reads what agent `i` observes and its own action, predicts its reward and advises it alone."""
    own = csr_array(eye_array(couplings.num_agents))
    return CriticLayout(
        agents=couplings.agents, states=couplings.observation, actions=own, rewards=own, credit=own
    )


def neighbourhoods(couplings: Couplings, kappa: int | None) -> CriticLayout:
    """Critics of all agents within `kappa` undirected steps in the union of the graphs.

    Every critic is credited to all agents that it reads (Qu, Wierman, Li 2020). `None`: all agents
    that can be reached.
    """
    step = csr_array(couplings.state.shape, dtype=bool)
    for name in GRAPHS:
        graph = getattr(couplings, name)
        step = csr_array(step + graph + graph.T)
    # Where states alone are coupled, `kappa` steps of the sets are `kappa` steps in the graph.
    within = value_dependency(Couplings(couplings.num_agents, state=step), kappa).states
    return CriticLayout(
        agents=couplings.agents,
        states=within,
        actions=within,
        rewards=csr_array(eye_array(couplings.num_agents)),
        credit=within,
    )


def team(couplings: Couplings, pairs: Sequence[tuple[int, int]] = ()) -> CriticLayout:
    """One value of the team's mean reward, made of a utility for each agent and a payoff for each of `pairs`.

    A utility reads what its agent observes and its action, a payoff what two agents observe and
    their actions. The value is the mean of the utilities plus the mean of the payoffs (deep
    coordination graphs, Böhmer et al. 2020).
    """
    n = couplings.num_agents
    members = csr_array(eye_array(n)).astype(np.int64)
    if pairs:
        row = np.repeat(np.arange(len(pairs)), 2)
        both = csr_array(
            (np.ones(2 * len(pairs), np.int64), (row, np.ravel(pairs))), shape=(len(pairs), n)
        )
        members = csr_array(vstack([members, both]))
    share = np.concatenate([np.full(n, 1 / n), np.full(len(pairs), 1 / max(len(pairs), 1))])
    return CriticLayout(
        agents=couplings.agents,
        states=members @ couplings.observation.astype(np.int64),
        actions=csr_array(members),
        rewards=_mean(n),
        credit=csr_array(np.ones((n, 1))),
        mix=csr_array(share[None, :]),
    )


def with_team_rewards(layout: CriticLayout) -> CriticLayout:
    """The same critics, each predicting the mean of all agents' rewards.

    The mean, not the sum: a positive factor changes no optimum, and values keep the size of own
    rewards.
    """
    return replace(layout, rewards=_mean(layout.num_agents))


def _mean(num_agents: int) -> csr_array:
    """Weights of the team's mean reward, one row for all values."""
    return csr_array(np.full((1, num_agents), 1 / num_agents))


def _all_pairs(num_agents: int) -> csr_array:
    return csr_array(np.ones((num_agents, num_agents), bool))
