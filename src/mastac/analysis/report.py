"""The figures of `mastac graph`: sizes of sets, cost of critics, who depends on whom, advice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mastac.analysis.advice import advice
from mastac.analysis.critic_costs import CriticCosts, size_range
from mastac.analysis.critical_edges import edge_effects, link_effects
from mastac.analysis.graph_summary import graph_summary
from mastac.analysis.members import members_of
from mastac.analysis.messages import messages_of, partners_of
from mastac.analysis.reasons import reason
from mastac.analysis.window_sums import earlier, window_sums
from mastac.analysis.windows import Windows, windows_of
from mastac.checks import whole_number
from mastac.errors import UserError
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.couplings import GRAPHS
from mastac.structure.dependency import Dependency, value_dependency

Sizes = Sequence[int] | np.ndarray


def graph_report(
    couplings: Couplings | CouplingSequence,
    kappa: int | None = None,
    agent: str | int | None = None,
    state_sizes: Sizes | None = None,
    action_sizes: Sizes | None = None,
    hidden: Sequence[int] = (64, 64, 64),
    why: str | int | None = None,
    edges: bool = False,
    messages: bool = False,
    train: str = "ENV",
    discrete: bool = False,
    play: Callable[[list[int]], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The figures of `mastac graph`, ready for JSON.

    Of a sequence, sizes and costs are those of the union of all steps, which no step exceeds;
    `exact_from` holds for the sequence itself, at all steps; `agent` and `why` for its first step.

    **Arguments:**

    - `couplings`: the same at all times, or a sequence.
    - `kappa`: the window of the critics; `None` for the exact sets.
    - `agent`: whose set is listed, with a path for each member.
    - `state_sizes`, `action_sizes`: numbers of each agent's state and action, `[agents]`; one each
        where not given.
    - `hidden`: widths of the hidden layers of a critic, and of an actor whose weights are sent.
    - `why`: an agent of whom is asked why it is in the set of `agent`, or is not.
    - `edges`: whether to say what the removal of each edge would do to the sets.
    - `messages`: whether to say who has to send what to whom.
    - `train`: the environment and its options, as `mastac train` takes them.
    - `discrete`: whether actions are discrete.
    - `play`: takes the kappas of the table and returns their influence, as
        [`influence_curve`][mastac.analysis.influence.influence_curve] gives it.

    **Returns:**

    - `num_agents`, `agents`; `graphs`: edges without self-loops, density, in-degrees.
    - `kappa`; `exact_from`: the smallest kappa whose sets are exact, `None` if it is past the end
        of the table; `exact`: whether the sets reported are exact.
    - `sets`, `critics` (against one central critic for each agent), `windows`: the same for each
        kappa.
    - `advice`: [`advice`][mastac.analysis.advice.advice], what to train first.
    - `agent` ([`members_of`][mastac.analysis.members.members_of]), `why`
        ([`reason`][mastac.analysis.reasons.reason]), `edges` and `links`
        ([`edge_effects`][mastac.analysis.critical_edges.edge_effects]) and `messages`
        ([`messages_of`][mastac.analysis.messages.messages_of], and the `partners` of `agent`):
        each `None` if not wanted.
    - `steps`, of a sequence only, and `influence`, if it was played.

    **Raises:**

    - [`mastac.errors.UserError`][] for an unknown agent, and for sizes that do not fit the agents.
    """
    kappa = None if kappa is None else whole_number("kappa", kappa)
    row = None if agent is None else couplings.index(agent)
    if why is not None:
        if row is None:
            raise UserError(f"why='{why}' asks of the set of an agent; give it as agent=")
        couplings.index(why)  # refused before anything is computed
    costs = CriticCosts(couplings.num_agents, state_sizes, action_sizes, hidden)
    windows = windows_of(couplings, kappa)
    chosen = value_dependency(windows.union, windows.window)
    report = _sizes_and_costs(windows, chosen, costs)
    asked = (windows.union, windows.window)
    report |= {
        "agent": None if row is None else members_of(couplings, row, kappa),
        "why": _why(couplings, row, why, kappa),
        "edges": edge_effects(*asked).to_dict() if edges else None,
        "links": link_effects(*asked).to_dict() if edges else None,
        "messages": _messages(chosen, windows, row, costs) if messages else None,
    }
    if isinstance(couplings, CouplingSequence):
        report["steps"] = len(couplings)
    if play is not None:  # last, since it takes longest: whatever is refused is refused before
        report["influence"] = _played(play(windows.kappas), windows)
    summary = graph_summary(windows.union, _exact_sizes(windows, chosen), costs.actions)
    known = (report["windows"], train, discrete, report.get("steps"), report.get("influence"))
    return report | {"advice": advice(summary, *known)}


def _sizes_and_costs(windows: Windows, chosen: Dependency, costs: CriticCosts) -> dict[str, Any]:
    """Everything that is said whatever is asked, but the advice."""
    couplings = windows.union
    paper = value_dependency(couplings, windows.window, minimal=False)
    return {
        "num_agents": couplings.num_agents,
        "agents": list(couplings.agents),
        "graphs": {graph: _graph(couplings, graph) for graph in GRAPHS},
        "kappa": windows.kappa,
        "exact_from": windows.exact_from,
        "exact": windows.is_exact(windows.kappa),
        "sets": {
            "states": size_range(_size_of(chosen, "states")),
            "actions": size_range(_size_of(chosen, "actions")),
            "agents": size_range(chosen.sizes()),
            "paper": size_range(paper.sizes()),
            "gradient": size_range(chosen.moved_sizes()),
        },
        "critics": {
            "hidden": list(costs.hidden),
            "sizes_given": costs.sizes_given,
            **costs.of(chosen.input_sizes(costs.states, costs.actions)),
            "central": costs.central(),
        },
        "windows": _windows(windows, costs),
    }


def _graph(couplings: Couplings, graph: str) -> dict[str, Any]:
    matrix, number = getattr(couplings, graph), couplings.num_agents
    edges = matrix.nnz - number
    default = {"action": "state", "reward_action": "reward"}.get(graph)
    return {
        "edges": int(edges),
        "density": edges / (number * (number - 1)) if number > 1 else 0.0,
        "sources": size_range(np.diff(matrix.indptr) - 1),
        "same_as": default if default and matrix is getattr(couplings, default) else None,
    }


def _size_of(dependency: Dependency, kind: str) -> np.ndarray:
    """Sizes of the sets of states or of actions; exact ones are the same, and need no matrix."""
    if _has_no_window(dependency):
        return dependency.sizes()
    return np.diff(getattr(dependency, kind).indptr)


def _exact_sizes(windows: Windows, chosen: Dependency) -> np.ndarray | None:
    """Sizes of the exact sets, where they are chosen or where the table reaches them."""
    if windows.is_exact(windows.kappa):
        return chosen.sizes()
    if windows.exact_from is None:
        return None
    return np.diff(earlier(*windows.levels).indptr)


def _has_no_window(dependency: Dependency) -> bool:
    return dependency.kappa is None or dependency.kappa >= dependency.couplings.num_agents


def _why(
    couplings: Couplings | CouplingSequence,
    row: int | None,
    other: str | int | None,
    kappa: int | None,
) -> dict[str, Any] | None:
    if row is None or other is None:
        return None
    return reason(couplings, row, other, kappa).to_dict()


def _windows(windows: Windows, costs: CriticCosts) -> list[dict[str, Any]]:
    """One row for each kappa of the table."""
    (states, actions), kappas = windows.levels, windows.kappas
    inputs = window_sums(states, costs.states, kappas) + window_sums(actions, costs.actions, kappas)
    ones = np.ones(windows.union.num_agents, np.int64)
    counts = window_sums(earlier(states, actions), ones, kappas)
    return [
        {
            "kappa": kappa,
            "exact": windows.is_exact(kappa),
            "agents": size_range(counts[:, place]),
        }
        | costs.of(inputs[:, place])
        for place, kappa in enumerate(kappas)
    ]


def _played(curve: dict[str, Any], windows: Windows) -> dict[str, Any]:
    """The influence beyond each kappa; which kappas are exact is known already."""
    rows = [row | {"exact": windows.is_exact(row["kappa"])} for row in curve["windows"]]
    return curve | {"windows": rows}


def _messages(
    chosen: Dependency, windows: Windows, row: int | None, costs: CriticCosts
) -> dict[str, Any]:
    sizes = (costs.states, costs.actions)
    sent = messages_of(windows.union, windows.levels, windows.kappas, *sizes, costs.hidden)
    return sent | {"partners": None if row is None else partners_of(chosen, row, *sizes)}
