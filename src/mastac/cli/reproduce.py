"""`mastac reproduce`. Checks everything that can be checked before JAX is imported."""

import argparse
import shlex
import signal
import sys
from pathlib import Path

from mastac.cli import arguments, cluster
from mastac.errors import UserError, unknown

HELP = "repeat the paper's table and figures; what is trained already is kept"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "what",
        metavar="RESULT",
        help="result to make: table1, figure1, figure2, figure11 or all; "
        "or search, which searches the learning rates of each algorithm",
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="size of the reproduction: smoke (a minute or two), laptop (5 seeds) or paper "
        "(15 seeds); default: laptop",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="folder for runs and results (default: runs/reproduce-PRESET; runs/search for "
        "search; with --from, the folder RAW)",
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="list the runs that are done and those that remain, and train nothing",
    )
    parser.add_argument(
        "--from",
        dest="raw",
        metavar="RAW",
        help="make the results from this folder of raw data, and train nothing",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        nargs="+",
        action="extend",
        default=[],
        help="train only these environments or runs (names as --plan prints them)",
    )
    parser.add_argument(
        "--seeds",
        metavar="SEEDS",
        help="random seeds: a range 0-14, a list 0,1,2 or one number (default: the preset's)",
    )
    cluster.add_arguments(parser, "run")


def run(args: argparse.Namespace) -> int:
    """Train the missing cells and print the files of the result."""
    from mastac.reproduction.paper import WHAT

    if args.what == "search":
        return _search(args)
    if args.what not in WHAT:
        raise unknown("result", args.what, (*WHAT, "search"))
    if args.raw is not None:
        return _from_raw(args)
    from mastac.reproduction.grid import Grid, plan_table
    from mastac.reproduction.reproduce import folder_for, reproduce
    from mastac.runs.interruption import Stopped

    preset = args.preset or "laptop"
    seeds = None if args.seeds is None else arguments.parse_seeds(args.seeds)
    out = folder_for(preset) if args.out is None else Path(args.out)
    where = cluster.cluster_of(args, out)
    grid = Grid(out, args.what, preset, args.only, seeds)
    if args.plan:
        grid.check()
        print(plan_table(grid.places))
        return 0
    try:
        written = reproduce(grid, args.what, _say, where)
    except (Stopped, KeyboardInterrupt) as stopped:
        number = stopped.number if isinstance(stopped, Stopped) else signal.SIGINT
        raise Stopped(f"stopped; go on with: {_again(args)}", number) from None
    _show(written)
    return 0


def _search(args: argparse.Namespace) -> int:
    """Search the rates of every row; what has been searched is kept."""
    from mastac.reproduction.search import search_all, searched_cells

    for name in ("raw", "seeds", "ray", "cpus", "gpus"):
        if getattr(args, name) is not None:
            option = "from" if name == "raw" else name
            raise UserError(f"--{option} does not go with search; leave it out")
    preset = args.preset or "laptop"
    if args.plan:
        print("\n".join(cell.path for cell in searched_cells(preset, args.only)))
        return 0
    print(search_all(Path(args.out or "runs/search"), preset, args.only, _say))
    return 0


def _from_raw(args: argparse.Namespace) -> int:
    """Make the results from raw data."""
    from mastac.reproduction.reproduce import results_from

    for name in ("preset", "only", "seeds", "ray", "cpus", "gpus"):
        if getattr(args, name):
            raise UserError(
                f"--{name} chooses what is trained, and --from trains nothing; "
                "leave one of them out"
            )
    raw = Path(args.raw)
    _show(results_from(raw, args.what, raw if args.out is None else Path(args.out)))
    return 0


def _show(written: list[Path]) -> None:
    """Print the table, and where every file is."""
    for path in written:
        if path.suffix == ".txt":
            print(f"\n{path.read_text(encoding='utf-8').rstrip()}\n")
    for path in written:
        print(path)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _again(args: argparse.Namespace) -> str:
    """The command that goes on."""
    words = ["mastac", "reproduce", args.what]
    for name in ("preset", "out", "seeds", "ray", "cpus", "gpus"):
        if getattr(args, name) is not None:
            words += [f"--{name}", getattr(args, name)]
    return shlex.join([*words, *(["--only", *args.only] if args.only else [])])
