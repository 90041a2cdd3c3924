"""The options that send work to a Ray cluster."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mastac.cli import arguments
from mastac.errors import UserError

if TYPE_CHECKING:
    from mastac.jobs.cluster import Cluster


def add_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """The options that send work, each piece a `what`, to a Ray cluster."""
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="train in parallel on the Ray cluster at this address; local starts one on this "
        f"machine (default: one {what} after the other, without Ray)",
    )
    parser.add_argument(
        "--cpus", metavar="N", help=f"with --ray: processor cores for each {what} (default: 1)"
    )
    parser.add_argument(
        "--gpus",
        metavar="G",
        help=f"with --ray: GPUs for each {what}, from 0 (default: 1 if the cluster has any)",
    )


def choices_of(args: argparse.Namespace) -> dict[str, Any]:
    """The options as `ray`, `cpus` and `gpus`; nothing where no cluster is asked for.

    **Raises:**

    - `UserError` for options that do not go together, and where Ray is not installed.
    """
    if args.ray is None:
        for name in ("cpus", "gpus"):
            if getattr(args, name) is not None:
                raise UserError(
                    f"--{name} goes with --ray; without it one is trained after the other"
                )
        return {}
    from mastac.jobs.cluster import checked_ray

    cpus = 1 if args.cpus is None else arguments.parse_count("cpus", args.cpus)
    gpus = None if args.gpus is None else arguments.parse_count("gpus", args.gpus, least=0)
    checked_ray()
    return {"ray": args.ray, "cpus": cpus, "gpus": gpus}


def cluster_of(args: argparse.Namespace, root: Path) -> "Cluster | None":
    """The cluster that the options name, for work below the folder `root`; `None`: no cluster."""
    chosen = choices_of(args)
    if not chosen:
        return None
    from mastac.jobs.cluster import Cluster

    return Cluster(chosen["ray"], root, chosen["cpus"], chosen["gpus"])
