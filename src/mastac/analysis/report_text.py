"""The figures of a graph report as text."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def report_text(report: Mapping[str, Any], width: int, members: int) -> str:
    """The text; see [`mastac.analysis.report.format_report`][]."""
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, highlight=False, emoji=False)
    names = report["agents"]
    shown = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
    console.print(f"{_count(len(names), 'agent')}: {escape(shown)}\n")
    for table in (_graphs(report), _sets(report)):
        console.print(table)
    console.print(_critics(report) + "\n")
    console.print(_windows(report))
    if report.get("steps") is not None:
        console.print(
            f"The couplings change over {report['steps']} steps; these are the figures of their union.\n"
        )
    console.print(escape("\n".join(_advice(report["advice"], width))) + "\n")
    if report["agent"] is not None:
        console.print(_members(report["agent"], members, width))
    if report["why"] is not None:
        console.print(escape(report["why"]["text"]) + "\n")
    if report["edges"] is not None:
        console.print(*_edges(report), sep="\n")
    if report["messages"] is not None:
        console.print(*_messages(report, members), sep="\n")
    if report.get("influence") is not None:
        console.print(*_influence(report["influence"], report["kappa"]), sep="\n")
    lines = text.getvalue().splitlines()
    return "\n".join(line.rstrip() for line in lines).strip() + "\n"


def _table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1
) -> Table:
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _graphs(report: Mapping[str, Any]) -> Table:
    rows = []
    for name, graph in report["graphs"].items():
        label = name.replace("_", " ")
        if graph["same_as"]:
            rows.append((label, f"as {graph['same_as']}", "", ""))
        else:
            rows.append(
                (label, f"{graph['edges']:,}", _percent(graph["density"]), _range(graph["sources"]))
            )
    columns = ("graph", "edges", "density", "sources of an agent")
    return _table("Couplings (an agent always affects itself; not counted)", columns, rows)


def _sets(report: Mapping[str, Any]) -> Table:
    sets = report["sets"]
    labels = {
        "agents": "agents that a value depends on",
        "states": "  by their states",
        "actions": "  by their actions",
        "paper": "the paper's larger set",
        "gradient": "values that an agent's policy moves",
    }
    if sets["states"] == sets["actions"] == sets["agents"]:
        labels = {key: label for key, label in labels.items() if key not in ("states", "actions")}
    kappa, exact_from = report["kappa"], report["exact_from"]
    title = (
        "Sets, exact"
        if kappa is None
        else f"Sets, kappa = {kappa}" + (" (exact)" if report["exact"] else "")
    )
    if exact_from is not None:
        title += f"; every kappa from {exact_from} on is exact"
    rows = [(label, *_three(sets[key])) for key, label in labels.items()]
    return _table(title, ("set", "smallest", "median", "largest"), rows)


def _critics(report: Mapping[str, Any]) -> str:
    critics, central, number = report["critics"], report["critics"]["central"], report["num_agents"]
    layers = " x ".join(map(str, critics["hidden"])) or "none"
    unit = "" if critics["sizes_given"] else "; each state and action counted as one number"
    return (
        f"Critics (hidden layers {layers}{unit})\n"
        f"  one for each agent: {_range(critics['inputs'])} inputs, {critics['parameters']:,} parameters in all\n"
        f"  central instead:    {central['inputs']:,} inputs, {central['parameters_each']:,} parameters, "
        f"{central['parameters']:,} for {_count(number, 'agent')}\n"
        f"  saving:             {_percent(critics['saving'])} of the parameters, "
        f"{_percent(1 - critics['inputs']['total'] / max(1, central['inputs'] * number))} of the inputs"
    )


def _windows(report: Mapping[str, Any]) -> Table:
    rows = [
        (
            _mark(row, report["kappa"]),
            *_three(row["agents"]),
            f"{row['inputs']['largest']:,}",
            f"{row['parameters']:,}",
            _percent(row["saving"]),
        )
        for row in report["windows"]
    ]
    columns = ("kappa", "smallest", "median", "largest set", "inputs up to", "parameters", "saving")
    return _table("What each kappa costs", columns, rows)


def _mark(row: Mapping[str, Any], kappa: int | None) -> str:
    chosen = row["kappa"] == kappa or (kappa is None and row["exact"])
    return f"{row['kappa']}" + (" = exact" if row["exact"] else "") + (" <-" if chosen else "")


def _advice(found: Mapping[str, Any], width: int) -> Iterator[str]:
    """What to try first: the command stands on a line of its own, sentences are wrapped."""
    yield "What to try first"
    yield f"  {found['command']}"
    sentences = [
        found["why"],
        *(f"Or {one['method']}: {one['when']}." for one in found["alternatives"]),
    ]
    for sentence in (
        *sentences,
        *found["findings"],
        *(f"But: {warning}" for warning in found["warnings"]),
    ):
        yield from textwrap.wrap(
            sentence, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
        )


def _members(agent: Mapping[str, Any], most: int, width: int) -> Table:
    listed = agent["members"][:most]
    rows = [(one["agent"], _reads(one), str(one["from_kappa"]), one["why"]) for one in listed]
    if len(agent["members"]) > most:
        rows.append((f"… and {len(agent['members']) - most:,} more", "", "", "(--json lists all)"))
    moves = ", ".join(agent["moves"][:8]) + (", …" if len(agent["moves"]) > 8 else "")
    title = (
        f"The value of {agent['name']} depends on {_count(agent['size'], 'agent')}; "
        f"its policy moves the values of {len(agent['moves']):,}: {moves}"
    )
    table = _table(escape(title), ("agent", "reads", "from kappa", "because"), rows, left=4)
    table.width = width
    table.columns[3].ratio = 1
    return table


def _reads(member: Mapping[str, Any]) -> str:
    return " and ".join(kind for kind in ("state", "action") if member[kind])


def _edges(report: Mapping[str, Any]) -> Iterator[str | Table]:
    """Edges of one graph, and links: all edges from one agent to another at once."""
    edges, links = report["edges"], report["links"]
    window = "exact sets" if edges["kappa"] is None else f"kappa = {edges['kappa']}"
    yield f"Edges whose removal, alone, shrinks the sets most ({window})"
    if edges["sampled"] is None:
        yield f"{edges['edges_with_effect']:,} of {_count(edges['edges'], 'edge')} would shrink a set"
    else:
        yield f"a sample of {_count(edges['sampled'], 'agent')}; with ±: an estimate and two standard errors"
    yield from _effects("edge", edges)
    if links["edges"]:
        yield "Links, that is all edges from one agent to another, removed at once"
        looked = links["edges"] if links["sampled"] is None else links["sampled"]
        some = "" if links["sampled"] is None else f" of the {looked:,} that could do most,"
        yield f"{links['edges_with_effect']:,}{some} of {_count(links['edges'], 'link')} would shrink a set"
        yield from _effects("link", links)


def _effects(what: str, found: Mapping[str, Any]) -> Iterator[str | Table]:
    rows = [
        (
            f"{each['source']} -> {each['target']}",
            ", ".join(graph.replace("_", " ") for graph in each["graphs"]),
            f"{each['decrease']:,.0f}" + (f" ± {2 * each['error']:,.0f}" if each["error"] else ""),
            _percent(each["share"]),
        )
        for each in found["most"]
    ]
    yield (
        _table(None, (what, "graphs", "members less, in all sets", "share of all"), rows, left=2)
        if rows
        else ""
    )


def _messages(report: Mapping[str, Any], most: int) -> Iterator[str | Table]:
    """What each window sends, and whom one agent exchanges what with."""
    sent = report["messages"]
    marks = {row["kappa"]: _mark(row, report["kappa"]) for row in report["windows"]}
    kinds = [(f"kappa {marks[row['kappa']]}", row) for row in sent["windows"]]
    kinds += [
        ("central critics", sent["central_critics"]),
        ("central trainer", sent["central_trainer"]),
    ]
    rows = [("running only", *_sent(sent["running"]), "", "", "")]
    rows += [(label, *_sent(row["step"]), *_sent(row["sample"])) for label, row in kinds]
    yield "Numbers to send: each step (what acting needs among them), and for each sample of an update"
    yield f"(the central trainer sends {sent['central_trainer']['weights']:,} weights back when policies are renewed)"
    yield _table(
        None, ("", "messages", "a step", "busiest", "messages", "a sample", "busiest"), rows
    )
    if sent["partners"] is None:
        return
    keys = ("step_from", "step_to", "sample_from", "sample_to")
    rows = [
        (each["agent"], *(f"{each[key]:,}" for key in keys)) for each in sent["partners"][:most]
    ]
    if len(sent["partners"]) > most:
        rows.append(
            (f"… and {len(sent['partners']) - most:,} more", "", "", "", "(--json lists all)")
        )
    title = f"What {report['agent']['name']} exchanges with whom while training, in numbers"
    yield _table(
        escape(title), ("agent", "a step from", "a step to", "a sample from", "a sample to"), rows
    )


def _sent(figures: Mapping[str, int]) -> tuple[str, str, str]:
    # pyright: ignore[reportReturnType]
    return tuple(f"{figures[key]:,}" for key in ("messages", "numbers", "busiest"))


def _influence(found: Mapping[str, Any], kappa: int | None) -> Iterator[str | Table]:
    def share(kind: Mapping[str, Any]) -> tuple[str, str, str]:
        if kind["mean"] is None:
            return "none", "", ""
        interval = f"{100 * kind['low']:.2g} to {100 * kind['high']:.2g}"
        worst = f"{_percent(kind['worst'])} {kind['worst_agent']}" if kind["worst"] else ""
        return _percent(kind["mean"]), interval if kind["high"] else "", worst

    rows = [
        (_mark(row, kappa), *share(row["states"]), *share(row["actions"]))
        for row in found["windows"]
    ]
    yield "How much of what moves a value lies beyond kappa: mean over agents, 95 % interval, worst agent"
    yield f"({_count(found['rollouts'], 'rollout')} of {escape(found['policy'])}; another policy has another influence)"
    yield _table(None, ("kappa", "by states", "95 %", "worst", "by actions", "95 %", "worst"), rows)


def _three(spread: Mapping[str, Any]) -> tuple[str, str, str]:
    # pyright: ignore[reportReturnType]
    return tuple(f"{spread[key]:,}" for key in ("smallest", "median", "largest"))


def _range(spread: Mapping[str, Any]) -> str:
    low, high = spread["smallest"], spread["largest"]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}, median {spread['median']:,}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if abs(share) >= 0.01 or share == 0 else f"{100 * share:.2g} %"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
