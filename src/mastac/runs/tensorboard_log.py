"""A log for TensorBoard in the run folder."""

from collections.abc import Mapping
from typing import Any

from tensorboardX import SummaryWriter

from mastac.runs.folder import RunFolder


class TensorBoardLog:
    """Event files below `tensorboard/`, a folder for each series.

    TensorBoard then shows the seeds and their mean as curves of one chart.

    **Arguments:**

    - `folder`: the run folder.
    - `state`: how far the log has come, with the steps that each series has reached.
    """

    def __init__(self, folder: RunFolder, state: Mapping[str, Any]) -> None:
        self.path, self.reached = folder.path / "tensorboard", state["env_steps"]
        self.writers: dict[str, Any] = {}

    def log(self, series: str, env_steps: int, metrics: Mapping[str, float]) -> None:
        """Add the metrics of one series."""
        if series not in self.writers:
            reached = self.reached.get(series)
            # Hides what a process wrote of a chunk and did not note, because it was killed.
            purge = None if reached is None else reached + 1
            self.writers[series] = SummaryWriter(str(self.path / series), purge_step=purge)
        for name, value in metrics.items():
            self.writers[series].add_scalar(name, value, env_steps)

    def flush(self) -> None:
        """Have everything on disk."""
        for writer in self.writers.values():
            writer.flush()

    def close(self) -> None:
        """Close the files."""
        for writer in self.writers.values():
            writer.close()
