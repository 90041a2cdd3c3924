"""The set of one agent, member by member, and whose values its policy moves."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from mastac.analysis.windows import LARGE
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.dependency import Dependency, gradient_dependency, value_dependency
from mastac.structure.paths import WORDS, Explanation, clock, explanations

MOST_PATHS = 1000
"""With more than `LARGE` agents, so many members are listed and no more."""
READS = {"states": "state", "actions": "action"}


def members_of(
    couplings: Couplings | CouplingSequence, row: int, kappa: int | None
) -> dict[str, Any]:
    """Why each member is in the set of one agent; of a sequence, at its first step.

    **Arguments:**

    - `couplings`: the same at all times, or a sequence.
    - `row`: of the agent.
    - `kappa`: the window of the set; `None` for the exact set.

    **Returns:** ready for JSON, `name`; `size` of the set; `moves`, the agents whose values its
    policy moves; and `members`, each with

    - `agent`, and whether the value reads its `state` and its `action`;
    - `from_kappa`: the smallest window whose set has it;
    - `path`: the shortest path at that window, and `why`: the same as text.
    """
    chosen = value_dependency(couplings, kappa)
    exact = _steady_and_exact(chosen)
    reads = {
        kind: None if exact else set(getattr(chosen, kind)[[row]].indices.tolist())
        for kind in READS
    }
    most = None if couplings.num_agents <= LARGE else MOST_PATHS
    paths = explanations(couplings, row, kappa, most=most).values()
    moved = (
        _moved_by(chosen.couplings, row)
        if isinstance(chosen.couplings, Couplings) and exact
        else gradient_dependency(chosen)[[row]].indices
    )
    return {
        "name": couplings.agents[row],
        "size": len(chosen.members(row)),
        "members": [_member(path, couplings.index(path.other), reads) for path in paths],
        "moves": [couplings.agents[other] for other in moved.tolist()],
    }


def _member(path: Explanation, row: int, reads: dict[str, set[int] | None]) -> dict[str, Any]:
    """One member; `reads` has the rows that are read, or `None` for all members."""
    return {
        "agent": path.other,
        **{READS[kind]: rows is None or row in rows for kind, rows in reads.items()},
        "from_kappa": path.kappa,
        "path": [[WORDS[kind], name, time] for kind, name, time in path.nodes],
        "why": _as_arrows(path),
    }


def _as_arrows(path: Explanation) -> str:
    """The path as text; steps in which a state only stays with its agent are told together."""
    start = path.nodes[0][2]
    runs = [list(run) for _, run in groupby(path.nodes, key=lambda node: node[:2])]
    times = [(clock(run[0][2] - start), clock(run[-1][2] - start)) for run in runs]
    return " -> ".join(
        f"{WORDS[run[0][0]]} of {run[0][1]} "
        + (f"at {first}" if first == last else f"from {first} to {last}")
        for run, (first, last) in zip(runs, times, strict=True)
    )


def _steady_and_exact(chosen: Dependency) -> bool:
    """Whether states and actions have the same sets, for which no matrix is needed."""
    steady = isinstance(chosen.couplings, Couplings)
    return steady and (chosen.kappa is None or chosen.kappa >= chosen.couplings.num_agents)


def _moved_by(couplings: Couplings, row: int) -> np.ndarray:
    """Whose exact sets have an agent, by a search from it forward in time."""
    step = couplings.state + couplings.action @ couplings.observation
    reached = np.zeros(couplings.num_agents, bool)
    reached[breadth_first_order(csr_array(step.T), row, return_predecessors=False)] = True
    needs = couplings.reward + couplings.reward_action @ couplings.observation
    return np.flatnonzero(needs @ reached)
