"""Runs: train, resume, load, evaluate. The host loop around the compiled chunks."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from mastac.checks import whole_number
from mastac.errors import UserError
from mastac.runs.config import ExperimentConfig
from mastac.runs.ending import is_policy_sealed, is_whole
from mastac.runs.environment import rebuilt_environment
from mastac.runs.folder import RunFolder, read_summary
from mastac.runs.identity import check_identity
from mastac.runs.logs import LogLike, checked
from mastac.runs.planning import AnyNamed, prepared
from mastac.runs.policy import EVALUATION_SEED, Policy
from mastac.runs.progress import Report

if TYPE_CHECKING:
    from mastac.envs.base import Environment
    from mastac.envs.rollouts import Rollout

ProgressLike = bool | Callable[[Report], None]


class Run:
    """A run folder opened: its configuration, summary, policies, and how to evaluate them.

    **Arguments:**

    - `path`: the run folder.
    - `env`: the environment; needed only where the user gave an object.

    **Raises:**

    - `UserError` if there is no such run, or if `env` is not what it was trained on.
    """

    def __init__(self, path: str | Path, env: "Environment | None" = None) -> None:
        self.folder = RunFolder(path)
        self.path = self.folder.path
        stored = self.folder.read_config()
        try:
            self.config = ExperimentConfig.from_dict(stored)
        except UserError as error:
            raise UserError(f"'{self.folder.config}': {error}") from error
        self._env = None if env is None else self._checked(env, rebuilt=False)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def __str__(self) -> str:
        from mastac.runs.results import read_results
        from mastac.runs.summary import run_text

        return run_text(read_results(self.path))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows of a run: its table."""
        printer.text(repr(self) if cycle or not self.is_finished else str(self))

    @property
    def env(self) -> "Environment":
        """The environment, built or imported again; one that was an object must be given."""
        if self._env is None:
            env = rebuilt_environment(self.folder, self.config)
            self._env = self._checked(env, rebuilt=True)
        return self._env

    def _checked(self, env: "Environment", rebuilt: bool) -> "Environment":
        from mastac.runs.description import check_environment_of_run

        check_environment_of_run(env, self.folder, self.config, rebuilt)
        return env

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return self.folder.summary.is_file()

    @property
    def summary(self) -> dict[str, Any]:
        """`summary.json`; `UserError` if the run has not ended."""
        if not self.is_finished:
            raise UserError(
                f"run '{self.path}' has not ended; finish it with '{self.folder.how_to_resume()}'"
            )
        return read_summary(self.folder)

    def policy(self, seed: int | None = None) -> Policy:
        """The greedy policies of one seed, as of the last checkpoint; they need numpy alone.

        **Arguments:**

        - `seed`: one of the run's seeds; the first one unless given.
        """
        seed = self.config.chosen_seed(seed)
        path = self.folder.policy(seed)
        policy = Policy.load(path)
        if self.is_finished and not is_policy_sealed(self.folder, seed, self.summary):
            raise UserError(
                f"policy '{path}' has been altered since the run ended; resume the run to write it "
                "again"
            )
        return policy

    def evaluate(
        self, episodes: SupportsIndex | None = None, seed: SupportsIndex = EVALUATION_SEED
    ) -> dict[str, Any]:
        """Play episodes with the greedy policies.

        **Arguments:**

        - `episodes`: how many for each seed of the run; by default as many as for the summary.
        - `seed`: chooses the episodes; by default those of the summary.

        **Returns:**

        `greedy_mean`, `greedy_std` over seeds, `greedy_by_seed`, `reference`, `score`, and for each
        agent the mean return over seeds and its deviation (`greedy_by_agent`,
        `greedy_std_by_agent`).
        """
        episodes = self.config.final_episodes if episodes is None else episodes
        episodes = whole_number("episodes", episodes, least=1)
        seed = whole_number("seed", seed)
        from mastac.runs.compilation_cache import compilation_cache
        from mastac.runs.description import reference_of_run
        from mastac.runs.evaluation import greedy_summary, policy_returns

        failed = self.summary.get("failed", {}) if self.is_finished else {}
        alive = [s for s in self.config.seeds if str(s) not in failed]
        with compilation_cache():
            returns = {s: policy_returns(self.env, self.policy(s), episodes, seed) for s in alive}
            reference = reference_of_run(self.folder, self.env)
        return greedy_summary(self.env, returns, reference, self.config.seeds)

    def certify(self, **choices: Any) -> dict[str, Any]:
        """How far the greedy policies are from the best of their class, from below and above.

        Arguments and result are those of [`certify`][mastac.runs.certificate.certify].
        """
        from mastac.runs.certificate import certify
        from mastac.runs.compilation_cache import compilation_cache

        with compilation_cache():
            return certify(self, **choices)

    def rollout(self, **choices: Any) -> "Rollout":
        """Play one episode, beside the simple policy; see [`play`][mastac.runs.rollouts.play]."""
        from mastac.runs.compilation_cache import compilation_cache
        from mastac.runs.rollouts import play

        with compilation_cache():
            return play(self, **choices)

    def export(self, out: str | Path | None = None, **choices: Any) -> dict[str, Any]:
        """Write one file for each agent; see [`export`][mastac.runs.exporting.export]."""
        from mastac.runs.exporting import export

        return export(self, out, **choices)


def train(
    env: "Environment | AnyNamed | str",
    algorithm: str = "mastac",
    kappa: Any = "preset",
    epochs: SupportsIndex | None = None,
    seeds: Any = (0,),
    out: str | Path | None = None,
    preset: str = "default",
    progress: ProgressLike = True,
    env_options: Mapping[str, Any] | None = None,
    evaluation_interval: SupportsIndex | None = None,
    evaluation_episodes: SupportsIndex | None = None,
    workers: SupportsIndex = 0,
    partition: SupportsIndex | None = None,
    log: LogLike = (),
    **knobs: Any,
) -> Run:
    """Train and leave everything in the run folder `out`.

    **Arguments:**

    - `env`: an [`Environment`][mastac.envs.base.Environment]; its name, that is, an id such as
        "thermal-40" or a place "module:name"; or what
        [`environment_from`][mastac.envs.naming.environment_from] makes of such a name.
    - `env_options`: of a named environment; of a place the arguments of its function.
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
        of the run, with a simulator outside JAX at least five times `evaluation_episodes`.
    - `evaluation_episodes`: episodes of each evaluation, at least 1; by default 20, with a
        simulator outside JAX 5. After training there are 100, or 20, or `evaluation_episodes` if
        that is more.
    - `workers`: processes that simulators outside JAX run in; 0: this one plays and learns by
        turns. With workers, learning goes on while they play.
    - `partition`: devices that agents are spread over; by default each seed is on one.
    - `log`: where metrics go beside the CSV files: "tensorboard", "wandb", or a
        [`Logger`][mastac.runs.logs.Logger] of your own; one or several.

    **Returns:** the finished run.

    **Raises:**

    - `UserError` before anything is written, if an argument is wrong or another process writes to
      the folder.
    - `Stopped` after Ctrl-C, when the chunk at work has been finished and saved.
    """
    loggers = checked(log)
    plan = prepared(
        env,
        out,
        env_options,
        algorithm=algorithm,
        kappa=kappa,
        epochs=epochs,
        seeds=seeds,
        preset=preset,
        evaluation_interval=evaluation_interval,
        evaluation_episodes=evaluation_episodes,
        workers=workers,
        partition=partition,
        **knobs,
    )
    from mastac.runs.compilation_cache import compilation_cache
    from mastac.runs.sizes import check_sizes

    built, config = plan.env, plan.config
    check_sizes(plan, Path("runs" if out is None else out), progress is not False)
    with compilation_cache():
        description = plan.description()
        folder = RunFolder.numbered(built.id, algorithm) if out is None else RunFolder(out)
        with folder.claimed():
            folder.begin(config.to_dict(), built.couplings, description)
            from mastac.runs.execution import execute

            execute(folder, plan, progress, loggers)
    run = Run(folder.path)
    run._env = built
    return run


def resume(
    out: str | Path,
    progress: ProgressLike = True,
    env: "Environment | None" = None,
    log: LogLike = (),
) -> Run:
    """Go on with an interrupted run.

    The result is bit for bit that of an uninterrupted one on the same kind of device. Of a run that
    has ended only policies that were lost or altered are written again.

    **Arguments:**

    - `out`: the run folder.
    - `progress`: as for [`train`][mastac.runs.run.train].
    - `env`: needed only if the run was given an object that `mastac.make` did not build.
    - `log`: as for [`train`][mastac.runs.run.train]; logs with a name that the run has go on
        without it.

    **Raises:**

    - `UserError` if there is no such run, if `env` is not what it was trained on, if its files are
      not what was written, or if another process writes to the folder.
    - `Stopped` after Ctrl-C.
    """
    run, loggers = Run(out, env), checked(log)
    if run.is_finished and is_whole(run.folder, run.config.epochs):
        return run
    from mastac.runs.compilation_cache import compilation_cache

    with run.folder.writing(), compilation_cache():
        if run.is_finished and is_whole(run.folder, run.config.epochs):  # by another, since
            return run
        check_identity(run.folder)
        from mastac.runs.execution import execute
        from mastac.runs.plan import plan_run
        from mastac.runs.sizes import check_sizes

        plan = plan_run(run.env, run.config, run.folder)
        check_sizes(plan, run.path, progress is not False)
        execute(run.folder, plan, progress, loggers)
    return run


def load(out: str | Path, env: "Environment | None" = None) -> Run:
    """Open a run folder, for its summary and policies; see [`Run`][mastac.runs.run.Run]."""
    return Run(out, env)
