"""The tables of a run folder, read back as columns of numbers."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mastac.errors import UserError
from mastac.reading import file_text
from mastac.text import shortened

Table = Mapping[str, np.ndarray]
WHOLE = ("seed", "epoch", "env_steps", "updates")
"""Columns of whole numbers from 0 on, none of which may be missing."""
LARGEST = 2.0**53
FOREIGN = re.compile(r"[^-+0-9.,eEinfa\n]")
"""What no table holds; inf and nan are numbers."""


def read_table(path: Path, required: Sequence[str], may_be_cut: bool = True) -> Table:
    """Columns of a CSV file of numbers; empty cells are NaN.

    **Arguments:**

    - `path`: the file. Where it is missing or has no rows there are no columns.
    - `required`: columns that it must have.
    - `may_be_cut`: whether a last line that is cut off, as a crash leaves it or another process
        is writing it, is left out. Else it is refused.

    **Raises:**

    - `UserError` naming the file, and the line where there is one, if it is malformed.
    """
    if not path.exists():
        return {}
    try:
        text = file_text(path)
        if text and not text.endswith("\n") and not may_be_cut:
            raise UserError("its last line is cut off")
        names, rows = _split(text, required)
        return _columns(names, rows)
    except UserError as error:
        raise UserError(
            f"'{path}' is malformed: {error}; restore it or start the run anew"
        ) from error


def _split(text: str, required: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, and the cells of each row."""
    head, *lines = text.replace("\r\n", "\n").split("\n")
    lines.pop() if lines else None  # what follows the last line's end: nothing, or half a line
    names = head.split(",")
    missing = [name for name in required if name not in names]
    if missing:
        raise UserError(f"it has no column '{missing[0]}'")
    if len(set(names)) < len(names):
        raise UserError("a column stands there twice")
    rows = [line.split(",") for line in lines]
    for number, (line, row) in enumerate(zip(lines, rows, strict=True), 2):
        if (foreign := FOREIGN.search(line)) is not None:
            raise UserError(f"line {number} holds '{shortened(foreign[0])}', which is no number")
        if len(row) != len(names):
            raise UserError(f"line {number} has {len(row)} values under {len(names)} names")
    return names, rows


def _columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    if not rows:
        return {}
    table = {
        name: _numbers(name, cells)
        for name, cells in zip(names, zip(*rows, strict=True), strict=True)
    }
    if {"seed", "epoch"} <= table.keys():
        pairs = np.stack([table["seed"], table["epoch"]], 1)
        found, first = np.unique(pairs, axis=0, return_index=True)
        if len(found) < len(pairs):
            again = int(np.setdiff1d(np.arange(len(pairs)), first)[0])
            seed, epoch = pairs[again].astype(int)
            raise UserError(f"line {again + 2} has seed {seed} at epoch {epoch} once more")
    return table


def _numbers(name: str, cells: Sequence[str]) -> np.ndarray:
    try:
        column = np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        column = np.array([np.nan if _is_number(cell) else np.inf for cell in cells])
    wrong = np.isinf(column)
    if wrong.any():
        wrong &= np.array(["inf" not in cell for cell in cells])
    if name in WHOLE:
        with np.errstate(invalid="ignore"):
            wrong |= ~((column >= 0) & (column <= LARGEST) & (column % 1 == 0))
    if wrong.any():
        line = int(np.argmax(wrong))
        what = "a whole number" if name in WHOLE else "a number"
        raise UserError(f"{name} in line {line + 2} is '{shortened(cells[line], 30)}', not {what}")
    return column


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True
