"""The folder of a search: what was asked, Optuna's journal, and a run folder for each trial."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import locked, read_json, write_json
from mastac.text import shortened


class TuningFolder:
    """Paths of the files of one search, and who may write them."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.asked = self.path / "tuning.json"
        self.journal = self.path / "study.log"
        self.table = self.path / "trials.csv"
        self.best = self.path / "best.json"
        self.lock = self.path / ".lock"

    def trial(self, number: int) -> Path:
        """The run folder of a trial."""
        return self.path / "trials" / str(number)

    def fresh(self, name: str) -> Path:
        """The run folder of what is trained again on fresh seeds."""
        return self.path / "fresh" / name

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder; `UserError` if it holds something else, or another process writes."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"--out '{self.path}' is a file; name a folder")
        is_other = self.path.is_dir() and not self.asked.exists()
        if is_other and any(path != self.lock for path in self.path.iterdir()):
            raise UserError(
                f"--out '{self.path}' is not empty and holds no search; choose another folder"
            )
        try:
            with locked(self.lock) as held:
                if not held:
                    raise UserError(
                        f"another process tunes in '{self.path}'; wait for it or stop it"
                    )
                yield
        except OSError as error:
            if error.filename is None or Path(error.filename) not in (self.lock, self.path):
                raise
            raise UserError(
                f"--out '{self.path}' is not writable ({error.strerror}); choose another folder"
            ) from error

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Write what is asked, or compare it with what was; mend the journal after a crash.

        **Raises:**

        - `UserError` that names what differs from the search that the folder holds.
        """
        given = json.loads(json.dumps(asked))
        if self.asked.is_file():
            before = read_json(self.asked)
            for name, now, then in _differences(given, before):
                raise UserError(
                    f"the search in '{self.path}' has {name} {shortened(json.dumps(then))}, not "
                    f"{shortened(json.dumps(now))}; use the same command, or another --out"
                )
            self._mend_journal()
        else:
            write_json(self.asked, given)

    def _mend_journal(self) -> None:
        """Drop a line that was cut off, and the lock of a process that is no more."""
        self.journal.with_name(self.journal.name + ".lock").unlink(missing_ok=True)
        if not self.journal.is_file():
            return
        content = self.journal.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.journal, whole)


def _differences(
    now: Mapping[str, Any], then: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Names of what differs, with both values; objects are compared entry by entry."""
    for name in {**now, **then}:
        one, other = now.get(name), then.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differences(one, other, f"{prefix}{name}.")
        elif one != other:
            yield f"{prefix}{name}", one, other
