"""What each command does. Checks what can be checked before it imports JAX or matplotlib."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mastac.cli import arguments
from mastac.errors import unknown

if TYPE_CHECKING:
    from mastac.runs.run import Run

OWN_OPTIONS = ("algorithm", "kappa", "epochs", "seeds", "out", "preset")
NO_KNOBS = (
    "env",
    "env_id",
    "env_options",
    "custom",
    "progress",
)  # arguments of `train` that --set does not reach


def train(args: argparse.Namespace) -> int:
    """Train, then print the table, the figure's path and the run folder."""
    from mastac.envs.graphs import structure_of
    from mastac.learning.settings import Settings
    from mastac.runs import run as experiments

    env_options = arguments.parse_assignments("--env-set", args.env_set)
    given = arguments.parse_assignments("--set", args.set, own_options=OWN_OPTIONS)
    for name in given:
        if name in NO_KNOBS:
            raise unknown("knob", name, [each.name for each in dataclasses.fields(Settings)])
    given |= {"algorithm": args.algorithm, "preset": args.preset, "out": args.out}
    if args.kappa is not None:
        given["kappa"] = arguments.parse_kappa(args.kappa)
    if args.epochs is not None:
        given["epochs"] = arguments.parse_count("epochs", args.epochs)
    if args.seeds is not None:
        given["seeds"] = arguments.parse_seeds(args.seeds)
    structure_of(args.env, env_options)  # to hear of mistakes in graphs before JAX is imported
    return _finish(
        lambda: experiments.train(
            args.env, env_options=env_options, progress=not args.no_progress, **given
        )
    )


def resume(args: argparse.Namespace) -> int:
    """Continue a stopped run and end like `train`."""
    from mastac.runs import run as experiments

    return _finish(lambda: experiments.resume(args.dir, progress=not args.no_progress))


def _finish(work: Callable[[], "Run"]) -> int:
    """Do the work, draw its curves, print what came out of it; or say how to go on after Ctrl-C."""
    from mastac.runs.run import Stopped

    try:
        folder = work().path
    except Stopped as stopped:
        print(f"mastac: {stopped}", file=sys.stderr)
        return 130
    from mastac.runs.figures import learning_curves, save
    from mastac.runs.results import read_results
    from mastac.runs.summary import run_table

    results = read_results(folder)
    print(f"\n{run_table(results)}\n")
    if results.metrics:  # there are none where every seed failed in its first epoch
        print(f"figure      {save(learning_curves([results]), folder / 'curves.png')[0]}")
    print(f"run folder  {folder}")
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Play episodes with the greedy policies of a run."""
    from mastac.runs import run as experiments
    from mastac.runs.summary import evaluation_table

    episodes = arguments.parse_count("episodes", args.episodes)
    chosen = (
        {} if args.seed is None else {"seed": arguments.parse_count("seed", args.seed, least=0)}
    )
    found = experiments.load(args.dir).evaluate(episodes=episodes, **chosen)
    print(_json(found) if args.json else evaluation_table(found, episodes))
    return 0


def plot(args: argparse.Namespace) -> int:
    """Draw learning curves and print the path of the figure."""
    from mastac.runs.results import read_results

    runs = [read_results(each) for each in args.dirs]
    out = args.out or (runs[0].folder / "curves.png" if len(runs) == 1 else Path("curves.png"))
    from mastac.runs.figures import learning_curves, save

    for path in save(learning_curves(runs, axis=args.x, greedy=args.greedy), out):
        print(path)
    return 0


def compare(args: argparse.Namespace) -> int:
    """Print a table of runs."""
    from mastac.runs.results import read_results
    from mastac.runs.summary import compare_rows, compare_table

    runs = [read_results(each) for each in args.dirs]
    print(_json(compare_rows(runs)) if args.json else compare_table(runs))
    return 0


def envs(args: argparse.Namespace) -> int:
    """Print the environments, or the options of one."""
    from mastac.envs.registry import ENVIRONMENTS, entry_of

    if args.name is None:
        rows = [(entry.id, entry.summary) for entry in ENVIRONMENTS.values()]
        print(text_table(("environment", "what it is"), rows))
        print(
            "\nN is a number of agents, as in warehouse-40. 'mastac envs ENV' lists the options of one."
        )
        return 0
    entry = ENVIRONMENTS.get(args.name) or entry_of(args.name)[0]
    rows = [
        (name, json.dumps(option.default), option.summary) for name, option in entry.options.items()
    ]
    print(f"{args.name}: {entry.summary}\n\n{text_table(('option', 'default', 'meaning'), rows)}")
    print(
        f"\nSet them with --env-set, as in 'mastac train {entry.example} --env-set {rows[0][0]}={rows[0][1]}'."
    )
    return 0


def algorithms(args: argparse.Namespace) -> int:
    """Print the algorithms and the knobs."""
    from mastac.algorithms import ALGORITHMS, users_text
    from mastac.learning.settings import KNOBS

    rows = [(name, algorithm.summary, algorithm.combines) for name, algorithm in ALGORITHMS.items()]
    print(text_table(("algorithm", "what it is", "combines with"), rows))
    knobs = [
        (name, json.dumps(knob.default), knob.range, knob.help, users_text(name))
        for name, knob in KNOBS.items()
    ]
    print(f"\n{text_table(('knob', 'default', 'range', 'meaning', 'used by'), knobs)}")
    print(
        "\nSet knobs with --set, as in --set batch_size=128. Presets may set others than these defaults."
    )
    return 0


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of words, all to the left."""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    rule = ["─" * width for width in widths]
    lines = ["  ".join(map(str.ljust, row, widths)) for row in (head, rule, *rows)]
    return "\n".join(line.rstrip() for line in lines)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
