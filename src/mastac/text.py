"""Numbers, seeds, tables and echoed values as text. Imports nothing heavy."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

LONGEST_WORD, LONGEST_MESSAGE = 200, 500  # characters of a message


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
    """A number with two digits behind the point; empty for what is not known.

    There are three digits below 0.1 and none from 10,000 on.

    >>> number(-146.53), number(0.0123), number(-0.0001), number(None)
    ('-146.53', '0.012', '0.00', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    digits = 3 if 0.0005 <= abs(value) < 0.1 else 2 if abs(value) < 10_000 else 0
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def plus_minus(mean: float | None, std: float | None) -> str:
    """Mean and standard deviation; the mean alone where no deviation is known (a single seed)."""
    return number(mean) + (f" ± {number(std)}" if number(mean) and number(std) else "")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Rows under a head as plain text: the first `left` columns to the left, the rest to the right.

    >>> print(table(("agent", "return"), [("a", "-1.5"), ("b", "-12.25")]))
    agent  return
    ─────  ──────
    a        -1.5
    b      -12.25
    """
    from rich.cells import cell_len  # columns of a terminal: the accent of Q̂ takes none

    widths = [max(cell_len(row[k]) for row in (head, *rows)) for k in range(len(head))]

    def line(row: Sequence[str]) -> str:
        gaps = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        pairs = enumerate(zip(row, gaps, strict=True))
        return "  ".join(
            cell + gap if column < left else gap + cell for column, (cell, gap) in pairs
        ).rstrip()

    return "\n".join([line(head), "  ".join("─" * width for width in widths), *map(line, rows)])


def shortened(value: Any, most: int = 80) -> str:
    r"""A value as a message echoes it: on one line, printable, cut to `most` characters.

    >>> shortened("a\nb"), shortened("a" * 20, most=5)
    ('a b', 'aaaa…')
    """
    text = value if isinstance(value, str) else _text_of(str, value)
    start = printable(" ".join(text[: 10 * most].split()))  # the rest is not shown, however long
    is_whole = len(start) <= most and len(text) <= 10 * most
    return start if is_whole else f"{start[: most - 1]}…"


def echoed(value: Any) -> str:
    """A value as Python writes it, for a message, shortened.

    >>> echoed("a"), echoed(10**5000)
    ("'a'", 'a number of thousands of digits')
    """
    return shortened(_text_of(repr, value))


def _text_of(write: Callable[[Any], str], value: Any) -> str:
    try:
        return write(value)
    except (ValueError, RecursionError):
        return "a number of thousands of digits" if isinstance(value, int) else "a value"


def printable(text: str) -> str:
    r"""A text whose control characters, such as those that move a cursor, are written as escapes.

    >>> print(printable("\x1b[2J"))
    \x1b[2J
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def one_line(message: str) -> str:
    r"""A message on one line: control characters as escapes, the middle of long words left out.

    >>> print(one_line("unknown name '\x1b[31mred'\n"))
    unknown name '\x1b[31mred'
    """
    # What is left out of the middle needs no look: patterns over megabytes take seconds.
    text = printable(" ".join(_without_middle(message, 10 * LONGEST_MESSAGE).split()))
    for long in re.findall(rf"\S{{{LONGEST_WORD},}}|'[^']{{{LONGEST_WORD},}}'", text):
        text = text.replace(long, _without_middle(long, LONGEST_WORD))
    return _without_middle(text, LONGEST_MESSAGE)


def _without_middle(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 60]} … {text[-57:]}"


def clock(seconds: float) -> str:
    """Seconds as `1:02:03` or `2:03`."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
