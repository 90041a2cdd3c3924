"""`mastac report`. Imports no JAX."""

import argparse
import json
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mastac.cli import arguments

if TYPE_CHECKING:
    from mastac.runs.results import Results

HELP = "write one page with everything about one run or several, to open in a browser"
MOST_DRAWN = 100
"""Graphs of more agents are left to `mastac graph --html`: their pictures are large."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_run_folders(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        default="report.html",
        help="page to write (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    out = arguments.file_to_write("--out", args.out, "report.html")
    from mastac.files import write_text
    from mastac.pages.report import report_page
    from mastac.runs.report import report_data
    from mastac.runs.results import read_results

    runs = [read_results(folder) for folder in args.dirs]
    data = report_data(runs)
    again = shlex.join(["mastac", "report", *args.dirs, "--out", args.out])
    text = report_page(data, systems_of(runs, [row["run"] for row in data["runs"]]), again)
    with arguments.writing("--out", out):
        write_text(out, text)
    print(f"{out} ({len(text.encode()) / 1e6:.1f} MB); open it in a browser")
    return 0


def systems_of(runs: "Sequence[Results]", names: Sequence[str]) -> list[dict[str, Any]]:
    """The graphs of the runs, those that are the same once; without those that are not stored."""
    from mastac.files import read_json
    from mastac.runs.folder import RunFolder

    groups: dict[str, list[int]] = {}
    for k, each in enumerate(runs):
        path = RunFolder(each.folder).couplings
        if path.is_file():
            groups.setdefault(json.dumps(read_json(path), sort_keys=True), []).append(k)
    return [
        _system([runs[k] for k in members], [names[k] for k in members])
        for members in groups.values()
    ]


def _system(runs: "Sequence[Results]", names: Sequence[str]) -> dict[str, Any]:
    """What the page tells of one system of graphs, and which of its runs use which sets."""
    from mastac.algorithms import ALGORITHMS
    from mastac.analysis import graph_report
    from mastac.pictures.album import couplings_picture
    from mastac.pictures.sheet import svg_of
    from mastac.runs.agent_figures import stored_sizes
    from mastac.structure import read_graphs

    folder = runs[0].folder
    couplings = read_graphs(folder / "couplings.json")
    sizes = stored_sizes(folder, couplings.num_agents) or (None, None)
    knobs = runs[0].config.get("knobs") or {}
    hidden = {"hidden": knobs["critic_hidden"]} if "critic_hidden" in knobs else {}
    kappas = [each.kappa for each in runs if each.kappa is not None]
    report = graph_report(
        couplings,
        max(kappas, default=None),
        state_sizes=sizes[0],
        action_sizes=sizes[1],
        **hidden,
    )
    windows = report["windows"]
    users = [
        each.algorithm in ALGORITHMS and ALGORITHMS[each.algorithm].uses_kappa for each in runs
    ]
    used: list[list[str]] = [[] for _ in windows]
    for each, name, is_user in zip(runs, names, users, strict=True):
        if is_user:
            used[_row_of(each.kappa, windows)].append(name)
    return {
        "runs": list(names),
        "agents": couplings.num_agents,
        "graphs": {name: graph["edges"] for name, graph in report["graphs"].items()},
        "windows": windows,
        "central": report["critics"]["central"]["parameters"],
        "used": used,
        "others": [name for name, is_user in zip(names, users, strict=True) if not is_user],
        "picture": svg_of(couplings_picture(couplings))
        if couplings.num_agents <= MOST_DRAWN
        else None,
        "command": shlex.join(["mastac", "graph", str(folder), "--html", "graph.html"]),
    }


def _row_of(kappa: int | None, windows: Sequence[dict[str, Any]]) -> int:
    """The row of the table for a window; the last one, exact or the largest, for `None`."""
    rows = [k for k, row in enumerate(windows) if kappa is not None and row["kappa"] >= kappa]
    return rows[0] if rows else len(windows) - 1
