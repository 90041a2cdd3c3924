"""`mastac graph --html`: the page, and what colours its agents. Imports no JAX."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mastac.cli import arguments
from mastac.errors import UserError

if TYPE_CHECKING:
    from mastac.structure import Couplings, CouplingSequence

LARGE = 4000
"""With more agents messages are not counted for the whole: it would take long."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that a page needs."""
    parser.add_argument(
        "--html", metavar="FILE", help="write a page to explore the graphs in a browser"
    )
    parser.add_argument(
        "--run", metavar="RUN", help="with --html: colour agents by the results of this run folder"
    )


def check(args: argparse.Namespace) -> Path | None:
    """Where the page goes; `UserError` before anything is computed if it cannot go there."""
    if args.html is None:
        if args.run is not None:
            raise UserError("--run colours the agents of a page; write one with --html FILE")
        return None
    return arguments.file_to_write("--html", args.html, "graph.html")


def wants_messages(page: Path | None, couplings: "Couplings | CouplingSequence") -> bool:
    """Whether messages are counted for the page."""
    return page is not None and couplings.num_agents <= LARGE


def write(
    path: Path,
    args: argparse.Namespace,
    couplings: "Couplings | CouplingSequence",
    report: Mapping[str, Any],
    sizes: tuple[Any, Any],
) -> str:
    """Write the page and return what to print."""
    from mastac.files import write_text
    from mastac.pages.explorer import explorer_data, explorer_page

    source = Path(args.source)
    is_run = (source / "config.json").is_file()
    run = args.run or (source if is_run and (source / "summary.json").is_file() else None)
    title = source.name if source.exists() else args.source
    values = None if run is None else values_of(run, couplings.agents, title)
    origin = None if run is None else Path(run).name
    text = explorer_page(explorer_data(couplings, report, title, *sizes, values, origin))
    with arguments.writing("--html", path):
        write_text(path, text)
    return f"\n\nPage\n  {path} ({len(text.encode()) / 1e6:.1f} MB); open it in a browser"


def values_of(
    run: str | Path, agents: tuple[str, ...], title: str
) -> dict[str, list[float | None]]:
    """The figures of a run in the order of the agents; `UserError` if it has other agents."""
    from mastac.runs.agent_figures import figures_by_agent

    figures = figures_by_agent(run)
    for entries in figures.values():
        other = next((name for name in entries if name not in set(agents)), None)
        if other is not None:
            raise UserError(
                f"--run '{run}' has an agent '{other}', which '{title}' has not; "
                f"explore its own graphs with 'mastac graph {run} --html FILE'"
            )
    return {what: [entries.get(name) for name in agents] for what, entries in figures.items()}
