"""`mastac discover`. Checks what can be checked before JAX is imported."""

import argparse
from pathlib import Path
from typing import Any

from mastac.cli import arguments
from mastac.cli.output import print_json
from mastac.errors import UserError

HELP = "find the graphs of a simulator, or of a log of transitions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments and options."""
    parser.add_argument(
        "source", metavar="ENV|MODULE:FUNCTION|LOG.npz", help="what to ask, or a log to read"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write the graphs, for 'mastac graph' and 'mastac check' (.json)",
    )
    parser.add_argument(
        "--against", metavar="FILE|ENV", help="true graphs: print precision and recall"
    )
    parser.add_argument(
        "--points",
        metavar="N",
        help="random points to ask at (default: 512, fewer for many agents)",
    )
    parser.add_argument(
        "--by-time", action="store_true", help="tell the times apart: couplings that change"
    )
    parser.add_argument(
        "--fdr",
        metavar="SHARE",
        default="0.05",
        help="of a log: false edges allowed (default: 0.05)",
    )
    parser.add_argument(
        "--least-effect",
        metavar="SHARE",
        default="0.01",
        help="of a log: smallest effect looked for (default: 0.01)",
    )
    parser.add_argument(
        "--record",
        metavar="LOG.npz",
        help="play episodes and write them as a log; discover nothing",
    )
    parser.add_argument(
        "--episodes",
        metavar="E",
        help="with --record, or of a simulator outside JAX: how many (default: 200)",
    )
    parser.add_argument(
        "--policy", metavar="NAME", help="with --record: random (default), held or simple actions"
    )
    parser.add_argument(
        "--seed", metavar="S", default="0", help="of everything random (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments.add_env_set(parser)


def run(args: argparse.Namespace) -> int:
    """Print what was discovered; or record a log."""
    options = arguments.parse_assignments("--env-set", args.env_set)
    seed = arguments.parse_count("seed", args.seed, least=0)
    arguments.check_source(args.source, options)
    if args.record is not None:
        return _record(args, options, seed)
    how = _how(args)
    true = None
    if args.against is not None:
        true = _truth(args.against, options if args.against == args.source else {})
    from mastac.discovery import discover
    from mastac.discovery.report import score_text

    found = discover(args.source, seed=seed, env_options=options, **how)
    scores = None if true is None else found.score(true)
    if args.out is not None:
        _write(found.sequence() if args.by_time else found.couplings(), args.out)
    if args.json:
        report = found.to_dict()
        if scores is not None:
            report["score"] = {graph: score._asdict() for graph, score in scores.items()}
        print_json(report)
        return 0
    print(found)
    if scores is not None:
        print(f"\n{score_text(scores)}")
    if args.out is not None:
        print(f"\ngraphs  {args.out}")
    return 0


def _how(args: argparse.Namespace) -> dict[str, Any]:
    """The options of a discovery, checked."""
    if args.policy is not None:
        raise UserError("--policy goes with --record")
    how: dict[str, Any] = {
        "fdr": arguments.parse_number("--fdr", args.fdr, 0, 1),
        "least_effect": arguments.parse_number("--least-effect", args.least_effect, 0, 1),
        "by_time": args.by_time,
    }
    if args.episodes is not None:
        how["episodes"] = arguments.parse_count("episodes", args.episodes)
    if args.points is not None:
        how["points"] = arguments.parse_count("points", args.points, least=2)
    if args.source.endswith(".npz") and (args.points is not None or args.by_time):
        option = "points" if args.points else "by-time"
        raise UserError(f"--{option} is of queries, and '{args.source}' is a log")
    if args.out is not None and not args.out.endswith(".json"):
        raise UserError(f"'{args.out}' is no name for graphs; write a name that ends in .json")
    return how


def _record(args: argparse.Namespace, options: dict[str, Any], seed: int) -> int:
    if not args.record.endswith(".npz"):
        raise UserError(f"'{args.record}' is no name for a log; write a name that ends in .npz")
    if args.source.endswith(".npz"):
        raise UserError(
            f"'{args.source}' is a log already; --record plays an environment or a simulator"
        )
    for name in ("out", "against"):
        if getattr(args, name) is not None:
            raise UserError(
                f"--record writes a log and discovers nothing; --{name} goes with "
                "'mastac discover LOG.npz'"
            )
    episodes = 200 if args.episodes is None else arguments.parse_count("episodes", args.episodes)
    from mastac.discovery import record
    from mastac.discovery.discovering import source_of

    log = record(source_of(args.source, options), episodes, seed, args.policy or "random")
    log.save(args.record)
    print(f"{log.name}: {log.episodes} episodes of {log.steps} steps of {len(log.names)} agents")
    print(f"log  {args.record}")
    return 0


def _truth(place: str, options: dict[str, Any]) -> Any:
    """Couplings of a file, or of a named environment with these options."""
    from mastac.cli.graph import is_file, structure_of
    from mastac.envs.naming import environment_from
    from mastac.structure import read_sequence

    if place.endswith(".json"):
        sequence = read_sequence(place)
        return sequence[0] if len(sequence) == 1 else sequence
    source = place if is_file(place) else environment_from(place, options)
    return structure_of(source, options)[0]


def _write(couplings: Any, path: str) -> None:
    try:
        couplings.to_json(Path(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
