"""How commands print JSON and lists. Imports nothing heavy."""

import json
import sys
from collections.abc import Sequence
from typing import Any

UNBOUNDED = 10_000
"""Columns of an output that is no terminal: more than any list needs."""


def print_json(value: Any) -> None:
    """Print a value as readable JSON; `ValueError` if it holds NaN, which JSON does not know."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_list(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of words under a head, all columns to the left.

    On a terminal, long cells are wrapped to its width. In a pipe or a file every row is one line,
    whole and without color.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    width = None if sys.stdout.isatty() else UNBOUNDED
    # Brackets and colons are meant as they stand: `[64, 64]` is a list and no markup.
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    table = Table(*head, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for row in rows:
        table.add_row(*row)
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
