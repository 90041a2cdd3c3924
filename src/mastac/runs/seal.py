"""The tables of a run, and the seal that shows whether they are what was written.

Every checkpoint's manifest holds, for each table, how many rows and bytes there were and a digest
of them; `summary.json` holds the same of a run that has ended. A table that was cut or edited is
then not taken for a result. Rows after the last checkpoint, and a last line that was cut off, are
normal after a crash: they are dropped and computed again.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import append_text, as_csv, write_bytes, write_text
from mastac.runs.checkpoints import drop_checkpoint, manifest_of, saved_epochs
from mastac.runs.folder import EVALUATION, METRICS, TIMING, RunFolder

HEADERS = {"metrics.csv": METRICS, "evaluation.csv": EVALUATION, "timing.csv": TIMING}
RESULTS = ("metrics.csv", "evaluation.csv")
"""Tables that are sealed when a run ends. The other one depends on the clock."""

Seals = Mapping[str, Any]


class SealedTables:
    """The tables that a run appends to, each with a digest that grows with it."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._digests = {name: hashlib.sha256() for name in HEADERS}
        self._rows = dict.fromkeys(HEADERS, 0)
        self._bytes = dict.fromkeys(HEADERS, 0)

    def begin(self, seals: Seals | None) -> None:
        """Keep of each table what is sealed, and nothing but its header without seals."""
        # The table that readers go by, timing.csv, is cut first.
        for name in reversed(HEADERS):
            path = self.folder.path / name
            if seals is None:
                write_text(path, as_csv([HEADERS[name]]))
            elif path.stat().st_size > seals[name]["bytes"]:
                write_bytes(path, _start(path, seals[name]["bytes"]))
            content = path.read_bytes()
            self._digests[name].update(content)
            self._bytes[name] = len(content)
            self._rows[name] = content.count(b"\n") - 1

    def append(self, path: Path, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table, on disk when this returns."""
        text = as_csv(rows)
        append_text(path, text)
        content = text.encode()
        self._digests[path.name].update(content)
        self._bytes[path.name] += len(content)
        self._rows[path.name] += content.count(b"\n")

    def seals(self, names: Iterable[str] = tuple(HEADERS)) -> dict[str, Any]:
        """Rows, bytes and digest of each table as it is now."""
        return {
            name: {
                "rows": self._rows[name],
                "bytes": self._bytes[name],
                "sha256": self._digests[name].hexdigest(),
            }
            for name in names
        }

    def checked_seals(self, names: Iterable[str]) -> dict[str, Any]:
        """As `seals`; `UserError` if a table is not what this process wrote."""
        seals = self.seals(names)
        found = damage(self.folder, seals, names, whole=True)
        if found:
            raise UserError(
                f"{found} while the run was at work; restore it from a copy and go on with: "
                f"{self.folder.how_to_resume()}"
            )
        return seals


def last_sound_epoch(folder: RunFolder, say: Callable[[str], None]) -> int:
    """Epoch of the newest checkpoint whose tables are still what was written; 0 for none.

    Where only what is newer than an older checkpoint was lost, newer ones are dropped: what they
    held is computed again, to the same numbers.

    **Raises:**

    - `UserError` if the tables match no checkpoint.
    """
    epochs = saved_epochs(folder.checkpoints)
    wrong = ""
    for epoch in reversed(epochs):
        found = damage(folder, manifest_of(folder.checkpoints, epoch).get("tables"))
        if not found:
            for newer in epochs[epochs.index(epoch) + 1 :]:
                drop_checkpoint(folder.checkpoints, newer)
            if wrong:
                say(f"{wrong}; what follows epoch {epoch} is computed again")
            return epoch
        wrong = wrong or found
    if wrong:
        raise UserError(f"{wrong}; restore it from a copy, or train a new run")
    return 0


def damage(
    folder: RunFolder, seals: Any, names: Iterable[str] = tuple(HEADERS), whole: bool = False
) -> str:
    """What is wrong with the tables of a run, in words; empty if they are as sealed.

    **Arguments:**

    - `seals`: what [`SealedTables.seals`][] returned when they were written.
    - `names`: the tables to look at.
    - `whole`: whether there must be nothing after what is sealed.
    """
    for name in names:
        path = folder.path / name
        try:
            rows, size, digest = (seals[name][key] for key in ("rows", "bytes", "sha256"))
            rows, size = int(rows), int(size)
            content = _start(path, -1 if whole else size)
        except FileNotFoundError:
            return f"'{path}' has been lost"
        except (KeyError, TypeError, ValueError, OverflowError):
            return f"the seal of '{path}' has been damaged"
        if hashlib.sha256(content).hexdigest() == digest:
            continue
        held = content.count(b"\n") - 1
        if len(content) < size and held < rows:
            return f"'{path}' has been cut to {max(held, 0)} of {rows} rows"
        return f"'{path}' has been altered"
    return ""


def _start(path: Path, size: int) -> bytes:
    with open(path, "rb") as file:
        return file.read(size)
