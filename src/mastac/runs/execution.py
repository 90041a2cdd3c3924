"""One run at work: the compiled program, its state, and the files that follow it chunk by chunk."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mastac.envs.base import Environment
from mastac.envs.host.environment import HostEnvironment
from mastac.learning.host_loop import host_program
from mastac.learning.keeping import better_of
from mastac.learning.learner import buffer_of, learner_of
from mastac.learning.loop import EpochMetrics, Program, one_seed, training_program
from mastac.learning.partition import program_in_parts
from mastac.runs.agent_measures import GradientNorms, agent_measures
from mastac.runs.checkpoints import load_checkpoint, manifest_of, save_checkpoint
from mastac.runs.compiling import Compiling
from mastac.runs.ending import write_summary
from mastac.runs.evaluation import choosing_key, evaluation_key, greedy_summary, policies_of
from mastac.runs.folder import RunFolder
from mastac.runs.identity import identity_of
from mastac.runs.interruption import Stopped, interruptions
from mastac.runs.logs import Logger, Logs
from mastac.runs.plan import RunPlan
from mastac.runs.progress import Pace, Progress, Report
from mastac.runs.results import Results, read_results
from mastac.runs.rows import evaluation_rows, metric_rows, timing_row
from mastac.runs.saving import SavingTimes
from mastac.runs.seal import RESULTS, SealedTables, last_sound_epoch
from mastac.runs.states import by_seed, env_steps, failed_epochs, failures, kept_epochs
from mastac.runs.warnings import broken_promises, saturated_agents, warnings_of


class Execution:
    """`start`, then `advance` until `epoch` is the last, `save` whenever, `finish` at the end.

    `say` takes remarks, and `working` what takes long, with the seconds so far and those it usually
    takes.
    """

    def __init__(
        self,
        folder: RunFolder,
        plan: RunPlan,
        say: Callable[[str], None],
        working: Callable[[str, float, float | None], None] = lambda *_: None,
    ):
        self.folder, self.plan, self.config, self.env = folder, plan, plan.config, plan.env
        self.say = say
        settings = self.config.settings
        learner = learner_of(plan.spec)
        buffer = buffer_of(self.env, settings, self.config.epochs)
        self.program = self._program(self.env, learner, buffer, settings, self.config.epochs)
        self.keys = jax.vmap(jax.random.key)(jnp.asarray(self.config.seeds))
        self.epoch = 0
        self.state: Any = None
        self._whole = self.program.whole
        self.told: set[int] = set()
        self.tables, self.identity = SealedTables(folder), identity_of(folder)
        self.log: Callable[..., None] = lambda *rows: None
        self.pace, self.norms = Pace(), GradientNorms()
        name = f"{self.config.algorithm} on {self.config.env}"
        self.compiling = Compiling(name, self.program.lowered, working)

    def _program(self, env: Environment, *others: Any) -> Program:
        if self.config.partition is not None:
            return program_in_parts(self.plan.spec, self.config.partition, len(self.config.seeds))
        if not isinstance(env, HostEnvironment):
            return training_program(env, *others)
        workers = self.config.workers or 0
        seed = one_seed(env, *others)
        return host_program(seed, env, self.config.seeds, workers, self._failed)

    def _failed(self, text: str) -> None:
        """Tell of a simulator that failed, and keep it."""
        self.say(text)
        self.folder.keep_failure(text)

    def close(self) -> None:
        """Let go of what plays."""
        self.program.close()

    def start(self) -> None:
        """Begin at the last whole checkpoint, or at the beginning."""
        with self.folder.storing():
            self.epoch = last_sound_epoch(self.folder, self.say)
        seals = None
        if self.epoch:
            begun = jax.eval_shape(self._whole, jax.eval_shape(self.program.init, self.keys))
            like = {"state": begun, "keys": self._key_data()}
            stored = load_checkpoint(self.folder.checkpoints, self.epoch, like)
            self.state = self.program.parted(stored["state"])
            manifest = manifest_of(self.folder.checkpoints, self.epoch)
            shape = (len(self.config.seeds), self.env.num_agents)
            seals, self.norms = manifest["tables"], GradientNorms.stored(manifest, shape)
        else:
            self._compile(None)
            self.state = self.program.init(self.keys)
        with self.folder.storing():
            self.folder.tidy()
            self.tables.begin(seals)
        self.told = set(np.flatnonzero(failed_epochs(self.state) >= 0).tolist())
        for note in getattr(self.env, "notes", ()):
            self.say(note)
        where = f"epoch {self.epoch}" if self.epoch else "the beginning"
        self.say(f"training {self.config.algorithm} on {self.config.env} from {where}")
        if self.epoch < self.config.epochs:
            self._compile(self._length())

    def advance(self) -> Report:
        """One chunk for all seeds, its rows in the tables, and what to tell about it."""
        length, episodes = self._length(), self.config.evaluation_episodes
        self._compile(length)
        began, steps = time.perf_counter(), self._env_steps()
        epoch = jnp.asarray(self.epoch)
        self.state, metrics = self.program.advance(self.state, self.keys, epoch, length)
        greedy = self._evaluated(episodes, self.epoch + length)
        rows = jax.device_get(metrics)
        self.norms.add(rows.agent_gradient_norm)
        seconds = time.perf_counter() - began
        first, self.epoch = self.epoch, self.epoch + length
        steps = (self._env_steps() - steps) * len(self.config.seeds)
        self._append_rows(rows, first, greedy, seconds + self.compiling.spent(), steps)
        # A simulator's first chunk compiles, and the one with the first update does so again.
        like_the_rest = first if isinstance(self.env, HostEnvironment) else self.epoch
        if self.plan.schedule.updates_after(like_the_rest):
            self.pace.add(length, seconds)
        return self._report(rows, greedy, seconds, steps)

    def _evaluated(self, episodes: int, epoch: int) -> np.ndarray:
        """The return of the greedy policies of every seed; the best so far are kept if they are."""
        kept = self.state.kept
        key = evaluation_key() if kept is None else choosing_key()
        played = self.program.evaluate(self.state, key, episodes)
        greedy = self.env.reported(played.returns).mean(-1)
        if kept is not None:
            kept = better_of(kept, self.state.learner.actors, greedy, epoch)
            self.state = self.state._replace(kept=kept)
        return np.asarray(greedy)

    def _length(self) -> int:
        """Epochs of the next chunk."""
        return min(self.config.evaluation_interval, self.config.epochs - self.epoch)

    def _compile(self, length: int | None, episodes: int | None = None) -> None:
        """What a chunk needs, or without a length an evaluation; nothing where it is compiled."""
        episodes = episodes or self.config.evaluation_episodes
        self.compiling(self.state, self.keys, length, episodes)

    def save(self) -> None:
        """A checkpoint of everything that evolves, and the policies as they are."""
        whole = {"state": self._whole(self.state), "keys": self._key_data()}
        about = {"identity": self.identity, "tables": self.tables.seals()} | self.norms.to_store()
        with self.folder.storing():
            save_checkpoint(self.folder.checkpoints, self.epoch, whole, about)
            self._save_policies()

    def _save_policies(self) -> None:
        policies = policies_of(self.plan.spec, self._whole(self.state).final)
        for seed, policy in zip(self.config.seeds, policies, strict=True):
            policy.save(self.folder.policy(seed))

    def finish(self) -> None:
        """Evaluate over many episodes and write `summary.json`."""
        with self.folder.storing():
            seals = self.tables.checked_seals(RESULTS)
        episodes, seeds = self.config.final_episodes, self.config.seeds
        self._compile(None, episodes)
        final = self.state._replace(learner=self.state.final)
        outcome = self.program.evaluate(final, evaluation_key(), episodes)
        returns, failed = np.asarray(outcome.returns), failed_epochs(self.state)
        known_returns = {seed: returns[k] for k, seed in enumerate(seeds) if failed[k] < 0}
        results = read_results(self.folder.path)
        known = results.final20_by_seed()[failed < 0]
        greedy = greedy_summary(self.env, known_returns, self.plan.reference, seeds)
        model = self._findings()
        summary = {
            "env": self.config.env,
            "algorithm": self.config.algorithm,
            "kappa": self.config.kappa,
            "epochs": self.config.epochs,
            "env_steps": self._env_steps(),
            "seeds": list(seeds),
            "final20_mean": float(known.mean()) if known.size else None,
            "final20_std": float(known.std()) if known.size else None,
            **greedy,
            **agent_measures(self.env, outcome.violations, self.norms.values, failed < 0),
            "failed": failures(self.state, self.env, seeds),
            **({"model": model} if model else {}),
            **kept_epochs(self.state, seeds),
            "warnings": [
                *self._warnings(greedy["greedy_by_seed"], failed < 0, results),
                *broken_promises(model, greedy["greedy_by_seed"]),
            ],
        }
        with self.folder.storing():
            self._save_policies()  # those of a run that had ended may be what is to be mended
            write_summary(self.folder, summary, seals, self.identity)
            self.folder.tidy()

    def _findings(self) -> dict[str, dict[str, float]]:
        """What the kind of update tells of each seed."""
        return by_seed(self.plan.spec.kind.findings(self.state.learner), self.config.seeds)

    def _warnings(self, greedy: Mapping[Any, Any], alive: np.ndarray, run: Results) -> list[str]:
        returns = run.curve()[1]
        first = returns[:, : max(1, returns.shape[1] // 20)]
        untrained = float(np.nanmean(first)) if np.isfinite(first).any() else -math.inf
        whole = self._whole(self.state)
        saturated = saturated_agents(self.plan.spec, whole, self.epoch, alive)
        return warnings_of(self.env, greedy, self.plan.reference, untrained, saturated)

    def _key_data(self) -> np.ndarray:
        return np.asarray(jax.random.key_data(self.keys))

    def _env_steps(self) -> int:
        return env_steps(self.state, self.epoch, self.env.horizon)

    def _append_rows(
        self, rows: EpochMetrics, first: int, greedy: np.ndarray, seconds: float, steps: int
    ) -> None:
        failed = failed_epochs(self.state)
        alive_at = np.where(failed < 0, self.config.epochs, failed)
        table = metric_rows(self.plan, rows, range(first, self.epoch), alive_at)
        evaluated = evaluation_rows(self.plan, greedy, self.epoch, alive_at)
        timing = timing_row(self.plan, first, self.epoch, steps, seconds)
        with self.folder.storing():
            self.tables.append(self.folder.metrics, table)
            self.tables.append(self.folder.evaluation, evaluated)
            self.tables.append(self.folder.timing, [timing])
        self.log(table, evaluated, timing)
        for k in sorted(set(np.flatnonzero(failed >= 0).tolist()) - self.told):
            self.told.add(k)
            seed = self.config.seeds[k]
            failure = failures(self.state, self.env, self.config.seeds)[str(seed)]
            self.say(
                f"seed {seed} stopped in epoch {failure['epoch']}: "
                f"{failure['where']} is no longer finite; its last good state is kept, "
                "the other seeds go on"
            )

    def _report(self, rows: EpochMetrics, greedy: np.ndarray, seconds: float, steps: int) -> Report:
        left, alive = self.config.epochs - self.epoch, failed_epochs(self.state) < 0
        interval, episodes = self.config.evaluation_interval, self.config.evaluation_episodes
        train_return = float(rows.episode_return[alive].mean()) if alive.any() else math.nan
        greedy_return = float(greedy[alive].mean()) if alive.any() else math.nan
        has_updated = self.plan.schedule.updates_after(self.epoch) > 0
        found = self._findings() if has_updated and alive.any() else {}
        promises = np.array([seed["promised"] for seed in found.values() if "promised" in seed])
        return Report(
            epoch=self.epoch,
            epochs=self.config.epochs,
            env_steps=self._env_steps(),
            train_return=train_return,
            greedy_return=greedy_return,
            score=self.plan.reference.score(greedy_return) if self.plan.reference else None,
            promised=float(promises[alive].mean()) if promises.size else None,
            env_steps_per_second=steps / seconds,
            # A last chunk of another length has to be compiled once more.
            remaining=self.pace.remaining(left, self.compiling.to_come(left % interval, episodes)),
        )


def execute(
    folder: RunFolder,
    plan: RunPlan,
    progress: bool | Callable[[Report], None],
    log: Sequence[str | Logger] = (),
) -> None:
    """Build the program, find the last checkpoint, and advance chunk by chunk to the end."""
    report = progress if callable(progress) else Progress() if progress else lambda _: None
    say: Callable[[str], None] = report.say if isinstance(report, Progress) else lambda _: None
    working = report.working if isinstance(report, Progress) else lambda *_: None
    epochs = plan.config.epochs
    go_on = f"go on with: {folder.how_to_resume()}"
    score = plan.reference.score if plan.reference else None
    with (
        closing(report) if isinstance(report, Progress) else nullcontext(),
        interruptions(f"stopped at once; {go_on}") as interrupted_by,
        closing(Execution(folder, plan, say, working)) as execution,
        closing(Logs(folder, log, score, say)) as logs,
    ):
        execution.log = logs.write
        with interrupted_by.nothing_to_save(f"stopped while compiling; {go_on}"):
            execution.start()
        saving = SavingTimes()
        while execution.epoch < epochs:
            report(execution.advance())
            is_last = execution.epoch == epochs
            if is_last or interrupted_by() or saving.is_due():
                with saving.measured():
                    execution.save()
            if (number := interrupted_by()) and not is_last:
                raise Stopped(f"stopped after epoch {execution.epoch} of {epochs}; {go_on}", number)
        execution.finish()
