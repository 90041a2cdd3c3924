"""Runs: train, resume, load, evaluate. The host loop around the compiled chunks."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mastac.errors import UserError
from mastac.runs.config import ExperimentConfig, check_actions, resolve
from mastac.files import read_json
from mastac.runs.folder import RunFolder
from mastac.runs.policy import EVALUATION_SEED, FINAL_EPISODES, Policy
from mastac.runs.progress import Progress, Report

if TYPE_CHECKING:
    from mastac.envs.base import Environment

# at most this much work is lost to a crash, or one chunk if that takes longer
CHECKPOINT_SECONDS = 20.0

ProgressLike = bool | Callable[[Report], None]


class Stopped(Exception):
    """The run was interrupted; its state is saved and `mastac resume` goes on from there."""


class Run:
    """A run folder opened: its configuration, summary, policies, and how to evaluate them."""

    def __init__(self, path: str | Path, env: "Environment | None" = None) -> None:
        self.folder = RunFolder(path)
        self.path = self.folder.path
        self.config = ExperimentConfig.from_dict(self.folder.read_config())
        self._env = env

    @property
    def env(self) -> "Environment":
        """The environment, built again from its id and options; a custom one must have been given."""
        if self._env is None:
            self._env = rebuilt_environment(self.folder, self.config)
        return self._env

    @property
    def is_finished(self) -> bool:
        return self.folder.summary.is_file()

    @property
    def summary(self) -> dict[str, Any]:
        """`summary.json`; `UserError` if the run has not ended."""
        if not self.is_finished:
            raise UserError(f"run '{self.path}' has not ended; finish it with 'mastac resume {self.path}'")
        return read_json(self.folder.summary)

    def policy(self, seed: int | None = None) -> Policy:
        """The greedy policies of one seed (default: the first), as of the last checkpoint; runs on numpy alone."""
        seed = self.config.seeds[0] if seed is None else seed
        if seed not in self.config.seeds:
            raise UserError(f"run '{self.path}' has no seed {seed}; it has {', '.join(map(str, self.config.seeds))}")
        return Policy.load(self.folder.policies / f"seed-{seed}.npz")

    def evaluate(self, episodes: int = FINAL_EPISODES, seed: int = EVALUATION_SEED) -> dict[str, Any]:
        """Returns of the greedy policies; `seed` chooses the episodes, by default those of the summary.

        Gives `greedy_mean`, `greedy_std` over seeds, `greedy_by_seed`, `score` and, for each agent,
        the mean return over seeds (`greedy_by_agent`).
        """
        if episodes < 1:
            raise UserError(f"episodes must be at least 1, got {episodes}")
        from mastac.runs.evaluation import greedy_summary, policy_returns

        failed = self.summary.get("failed", {}) if self.is_finished else {}
        alive = [s for s in self.config.seeds if str(s) not in failed]
        returns = {s: policy_returns(self.env, self.policy(s), episodes, seed) for s in alive}
        return greedy_summary(self.env, returns, self.env.reference(), self.config.seeds)


def train(
    env: "Environment | str",
    algorithm: str = "mastac",
    kappa: Any = "preset",
    epochs: int | None = None,
    seeds: Any = (0,),
    out: str | Path | None = None,
    preset: str = "default",
    progress: ProgressLike = True,
    env_options: Mapping[str, Any] | None = None,
    evaluation_interval: int | None = None,
    **knobs: Any,
) -> Run:
    """Train and leave everything in the run folder `out`.

    **Arguments:**

    - `env`: an [`Environment`][mastac.envs.base.Environment] or the id of one (with `env_options`).
    - `algorithm`: a name from `mastac algorithms`.
    - `kappa`: window of the value dependency sets; `None` or "exact" for the exact sets; by default
        the preset's.
    - `epochs`: episodes to train for; by default the preset's.
    - `seeds`: one number or several; they run side by side in one compiled program.
    - `out`: folder to create; by default `runs/<env>-<algorithm>-<number>`.
    - `preset`: "default" or "paper"; `knobs` override it one by one (see `Settings`).
    - `progress`: whether to print, or a function that takes a
        [`Report`][mastac.runs.progress.Report].
    - `evaluation_interval`: epochs between evaluations of the greedy policy; by default a fiftieth
        of the run.

    **Raises:** `UserError` before anything is compiled, if an argument is wrong; `Stopped` after
    Ctrl-C, when the chunk at work has been finished and saved.
    """
    from mastac.envs.registry import checked_options

    if isinstance(env, str):
        env_id, options, custom = env, checked_options(env, env_options or {}), False
    else:
        if env_options:
            raise UserError("env_options go with an environment's name; this environment is built already")
        env_id, options, custom = env.id, dict(env.options), not _is_registered(env)
    config = resolve(
        env_id,
        options,
        custom,
        algorithm=algorithm,
        kappa=kappa,
        epochs=epochs,
        seeds=seeds,
        preset=preset,
        evaluation_interval=evaluation_interval,
        **knobs,
    )
    if not isinstance(env, str):
        check_actions(algorithm, env_id, env.head.is_discrete)
    folder = RunFolder(default_folder(env_id, algorithm) if out is None else out)
    folder.check_is_free()
    if isinstance(env, str):
        from mastac.envs.registry import make

        env = make(env, **options)
    folder.begin(config.to_dict(), env.couplings)
    return _execute(Run(folder.path, env), progress)


def resume(out: str | Path, progress: ProgressLike = True, env: "Environment | None" = None) -> Run:
    """Go on with an interrupted run; the result is bit for bit that of an uninterrupted one on the same kind of device.

    `env` is needed only for environments that the user built. A run that has ended is returned as
    it is.
    """
    run = Run(out, env)
    if run.is_finished:
        return run
    if env is not None and env.couplings.to_dict() != read_json(run.folder.couplings):
        raise UserError(f"the environment given has other couplings than the run in '{run.path}'")
    return _execute(run, progress)


def load(out: str | Path, env: "Environment | None" = None) -> Run:
    """Open a run folder, for its summary and policies; trains nothing and builds nothing yet."""
    return Run(out, env)


def default_folder(env_id: str, algorithm: str) -> Path:
    """`runs/<env>-<algorithm>-<number>`, the first number that is free."""
    number = 1
    while (path := Path("runs") / f"{env_id}-{algorithm}-{number}").exists():
        number += 1
    return path


def rebuilt_environment(folder: RunFolder, config: ExperimentConfig) -> "Environment":
    """The environment of a stored run; `UserError` if only the user can build it, or if it is no longer the same."""
    if config.custom:
        raise UserError(
            f"run '{folder.path}' uses an environment of your own ('{config.env}'); "
            "call mastac.resume or mastac.load from Python and pass env="
        )
    from mastac.envs.registry import make

    env = make(config.env, **config.env_options)
    if env.couplings.to_dict() != read_json(folder.couplings):
        raise UserError(f"couplings.json in '{folder.path}' does not belong to {config.env} with the stored options")
    return env


def _is_registered(env: "Environment") -> bool:
    from mastac.envs.registry import make

    try:
        again = make(env.id, **env.options)
    except UserError:
        return False
    return bool(env.options) and again.couplings.to_dict() == env.couplings.to_dict()


def _execute(run: Run, progress: ProgressLike) -> Run:
    """Build the program, find the last checkpoint, and advance chunk by chunk to the end."""
    from mastac.runs.execution import Execution

    report = (Progress() if progress else lambda _: None) if isinstance(progress, bool) else progress
    say = report.say if isinstance(report, Progress) else lambda _: None
    with interruptions() as is_interrupted:
        execution = Execution(run.folder, run.config, run.env, say)
        execution.start()
        last_saved = time.monotonic()
        while execution.epoch < run.config.epochs:
            report(execution.advance())
            finished = execution.epoch == run.config.epochs
            if finished or is_interrupted() or time.monotonic() - last_saved > CHECKPOINT_SECONDS:
                execution.save()
                last_saved = time.monotonic()
            if is_interrupted() and not finished:
                raise Stopped(
                    f"stopped after epoch {execution.epoch} of {run.config.epochs}; "
                    f"go on with: mastac resume {run.path}"
                )
        execution.finish()
    return run


class Interruption:
    """A signal handler that notes the first signal; a second one stops at once."""

    def __init__(self) -> None:
        self.is_asked = False

    def __call__(self, number: int, frame: object) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        print("\nstopping after this chunk, saving (press Ctrl-C again to stop at once)", file=sys.stderr, flush=True)


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Within, Ctrl-C (and SIGTERM) only raise a flag; a second Ctrl-C stops at once. Gives a function that reads it.

    Within another one it is the same flag: what has been interrupted inside is to stop outside,
    too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    outer = signal.getsignal(signal.SIGINT)
    asked = outer if isinstance(outer, Interruption) else Interruption()
    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked.is_asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
