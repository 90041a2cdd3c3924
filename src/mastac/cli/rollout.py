"""`mastac rollout`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mastac.cli import arguments
from mastac.cli.output import print_json
from mastac.errors import UserError

if TYPE_CHECKING:
    from mastac.runs.run import Run

HELP = "play one episode with the greedy policies of a run; print, save, draw or animate it"
PICTURES = (".png", ".svg", ".pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_run_folder(parser)
    parser.add_argument(
        "--seed", metavar="S", help="seed of the run whose policies play (default: its first)"
    )
    parser.add_argument(
        "--episode-seed",
        metavar="S",
        help="whole number from 0 that chooses the episode, as --seed of 'mastac evaluate' does",
    )
    parser.add_argument(
        "--animate",
        metavar="FILE",
        help="write an animation, trained policy beside the simple one: .gif, or .mp4 if ffmpeg "
        "is found",
    )
    parser.add_argument(
        "--fps",
        metavar="F",
        help="frames of the animation in a second (default: as many as make it last some 6 s)",
    )
    parser.add_argument(
        "--strip", metavar="FILE", help="draw a few moments beside each other: .png, .svg or .pdf"
    )
    parser.add_argument(
        "--moments", metavar="M", help="moments of the strip, at least 2 (default: 4)"
    )
    parser.add_argument(
        "--series",
        metavar="FILE",
        help="draw every agent's states, actions and rewards over time: .png, .svg or .pdf",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="save states, actions and rewards: .csv or .npz"
    )
    arguments.add_json(parser)
    arguments.add_no_cache(parser)


def run(args: argparse.Namespace) -> int:
    """Play an episode; print its returns, and write what is asked for."""
    chosen = _numbers(args)
    files = _checked_files(args)
    from mastac.runs.run import load

    trained = load(args.dir)
    trained.policy(chosen.get("seed"))  # a run without one is refused before JAX is imported
    remark = _remark(trained)
    rollout = trained.rollout(
        **{name: chosen[name] for name in ("seed", "episode_seed") if name in chosen}
    )
    from mastac.runs.rollout_files import as_json, rollout_table, save

    if "out" in files:
        save(rollout, files["out"])
    if files.keys() & {"animate", "strip", "series"}:
        from mastac.pictures import films, series, sheet

        if "animate" in files:
            films.animate(rollout, files["animate"], chosen.get("fps"))
        if "strip" in files:
            sheet.save_as(films.strip_figure(rollout, chosen.get("moments", 4)), files["strip"])
        if "series" in files:
            sheet.save_as(series.series_figure(rollout), files["series"])
    if args.json:
        print_json(as_json(rollout) | {"files": {name: str(files[name]) for name in files}})
        return 0
    print(rollout_table(rollout))
    print("".join([f"\n{remark}" if remark else "", *(f"\n{path}" for path in files.values())]))
    return 0


def _numbers(args: argparse.Namespace) -> dict[str, int]:
    """The numbers that were given, checked."""
    least = {"seed": 0, "episode_seed": 0, "fps": 1, "moments": 2}
    chosen = {
        name: arguments.parse_count(name.replace("_", "-"), getattr(args, name), bound)
        for name, bound in least.items()
        if getattr(args, name) is not None
    }
    for name, of in (("fps", "animate"), ("moments", "strip")):
        if name in chosen and getattr(args, of) is None:
            raise UserError(f"--{name} goes with --{of}")
    return chosen


def _checked_files(args: argparse.Namespace) -> dict[str, Path]:
    """What to write, by option; mistakes are heard of before anything is played."""
    from mastac.runs.rollout_files import ENDINGS, check_file

    known = {"animate": (".gif", ".mp4"), "strip": PICTURES, "series": PICTURES, "out": ENDINGS}
    files = {name: Path(getattr(args, name)) for name in known if getattr(args, name) is not None}
    for name, path in files.items():
        check_file(f"--{name}", path, known[name])
    if len({path.absolute() for path in files.values()}) < len(files):
        raise UserError("two options name the same file; give each a file of its own")
    if "animate" in files:
        from mastac.pictures.films import check_animation

        check_animation(files["animate"])
    return files


def _remark(trained: "Run") -> str:
    """A sentence on a run that has not ended, and plays as of its last checkpoint."""
    if trained.is_finished:
        return ""
    return (
        f"The run has not ended: these are the policies of its last checkpoint. Go on with "
        f"'{trained.folder.how_to_resume()}'."
    )
