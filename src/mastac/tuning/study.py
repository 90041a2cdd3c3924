"""Optuna's side of a search: the journal, what is tried next, and what is stopped early."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from mastac.errors import UserError
from mastac.jobs import Job, Outcome
from mastac.runs.config import ExperimentConfig
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
        trainer: Trainer,
    ) -> None:
        self.folder, self.space, self.config, self.trainer = folder, space, config, trainer
        self.at_work: dict[str, tuple[optuna.Trial, set[int]]] = {}  # with what was reported
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

    def _begun(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state != TrialState.WAITING]

    def _stopped(self) -> FrozenTrial | None:
        """A trial that an earlier call was stopped at: nobody else works in this folder."""
        numbers = {trial.number for trial, _ in self.at_work.values()}
        stopped = (
            trial
            for trial in self._begun()
            if trial.state == TrialState.RUNNING and trial.number not in numbers
        )
        return next(stopped, None)

    def _is_open(self, trials: int, ends: float | None) -> bool:
        """Whether a new trial may begin; the first one may however little time there is."""
        begun = len(self._begun())
        return begun < trials and (begun == 0 or ends is None or time.monotonic() < ends)

    def search(self, trials: int, ends: float | None, say: Callable[[str], None]) -> Findings:
        """Play trials until there are enough, and tell Optuna what came of each.

        **Arguments:**

        - `trials`: how many there are in the end.
        - `ends`: the time, by `time.monotonic`, from which on no new trial begins.
        - `say`: hears what came of each, in one line.

        **Returns:** what has been found.
        """
        jobs = self._jobs(trials, ends)
        for job, outcome in self.trainer.where.run(jobs, self._watch):
            say(self._told(job, outcome))
        findings = self.findings()
        if findings.best is not None:
            findings.command = self.trainer.command(self.folder.trial(findings.best.number))
        return findings

    def _jobs(self, trials: int, ends: float | None) -> Iterator[Job]:
        """The trials that are to be played: those that were stopped, then new ones."""
        while (stopped := self._stopped()) is not None or self._is_open(trials, ends):
            with _quiet():
                # The draws depend on the trial's number alone, so that a search that was stopped
                # goes on as it would have gone.
                seed = len(self._begun()) if stopped is None else stopped.number
                self.study.sampler = optuna.samplers.TPESampler(
                    seed=seed, n_startup_trials=RANDOM, constant_liar=self.trainer.is_shared
                )
                trial = (
                    self.study.ask()
                    if stopped is None
                    else optuna.trial.Trial(self.study, stopped._trial_id)
                )
                drawn = {name: place.suggested(trial, name) for name, place in self.space.items()}
                knobs = drawn if trial.number else {}  # the first is the preset as it is
                trial.set_user_attr("knobs", knobs)
            name = f"trial {trial.number}/{max(trials - 1, trial.number)}"
            # A resumed run repeats what came after its checkpoint.
            reported = set(self.study.trials[trial.number].intermediate_values)
            self.at_work[name] = (trial, reported)
            yield self.trainer.job(name, self.folder.trial(trial.number), knobs)

    def _watch(self, job: Job, report: Report) -> bool:
        """Tell Optuna how a trial is getting on; whether it falls behind and is to end."""
        trial, reported = self.at_work[job.name]
        if report.epoch not in reported:
            reported.add(report.epoch)
            trial.report(report.greedy_return, report.epoch)
        return report.epoch < report.epochs and trial.number > 0 and trial.should_prune()

    def _told(self, job: Job, outcome: Outcome) -> str:
        """Tell Optuna what came of a trial; the same in one line."""
        trial, _ = self.at_work.pop(job.name)
        state, value = self._end(trial, job, outcome)
        self.study.tell(trial, value if state == TrialState.COMPLETE else None, state)
        where = f"  on {outcome.machine}" if outcome.machine else ""
        return f"{job.name}  {self._line(state, value, trial.user_attrs['knobs'])}{where}"

    def _end(self, trial: optuna.Trial, job: Job, outcome: Outcome) -> tuple[TrialState, float]:
        if outcome.is_ended_early:
            return TrialState.PRUNED, math.nan
        if outcome.error is not None:
            if trial.number == 0 or not outcome.is_refused:
                raise outcome.error
            trial.set_user_attr("failure", outcome.failure)  # values that do not go together
            return TrialState.FAIL, math.nan
        returns = self.trainer.returns(job.path)
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
