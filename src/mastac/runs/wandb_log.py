"""A log for Weights & Biases."""

import importlib
import secrets
from collections.abc import Mapping
from typing import Any

from mastac.files import read_json
from mastac.runs.folder import RunFolder


class WandbLog:
    """One run of Weights & Biases, its files in `wandb/` of the run folder.

    The mean over seeds has the metrics' names, a seed its own behind them: `eval/episode_return`
    and `eval/episode_return/seed-3`.

    **Arguments:**

    - `folder`: the run folder.
    - `state`: how far the log has come; the run's id is kept there, so that a resumed run goes on.
    """

    def __init__(self, folder: RunFolder, state: dict[str, Any]) -> None:
        wandb: Any = importlib.import_module("wandb")  # whose absence is no error of types
        state.setdefault("id", secrets.token_hex(4))
        config = read_json(folder.config)
        self.run = wandb.init(
            project="mastac",
            name=folder.path.name,
            group=config.get("env"),
            dir=str(folder.path),
            id=state["id"],
            resume="allow" if state["epochs"] else None,
            config=config,
            settings={"console": "off", "quiet": True},
        )
        self.run.define_metric("env_steps")
        self.run.define_metric("*", step_metric="env_steps")
        self.row: dict[str, float] = {}

    def log(self, series: str, env_steps: int, metrics: Mapping[str, float]) -> None:
        """Add the metrics of one series; those of the same step make one row."""
        if self.row.get("env_steps", env_steps) != env_steps:
            self.flush()
        self.row["env_steps"] = env_steps
        end = "" if series == "mean" else f"/{series}"
        self.row.update({f"{name}{end}": value for name, value in metrics.items()})

    def flush(self) -> None:
        """Hand over the row that is being filled."""
        if self.row:
            self.run.log(self.row)
            self.row = {}

    def close(self) -> None:
        """Wait until everything is on disk, or sent."""
        self.run.finish()
