"""Optuna's side of a search: the journal, what is tried next, and what is stopped early."""

import math
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from mastac.errors import UserError
from mastac.runs.config import ExperimentConfig
from mastac.runs.folder import RunFolder
from mastac.runs.progress import Report
from mastac.text import number
from mastac.tuning.findings import Findings, Tried
from mastac.tuning.folder import TuningFolder
from mastac.tuning.space import Range
from mastac.tuning.trials import Trainer

RANDOM = 5  # trials before the sampler follows what it has seen
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)
"""What Optuna raises where lines of its journal are no JSON, or not what it would have written."""
LEAST_IMPORTANT = 4  # finished trials, before anything is said of importance
STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "stopped early",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "unfinished",
    TrialState.WAITING: "waiting",
}


class Study:
    """A search as Optuna sees it, stored in a journal within the folder."""

    def __init__(
        self,
        folder: TuningFolder,
        space: Mapping[str, Range],
        config: ExperimentConfig,
        pruner: str,
    ) -> None:
        self.folder, self.space, self.config = folder, space, config
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        journal = str(folder.journal)
        with _quiet():
            lock = JournalFileOpenLock(journal)  # works where links are not allowed
            try:
                self.study = optuna.create_study(
                    storage=JournalStorage(JournalFileBackend(journal, lock)),
                    study_name=f"{config.algorithm} on {config.env}",
                    direction="maximize",
                    load_if_exists=True,
                    pruner=_pruner(pruner, config),
                )
            except UNREADABLE as error:
                raise UserError(
                    f"Optuna cannot read its journal '{journal}' ({type(error).__name__}: {error});"
                    " restore it, or search anew with another --out"
                ) from error
        if not self.study.trials:
            first = {name: getattr(config.settings, name) for name in space}
            self.study.enqueue_trial({name: space[name].stored(first[name]) for name in space})

    @property
    def last(self) -> int:
        """The number of the last trial that has begun."""
        return max((trial.number for trial in self._begun()), default=0)

    def _begun(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state != TrialState.WAITING]

    def _unfinished(self) -> FrozenTrial | None:
        """A trial that was stopped at work: nobody else works in this folder."""
        running = (trial for trial in self._begun() if trial.state == TrialState.RUNNING)
        return next(running, None)

    def is_open(self, trials: int, ends: float | None) -> bool:
        """Whether there is a trial to play; the first is played however little time there is."""
        if self._unfinished() is not None:
            return True
        begun = len(self._begun())
        return begun < trials and (begun == 0 or ends is None or time.monotonic() < ends)

    def play(self, trainer: Trainer, trials: int) -> None:
        """Go on with the trial that was stopped, or begin the next one; tell Optuna its end."""
        with _quiet():
            stopped = self._unfinished()
            # The draws depend on the trial's number alone, so that a search that was stopped goes
            # on as it would have gone.
            seed = len(self._begun()) if stopped is None else stopped.number
            self.study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM)
            trial = (
                self.study.ask()
                if stopped is None
                else optuna.trial.Trial(self.study, stopped._trial_id)
            )
            drawn = {name: place.suggested(trial, name) for name, place in self.space.items()}
            knobs = drawn if trial.number else {}  # the first is the preset as it is
            trial.set_user_attr("knobs", knobs)
        name = f"trial {trial.number}/{max(trials - 1, trial.number)}"
        state, value = self._played(trainer, trial, knobs, name)
        self.study.tell(trial, value if state == TrialState.COMPLETE else None, state)
        if trainer.progress:
            print(f"{name}  {self._line(state, value, knobs)}", file=sys.stderr, flush=True)

    def _played(
        self, trainer: Trainer, trial: optuna.Trial, knobs: Mapping[str, Any], name: str
    ) -> tuple[TrialState, float]:
        reported = set(self.study.trials[trial.number].intermediate_values)

        def watch(report: Report) -> None:
            if report.epoch not in reported:  # a resumed run repeats what came after its checkpoint
                trial.report(report.greedy_return, report.epoch)
            if report.epoch < report.epochs and trial.number and trial.should_prune():
                raise optuna.TrialPruned

        try:
            returns = trainer.returns(self.folder.trial(trial.number), knobs, name, watch)
        except optuna.TrialPruned:
            return TrialState.PRUNED, math.nan
        except UserError as error:
            if trial.number == 0 or RunFolder(self.folder.trial(trial.number)).config.exists():
                raise
            trial.set_user_attr("failure", str(error))  # values that do not go together
            return TrialState.FAIL, math.nan
        if not np.isfinite(returns).all():
            trial.set_user_attr("failure", "a number was no longer finite")
            return TrialState.FAIL, math.nan
        return TrialState.COMPLETE, float(returns.mean())

    def _line(self, state: TrialState, value: float, knobs: Mapping[str, Any]) -> str:
        what = "  ".join(f"{knob}={setting}" for knob, setting in knobs.items()) or "the preset"
        result = f"greedy {number(value)}" if state == TrialState.COMPLETE else STATES[state]
        best = self.findings(importance=False).best
        so_far = "" if best is None else f" (best: {number(best.value)}, trial {best.number})"
        return f"{result}{so_far}  {what}"

    def findings(self, importance: bool = True) -> Findings:
        """What has been found so far."""
        tried = [self._tried(trial) for trial in self._begun()]
        finished = [trial for trial in tried if trial.value is not None]
        shares = None
        if importance and len(finished) >= LEAST_IMPORTANT:
            with _quiet():
                evaluator = optuna.importance.PedAnovaImportanceEvaluator()
                shares = optuna.importance.get_param_importances(self.study, evaluator=evaluator)
        first = {name: getattr(self.config.settings, name) for name in self.space}
        return Findings(self.folder, self.config, first, tried, shares)

    def _tried(self, trial: FrozenTrial) -> Tried:
        last = max(trial.intermediate_values, default=0)
        return Tried(
            number=trial.number,
            knobs=trial.user_attrs.get("knobs", {}),
            state=STATES[trial.state],
            epochs=last,
            value=trial.value if trial.state == TrialState.COMPLETE else None,
            last=trial.intermediate_values.get(last),
            failure=trial.user_attrs.get("failure", ""),
        )


def _pruner(name: str, config: ExperimentConfig) -> optuna.pruners.BasePruner:
    if name == "none":
        return optuna.pruners.NopPruner()
    if name == "hyperband":
        least = config.evaluation_interval
        return optuna.pruners.HyperbandPruner(min_resource=least, max_resource=config.epochs)
    return optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=config.epochs // 5)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without remarks that parts of Optuna may change, or that a stored value is outside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
