"""Sentences of an advice: what the graphs show, and what could make the advice wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mastac.analysis.graph_summary import NEARLY_ALL
from mastac.analysis.text_tables import counted, percent

FEW_AGENTS = 10
"""With so few agents exact sets cost little, and critics that read everything come close.

Measured on nine warehouses and on eight linear-quadratic agents.
"""
MODEL = "mastac-model"
"""The algorithm that learns local models, for discrete and for continuous actions."""
BEYOND = 0.1
"""A window is called narrow where more than this share of the influence lies beyond it."""


def findings_of(summary: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    """What the graphs show, whatever is trained.

    **Arguments:**

    - `summary`: the `graph_summary` of an [`advice`][mastac.analysis.advice.advice].
    - `names`: of the algorithms, by their kind.
    """
    number = summary["num_agents"]
    yield from _apart(summary)
    if summary["idle"]["number"]:
        yield (
            f"Without an action of their own: {named(summary['idle'])}. Other agents have to serve "
            "them, and an agent that learns from its own reward alone has no reason to."
        )
    if summary["sees_all"] is not None and summary["sees_all"] < number:
        unseen = number - summary["sees_all"]
        yield (
            f"{unseen:,} of {number:,} agents do not observe all agents that their value depends "
            f"on, so the critics of {names['independent']}, which read what an agent observes, are "
            "approximations."
        )
    if summary["discrete"]:
        yield (
            "Actions are discrete, so critics have no gradient in them: algorithms that learn "
            f"on-policy, and {MODEL}, need none; the others take biased ones."
        )
    if summary["steps"] is not None:
        yield (
            f"The couplings change over {counted(summary['steps'], 'step')}: "
            f"{names['structured']} uses the sets of each step. The other algorithms are "
            "given the union of all steps."
        )


def _apart(summary: Mapping[str, Any]) -> Iterator[str]:
    """Agents and groups that do not affect others, or are not affected."""
    number, groups = summary["num_agents"], summary["groups"]
    alone = summary["alone"]["number"]
    if 1 < groups["number"] < number:
        size = f"{groups['smallest']:,}"
        if groups["smallest"] < groups["largest"]:
            size += f" to {groups['largest']:,}"
        whole = f"{groups['number']:,} groups, of {size} agents, never affect each other"
        yield f"{whole}; one of the smallest is {named(groups)}."
    if 0 < alone < number:
        yield f"On their own, while others are coupled: {named(summary['alone'])}."
    if alone < summary["unmoved"]["number"] < number:
        yield f"Affected by no other agent: {named(summary['unmoved'])}."
    if alone < summary["moves_nobody"]["number"] < number:
        yield (
            f"Affecting no other agent's value: {named(summary['moves_nobody'])}. They learn from "
            "their own critic alone."
        )


def warnings_of(
    rule: str,
    kappa: int | None,
    summary: Mapping[str, Any],
    train: str,
    influence: Mapping[str, Any] | None,
) -> Iterator[str]:
    """What could make the advice wrong.

    **Arguments:**

    - `rule`, `kappa`: of the advice.
    - `summary`: the `graph_summary` of the advice.
    - `train`: the environment and its options, as `mastac train` takes them.
    - `influence`: the [`influence_curve`][mastac.analysis.influence.influence_curve], if rollouts
        were played.
    """
    yield from _wide_models(summary)
    if rule in ("separable", "sight"):
        return
    if rule == "weak":
        yield (
            "The problem is nearly separable under the policy that was played; under another "
            "policy it may not be."
        )
    if rule == "window" and summary["density"] >= NEARLY_ALL:
        yield (
            "Nearly every value depends on every agent: exact critics read what central ones "
            "read, and only a window saves."
        )
    yield from _not_played(summary, train) if influence is None else _played(kappa, influence)


def few_steps(summary: Mapping[str, Any]) -> str:
    """When to learn local models, and how small the graphs make them."""
    models = summary["local_models"]
    return (
        "with at most a few thousand environment steps; each local model reads at most "
        f"{models['largest']:,} of {counted(summary['num_agents'], 'agent')}, "
        f"{models['mean']:,.3g} on average"
    )


def _wide_models(summary: Mapping[str, Any]) -> Iterator[str]:
    """Local models that read nearly all agents; where agents are few that costs little."""
    wide, number = summary["local_models"]["wide"], summary["num_agents"]
    if number > FEW_AGENTS and wide["number"]:
        whose = "every agent" if wide["number"] == number else named(wide)
        yield (
            f"With {MODEL}, a model of the next state or reward of {whose} reads nearly all agents "
            "and needs more steps than the others."
        )


def _not_played(summary: Mapping[str, Any], train: str) -> Iterator[str]:
    """What the graphs leave open."""
    how = "train both and compare"
    if summary["steps"] is None:
        how = f"'mastac graph {train} --influence' measures it"
    yield f"Graphs say which agents can matter, not how much: {how}."
    if not summary["direct"]["number"] and not summary["idle"]["number"]:
        yield (
            "No action enters another agent's next state or reward at once, only by way of its "
            "own agent's state: own rewards may nearly suffice."
        )


def _played(kappa: int | None, influence: Mapping[str, Any]) -> Iterator[str]:
    """What the rollouts show against the advice."""
    others = influence["others"]["actions"]["mean"]
    if others is None:
        yield "No action changed any return in these rollouts: play another policy."
    if influence["no_own"]["number"]:
        yield (
            "Their actions change other agents' returns and not their own: "
            f"{named(influence['no_own'])}. Learning from their own reward alone, they have no "
            "reason to act."
        )
    if others is not None and influence["no_effect"]["number"]:
        yield f"Their actions changed no return in these rollouts: {named(influence['no_effect'])}."
    for row in influence["windows"]:
        beyond = row["actions"]["mean"]
        if row["kappa"] == kappa and beyond is not None and beyond > BEYOND:
            yield (
                f"{percent(beyond)} of the influence of actions on a value lies beyond kappa = "
                f"{kappa}: compare with a larger one."
            )


def named(some: Mapping[str, Any]) -> str:
    """A few names, and how many more there are."""
    *first, last = [*some["agents"], *([f"{some['more']:,} more"] if some["more"] else [])]
    return f"{', '.join(first)} and {last}" if first else last
