"""The layouts of the algorithms: what critics read and predict, and whom they are credited to."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
from scipy.sparse import csr_array, eye_array, vstack

from mastac.memory import check_free
from mastac.structure.boolean import row_of_entry
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

PAIR = 190
"""Bytes that a pair of agents takes, measured, while networks that read all agents are laid out."""


def at_all_times(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> tuple[Dependency, ...]:
    """The value dependency sets of every time; one where couplings stay the same.

    **Arguments:** as those of [`mastac.value_dependency`][].
    """
    if isinstance(couplings, CouplingSequence):
        return value_dependencies(couplings, kappa, minimal)
    return (value_dependency(couplings, kappa, minimal=minimal),)


def structured(*over_time: Dependency) -> CriticLayout:
    r"""MAStAC: critic `i` reads $\mathcal{I}_Q^i$ and predicts agent `i`'s reward.

    It is credited to all agents whose actions it reads ($\mathcal{I}_{GD}$), so that every actor
    maximises $\hat Q_i$ (eq. 11).

    **Arguments:**

    - `over_time`: the sets of every time, see [`at_all_times`][]. A critic has inputs for the union
        of its sets and reads at each time what is in that time's set.
    """
    couplings = over_time[0].couplings
    is_constant = len(over_time) == 1
    return CriticLayout(
        agents=couplings.agents,
        states=_union([sets.states for sets in over_time]),
        actions=_union([sets.actions for sets in over_time]),
        rewards=csr_array(eye_array(couplings.num_agents)),
        credit=_union([gradient_dependency(sets) for sets in over_time]),
        schedule=None if is_constant else tuple((sets.states, sets.actions) for sets in over_time),
    )


def selfish(*over_time: Dependency) -> CriticLayout:
    """Critics as in [`structured`][], each credited to its own agent alone (an ablation)."""
    layout = structured(*over_time)
    return replace(layout, credit=csr_array(eye_array(layout.num_agents)))


def with_distances(
    layout: CriticLayout, couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """The same layout with the distance of every agent in every set.

    The distance is the smallest kappa at which an agent is in the set, and at least 1 for other
    agents: one that enters the same reward is no nearer than one that is coupled. Where couplings
    change, it is that in their union.

    **Arguments:**

    - `layout`: a layout whose sets are no larger than those of `kappa`.
    - `couplings`, `kappa`, `minimal`: as those of [`mastac.value_dependency`][].
    """
    union = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    states, actions = smallest_kappas(union, minimal, kappa)
    return replace(layout, distances=(_others_apart(states), _others_apart(actions)))


def _others_apart(kappas: csr_array) -> csr_array:
    """The same entries, at least 1 off the diagonal."""
    apart = np.maximum(kappas.data, row_of_entry(kappas) != kappas.indices)
    return csr_array((apart, kappas.indices, kappas.indptr), shape=kappas.shape)


def local_values(couplings: Couplings | CouplingSequence, kappa: int | None) -> CriticLayout:
    r"""On-policy MAStAC: value `i` reads the states that $V_i$ depends on.

    $V_i(s) = E_a Q_i(s, a)$: actions that are no arguments of the value are those of policies,
    which read what they observe. So the states are the paper's set $U$ (see
    [`mastac.value_dependency`][]). The value is credited to the agents whose actions are in the
    minimal set of $Q_i$; no other action changes $Q_i$.
    """
    papers, minimal = (at_all_times(couplings, kappa, is_minimal) for is_minimal in (False, True))
    layout = structured(*minimal)
    schedule = tuple(
        (of_states.states, of_actions.actions)
        for of_states, of_actions in zip(papers, minimal, strict=True)
    )
    return replace(
        layout,
        states=_union([sets.states for sets in papers]),
        schedule=schedule if len(schedule) > 1 else None,
    )


def of_the_team(couplings: Couplings) -> CriticLayout:
    """One value of the team's mean reward that reads everything, credited to all agents."""
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
    return reduce(lambda total, matrix: csr_array(total + matrix), matrices)


def undecomposed(*over_time: Dependency) -> CriticLayout:
    """As [`structured`][], but each critic reads everything (the ablation of section 5)."""
    everything = _all_pairs(over_time[0].couplings.num_agents)
    return replace(structured(*over_time), states=everything, actions=everything, schedule=None)


def summed(*over_time: Dependency) -> CriticLayout:
    r"""Critic `i` reads everything and predicts $\hat Q_i$ itself (the ablation of section 5).

    That is the sum of the rewards whose local values depend on the action of agent `i`.
    """
    agents = over_time[0].couplings.agents
    return CriticLayout(
        agents=agents,
        states=_all_pairs(len(agents)),
        actions=_all_pairs(len(agents)),
        rewards=_union([gradient_dependency(sets) for sets in over_time]),
        credit=csr_array(eye_array(len(agents))),
    )


def central(couplings: Couplings) -> CriticLayout:
    """Critic `i` reads everything, predicts agent `i`'s reward and is credited to it alone."""
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
    """Critic `i` reads what agent `i` observes and its action; reward and credit are its own."""
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


def dynamics_layout(
    couplings: Couplings | CouplingSequence, read_all: bool = False
) -> CriticLayout:
    """Term `i` reads what enters agent `i`'s next state: states and actions of its in-neighbours.

    **Arguments:**

    - `couplings`: those that change with the time are read as their union.
    - `read_all`: every term reads all agents (an ablation).
    """
    steady = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    return _one_step(steady, steady.state, steady.action, read_all)


def reward_layout(couplings: Couplings | CouplingSequence, read_all: bool = False) -> CriticLayout:
    """Term `i` reads what enters agent `i`'s reward; see [`dynamics_layout`][]."""
    steady = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    return _one_step(steady, steady.reward, steady.reward_action, read_all)


def observation_layout(
    couplings: Couplings | CouplingSequence, read_all: bool = False
) -> CriticLayout:
    """Term `i` reads the states that agent `i` observes; see [`dynamics_layout`][]."""
    steady = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    nothing = csr_array(steady.observation.shape, dtype=bool)
    seen = _all_pairs(steady.num_agents) if read_all else steady.observation
    return _one_step(steady, seen, nothing, False)


def _one_step(
    couplings: Couplings, states: csr_array, actions: csr_array, read_all: bool
) -> CriticLayout:
    if read_all:
        states = actions = _all_pairs(couplings.num_agents)
    own = csr_array(eye_array(couplings.num_agents))
    return CriticLayout(
        agents=couplings.agents,
        states=states,
        actions=actions,
        rewards=own,
        credit=own,
    )


def team(couplings: Couplings, pairs: Sequence[tuple[int, int]] = ()) -> CriticLayout:
    """One value of the team's mean reward, the mean of utilities plus the mean of payoffs.

    A utility reads what its agent observes and its action, a payoff what two agents observe and
    their actions (deep coordination graphs, Böhmer et al. 2020).

    **Arguments:**

    - `couplings`: who observes whom.
    - `pairs`: the rows of two agents for each payoff. Every agent has a utility.
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
    """Every agent for each of them; `UserError` if the memory does not hold so many pairs."""
    n, entries = num_agents, num_agents**2
    check_free(
        f"the inputs of {n} networks that read all agents",
        PAIR * entries,
        "choose an algorithm whose networks read who matters, such as mastac with a kappa",
    )
    index = np.int32 if entries < 2**31 else np.int64
    columns = np.tile(np.arange(n, dtype=index), n)
    starts = np.arange(0, entries + 1, n, dtype=index)
    return csr_array((np.ones(entries, bool), columns, starts), shape=(n, n))
