"""Tables of a graph report, and numbers within them, as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table


def text_table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1
) -> Table:
    """A table whose first `left` columns are aligned to the left, the others to the right."""
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def kappa_label(row: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The kappa of a row of windows; marked if it is the first exact one or the one asked for."""
    kappa, exact_from = row["kappa"], report["exact_from"]
    chosen = exact_from if report["exact"] else report["kappa"]
    label = f"{kappa} = exact" if kappa == exact_from else f"{kappa}"
    return f"{label} <-" if kappa == chosen else label


def range_cells(sizes: Mapping[str, Any]) -> tuple[str, str, str]:
    """Smallest, median and largest."""
    return f"{sizes['smallest']:,}", f"{sizes['median']:,}", f"{sizes['largest']:,}"


def range_text(sizes: Mapping[str, Any]) -> str:
    """Smallest to largest, and the median; one number where all are the same."""
    low, high = sizes["smallest"], sizes["largest"]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}, median {sizes['median']:,}"


def percent(share: float) -> str:
    """A share with one digit behind the point; small ones with two digits."""
    return f"{100 * share:.1f} %" if abs(share) >= 0.01 or share == 0 else f"{100 * share:.2g} %"


def counted(number: int, noun: str) -> str:
    """A number of things, with the plural where it is due."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
