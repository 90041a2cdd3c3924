"""`mastac train`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mastac.cli import arguments
from mastac.errors import unknown

if TYPE_CHECKING:
    from mastac.runs.run import Run

HELP = "train decentralised policies in an environment and keep the run in a folder"

OWN_OPTIONS = ("algorithm", "kappa", "epochs", "seeds", "out", "preset", "evaluation_interval")
OWN_OPTIONS += ("evaluation_episodes", "workers", "log", "couplings", "partition")
# Arguments of `mastac.train` that are no knobs: --set must not reach them.
NO_KNOBS = ("env", "env_id", "env_options", "custom", "origin", "progress")
NO_KNOBS += ("unscaled_steps", "discrete")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_env(parser)
    arguments.add_algorithm(parser)
    parser.add_argument(
        "--kappa",
        metavar="K",
        help="truncate the dependency sets of the critics after K steps: 0, 1, 2, … or exact "
        "for the untruncated sets (default: the preset's)",
    )
    help = "episodes to train each seed for, at least 1 (default: the preset's)"
    parser.add_argument("--epochs", metavar="E", help=help)
    parser.add_argument(
        "--seeds",
        metavar="SEEDS",
        help="random seeds, trained side by side: a range 0-14, a list 0,1,2 or one number "
        "(default: 0)",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="run folder to create (default: runs/ENV-ALGORITHM-NUMBER, the first number free)",
    )
    parser.add_argument(
        "--preset",
        default="default",
        metavar="NAME",
        help="values of all knobs that --set leaves: default (tuned on the examples) or paper "
        "(the settings of the paper)",
    )
    parser.add_argument(
        "--evaluation-interval",
        metavar="E",
        help="epochs between evaluations of the greedy policy (default: a fiftieth of the run)",
    )
    parser.add_argument(
        "--evaluation-episodes",
        metavar="N",
        help="episodes of each evaluation (default: 20; after training 100, or N if that is more; "
        "with a simulator outside JAX 5 and 20)",
    )
    arguments.add_workers(parser)
    parser.add_argument(
        "--partition",
        metavar="D",
        help="spread the agents of each seed over D devices (default: each seed is on one)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="set a knob of the learner, as in batch_size=128 ('mastac algorithms' lists them); "
        "repeat it for several knobs",
    )
    arguments.add_env_set(parser)
    arguments.add_couplings(parser)
    help = "print what the run would take of memory and disk; train and write nothing"
    parser.add_argument("--dry-run", action="store_true", help=help)
    for add in (arguments.add_log, arguments.add_no_progress, arguments.add_no_cache):
        add(parser)


def run(args: argparse.Namespace) -> int:
    """Train, then print the table, the figure's path and the run folder."""
    from mastac.envs.naming import environment_from
    from mastac.runs.run import train

    env_options = arguments.parse_assignments("--env-set", args.env_set)
    chosen = knobs_of(args) | choices_of(args)
    # To hear of mistakes before anything slow.
    env = environment_from(args.env, env_options, args.couplings)
    if args.dry_run:
        return _foresee(env, **chosen)
    progress = not args.no_progress
    return run_and_report(lambda: train(env, progress=progress, log=args.log, **chosen))


def _foresee(env: Any, out: str | None, **chosen: Any) -> int:
    """Print what a run would take; the exit code is 2 where it does not fit."""
    from mastac.runs.planning import prepared

    plan = prepared(env, out, **chosen)
    from mastac.runs.sizes import foreseen

    sizes = foreseen(plan, Path("runs" if out is None else out))
    print(sizes)
    warning = sizes.check()
    if warning is not None:
        print(f"mastac: {warning}", file=sys.stderr)
    return 0


def knobs_of(args: argparse.Namespace, own_options: Sequence[str] = OWN_OPTIONS) -> dict[str, Any]:
    """The knobs that `--set` names, with their values.

    `own_options`: of the command, for what `--set` must not reach.
    """
    from mastac.learning.settings import KNOBS

    texts = [name for name, knob in KNOBS.items() if knob.choices]  # `true` may be one of them
    knobs = arguments.parse_assignments("--set", args.set, own_options, texts)
    for name in knobs:
        if name in NO_KNOBS:
            raise unknown("knob", name, KNOBS)
    return knobs


def choices_of(args: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `mastac.train` from the options; what was not given is left out."""
    chosen = {"algorithm": args.algorithm, "preset": args.preset, "out": args.out}
    if args.kappa is not None:
        chosen["kappa"] = arguments.parse_kappa(args.kappa)
    for name in ("epochs", "evaluation_interval", "evaluation_episodes", "partition"):
        if (text := getattr(args, name, None)) is not None:  # `tune` does not have all
            chosen[name] = arguments.parse_count(name, text)
    if args.workers is not None:
        chosen["workers"] = arguments.parse_count("workers", args.workers, least=0)
    if args.seeds is not None:
        chosen["seeds"] = arguments.parse_seeds(args.seeds)
    return chosen


def run_and_report(work: Callable[[], "Run"]) -> int:
    """Do the work of a run, draw its curves and print its results.

    **Arguments:**

    - `work`: trains or resumes, and returns the run.

    **Returns:** the exit code, 0.
    """
    folder = work().path
    from mastac.runs.figures import learning_curves, save
    from mastac.runs.results import read_results
    from mastac.runs.summary import run_table

    results = read_results(folder)
    print(f"\n{run_table(results)}\n")
    if results.metrics:  # there are none where every seed failed in its first epoch
        print(f"figure      {save(learning_curves([results]), folder / 'curves.png')[0]}")
    print(f"run folder  {folder}")
    return 0
