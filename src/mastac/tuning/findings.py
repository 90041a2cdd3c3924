"""What a search found: the trials, how much each knob mattered, and whether the best is better."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mastac.files import as_csv, write_json, write_text
from mastac.runs.config import ExperimentConfig
from mastac.runs.statistics import (
    difference_interval,
    improvement_interval,
    probability_of_improvement,
)
from mastac.text import number, seeds_text, table
from mastac.tuning.folder import TuningFolder


@dataclass(frozen=True)
class Tried:
    """One trial.

    - `knobs`: what it set beyond the preset; the first trial sets nothing.
    - `state`: "finished", "stopped early", "failed" or "unfinished"; `failure`: why.
    - `epochs`: how many it played.
    - `value`: greedy return after training, mean over seeds; `None` unless it has finished.
    - `last`: greedy return of the last evaluation while training.
    """

    number: int
    knobs: Mapping[str, Any]
    state: str
    epochs: int
    value: float | None
    last: float | None
    failure: str = ""


@dataclass(frozen=True)
class Fresh:
    """Greedy return of each of some fresh `seeds`, with the preset's values and with the best."""

    seeds: tuple[int, ...]
    default: Sequence[float]
    best: Sequence[float]

    def to_dict(self) -> dict[str, Any]:
        """The returns, and what they say: difference, probability of improvement, intervals."""
        best, default = np.array(self.best, float), np.array(self.default, float)
        sides = {"default": default, "best": best}
        means = {side: _mean(returns) for side, returns in sides.items()}
        difference = means["best"] - means["default"]
        return {
            "seeds": list(self.seeds),
            **{side: [_known(value) for value in returns] for side, returns in sides.items()},
            **{f"{side}_mean": _known(mean) for side, mean in means.items()},
            "difference": _known(difference),
            "difference_interval": [*map(_known, difference_interval(best, default))],
            "probability_of_improvement": _known(probability_of_improvement(best, default)),
            "probability_interval": [*map(_known, improvement_interval(best, default))],
        }

    def text(self) -> str:
        """The comparison in sentences."""
        said = self.to_dict()
        low, high = said["difference_interval"]
        if low is None:
            verdict = "too few seeds to say how sure that is"
        elif low > 0:
            verdict = "the best is better than the preset"
        elif high < 0:
            verdict = "the best is worse than the preset: its lead was luck"
        else:
            verdict = "no difference is shown"
        failed = sum(value is None for side in ("default", "best") for value in said[side])
        remark = f" ({failed} seeds overflowed and are left out of the means)" if failed else ""
        return (
            f"On {len(self.seeds)} fresh seeds ({seeds_text(self.seeds)}) the best reaches "
            f"{number(said['best_mean'])}, the preset {number(said['default_mean'])}{remark}.\n"
            f"Difference {_interval(said['difference'], low, high)}; probability that a seed of "
            f"the best is better\nthan one of the preset "
            f"{_interval(said['probability_of_improvement'], *said['probability_interval'])}: "
            f"{verdict}."
        )


@dataclass
class Findings:
    """What a search has found so far.

    - `folder`: where it is kept; `config`: of the first trial.
    - `default`: the preset's values of the knobs that are searched.
    - `trials`: in the order in which they began.
    - `importance`: the share of each knob in what sets the best trials apart; `None` where too few
        have finished.
    - `fresh`: best and preset on fresh seeds; `None` where they are the same, or it was not asked.
    - `command`: what repeats the best trial.
    """

    folder: TuningFolder
    config: ExperimentConfig
    default: Mapping[str, Any]
    trials: Sequence[Tried]
    importance: Mapping[str, float] | None = None
    fresh: Fresh | None = None
    command: str = ""

    @property
    def best(self) -> Tried | None:
        """The finished trial with the highest value; the earliest of several."""
        finished = [trial for trial in self.trials if trial.value is not None]
        return max(finished, key=lambda trial: trial.value or 0.0, default=None)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: what `best.json` holds."""
        best = self.best
        importance = self.importance
        return {
            "env": self.config.env,
            "algorithm": self.config.algorithm,
            "epochs": self.config.epochs,
            "seeds": list(self.config.seeds),
            "trial": None if best is None else best.number,
            "greedy_mean": None if best is None else best.value,
            "knobs": None if best is None else {**self.default, **best.knobs},
            "default": dict(self.default),
            "importance": importance and {k: _known(share) for k, share in importance.items()},
            "fresh": self.fresh and self.fresh.to_dict(),
            "command": self.command,
            "trials": [asdict(trial) | {"last": _known(trial.last)} for trial in self.trials],
        }

    def write(self) -> None:
        """Write best.json and trials.csv."""
        names = list(self.default)
        head = ("trial", "state", "epochs", "greedy_mean", *names)
        rows = [
            [trial.number, trial.state, trial.epochs, trial.value]
            + [{**self.default, **trial.knobs}[name] for name in names]
            for trial in self.trials
        ]
        write_text(self.folder.table, as_csv([head, *rows]))
        write_json(self.folder.best, self.to_dict())

    def text(self) -> str:
        """Everything, to be read on a terminal."""
        parts = [self._trials_text(), self._importance_text()]
        best = self.best
        if best is None:
            parts.append("No trial has finished.")
        elif best.number == 0:
            parts.append("The preset is the best: no trial did better.")
        if self.fresh is not None:
            parts.append(self.fresh.text())
        if self.command:
            parts.append(f"To repeat the best:\n\n{self.command}")
        parts.append(f"folder  {self.folder.path}")
        return "\n\n".join(part for part in parts if part)

    def _trials_text(self) -> str:
        names, best = list(self.default), self.best
        rows = []
        for trial in self.trials:
            values = {**self.default, **trial.knobs}
            marks = " (best)" * (trial is best) + " (preset)" * (trial.number == 0)
            result = number(trial.value) if trial.value is not None else trial.state
            what = [_value(values[name]) for name in names]
            rows.append([f"{trial.number}{marks}", *what, str(trial.epochs), result])
        return table(("trial", *names, "epochs", "greedy return"), rows)

    def _importance_text(self) -> str:
        if self.importance is None:
            return "Too few trials have finished to say which knob mattered."
        ranked = sorted(self.importance.items(), key=lambda item: -item[1])
        finished = sum(trial.value is not None for trial in self.trials)
        shares = table(("knob", "importance"), [(name, f"{share:.2f}") for name, share in ranked])
        return f"{shares}\n(PED-ANOVA of the {finished} trials that finished; the sum is 1)"


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    """A figure with its interval, if that is known."""
    known = low is not None and high is not None
    return number(value) + (f" [{number(low)}, {number(high)}]" if known else "")
