"""What the couplings say before anything is trained: sizes of the sets, cost of the critics, who depends on whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from mastac.analysis.advice import advice
from mastac.analysis.critical_edges import edge_effects, link_effects
from mastac.analysis.graph_summary import graph_summary
from mastac.analysis.messages import messages_of, partners_of
from mastac.analysis.reasons import reason
from mastac.analysis.window_sums import earlier, kappa_schedule, window_sums
from mastac.errors import UserError
from mastac.structure.bayesian_network import WORDS, explanations
from mastac.structure.couplings import GRAPHS, Couplings
from mastac.structure.dependency import (
    Dependency,
    checked_count,
    estimate,
    gradient_dependency,
    value_dependency,
)
from mastac.structure.windows import first_windows

LARGE = 4000
"""With more agents than this the table of windows stops early: the exact sets may have agents x agents entries."""
MOST_PATHS = 1000
"""Of so many agents, an agent's members are then listed no further than this."""
READS = {"states": "state", "actions": "action"}
EARLY, EARLY_ENTRIES = (16, 12, 8, 6, 4, 3, 2, 1), 3 * 10**7
"""It then ends with the largest of these windows whose sets have no more entries than that."""


def graph_report(
    couplings: Couplings,
    kappa: int | None = None,
    agent: str | int | None = None,
    state_sizes: Sequence[int] | np.ndarray | None = None,
    action_sizes: Sequence[int] | np.ndarray | None = None,
    hidden: Sequence[int] = (64, 64, 64),
    why: str | int | None = None,
    edges: bool = False,
    messages: bool = False,
) -> dict[str, Any]:
    """The figures of `mastac graph`, ready for JSON.

    **Arguments:**

    - `couplings`: the same at all times.
    - `kappa`: the window of the critics; `None` for the exact sets.
    - `agent`: whose set is listed, with a path for each member.
    - `state_sizes`, `action_sizes`: numbers of each agent's state and action; one each where not
        given.
    - `hidden`: widths of the hidden layers of a critic (and of an actor, where its weights are
        sent).
    - `why`: an agent of whom it is asked why it is in the set of `agent`, or is not.
    - `edges`: whether to say what the removal of each edge would do to the sets.
    - `messages`: whether to say who has to send what to whom.

    **Returns:**

    `num_agents`, `agents`; `graphs` (edges without self-loops, density, in-degrees); `kappa`,
    `exact_from` (the smallest kappa whose sets are exact; `None` if it is past the end of the
    table); `sets`; `critics` (against one central critic for each agent); `windows` (the same
    figures for each kappa); `advice` ([`advice`][mastac.analysis.advice.advice]: what to train
    first, of graphs alone); `agent`, `why` ([`reason`][mastac.structure.reason]), `edges` and
    `links` ([`edge_effects`][mastac.structure.edge_effects]) and `messages`
    ([`messages_of`][mastac.analysis.messages.messages_of], and the `partners` of `agent`), each
    `None` if not wanted.

    **Raises:**

    - [`mastac.errors.UserError`][] for couplings that change with the time, for an unknown agent,
        and for sizes that do not fit the agents.
    """
    if not isinstance(couplings, Couplings):
        raise UserError(
            f"a graph report needs Couplings, the same at all times, got {type(couplings).__name__}"
        )
    kappa = None if kappa is None else checked_count("kappa", kappa)
    row = None if agent is None else couplings.index(agent)
    if why is not None and row is None:
        raise UserError(f"whose set is meant? Give an agent beside why='{why}'")
    sizes = _Sizes(couplings, state_sizes, action_sizes, hidden)
    chosen = value_dependency(couplings, kappa)
    paper = value_dependency(couplings, kappa, minimal=False)
    levels, exact_from = _levels(couplings, kappa)
    windows = _windows(couplings, levels, kappa, exact_from, sizes)
    return {
        "num_agents": couplings.num_agents,
        "agents": list(couplings.agents),
        "graphs": {graph: _graph(couplings, graph) for graph in GRAPHS},
        "kappa": kappa,
        "exact_from": exact_from,
        "exact": kappa is None or (exact_from is not None and kappa >= exact_from),
        "sets": {
            "states": _spread(_size_of(chosen, "states")),
            "actions": _spread(_size_of(chosen, "actions")),
            "agents": _spread(chosen.sizes()),
            "paper": _spread(paper.sizes()),
            "gradient": _spread(chosen.moved_sizes()),
        },
        "critics": {
            "hidden": list(sizes.hidden),
            "sizes_given": state_sizes is not None or action_sizes is not None,
            **sizes.cost(chosen.input_sizes(sizes.states, sizes.actions)),
            "central": sizes.central(),
        },
        "windows": windows,
        "advice": advice(graph_summary(couplings, _exact_sizes(chosen), sizes.actions), windows),
        "agent": None if row is None else _members(chosen, row),
        "why": None if row is None or why is None else reason(couplings, row, why, kappa).to_dict(),
        "edges": edge_effects(couplings, kappa).to_dict() if edges else None,
        "links": link_effects(couplings, kappa).to_dict() if edges else None,
        "messages": _messages(chosen, levels, windows, row, sizes) if messages else None,
    }


class _Sizes:
    """Numbers of each agent's state and action, and what critics that read them cost."""

    def __init__(
        self, couplings: Couplings, states: Any, actions: Any, hidden: Sequence[int]
    ) -> None:
        self.states = _checked_sizes("state_sizes", states, couplings.num_agents)
        self.actions = _checked_sizes("action_sizes", actions, couplings.num_agents)
        self.hidden = tuple(int(width) for width in hidden)
        if any(width < 1 for width in self.hidden):
            raise UserError(f"hidden must list widths of at least 1, got {list(hidden)}")

    def parameters(self, inputs: Any) -> Any:
        """Weights and biases of a critic with so many inputs and one output."""
        widths = [*self.hidden, 1]
        inner = sum(one * other for one, other in pairwise(widths))
        return inputs * widths[0] + inner + sum(widths)

    def central(self) -> dict[str, int]:
        """A critic of everything for each agent."""
        inputs = int(self.states.sum() + self.actions.sum())
        each = int(self.parameters(inputs))
        return {"inputs": inputs, "parameters_each": each, "parameters": each * len(self.states)}

    def cost(self, inputs: np.ndarray) -> dict[str, Any]:
        """Of one critic for each agent with so many inputs: the figures, and the share that they save."""
        parameters = int(self.parameters(inputs).sum())
        return {
            "inputs": _spread(inputs),
            "parameters": parameters,
            "saving": round(1 - parameters / self.central()["parameters"], 6),
        }


def _checked_sizes(name: str, sizes: Any, num_agents: int) -> np.ndarray:
    if sizes is None:
        return np.ones(num_agents, np.int64)
    sizes = np.asarray(sizes)
    if sizes.shape != (num_agents,) or sizes.dtype.kind not in "iu" or (sizes < 0).any():
        raise UserError(
            f"{name} must give one integer of at least 0 for each of the {num_agents} agents"
        )
    return sizes.astype(np.int64)


def _spread(sizes: np.ndarray) -> dict[str, float]:
    median = float(np.median(sizes))
    return {
        "smallest": int(sizes.min()),
        "median": int(median) if median.is_integer() else median,
        "largest": int(sizes.max()),
        "total": int(sizes.sum()),
    }


def _graph(couplings: Couplings, graph: str) -> dict[str, Any]:
    matrix = getattr(couplings, graph)
    edges, number = matrix.nnz - couplings.num_agents, couplings.num_agents
    default = {"action": "state", "reward_action": "reward"}.get(graph)
    return {
        "edges": int(edges),
        "density": edges / (number * (number - 1)) if number > 1 else 0.0,
        "sources": _spread(np.diff(matrix.indptr) - 1),
        "same_as": default if default and matrix is getattr(couplings, default) else None,
    }


def _size_of(dependency: Dependency, kind: str) -> np.ndarray:
    """Sizes of the sets of states or of actions; exact ones are the same, and need no matrix."""
    return (
        dependency.sizes() if _is_exact(dependency) else np.diff(getattr(dependency, kind).indptr)
    )


def _exact_sizes(chosen: Dependency) -> np.ndarray | None:
    """Sizes of the exact sets where these are chosen, or where agents are few enough to find them, too."""
    if _is_exact(chosen):
        return chosen.sizes()
    return (
        value_dependency(chosen.couplings).sizes() if chosen.couplings.num_agents <= LARGE else None
    )


def _is_exact(dependency: Dependency) -> bool:
    return dependency.kappa is None or dependency.kappa >= dependency.couplings.num_agents


def _levels(
    couplings: Couplings, kappa: int | None
) -> tuple[tuple[csr_array, csr_array], int | None]:
    """The window at which each agent enters each set; and the first that is exact, if it is among them."""
    complete = couplings.num_agents <= LARGE
    levels = first_windows(
        couplings, limit=None if complete else max(_early(couplings), kappa or 0)
    )
    return levels, _last(levels) if complete else None


def _early(couplings: Couplings) -> int:
    """The last window of the table where agents are many."""
    fits = (window for window in EARLY if estimate(couplings, window).entries <= EARLY_ENTRIES)
    return next(fits, 0)


def _last(levels: tuple[csr_array, csr_array]) -> int:
    return max(int(each.data.max()) for each in levels)


def _windows(
    couplings: Couplings,
    levels: tuple[csr_array, csr_array],
    kappa: int | None,
    exact_from: int | None,
    sizes: _Sizes,
) -> list[dict[str, Any]]:
    """One row for each of a few kappas up to the last."""
    states, actions = levels
    kappas = kappa_schedule(_last(levels), kappa)
    in_states, in_actions = (
        window_sums(states, sizes.states, kappas),
        window_sums(actions, sizes.actions, kappas),
    )
    counts = window_sums(earlier(states, actions), np.ones(couplings.num_agents, np.int64), kappas)
    return [
        {
            "kappa": each,
            "exact": exact_from is not None and each >= exact_from,
            "agents": _spread(counts[:, place]),
        }
        | sizes.cost(in_states[:, place] + in_actions[:, place])
        for place, each in enumerate(kappas)
    ]


def _messages(
    chosen: Dependency,
    levels: tuple[csr_array, csr_array],
    windows: list[dict[str, Any]],
    row: int | None,
    sizes: _Sizes,
) -> dict[str, Any]:
    kappas = [each["kappa"] for each in windows]
    assert isinstance(chosen.couplings, Couplings)
    sent = messages_of(chosen.couplings, levels, kappas, sizes.states, sizes.actions, sizes.hidden)
    return sent | {
        "partners": None if row is None else partners_of(chosen, row, sizes.states, sizes.actions)
    }


def _members(chosen: Dependency, row: int) -> dict[str, Any]:
    """Why each member is in the set of one agent; of a very large set the nearest ones."""
    couplings = chosen.couplings
    assert isinstance(couplings, Couplings)
    exact = _is_exact(chosen)
    reads = (
        {}
        if exact
        else {kind: set(getattr(chosen, kind)[[row]].indices.tolist()) for kind in READS}
    )
    most = None if couplings.num_agents <= LARGE else MOST_PATHS
    members = [
        {
            "agent": why.other,
            **{
                word: exact or couplings.index(why.other) in reads[kind]
                for kind, word in READS.items()
            },
            "from_kappa": why.kappa,
            "path": [[WORDS[kind], name, time] for kind, name, time in why.nodes],
            "why": str(why),
        }
        for why in explanations(couplings, row, chosen.kappa, most=most).values()
    ]
    moved = _moved_by(couplings, row) if exact else gradient_dependency(chosen)[[row]].indices
    return {
        "name": couplings.agents[row],
        "size": len(chosen.members(row)),
        "members": members,
        "moves": [couplings.agents[other] for other in moved.tolist()],
    }


def _moved_by(couplings: Couplings, row: int) -> np.ndarray:
    """Whose exact sets have an agent: a search from it, forward in time, in place of the matrix of all sets."""
    step = couplings.state + couplings.action @ couplings.observation
    reached = np.zeros(couplings.num_agents, bool)
    reached[breadth_first_order(csr_array(step.T), row, return_predecessors=False)] = True
    needs = couplings.reward + couplings.reward_action @ couplings.observation
    return np.flatnonzero(needs @ reached)


def format_report(report: Mapping[str, Any], width: int = 100, members: int = 20) -> str:
    """The text of a [`graph_report`][]: at most `width` columns, at most `members` members of an agent's set.

    Entries `influence` (a curve of rollouts) and `steps` (how many the couplings change over, of
    whose union the report is), which `mastac graph` adds, are told, too.
    """
    from mastac.analysis.report_text import report_text

    return report_text(report, width, members)
