"""The one training loop: a compiled program runs a chunk of epochs for all seeds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PRNGKeyArray

from mastac.envs.base import Environment
from mastac.envs.episodes import Outcome, outcome
from mastac.envs.once import compiled_for_once
from mastac.learning.buffer import Buffer, Episode
from mastac.learning.devices import placed, shard_over_seeds
from mastac.learning.exploring import exploring_episode
from mastac.learning.failures import FAILURES, failure_of, failure_of_learner
from mastac.learning.keeping import Kept, first_kept
from mastac.learning.learner import update_schedule
from mastac.learning.measured import EpochMetrics, NormSums, epoch_means, not_measured
from mastac.learning.programs import SmallProgram
from mastac.learning.schedule import UpdateSchedule, exploration_in
from mastac.learning.settings import Settings
from mastac.learning.spec import Learner, Metrics

__all__ = [
    "FAILURES",
    "EpochMetrics",
    "OneSeed",
    "Program",
    "RunState",
    "UpdateSchedule",
    "exploring_episode",
    "one_seed",
    "training_program",
    "update_schedule",
]

Epoch = Int[Array, ""] | int


class RunState(NamedTuple):
    """Everything of one seed that evolves; a checkpoint holds it with a leading axis of seeds.

    `failed_epoch` is -1 while all numbers are finite. From the epoch of the first one that is not,
    the learner stays as it was before that epoch, and `failure` says where it was (see `FAILURES`).
    `env_steps` counts those that were played; `None` where every episode has as many as the
    horizon. `kept`: with `keep=best` the best policies so far; evaluations renew them.
    """

    learner: Any
    store: Episode
    failed_epoch: Int[Array, ""]
    failure: Int[Array, ""]
    env_steps: Int[Array, ""] | None = None
    kept: Kept | None = None

    @property
    def final(self) -> Any:
        """The learner whose policies a run would end with now."""
        return self.learner if self.kept is None else self.learner._replace(actors=self.kept.actors)


class Program(NamedTuple):
    """Compiled for all seeds at once; the leading axis of states, keys and results is the seed.

    - `init`: `keys -> state`.
    - `advance`: `(state, keys, epoch, length) -> (state, metrics)`, metrics `[seeds, length]`.
    - `evaluate`: `(state, key, episodes) -> outcome`, `[seeds, episodes, agents]`, of the greedy
        policies. All seeds play the same episodes, which `key` chooses, so that they differ by
        their policies and not by their luck.
    - `close`: lets go of what plays.
    - `lowered`: `(state, keys, length, episodes) -> programs` that the three will run, traced and
        not yet compiled: without a state that of `init`, without a length that of `evaluate` alone.
        `None` where it is not known before they are called.
    - `whole`, `parted`: from a state to that of one device, which is stored, and back.
    """

    init: Callable[[PRNGKeyArray], RunState]
    advance: Callable[[RunState, PRNGKeyArray, Int[Array, ""], int], tuple[RunState, EpochMetrics]]
    evaluate: Callable[[RunState, PRNGKeyArray, int], Outcome]
    close: Callable[[], None] = lambda: None
    lowered: Callable[..., Iterator[Any]] | None = None
    whole: Callable[[RunState], RunState] = lambda state: state
    parted: Callable[[RunState], RunState] = lambda state: state


@dataclass(frozen=True, eq=False)
class OneSeed:
    """The loop of one seed, not compiled: an episode, its storage, and the updates after it.

    `epochs`: of the whole run, over which exploration falls.
    """

    env: Environment
    learner: Learner
    buffer: Buffer
    settings: Settings
    schedule: UpdateSchedule
    epochs: int

    def init(self, key: PRNGKeyArray, episode: Episode | None = None) -> RunState:
        """Before the first epoch.

        `episode`: what episodes that come from outside look like; `None` if they are `played`.
        """
        init_key, episode_key = jax.random.split(jax.random.fold_in(key, 2**31 - 1))
        learner_state = self.learner.init(init_key)
        shape: Any = episode
        if episode is None:
            epoch = jnp.zeros((), jnp.int32)
            shape = jax.eval_shape(self.played, learner_state, episode_key, epoch)
        good = (jnp.full((), -1, jnp.int32), jnp.full((), -1, jnp.int32))
        steps = None if shape.length is None else jnp.zeros((), jnp.int32)
        kept = first_kept(learner_state.actors) if self.settings.keep == "best" else None
        return RunState(learner_state, self.buffer.init(shape), *good, steps, kept)

    def one_epoch(
        self, state: RunState, key: PRNGKeyArray, epoch: Int[Array, ""]
    ) -> tuple[RunState, EpochMetrics]:
        """The state after an epoch, and its row: an episode is played, and learnt from."""
        episode_key, update_key = self.keys(key, epoch)
        episode = self.played(state.learner, episode_key, epoch)
        return self.learnt(state, episode, update_key, epoch)

    def keys(self, key: PRNGKeyArray, epoch: Epoch) -> Key[Array, " two"]:
        """What an epoch's episode is played with, and what its updates draw with."""
        return jax.random.split(jax.random.fold_in(key, epoch))

    def played(
        self, learner_state: Any, episode_key: PRNGKeyArray, epoch: Int[Array, ""]
    ) -> Episode:
        """The episode of an epoch, with the exploration that is then due."""
        exploration = self.exploration(epoch)
        return exploring_episode(self.env, self.learner, learner_state, *exploration, episode_key)

    def learnt(
        self, state: RunState, episode: Episode, update_key: PRNGKeyArray, epoch: Int[Array, ""]
    ) -> tuple[RunState, EpochMetrics]:
        """The state after an epoch, and its row; a seed that has failed keeps its learner.

        The episode may come from anywhere.
        """
        store = self.buffer.add(state.store, episode, epoch)
        given = (state.learner, store, update_key, epoch)
        # Traced once for its shapes and for the branch.
        updates: Any = eqx.filter_closure_convert(self._updated, *given)
        nothing = jax.tree.map(not_measured, updates.out_struct[1])
        # What fails is worked out in the branch: outside, the compiler would write it again into
        # the loop of every array of the learner.
        updated, metrics, failure = jax.lax.cond(
            self.schedule.is_due(epoch),
            lambda *given: updates(*given),
            lambda kept, *_: (kept, nothing, jnp.full((), -1, jnp.int32)),
            *given,
        )
        failure = failure_of(self.env, episode, failure)
        good = (failure < 0) & (state.failed_epoch < 0)
        kept = jax.tree.map(lambda new, old: jnp.where(good, new, old), updated, state.learner)
        first_failure = (failure >= 0) & (state.failed_epoch < 0)
        loss = metrics.critic_loss
        steps = state.env_steps
        if steps is not None and episode.length is not None:
            steps = steps + episode.length
        row = EpochMetrics(
            episode_return=self.env.reported(episode.rewards.sum(0)),
            critic_loss=jnp.float32(jnp.nan) if loss is None else loss.mean(),
            value=metrics.value.mean(),
            gradient_norm=metrics.gradient_norm.mean(),
            env_steps=steps,
            agent_gradient_norm=metrics.gradient_norm,
        )
        new_state = RunState(
            learner=kept,
            store=store,
            failed_epoch=jnp.where(first_failure, epoch, state.failed_epoch),
            failure=jnp.where(first_failure, failure, state.failure),
            env_steps=steps,
            kept=state.kept,
        )
        return new_state, row

    def play(self, learner_state: Any, keys: Key[Array, " episodes"]) -> Outcome:
        """What comes out for the greedy policies, `[episodes, agents]`; an episode for each key."""
        policy = lambda obs, state, time: self.learner.act(learner_state, obs)  # noqa: E731
        return jax.vmap(lambda key: outcome(self.env, policy, key))(keys)

    def exploration(self, epoch: Epoch) -> tuple[Array, Array]:
        """The noise and the share of random actions of an epoch."""
        return exploration_in(self.settings, epoch, self.epochs)

    def _updated(
        self, learner_state: Any, store: Episode, key: PRNGKeyArray, epoch: Int[Array, ""]
    ) -> tuple[Any, Metrics, Int[Array, ""]]:
        """The learner after an epoch's updates, what they measured, and what failed."""
        learner_state = self._measured(learner_state, store, epoch)
        updated, metrics = self._updates(learner_state, store, key, epoch)
        return updated, metrics, failure_of_learner(self.env, metrics, updated)

    def _measured(self, learner_state: Any, store: Episode, epoch: Int[Array, ""]) -> Any:
        """With scales measured anew at the first update and when episodes are half as many more."""
        measure = self.learner.measure
        if measure is None:
            return learner_state
        times, period = [self.schedule.first - 1], self.schedule.period
        while times[-1] < self.epochs:
            times.append(times[-1] + (times[-1] + 2) // 2)
        return jax.lax.cond(
            # Of rollouts, the first update after such a time.
            ((jnp.asarray(times) <= epoch) & (jnp.asarray(times) > epoch - period)).any(),
            lambda state: measure(state, store, epoch + 1, epoch == times[0]),
            lambda state: state,
            learner_state,
        )

    def _updates(
        self, learner_state: Any, store: Episode, key: PRNGKeyArray, epoch: Int[Array, ""]
    ) -> tuple[Any, Metrics]:
        """All updates at the end of an epoch, one after the other."""

        def one_update(
            learner_state: Any, key_and_count: tuple[PRNGKeyArray, Array]
        ) -> tuple[Any, Metrics]:
            key, count = key_and_count
            draw_key, learner_key = jax.random.split(key)
            batch = self.buffer.draw(store, epoch + 1, draw_key)
            return self.learner.update(learner_state, batch, learner_key, count)

        number = self.schedule.updates
        counts = self.schedule.updates_before(epoch) + jnp.arange(number)
        keys = jax.random.split(key, number)
        learner_state, metrics = jax.lax.scan(one_update, learner_state, (keys, counts))
        return learner_state, epoch_means(metrics)


def one_seed(
    env: Environment, learner: Learner, buffer: Buffer, settings: Settings, epochs: int
) -> OneSeed:
    """The loop of one seed, with the schedule that the settings ask for."""
    return OneSeed(env, learner, buffer, settings, update_schedule(env, settings), epochs)


def epochs_from(
    seed: OneSeed, state: RunState, keys: Key[Array, " seeds"], times: Int[Array, " length"]
) -> tuple[RunState, EpochMetrics]:
    """The states of all seeds after these epochs, and their rows, `[seeds, length]`."""
    # The epoch is not vectorised over seeds: storing stays a copy, and the branch a branch.
    one_epoch = jax.vmap(seed.one_epoch, in_axes=(0, 0, None))

    def next_epoch(at: Any, epoch: Array) -> Any:
        (state, row), norms = one_epoch(at[0], keys, epoch), at[1]
        norms, row = norms.with_row(row)
        return (state, norms), row

    start = (state, NormSums.none(len(keys), seed.env.num_agents))
    (state, norms), rows = jax.lax.scan(next_epoch, start, times)
    rows = jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), rows)
    return state, rows._replace(agent_gradient_norm=norms.means())


def training_program(
    env: Environment, learner: Learner, buffer: Buffer, settings: Settings, epochs: int
) -> Program:
    """The loop over epochs, for all seeds side by side."""
    seed = one_seed(env, learner, buffer, settings, epochs)

    def advance(state: RunState, keys: Key[Array, " seeds"], epoch: Int[Array, ""], length: int):
        advanced = shard_over_seeds(partial(epochs_from, seed), True, False)
        return advanced(state, keys, epoch + jnp.arange(length))

    def evaluate(state: RunState, key: PRNGKeyArray, episodes: int) -> Outcome:
        play = shard_over_seeds(jax.vmap(seed.play, in_axes=(0, None)), False)
        return play(state.learner, jax.random.split(key, episodes))

    init = SmallProgram(shard_over_seeds(jax.vmap(seed.init)), compiled=compiled_for_once)
    advancing = SmallProgram(advance, static=[3], donated=0)
    evaluating = SmallProgram(evaluate, static=[2])

    def lowered(state: RunState | None, keys: Array, length: int | None, episodes: int):
        if state is None:
            yield init.lower(keys)
            return
        if length is not None:
            yield advancing.lower(placed(state), keys, jnp.asarray(0), length)
        yield evaluating.lower(placed(state), keys[0], episodes)

    return Program(
        init,
        advance=lambda state, *others: advancing(placed(state), *others),
        evaluate=lambda state, *others: evaluating(placed(state), *others),
        lowered=lowered,
    )
