"""Discovered edges, scores and sets in words. Imports no JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mastac.discovery.edges import Edge, Score

SHOWN = 12
"""Edges of a graph that are listed; the others are counted."""


def edges_text(graph: str, edges: Sequence[Edge]) -> str:
    """The edges of a graph, each with its evidence."""
    ends = [f"{edge.source} -> {edge.target}" for edge in edges]
    return listed_text(
        f"{graph}: {_count(len(edges))}", ends, [evidence_text(edge) for edge in edges]
    )


def undecided_text(edges: Sequence[Edge]) -> str:
    """Undecided edges, each with the sources that explain the target as well."""
    title = f"undecided: {_count(len(edges))}; the log cannot tell the source from another"
    ends = [f"{edge.graph:<14} {edge.source} -> {edge.target}" for edge in edges]
    return listed_text(title, ends, [evidence_text(edge) for edge in edges])


def score_text(scores: Mapping[str, Score]) -> str:
    """A table of precision and recall by graph."""
    lines = [
        f"{'against the truth':<19}{'found':>7}{'true':>7}{'right':>7}{'precision':>11}"
        f"{'recall':>8}"
    ]
    total = Score(0, 0, 0)
    for graph, score in scores.items():
        total = score + total
        lines.append(_score(graph, score))
    return "\n".join([*lines, _score("all", total)])


def sets_text(exact: Mapping[str, float], window: Mapping[str, float]) -> str:
    """Sizes of the exact sets, and of those of κ = 2, as a sentence."""
    return (
        f"With these graphs a critic's exact set holds {exact['mean_agents']:.3g} agents on "
        f"average and {exact['most_agents']} at the most, of kappa = 2 "
        f"{window['mean_agents']:.3g} and {window['most_agents']}; the largest critic reads "
        f"{exact['most_numbers']} numbers, of kappa = 2 {window['most_numbers']}."
    )


def _score(name: str, score: Score) -> str:
    shares = ["-" if share is None else f"{share:.3f}" for share in (score.precision, score.recall)]
    return f"{name:<19}{score.found:>7}{score.true:>7}{score.right:>7}{shares[0]:>11}{shares[1]:>8}"


def listed_text(title: str, ends: Sequence[str], evidence: Sequence[str]) -> str:
    """Edges under a title, each with its evidence."""
    width = max(map(len, ends[:SHOWN]), default=0)
    rows = zip(ends[:SHOWN], evidence[:SHOWN], strict=True)
    lines = [f"  {edge:<{width}}  {words}" for edge, words in rows]
    if len(ends) > SHOWN:
        lines.append(f"  … and {len(ends) - SHOWN} more (--json lists all)")
    return "\n".join([title, *lines])


def _alternatives(edge: Edge) -> str:
    names = [
        f"its own {source.kind}" if source.agent == edge.target else str(source)
        for source in edge.alternatives
    ]
    return " or ".join(names[:3]) + (f" or {len(names) - 3} more" if len(names) > 3 else "")


def evidence_text(edge: Edge) -> str:
    """What speaks for an edge, in words."""
    if edge.alternatives:
        return f"or from {_alternatives(edge)}; together {_own_evidence(edge)}"
    return _own_evidence(edge)


def _own_evidence(edge: Edge) -> str:
    if edge.p_value is not None:
        return (
            f"confidence {edge.confidence:.4f}, p = {edge.p_value:.2g}, "
            f"adds {100 * edge.effect:.3g} % of its standard deviation"
        )
    return (
        f"at {100 * (edge.share or 0):.3g} % of the points "
        f"(at least {100 * (edge.least_share or 0):.3g} %), moves it by up to {edge.effect:.3g}"
    )


def _count(count: int) -> str:
    return "1 edge" if count == 1 else f"{count:,} edges"
