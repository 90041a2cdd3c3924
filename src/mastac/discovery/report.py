"""The report of a discovery, and of its score, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mastac.discovery.discovered import Score
from mastac.probing.check_text import misses_text

if TYPE_CHECKING:
    from mastac.discovery.discovered import Discovered, Edge

SHOWN = 12
"""Edges of a graph that are listed; the others are counted."""


def report_text(found: Discovered) -> str:
    """What was looked at, the edges of each graph, what they mean for critics, and what may have been missed."""
    if found.source == "log":
        head = (
            f"{found.name}: {len(found.agents)} agents, {found.samples:,} transitions of a log, false discovery rate "
            f"{1 - found.least_confidence:.2g}"
        )
    else:
        head = f"{found.name}: {len(found.agents)} agents, {found.samples:,} random points, paired changes"
    parts = [head]
    taken = found.found()
    for graph in found.graphs:
        edges = [each for each in taken if each.graph == graph]
        parts.append(_listed(f"{graph}: {_edges(len(edges))}", edges))
    if "observation" not in found.graphs:
        parts.append("observation: not looked for, there are no observations")
    parts.append(_sets(found))
    last = [*found.notes, *_misses(found)]
    return "\n\n".join(parts + ["\n".join(last)] * bool(last))


def score_text(scores: Mapping[str, Score]) -> str:
    """A table of precision and recall by graph."""
    lines = [
        f"{'against the truth':<19}{'found':>7}{'true':>7}{'right':>7}{'precision':>11}{'recall':>8}"
    ]
    total = Score(0, 0, 0)
    for graph, score in scores.items():
        total = score + total
        lines.append(_score(graph, score))
    return "\n".join([*lines, _score("all", total)])


def _score(name: str, score: Score) -> str:
    shares = ["-" if each is None else f"{each:.3f}" for each in (score.precision, score.recall)]
    return f"{name:<19}{score.found:>7}{score.true:>7}{score.right:>7}{shares[0]:>11}{shares[1]:>8}"


def _listed(title: str, edges: list[Edge]) -> str:
    shown = edges[:SHOWN]
    names = [f"{each.source} -> {each.target}" for each in shown]
    width = max(map(len, names), default=0)
    lines = [
        f"  {name:<{width}}  {_evidence(each)}" for name, each in zip(names, shown, strict=True)
    ]
    if len(edges) > SHOWN:
        lines.append(f"  … and {len(edges) - SHOWN} more (--json lists all)")
    return "\n".join([title, *lines])


def _evidence(edge: Edge) -> str:
    if edge.p_value is not None:
        return f"confidence {edge.confidence:.4f}, p = {edge.p_value:.2g}, adds {100 * edge.effect:.3g} % of the spread"
    return (
        f"at {100 * (edge.share or 0):.3g} % of the points (at least {100 * (edge.least_share or 0):.3g} %), "
        f"moves it by up to {edge.effect:.3g}"
    )


def _sets(found: Discovered) -> str:
    exact, window = found.set_sizes(), found.set_sizes(2)
    return (
        f"With these graphs a critic's exact set holds {exact['mean_agents']:.3g} agents on average and "
        f"{exact['most_agents']} at the most, of kappa = 2 {window['mean_agents']:.3g} and {window['most_agents']}; "
        f"the largest critic reads {exact['most_numbers']} numbers, of kappa = 2 {window['most_numbers']}."
    )


def _misses(found: Discovered) -> list[str]:
    if found.source == "log":
        return [
            "What was not found may be there: an effect too small for so many transitions, or one not varied."
        ]
    return [misses_text(found.misses())]


def _edges(count: int) -> str:
    return "1 edge" if count == 1 else f"{count:,} edges"
