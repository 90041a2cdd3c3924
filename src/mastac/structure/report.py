"""What the couplings say before anything is trained: sizes of the sets, cost of the critics, who depends on whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from mastac.errors import UserError
from mastac.structure.bayesian_network import WORDS, explanations
from mastac.structure.couplings import GRAPHS, Couplings
from mastac.structure.dependency import checked_count, gradient_dependency, value_dependency
from mastac.structure.windows import first_windows

LARGE = 4000
"""With more agents than this the table of windows stops early: the exact sets may have agents x agents entries."""
EARLY = 16
FIRST_WINDOWS = (0, 1, 2, 3, 4, 6)


def graph_report(
    couplings: Couplings,
    kappa: int | None = None,
    agent: str | int | None = None,
    state_sizes: Sequence[int] | np.ndarray | None = None,
    action_sizes: Sequence[int] | np.ndarray | None = None,
    hidden: Sequence[int] = (64, 64, 64),
) -> dict[str, Any]:
    """The figures of `mastac graph`, ready for JSON.

    **Arguments:**

    - `couplings`: the same at all times.
    - `kappa`: the window of the critics; `None` for the exact sets.
    - `agent`: whose set is listed, with a path for each member.
    - `state_sizes`, `action_sizes`: numbers of each agent's state and action; one each where not given.
    - `hidden`: widths of the hidden layers of a critic.

    **Returns:**

    `num_agents`, `agents`; `graphs` (edges without self-loops, density, in-degrees); `kappa`, `exact_from` (the
    smallest kappa whose sets are exact; `None` if it is past the end of the table); `sets`; `critics` (against one
    central critic for each agent); `windows` (the same figures for each kappa); `agent` (or `None`).
    """
    if not isinstance(couplings, Couplings):
        raise UserError(f"a graph report needs Couplings, the same at all times, got {type(couplings).__name__}")
    kappa = None if kappa is None else checked_count("kappa", kappa)
    row = None if agent is None else couplings.index(agent)
    sizes = _Sizes(couplings, state_sizes, action_sizes, hidden)
    chosen = value_dependency(couplings, kappa)
    paper = value_dependency(couplings, kappa, minimal=False)
    windows, exact_from = _windows(couplings, kappa, sizes)
    inputs = chosen.states @ sizes.states + chosen.actions @ sizes.actions
    return {
        "num_agents": couplings.num_agents,
        "agents": list(couplings.agents),
        "graphs": {graph: _graph(couplings, graph) for graph in GRAPHS},
        "kappa": kappa,
        "exact_from": exact_from,
        "exact": kappa is None or (exact_from is not None and kappa >= exact_from),
        "sets": {
            "states": _spread(np.diff(chosen.states.indptr)),
            "actions": _spread(np.diff(chosen.actions.indptr)),
            "agents": _spread(np.diff(chosen.agents.indptr)),
            "paper": _spread(np.diff(paper.agents.indptr)),
            "gradient": _spread(np.diff(gradient_dependency(chosen).indptr)),
        },
        "critics": {
            "hidden": list(sizes.hidden),
            "sizes_given": state_sizes is not None or action_sizes is not None,
            **sizes.cost(inputs),
            "central": sizes.central(),
        },
        "windows": windows,
        "agent": None if row is None else _members(couplings, row, kappa),
    }


class _Sizes:
    """Numbers of each agent's state and action, and what critics that read them cost."""

    def __init__(self, couplings: Couplings, states: Any, actions: Any, hidden: Sequence[int]) -> None:
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
        raise UserError(f"{name} must give one integer of at least 0 for each of the {num_agents} agents")
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


def _windows(couplings: Couplings, kappa: int | None, sizes: _Sizes) -> tuple[list[dict[str, Any]], int | None]:
    """One row for each of a few kappas up to the first that is exact; and that one, if it was reached."""
    complete = couplings.num_agents <= LARGE
    limit = None if complete else max(EARLY, kappa or 0)
    states, actions = first_windows(couplings, limit=limit)
    last = max(int(states.data.max()), int(actions.data.max()))
    kappas = _schedule(last, kappa)
    in_states, in_actions = _tally(states, sizes.states, kappas), _tally(actions, sizes.actions, kappas)
    both = states if states is actions else _either(states, actions)
    counts = _tally(both, np.ones(couplings.num_agents, np.int64), kappas)
    rows = [
        {"kappa": each, "exact": complete and each >= last, "agents": _spread(counts[:, place])}
        | sizes.cost(in_states[:, place] + in_actions[:, place])
        for place, each in enumerate(kappas)
    ]
    return rows, last if complete else None


def _schedule(last: int, kappa: int | None) -> list[int]:
    """0, 1, 2, 3, 4, 6, 8, 12, 16, 24, … below `last`, then `last`; and `kappa` if it is below."""
    chosen = set(FIRST_WINDOWS)
    power = 8
    while power < last:
        chosen |= {power, power + power // 2}
        power *= 2
    return sorted({each for each in chosen | {kappa if kappa is not None else last} if each < last} | {last})


def _tally(levels: csr_array, weights: np.ndarray, kappas: list[int]) -> np.ndarray:
    """For each row and kappa: the weights of the entries whose level is at most that kappa, summed."""
    place = np.searchsorted(kappas, levels.data)
    sums = np.bincount(_rows(levels) * len(kappas) + place, weights[levels.indices], len(weights) * len(kappas))
    return sums.reshape(-1, len(kappas)).cumsum(axis=1).astype(np.int64)


def _rows(matrix: csr_array) -> np.ndarray:
    """The row of each stored entry."""
    return np.repeat(np.arange(len(matrix.indptr) - 1, dtype=np.int64), np.diff(matrix.indptr))


def _either(one: csr_array, other: csr_array) -> csr_array:
    """The smaller level of two, where an entry may stand in one matrix only."""
    size = len(one.indptr) - 1
    keys = np.concatenate([_rows(each) * size + each.indices for each in (one, other)])
    levels = np.concatenate([one.data, other.data])
    order = np.lexsort((levels, keys))
    first = order[np.concatenate([[True], np.diff(keys[order]) > 0])]
    rows, columns = np.divmod(keys[first], size)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=size))])
    return csr_array((levels[first], columns, indptr), shape=(size, size))


def _members(couplings: Couplings, row: int, kappa: int | None) -> dict[str, Any]:
    chosen = value_dependency(couplings, kappa)
    has = {kind: set(getattr(chosen, kind)[[row]].indices.tolist()) for kind in ("states", "actions")}
    members = [
        {
            "agent": why.other,
            "state": couplings.index(why.other) in has["states"],
            "action": couplings.index(why.other) in has["actions"],
            "from_kappa": why.kappa,
            "path": [[WORDS[kind], name, time] for kind, name, time in why.nodes],
            "why": str(why),
        }
        for why in explanations(couplings, row, kappa).values()
    ]
    moved = gradient_dependency(chosen)[[row]].indices.tolist()
    return {
        "name": couplings.agents[row],
        "size": len(members),
        "members": members,
        "moves": [couplings.agents[other] for other in moved],
    }


def format_report(report: Mapping[str, Any], width: int = 100, members: int = 20) -> str:
    """The text of a [`graph_report`][]: at most `width` columns, at most `members` members of an agent's set."""
    from mastac.structure.report_text import report_text

    return report_text(report, width, members)
