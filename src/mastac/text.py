"""Numbers, seeds and tables as text. Imports nothing heavy."""

import math
import unicodedata
from collections.abc import Sequence


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds in the form that `--seeds` takes.

    >>> seeds_text([0, 1, 2, 3]), seeds_text([4]), seeds_text([1, 5])
    ('0-3', '4', '1,5')
    """
    seeds = list(seeds)
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))


def number(value: float | None) -> str:
    """Two digits behind the point, three below 0.1 and none from 10,000 on; empty for what is not known.

    >>> number(-146.53), number(0.0123), number(-0.0001), number(None)
    ('-146.53', '0.012', '0.00', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    digits = 3 if 0.0005 <= abs(value) < 0.1 else 2 if abs(value) < 10_000 else 0
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def plus_minus(mean: float | None, std: float | None) -> str:
    """Mean and standard deviation; the mean alone where there is only one seed."""
    return number(mean) + (f" ± {number(std)}" if number(mean) and number(std) else "")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain text columns: the first one to the left, numbers to the right."""
    widths = [max(_width(row[k]) for row in (head, *rows)) for k in range(len(head))]
    rule = "  ".join("─" * width for width in widths)

    def line(row: Sequence[str]) -> str:
        gaps = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        first, *others = zip(row, gaps, strict=True)
        return "  ".join([first[0] + first[1], *(gap + cell for cell, gap in others)]).rstrip()

    return "\n".join([line(head), rule, *map(line, rows)])


def _width(text: str) -> int:
    """Columns that `text` takes; an accent of its own (as in Q̂) takes none."""
    return sum(not unicodedata.combining(letter) for letter in text)
