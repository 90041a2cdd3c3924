"""The page of `mastac graph --html`: couplings to click through. The browser searches the sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from mastac.errors import UserError
from mastac.pages.page import page, resource
from mastac.palette import INK, MEANING, PALE
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.couplings import GRAPHS
from mastac.structure.placement import agent_places

MOST_AGENTS, MOST_ENTRIES = 20_000, 3_000_000
"""A page with more agents, or more entries of graphs, would be slow or too large to open."""
SMALL = 2_000
"""Up to so many agents cytoscape.js draws them, and more are drawn by sigma.js."""
SCRIPTS = (
    *("system", "sets", "places", "scene", "paint", "svg"),
    *("elements", "panel", "controls", "explorer"),
)
Sizes = Sequence[int] | np.ndarray
Values = Mapping[str, Sequence[float | None]]


def explorer_page(data: Mapping[str, Any]) -> str:
    """The text of the page that shows what [`explorer_data`][] has gathered."""
    drawn_by = "cytoscape" if len(data["agents"]) <= SMALL else "sigma"
    scripts = [f"explorer/view_{drawn_by}.js", *(f"explorer/{name}.js" for name in SCRIPTS)]
    libraries = ("cytoscape",) if drawn_by == "cytoscape" else ("graphology", "sigma")
    styles, title = ["explorer/page.css"], f"{data['title']}: who affects whom"
    body = resource("explorer/body.html")
    return page(title, body, styles, scripts, libraries, data)


def explorer_data(
    couplings: Couplings | CouplingSequence,
    report: Mapping[str, Any],
    title: str,
    state_sizes: Sizes | None = None,
    action_sizes: Sizes | None = None,
    values: Values | None = None,
    origin: str | None = None,
) -> dict[str, Any]:
    """What the page holds, ready for JSON; sets and paths are searched by the browser.

    **Arguments:**

    - `couplings`: the same at all times, or a sequence.
    - `report`: their [`graph_report`][mastac.analysis.graph_report], with `messages` where wanted,
        `kappa` and `agent` as they are to be chosen at first.
    - `title`: what the couplings are of.
    - `state_sizes`, `action_sizes`: numbers of each agent's state and action, `[agents]`; one each
        where not given.
    - `values`: figures of each agent, by what they are, `[agents]`; `None` where unknown.
    - `origin`: which run the figures are of.

    **Raises:**

    - [`mastac.errors.UserError`][] for couplings too large for a page.
    """
    number, messages = couplings.num_agents, report["messages"] or {}
    if number > MOST_AGENTS:
        raise UserError(
            f"a page shows at most {MOST_AGENTS:,} agents, and these are {number:,}; "
            "leave out --html for the figures"
        )
    ones, critics = [1] * number, report["critics"]
    return {
        "title": title,
        "agents": list(couplings.agents),
        **_steps(couplings),
        "places": np.round(agent_places(couplings), 4).ravel().tolist(),
        "state_sizes": ones if state_sizes is None else np.asarray(state_sizes).tolist(),
        "action_sizes": ones if action_sizes is None else np.asarray(action_sizes).tolist(),
        "sizes_given": critics["sizes_given"],
        "hidden": critics["hidden"],
        "central": critics["central"],
        "exact_from": report["exact_from"],
        "windows": report["windows"],
        "messages": messages.get("windows"),
        "running": messages.get("running"),
        "advice": {key: report["advice"][key] for key in ("command", "why")},
        "kappa": report["kappa"],
        "agent": None if report["agent"] is None else couplings.index(report["agent"]["name"]),
        "values": [
            {"name": name, "numbers": [None if x is None else float(x) for x in row]}
            for name, row in (values or {}).items()
        ],
        "origin": origin,
        "colors": {**MEANING, "ink": INK, "pale": PALE},
    }


def _steps(couplings: Couplings | CouplingSequence) -> dict[str, Any]:
    """The graphs of each kind of step, and the kind of each time (`None`: always the same)."""
    if isinstance(couplings, Couplings):
        entries, kinds = [couplings], None
    else:
        firsts = sorted(set(couplings.kinds))
        entries = [couplings[first] for first in firsts]
        kinds = [firsts.index(kind) for kind in couplings.kinds]
    steps = [_graphs(entry) for entry in entries]
    written = [graph for step in steps for graph in step.values() if not isinstance(graph, str)]
    if sum(len(graph["indices"]) for graph in written) > MOST_ENTRIES:
        raise UserError(
            f"a page holds at most {MOST_ENTRIES:,} edges, and these graphs have more; "
            "leave out --html for the figures"
        )
    return {"steps": steps, "kinds": kinds}


def _graphs(couplings: Couplings) -> dict[str, Any]:
    """For each graph its matrix, or the name of a graph that is the same."""
    found: dict[str, Any] = {}
    for place, graph in enumerate(GRAPHS):
        matrix = getattr(couplings, graph)
        same = (name for name in GRAPHS[:place] if getattr(couplings, name) is matrix)
        found[graph] = next(same, None) or _rows(matrix)
    return found


def _rows(matrix: csr_array) -> dict[str, list[int]]:
    """How many agents each row has, and which; -1 for a row of everyone, which is not written."""
    counts = np.diff(matrix.indptr)
    size = len(counts)
    full = (counts == size) & (size > 1)
    written = matrix.indices[~np.repeat(full, counts)]
    return {"counts": np.where(full, -1, counts).tolist(), "indices": written.tolist()}
