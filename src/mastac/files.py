"""Files that are whole or absent: atomic writes, JSON and CSV. Imports nothing heavy."""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.reading import checked, file_text, json_value

PARTIAL = ".partial"
"""Ends the name of a file that is being written; a crash may leave it."""
NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows lacks it


def write_text(path: Path, text: str) -> None:
    """Write a file of text as [`write_bytes`][] does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: after a crash it holds the old content or the new one.

    Nothing is written through a symbolic link: one at `path` is replaced by the file.
    """
    partial = path.with_name(path.name + PARTIAL)
    partial.unlink(missing_ok=True)  # what a crash left, or a link to elsewhere
    _write(partial, content, os.O_CREAT | os.O_EXCL)
    os.replace(partial, path)


def append_text(path: Path, text: str) -> None:
    """Add to the end of a file, on disk when this returns; `OSError` if it is a symbolic link."""
    _write(path, text.encode(), os.O_CREAT | os.O_APPEND)


def _write(path: Path, content: bytes, flags: int) -> None:
    flags |= os.O_WRONLY | NO_LINK | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o666), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def error_number(error: Exception) -> int | None:
    """The system's number of an error that it raised, or that tensorstore tells of in words."""
    if isinstance(error, OSError):
        return error.errno
    told = re.search(r"os_error_code='(\d+)'", str(error))
    return int(told[1]) if told else None


def as_csv(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV text, lines ended alike on every system."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [[cell(value) for value in row] for row in rows]
    )
    return text.getvalue()


def cell(value: Any) -> Any:
    """Numbers of single precision with the nine digits that identify them."""
    return f"{value:.9g}" if isinstance(value, float) else value


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Atomic, readable, without NaN."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


RESTORE = "restore it or start the run anew"


def read_json(path: Path, schema: Any = None, fix: str = RESTORE) -> dict[str, Any]:
    """A JSON object, compared with a schema as [`checked`][mastac.reading.checked] does.

    **Arguments:**

    - `path`: the file.
    - `schema`: what its keys hold.
    - `fix`: what to do where it is damaged.

    **Raises:**

    - `UserError` naming the file, if it cannot be read or is not what it should be.
    """
    try:
        data = json_value(file_text(path))
    except UserError as error:
        raise UserError(f"'{path}' cannot be read as JSON ({error}); {fix}") from error
    if not isinstance(data, dict):
        raise UserError(f"'{path}' should hold one JSON object; {fix}")
    try:
        return data if schema is None else checked(data, schema)
    except UserError as error:
        raise UserError(f"'{path}' is damaged: {error}; {fix}") from error


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold a lock file within the block; the system releases it if the process dies.

    **Arguments:**

    - `path`: the lock file; its folder is created.
    - `wait`: whether to wait until another process releases it.

    **Returns:**

    Whether the lock is held: false where another process holds it.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
