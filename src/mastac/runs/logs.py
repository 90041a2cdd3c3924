"""Logs beside the CSV files: TensorBoard, Weights & Biases, or a logger of the user's own."""

import importlib
import importlib.util
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from mastac.errors import UserError, unknown
from mastac.files import read_json, write_json
from mastac.runs.folder import METRICS, TIMING, RunFolder
from mastac.runs.schemas import LogState

PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}
"""The loggers with a name, and the package that each of them needs."""
TRAIN = METRICS[METRICS.index("env_steps") + 1 :]


@runtime_checkable
class Logger(Protocol):
    """What takes the metrics of a run; a logger of your own is any object with this method.

    If it also has `close()`, that is called at the end of the run.
    """

    def log(self, series: str, env_steps: int, metrics: Mapping[str, float]) -> None:
        """Take some metrics.

        **Arguments:**

        - `series`: "seed-3", or "mean" for the mean over seeds.
        - `env_steps`: steps of the environment that a seed had played; in the mean, their mean.
        - `metrics`: `train/...` after every epoch; `eval/...` and, in the mean, `time/...` after
            every chunk of epochs. What was not measured is left out.
        """
        ...


LogLike = str | Logger | Iterable[str | Logger]


class Entry(NamedTuple):
    """What one call of a logger takes, and how many epochs had been done."""

    epochs: int
    series: str
    env_steps: int
    metrics: dict[str, float]


def checked(log: LogLike) -> tuple[str | Logger, ...]:
    """The loggers; `UserError` where a name is unknown, a package is missing or no `log` exists."""
    chosen = (log,) if isinstance(log, str) or not isinstance(log, Iterable) else tuple(log)
    for one in chosen:
        if not isinstance(one, str):
            if not isinstance(one, Logger):
                raise UserError(
                    f"log has a {type(one).__name__}, which has no method "
                    "log(series, env_steps, metrics); give it one, or a name: "
                    + ", ".join(PACKAGES)
                )
        elif one not in PACKAGES:
            raise unknown("log", one, PACKAGES)
        elif importlib.util.find_spec(PACKAGES[one]) is None:
            raise UserError(
                f"log '{one}' needs {PACKAGES[one]}; install it with: pip install 'mastac[{one}]'"
            )
        elif one == "wandb":
            _check_account()
    names = [one for one in chosen if isinstance(one, str)]
    if len(set(names)) < len(names):
        raise UserError(f"log names '{names[-1]}' twice; say it once")
    return chosen


def _check_account() -> None:
    """`UserError` if Weights & Biases would ask for a password in the middle of a run."""
    if os.environ.get("WANDB_MODE", "online") in ("offline", "disabled", "dryrun"):
        return
    if not importlib.import_module("wandb").login(prompt=False):
        raise UserError(
            "log 'wandb' knows no account; run 'wandb login' first, or set WANDB_MODE=offline to "
            "keep the log in the run folder"
        )


class Logs:
    """The loggers of one run at work. `logs.json` keeps how far each named one has come.

    A resumed run plays again what came after its last checkpoint, and the numbers are the same: the
    named loggers go on after what they have. Other objects get what is played again.

    **Arguments:**

    - `folder`: the run folder; loggers that wrote to it before go on.
    - `chosen`: what was [`checked`][].
    - `score`: of a mean return; `None` where there are no reference figures.
    - `say`: told of a named logger that failed. It is left out from there on; the run goes on.
    """

    def __init__(
        self,
        folder: RunFolder,
        chosen: Sequence[str | Logger],
        score: Callable[[float], float] | None,
        say: Callable[[str], None],
    ) -> None:
        self.folder, self.score, self.say = folder, score, say
        self.path = folder.path / "logs.json"
        is_begun = self.path.is_file()
        self.come = read_json(self.path, dict[str, LogState]) if is_begun else {}
        self.objects = [one for one in chosen if not isinstance(one, str)]
        names = dict.fromkeys([*self.come, *(one for one in chosen if isinstance(one, str))])
        checked(names)
        self.named: dict[str, Any] = {}
        for name in names:
            state = self.come.setdefault(name, {"epochs": 0, "env_steps": {}})
            self._guarded(name, lambda n=name, s=state: self._open(n, s))

    def _open(self, name: str, state: dict[str, Any]) -> None:
        if name == "tensorboard":
            from mastac.runs.tensorboard_log import TensorBoardLog

            self.named[name] = TensorBoardLog(self.folder, state)
        else:
            from mastac.runs.wandb_log import WandbLog

            self.named[name] = WandbLog(self.folder, state)

    def write(
        self,
        table: Sequence[Sequence[Any]],
        evaluated: Sequence[Sequence[Any]],
        timing: Sequence[Any],
    ) -> None:
        """Log what was appended to `metrics.csv`, `evaluation.csv` and `timing.csv`."""
        if not self.objects and not self.named:
            return
        logged = list(entries(table, evaluated, timing, self.score))
        for one in self.objects:
            for entry in logged:
                one.log(*entry[1:])
        for name in list(self.named):
            self._guarded(name, lambda n=name: self._write_named(n, logged))

    def _write_named(self, name: str, logged: Sequence[Entry]) -> None:
        state = self.come[name]
        for entry in logged:
            if entry.epochs > state["epochs"]:
                self.named[name].log(*entry[1:])
                state["env_steps"][entry.series] = entry.env_steps
        self.named[name].flush()
        state["epochs"] = max([state["epochs"], *(entry.epochs for entry in logged)])
        write_json(self.path, self.come)

    def close(self) -> None:
        """Close the loggers."""
        for name in list(self.named):
            self._guarded(name, self.named[name].close)
        for one in self.objects:
            getattr(one, "close", lambda: None)()

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # a log must not cost the run
            self.named.pop(name, None)
            self.say(f"log '{name}' failed and is left out from here on: {error}")


def entries(
    table: Sequence[Sequence[Any]],
    evaluated: Sequence[Sequence[Any]],
    timing: Sequence[Any],
    score: Callable[[float], float] | None,
) -> Iterator[Entry]:
    """The rows of a chunk as entries, epoch by epoch, each seed and then their mean.

    **Arguments:**

    - `table`, `evaluated`, `timing`: rows of `metrics.csv` and `evaluation.csv`, and the one of
        `timing.csv`.
    """
    epochs: dict[int, list[Entry]] = {}
    for row in table:
        values = dict(zip(METRICS, row, strict=True))
        measured = {f"train/{name}": values[name] for name in TRAIN if values[name] != ""}
        done = values["epoch"] + 1
        entry = Entry(done, f"seed-{values['seed']}", values["env_steps"], measured)
        epochs.setdefault(done, []).append(entry)
    for seed, done, value in evaluated:
        for entry in epochs.get(done, ()):
            if entry.series == f"seed-{seed}" and math.isfinite(value):
                entry.metrics["eval/episode_return"] = value
                if score is not None and math.isfinite(scored := score(value)):
                    entry.metrics["eval/score"] = scored
    for done, of_seeds in epochs.items():
        yield from of_seeds
        mean = _mean(of_seeds)
        if done == timing[0]:
            mean.metrics.update(
                {f"time/{name}": v for name, v in zip(TIMING[1:], timing[1:], strict=True)}
            )
        yield mean


def _mean(of_seeds: Sequence[Entry]) -> Entry:
    """Means over the seeds that have a value."""
    values: dict[str, list[float]] = {}
    for entry in of_seeds:
        for name, value in entry.metrics.items():
            values.setdefault(name, []).append(value)
    steps = round(sum(entry.env_steps for entry in of_seeds) / len(of_seeds))
    means = {name: sum(each) / len(each) for name, each in values.items()}
    return Entry(of_seeds[0].epochs, "mean", steps, means)
