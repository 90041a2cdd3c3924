"""The training loop where simulators outside JAX play: they play, and the compiled part learns.

What is learnt from an episode, its keys and what is stored are those of
[`OneSeed`][mastac.learning.loop.OneSeed]. Episodes of all seeds are played at the same time, acting
in one compiled call.

With worker processes several episodes of each seed are in flight, a round, and while a round is
played the one before is learnt from: the policies that play are those after the last round but one.
Learners that need episodes of their present policies wait instead. Which policy plays an episode
follows from the numbers of seeds and workers, never from the clock.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mastac.envs.host.environment import HostEnvironment
from mastac.envs.host.playing import Act, Job, Player, Track
from mastac.learning.acting import Acting, reset_seeds
from mastac.learning.buffer import Episode
from mastac.learning.devices import placed, shard_over_seeds
from mastac.learning.loop import EpochMetrics, OneSeed, Program, RunState


def host_program(
    seed: OneSeed,
    env: HostEnvironment,
    seeds: Sequence[int],
    workers: int,
    say: Callable[[str], None],
) -> Program:
    """The loop over epochs for all seeds, with simulators at work.

    **Arguments:**

    - `seed`: the loop of one seed.
    - `env`: its environment.
    - `seeds`: their numbers, for reports.
    - `workers`: processes that simulators run in; 0: this one.
    - `say`: told of every simulator that fails.
    """
    loop = HostLoop(seed, env, seeds, workers, say)
    return Program(loop.init, loop.advance, loop.evaluate, loop.close)


class HostLoop:
    """See [`host_program`][mastac.learning.host_loop.host_program]."""

    def __init__(
        self,
        seed: OneSeed,
        env: HostEnvironment,
        seeds: Sequence[int],
        workers: int,
        say: Callable[[str], None],
    ) -> None:
        self.seed, self.env, self.seeds = seed, env, seeds
        slots, self.in_flight = _in_flight(len(seeds), workers, env.one_per_process)
        self.overlaps = workers > 0 and seed.settings.estimator == "pathwise"
        if not self.overlaps:
            self.in_flight = min(self.in_flight, seed.schedule.period)
        self.player = Player(env.recipe, env.sizes, slots, workers, env.timeout, say)
        self.acting = Acting(seed, env.horizon)
        self._keys = jax.jit(jax.vmap(seed.keys, in_axes=(0, None)))
        learnt = jax.vmap(seed.learnt, in_axes=(0, 0, 0, None))
        self._learnt = jax.jit(shard_over_seeds(learnt, True, True, False), donate_argnums=0)
        first = jax.vmap(lambda key: seed.init(key, self.acting.episode_shape(env)))
        self.init = jax.jit(shard_over_seeds(first))

    def advance(
        self, state: RunState, keys: Array, epoch: Array, length: int
    ) -> tuple[RunState, EpochMetrics]:
        """So many epochs; metrics `[seeds, length]`."""
        rows: list[EpochMetrics] = []
        policies = self.acting.snapshot(state.learner)
        with ThreadPoolExecutor(1) as thread:
            learning = None
            for epochs in self._rounds(int(epoch), length):
                of_epoch = {e: self._keys(keys, jnp.asarray(e)) for e in epochs}
                played = self._play(policies, epochs, {e: k[:, 0] for e, k in of_epoch.items()})
                if learning is not None:
                    state = learning.result()
                if self.overlaps:
                    policies = self.acting.snapshot(state.learner)
                updates = [(e, played[e], of_epoch[e][:, 1]) for e in epochs]
                learning = thread.submit(self._learn, state, updates, rows)
                if not self.overlaps:
                    state = learning.result()
                    learning, policies = None, self.acting.snapshot(state.learner)
            if learning is not None:
                state = learning.result()
        return state, jax.tree.map(lambda *row: np.stack(row, axis=1), *rows)

    def evaluate(self, state: RunState, key: Array, episodes: int) -> Array:
        """Returns `[seeds, episodes, agents]` of greedy policies; all play the same episodes."""
        resets = reset_seeds(jax.random.split(key, episodes))
        jobs = [
            Job(reset, f"seed {seed} in evaluation episode {number}")
            for seed in self.seeds
            for number, reset in enumerate(resets)
        ]
        policies = self.acting.snapshot(state.learner)

        def greedy(numbers: np.ndarray) -> Act:
            return self.acting.greedy(policies, numbers // episodes)

        returns = np.stack([track.rewards.sum(0) for track in self.player.play(jobs, greedy)])
        return jnp.asarray(returns.reshape(len(self.seeds), episodes, -1))

    def close(self) -> None:
        """Let go of all simulators."""
        self.player.close()

    def _rounds(self, epoch: int, length: int) -> Iterator[list[int]]:
        """Epochs that are played at the same time; a round ends where a policy must be new."""
        one: list[int] = []
        for number in range(epoch, epoch + length):
            one.append(number)
            ends = not self.overlaps and bool(self.seed.schedule.is_due(number))
            if len(one) == self.in_flight or ends:
                yield one
                one = []
        if one:
            yield one

    def _play(
        self, policies: Any, epochs: Sequence[int], keys: dict[int, Array]
    ) -> dict[int, Episode]:
        """The episodes of some epochs, each with a leading axis of seeds."""
        count = len(self.seeds)
        data = np.concatenate([np.asarray(jax.random.key_data(keys[e])) for e in epochs])
        resets = reset_seeds(jax.random.wrap_key_data(jnp.asarray(data)))
        names = [(epoch, seed) for epoch in epochs for seed in self.seeds]
        jobs = [
            Job(reset, f"seed {seed} in epoch {epoch}")
            for reset, (epoch, seed) in zip(resets, names, strict=True)
        ]
        begun: dict[int, Any] = {}

        def exploring(numbers: np.ndarray) -> Act:
            at = np.asarray(epochs, np.int32)[numbers // count]
            act, drawn = self.acting.exploring(policies, numbers % count, data[numbers], at)
            for place, number in enumerate(numbers):
                begun[int(number)] = jax.tree.map(lambda leaf, p=place: leaf[p], drawn)
            return act

        tracks = self.player.play(jobs, exploring)
        episodes = [self._episode(track, begun[k]) for k, track in enumerate(tracks)]
        by_epoch = [episodes[k * count : (k + 1) * count] for k in range(len(epochs))]
        return {
            epoch: jax.tree.map(lambda *leaves: np.stack(leaves), *of_seeds)
            for epoch, of_seeds in zip(epochs, by_epoch, strict=True)
        }

    def _episode(self, track: Track, begun: Any) -> Episode:
        """What the buffer takes."""
        drawn = begun
        if begun is None:
            rest = self.env.horizon - track.length
            leaves = [np.stack(leaf) for leaf in zip(*track.drawn, strict=True)]
            padded = [np.pad(leaf, ((0, rest), *((0, 0),) * (leaf.ndim - 1))) for leaf in leaves]
            drawn = jax.tree.unflatten(self.acting.drawn, padded)
        arrays: list[Any] = [track.states, track.actions, track.rewards, drawn, track.obs]
        if self.env.terminates:
            arrays += [track.alive, track.terminated, np.int32(track.length)]
        return Episode(*arrays)

    def _learn(
        self,
        state: RunState,
        updates: Sequence[tuple[int, Episode, Array]],
        rows: list[EpochMetrics],
    ) -> RunState:
        """The state after some epochs' episodes, and their rows."""
        for epoch, episode, keys in updates:
            arguments = placed(state), placed(episode), placed(keys)
            state, row = self._learnt(*arguments, jnp.asarray(epoch))
            rows.append(jax.device_get(row))
        return state


def _in_flight(seeds: int, workers: int, one_per_process: bool) -> tuple[int, int]:
    """How many simulators there are, and how many episodes of each seed are in flight.

    Each worker holds two simulators, so that it has work while actions are computed.
    """
    if one_per_process:
        slots = max(1, workers)
        return slots, -(-slots // seeds)
    episodes = max(1, -(-2 * workers // seeds))
    return episodes * seeds, episodes
