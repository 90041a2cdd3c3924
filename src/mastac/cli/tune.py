"""`mastac tune`."""

import argparse
from typing import Any

from mastac.cli import arguments, cluster, train
from mastac.cli.output import print_json

HELP = "search values of knobs with Optuna, and say how sure it is that they are better"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_env(parser)
    arguments.add_algorithm(parser)
    parser.add_argument("--epochs", metavar="E", help="episodes of a trial (default: the preset's)")
    parser.add_argument(
        "--seeds", metavar="SEEDS", help="random seeds of a trial, such as 0-2 (default: 0,1)"
    )
    parser.add_argument(
        "--trials",
        default="20",
        metavar="N",
        help="trials, those of earlier calls included; the first is the preset "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--timeout", metavar="S", help="seconds after which this call begins no new trial"
    )
    parser.add_argument(
        "--knobs",
        metavar="A,B",
        help="knobs to search (default: a few that matter for the algorithm)",
    )
    parser.add_argument(
        "--pruner",
        default="median",
        metavar="NAME",
        help="what stops trials that fall behind: median, hyperband or none (default: %(default)s)",
    )
    parser.add_argument(
        "--fresh-seeds",
        default="10",
        metavar="N",
        help="other seeds that the best and the preset are trained on at the end; 0: none "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="folder of the search; the same command goes on with it "
        "(default: runs/tune-ENV-ALGORITHM)",
    )
    _add_options_of_train(parser)
    arguments.add_workers(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="set a knob in all trials; repeat it for several knobs",
    )
    arguments.add_env_set(parser)
    arguments.add_couplings(parser)
    cluster.add_arguments(parser, "trial")
    for add in (arguments.add_json, arguments.add_no_progress, arguments.add_no_cache):
        add(parser)


def _add_options_of_train(parser: argparse.ArgumentParser) -> None:
    """Options with the meaning that they have for `mastac train`."""
    same = "as for 'mastac train'"
    parser.add_argument("--preset", default="default", metavar="NAME", help=same)
    parser.add_argument("--kappa", metavar="K", help=same)
    parser.add_argument("--evaluation-interval", metavar="E", help=same)
    parser.add_argument("--evaluation-episodes", metavar="N", help=same)


def run(args: argparse.Namespace) -> int:
    """Search, then print the trials, what mattered, and the command that repeats the best."""
    from mastac.envs.naming import environment_from
    from mastac.tuning import tune

    own: dict[str, Any] = {
        "trials": arguments.parse_count("trials", args.trials),
        "fresh_seeds": arguments.parse_count("fresh_seeds", args.fresh_seeds, least=0),
        "knobs": [name.strip() for name in (args.knobs or "").split(",") if name.strip()],
        "pruner": args.pruner,
        "progress": not args.no_progress,
        "fixed": train.knobs_of(args),
        **cluster.choices_of(args),
    }
    if args.timeout is not None:
        own["timeout"] = arguments.parse_number("timeout", args.timeout, 0, 1e9)
    env_options = arguments.parse_assignments("--env-set", args.env_set)
    chosen = train.choices_of(args)
    env = environment_from(args.env, env_options, args.couplings)
    findings = tune(env, **own, **chosen)
    if args.json:
        print_json(findings.to_dict())
    else:
        print(f"\n{findings.text()}")
    return 0
