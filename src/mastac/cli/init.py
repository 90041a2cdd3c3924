"""`mastac init`."""

import argparse

from mastac.errors import UserError, unknown

HELP = "write an environment with its test, to make it your own"
KINDS = {
    "jax": "pure functions of JAX arrays: trains fastest",
    "pettingzoo": "a PettingZoo ParallelEnv: any simulator that Python can call",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help="name of the module: NAME.py and test_NAME.py are written here, and commands take "
        "NAME:env",
    )
    kinds = "; ".join(f"{kind}, {meaning}" for kind, meaning in KINDS.items())
    parser.add_argument(
        "--kind", default="jax", metavar="KIND", help=f"{kinds} (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the two files, and print which commands come next."""
    from importlib.resources import files
    from pathlib import Path

    from mastac.files import write_text

    if args.kind not in KINDS:
        raise unknown("kind of environment", args.kind, KINDS)
    paths = {"environment": Path(f"{args.name}.py"), "tests": Path(f"test_{args.name}.py")}
    _check_name(args.name)
    for path in paths.values():
        if path.exists():
            raise UserError(f"'{path}' exists already; choose another name, or move it away")
    for part, path in paths.items():
        text = (files("mastac.templates") / args.kind / f"{part}.py").read_text(encoding="utf-8")
        text = text.replace(f"mastac.templates.{args.kind}.environment", args.name)
        try:
            write_text(path, text.replace("NAME", args.name))
        except OSError as error:
            raise UserError(f"'{path}' cannot be written: {error.strerror}") from error
    print(f"{paths['environment']} is the environment, {paths['tests']} its test. They run as they")
    print("are: water tanks in a row. Their comments say what to change. Next:\n")
    print(f"    python -m pytest {paths['tests']}  # after: pip install pytest")
    print(f"    mastac check {args.name}:env")
    print(f"    mastac train {args.name}:env")
    return 0


def _check_name(name: str) -> None:
    """`UserError` unless it can be the name of a module, and is that of no other."""
    import keyword
    import re
    from importlib.util import find_spec

    if not name.isidentifier() or keyword.iskeyword(name):
        stem = re.sub(r"\W+", "_", name.removesuffix(".py")).strip("_").lower()
        example = stem if stem.isidentifier() and not keyword.iskeyword(stem) else "my_tanks"
        raise UserError(f"'{name}' is no name of a Python module; write for example {example}")
    spec = find_spec(name)
    if spec is not None and spec.origin is not None:
        raise UserError(
            f"there is a module '{name}' already ({spec.origin}), which a file of that name would "
            "hide; choose another name"
        )
