"""What a graph report answers when asked: members of a set, edges, messages, influence, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from mastac.analysis.text_tables import counted, kappa_label, percent, text_table

LISTED = 8
"""So many agents are named whose values a policy moves."""


def member_table(agent: Mapping[str, Any], steps: int | None, most: int, width: int) -> Table:
    """The set of one agent: what is read of each member, from which kappa on, and why.

    **Arguments:**

    - `agent`: [`members_of`][mastac.analysis.members.members_of] the agent.
    - `steps`: of a sequence; `None` for couplings that are the same at all times.
    - `most`: the most rows.
    - `width`: the most columns of a line.
    """
    rows = [
        (member["agent"], _reads(member), str(member["from_kappa"]), member["why"])
        for member in agent["members"][:most]
    ]
    if len(agent["members"]) > most:
        rows.append((f"… and {len(agent['members']) - most:,} more", "", "", "(--json lists all)"))
    moves = ", ".join(agent["moves"][:LISTED]) + (", …" if len(agent["moves"]) > LISTED else "")
    title = (
        f"The value of {agent['name']} {'' if steps is None else 'at the first step '}"
        f"depends on {counted(agent['size'], 'agent')}; "
        f"its policy moves the values of {len(agent['moves']):,}: {moves}"
    )
    columns = ("agent", "reads", "from kappa", "because")
    table = text_table(escape(title), columns, rows, left=4)
    table.width = width
    table.columns[3].ratio = 1
    return table


def _reads(member: Mapping[str, Any]) -> str:
    return " and ".join(kind for kind in ("state", "action") if member[kind])


def edges_text(edges: Mapping[str, Any], links: Mapping[str, Any]) -> Iterator[str | Table]:
    """The edges of one graph, and the links, whose removal shrinks the sets most."""
    window = "exact sets" if edges["kappa"] is None else f"kappa = {edges['kappa']}"
    yield f"Edges whose removal, alone, shrinks the sets most ({window})"
    if edges["sampled"] is None:
        number = counted(edges["edges"], "edge")
        yield f"{edges['edges_with_effect']:,} of {number} would shrink a set"
    else:
        sample = counted(edges["sampled"], "agent")
        yield f"a sample of {sample}; with ±: an estimate and two standard errors"
    yield from _effects("edge", edges)
    if links["edges"]:
        yield "Links (all edges from one agent to another), removed at once"
        sample = "" if links["sampled"] is None else f" of {links['sampled']:,} looked at,"
        number = counted(links["edges"], "link")
        yield f"{links['edges_with_effect']:,}{sample} of {number} would shrink a set"
        yield from _effects("link", links)


def _effects(what: str, effects: Mapping[str, Any]) -> Iterator[str | Table]:
    rows = [
        (
            f"{effect['source']} -> {effect['target']}",
            ", ".join(graph.replace("_", " ") for graph in effect["graphs"]),
            f"{effect['decrease']:,.0f}"
            + (f" ± {2 * effect['error']:,.0f}" if effect["error"] else ""),
            percent(effect["share"]),
        )
        for effect in effects["most"]
    ]
    columns = (what, "graphs", "fewer members, all sets", "share of all")
    yield text_table(None, columns, rows, left=2) if rows else ""


def messages_text(report: Mapping[str, Any], most: int) -> Iterator[str | Table]:
    """What is sent with each window, and what one agent exchanges with which others."""
    messages = report["messages"]
    labels = {row["kappa"]: kappa_label(row, report) for row in report["windows"]}
    kinds = [(f"kappa {labels[row['kappa']]}", row) for row in messages["windows"]]
    kinds += [
        ("central critics", messages["central_critics"]),
        ("central trainer", messages["central_trainer"]),
    ]
    rows = [("running only", *_sent(messages["running"]), "", "", "")]
    rows += [(label, *_sent(row["step"]), *_sent(row["sample"])) for label, row in kinds]
    weights = messages["central_trainer"]["weights"]
    yield "Numbers to send: each step (with what acting needs), and for each sample of an update"
    yield f"(the central trainer sends back {weights:,} weights whenever policies are updated)"
    columns = ("", "messages", "a step", "busiest", "messages", "a sample", "busiest")
    yield text_table(None, columns, rows)
    if messages["partners"] is not None:
        yield _partners(report["agent"]["name"], messages["partners"], most)


def _sent(figures: Mapping[str, int]) -> tuple[str, str, str]:
    return f"{figures['messages']:,}", f"{figures['numbers']:,}", f"{figures['busiest']:,}"


def _partners(agent: str, partners: list[Mapping[str, Any]], most: int) -> Table:
    keys = ("step_from", "step_to", "sample_from", "sample_to")
    rows = [(row["agent"], *(f"{row[key]:,}" for key in keys)) for row in partners[:most]]
    if len(partners) > most:
        rows.append((f"… and {len(partners) - most:,} more", "", "", "", "(--json lists all)"))
    title = f"What {agent} exchanges with other agents while training, in numbers"
    columns = ("agent", "a step from", "a step to", "a sample from", "a sample to")
    return text_table(escape(title), columns, rows)


def influence_text(report: Mapping[str, Any]) -> Iterator[str | Table]:
    """How much of the influence on a value lies beyond each kappa."""
    influence = report["influence"]
    rows = [
        (kappa_label(row, report), *_share(row["states"]), *_share(row["actions"]))
        for row in influence["windows"]
    ]
    rollouts = counted(influence["rollouts"], "rollout")
    yield "Influence on a value from beyond kappa: mean over agents, 95 % interval, worst agent"
    yield f"({rollouts} of {escape(influence['policy'])}; another policy has another influence)"
    columns = ("kappa", "by states", "95 %", "worst", "by actions", "95 %", "worst")
    yield text_table(None, columns, rows)


def _share(kind: Mapping[str, Any]) -> tuple[str, str, str]:
    if kind["mean"] is None:
        return "none", "", ""
    interval = f"{100 * kind['low']:.2g} to {100 * kind['high']:.2g}"
    worst = f"{percent(kind['worst'])} {kind['worst_agent']}" if kind["worst"] else ""
    return percent(kind["mean"]), interval if kind["high"] else "", worst
