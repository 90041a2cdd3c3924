"""`mastac run-distributed`."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mastac.cli import arguments
from mastac.cli.output import print_json, print_list
from mastac.cli.train import knobs_of
from mastac.errors import UserError

if TYPE_CHECKING:
    from mastac.distributed.lossy import Lossy
    from mastac.distributed.results import Result

HELP = "train, or play a run, with agents that are processes of their own and send messages"
OWN_OPTIONS = ("algorithm", "kappa", "epochs", "seed", "preset", "out")
OF_TRAINING = ("algorithm", "kappa", "epochs", "preset", "set", "env_set")
HEAD = ("phase", "messages", "promised", "numbers", "promised", "bytes", "lost")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "what",
        metavar="RUN|ENV",
        help="run folder, whose policies play; or environment, in which agents are trained",
    )
    add = parser.add_argument
    add("--algorithm", metavar="NAME", help="learning algorithm (default: mastac)")
    add("--kappa", metavar="K", help="as of 'mastac train' (default: the preset's)")
    add("--epochs", metavar="E", help="episodes to train for (default: the preset's)")
    add("--seed", metavar="S", help="random seed, or that of the run (default: 0, or its first)")
    add("--preset", metavar="NAME", help="as of 'mastac train' (default: default)")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="set a knob of the learner; repeat it for several knobs",
    )
    arguments.add_env_set(parser)
    add("--episodes", metavar="N", help="episodes that trained policies play (default: 20)")
    help = "agents in a process (default: as many as make one process for each core)"
    add("--group", metavar="N", help=help)
    add("--loss", metavar="P", help="share of messages that is lost (default: 0)")
    help = "how many messages in a row a link loses on average (default: losses are independent)"
    add("--burst", metavar="LENGTH", help=help)
    add("--delay", metavar="STEPS", help="steps after which a message arrives (default: 0)")
    add(
        "--missing",
        metavar="HOW",
        default="hold",
        help="in training: hold the last value that arrived in place of one that did not, or skip "
        "samples that lack something (default: hold)",
    )
    help = "folder to create, for the ledger and the results (default: none is written)"
    add("--out", metavar="DIR", help=help)
    arguments.add_json(parser)
    arguments.add_no_progress(parser)
    arguments.add_no_cache(parser)


def run(args: argparse.Namespace) -> int:
    """Train or play, print the ledger, and write it."""
    from mastac.distributed.team import checked_ray

    lossy, counts, out = _lossy(args), _counts(args), _free(args.out)
    is_run = (Path(args.what) / "config.json").is_file()
    if is_run:
        _refuse_training(args)
    choices = {} if is_run else _choices(args)
    checked_ray()
    say = (lambda text: None) if args.no_progress else _say
    result = _result(args, is_run, choices, lossy, counts, say)
    from mastac.distributed.results import summary_of, write_results

    if out is not None:
        write_results(result, out)
    if args.json:
        print_json(summary_of(result))
    else:
        _show(result, out)
    if broken := result.broken():
        raise _Broken(f"what was sent in the phase '{broken[0]}' is not what the graphs promise")
    return 0


class _Broken(UserError):
    exit_code = 1


def _result(
    args: argparse.Namespace,
    is_run: bool,
    choices: dict[str, Any],
    lossy: "Lossy",
    counts: dict[str, int],
    say: Any,
) -> "Result":
    """Do the work."""
    given = (counts.get("group"), os.cpu_count() or 1, counts.get("episodes", 20), say)
    if is_run:
        from mastac.runs.run import load

        trained = load(args.what)
        trained.policy(counts.get("seed"))  # heard of before JAX is imported
        from mastac.distributed.distributing import play_apart
        from mastac.distributed.team import ray_team

        return play_apart(trained, counts.get("seed"), lossy, ray_team, *given)
    from mastac.distributed.jobs import Job, Source

    options = arguments.parse_assignments("--env-set", args.env_set)
    arguments.check_source(args.what, options)
    job = Job(Source(args.what, options), choices, counts.get("seed", 0), lossy)
    from mastac.distributed.distributing import train_apart
    from mastac.distributed.team import ray_team

    return train_apart(job, ray_team, *given)


def _choices(args: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of a training; what was not given is left out."""
    chosen = knobs_of(args, OWN_OPTIONS)
    for name in ("algorithm", "preset"):
        if getattr(args, name) is not None:
            chosen[name] = getattr(args, name)
    if args.kappa is not None:
        chosen["kappa"] = arguments.parse_kappa(args.kappa)
    if args.epochs is not None:
        chosen["epochs"] = arguments.parse_count("epochs", args.epochs)
    return chosen


def _refuse_training(args: argparse.Namespace) -> None:
    """`UserError` for an option of training beside a run that was trained."""
    for name in OF_TRAINING:
        if getattr(args, name):
            option = name.replace("_", "-")
            raise UserError(f"--{option} is for training, and '{args.what}' is a run; leave it out")


def _counts(args: argparse.Namespace) -> dict[str, int]:
    least = {"seed": 0, "group": 1, "episodes": 1}
    return {
        name: arguments.parse_count(name, getattr(args, name), bound)
        for name, bound in least.items()
        if getattr(args, name) is not None
    }


def _lossy(args: argparse.Namespace) -> "Lossy":
    from mastac.distributed.lossy import checked_lossy

    loss = 0.0 if args.loss is None else arguments.parse_number("loss", args.loss, 0, 1)
    burst = None if args.burst is None else arguments.parse_number("burst", args.burst, 1, 1e9)
    delay = 0 if args.delay is None else arguments.parse_count("delay", args.delay, 0)
    return checked_lossy(loss, burst, delay, args.missing)


def _free(out: str | None) -> Path | None:
    if out is None:
        return None
    path = Path(out)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"--out '{path}' exists and is not empty; name another folder")
    return path


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _show(result: "Result", out: Path | None) -> None:
    """Print the ledger, and what came of it."""
    print_list(HEAD, result.table())
    unit = "return of the trained policies"
    print(f"\n{unit}, by messages       {result.greedy.mean():.6g}")
    print(f"{unit}, in one process    {result.inside.mean():.6g}")
    if out is not None:
        print(f"results  {out}")
