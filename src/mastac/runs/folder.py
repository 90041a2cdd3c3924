"""The run folder: its files, written so that a crash at any moment leaves a run that can be resumed."""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import as_csv, read_json, write_json, write_text
from mastac.learning.knob_names import stored_knobs
from mastac.structure import Couplings, CouplingSequence

METRICS = ("seed", "epoch", "env_steps", "updates", "episode_return", "critic_loss", "value", "gradient_norm")
EVALUATION = ("seed", "epoch", "episode_return")
TIMING = ("epoch", "seconds", "env_steps_per_second", "updates_per_second")


class RunFolder:
    """Paths of one run's files, and how they are begun, appended to and cut back."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.couplings = self.path / "couplings.json"
        self.metrics = self.path / "metrics.csv"
        self.evaluation = self.path / "evaluation.csv"
        self.timing = self.path / "timing.csv"
        self.summary = self.path / "summary.json"
        self.checkpoints = self.path / "checkpoints"
        self.policies = self.path / "policies"

    def check_is_free(self) -> None:
        """`UserError` unless a new run can be written here: the folder is absent or empty, and writable."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"--out '{self.path}' is a file; name a folder")
        if self.config.exists():
            raise UserError(
                f"--out '{self.path}' holds a run already; continue it with 'mastac resume {self.path}' "
                "or choose another folder"
            )
        if self.path.is_dir() and any(self.path.iterdir()):
            raise UserError(f"--out '{self.path}' is not empty and holds no run; choose another folder")
        nearest = next(parent for parent in [self.path, *self.path.absolute().parents] if parent.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise UserError(f"--out '{self.path}' is not writable; choose a folder that you may write to")

    def begin(self, config: Mapping[str, Any], couplings: Couplings | CouplingSequence) -> None:
        """Create the folder; `config.json` comes last, so a folder that has it can be resumed."""
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            self.policies.mkdir(exist_ok=True)
            write_json(self.couplings, couplings.to_dict())
            write_json(self.config, config)
        except OSError as error:
            raise UserError(f"--out '{self.path}' is not writable ({error.strerror}); choose another folder") from error

    def read_config(self) -> dict[str, Any]:
        """The stored configuration; `UserError` if there is none or it cannot be read."""
        if not self.path.is_dir():
            raise UserError(f"there is no run folder '{self.path}'")
        if not self.config.is_file():
            raise UserError(f"'{self.path}' is not a run folder: it has no config.json")
        config = read_json(self.config)
        return config | {"knobs": stored_knobs(config["knobs"])} if "knobs" in config else config

    def cut_back(self, epochs: int) -> None:
        """Drop the rows written after the checkpoint that the run goes on from; start the tables where missing."""
        for path, header, first_dropped in (
            (self.metrics, METRICS, epochs),
            (self.evaluation, EVALUATION, epochs + 1),
            (self.timing, TIMING, epochs + 1),
        ):
            kept: list[list[str]] = []
            if path.is_file():
                with open(path, newline="", encoding="utf-8") as file:
                    at = header.index("epoch")
                    rows = [row for row in csv.reader(file) if len(row) == len(header) and row[at].isdigit()]
                kept = [row for row in rows if int(row[at]) < first_dropped]
            write_text(path, as_csv([header, *kept]))

    @staticmethod
    def append(path: Path, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table, on disk when this returns."""
        with open(path, "a", newline="", encoding="utf-8") as file:
            file.write(as_csv(rows))
            file.flush()
            os.fsync(file.fileno())
