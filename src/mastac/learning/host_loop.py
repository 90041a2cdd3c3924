"""The training loop where simulators outside JAX play: they play, and the compiled part learns.

What is learnt from an episode, its keys and what is stored are those of
[`OneSeed`][mastac.learning.loop.OneSeed]. Episodes of all seeds are played at the same time, acting
in one compiled call.

With worker processes several episodes of each seed are in flight, a round, and while a round is
played the one before is learnt from: the policies that play are those after the last round but one.
Learners that need episodes of their present policies wait instead. Which policy plays an episode
follows from the numbers of seeds and workers, never from the clock.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mastac.envs.episodes import Outcome
from mastac.envs.host.environment import HostEnvironment
from mastac.envs.host.playing import Act, Job, Player, Track
from mastac.envs.limits import Limits, limits_of
from mastac.envs.once import compiled_for_once
from mastac.learning.acting import Acting, reset_bits, reset_seeds
from mastac.learning.buffer import Episode
from mastac.learning.devices import placed, shard_over_seeds
from mastac.learning.loop import EpochMetrics, OneSeed, Program, RunState
from mastac.learning.measured import NormSums


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


class Drawn(NamedTuple):
    """Random numbers of a round; epochs and seeds lead.

    - `episodes`, `updates`: `[epochs, seeds, 2]`, data of the keys that episodes are played with
        and learnt from.
    - `resets`: `[epochs, seeds]`, what simulators are reset with.
    """

    episodes: Any
    resets: Any
    updates: Any


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
        self._keys = jax.jit(self._keys_of)
        learnt = jax.vmap(seed.learnt, in_axes=(0, 0, 0, None))
        self._learnt = jax.jit(shard_over_seeds(learnt, True, True, False), donate_argnums=0)
        first = jax.vmap(lambda key: seed.init(key, self.acting.episode_shape(env)))
        self.init = compiled_for_once(shard_over_seeds(first))

    def advance(
        self, state: RunState, keys: Array, epoch: Array, length: int
    ) -> tuple[RunState, EpochMetrics]:
        """So many epochs; metrics `[seeds, length]`."""
        rows: list[EpochMetrics] = []
        norms = NormSums.none(len(self.seeds), self.env.num_agents)
        policies = self.acting.snapshot(state.learner)
        with ThreadPoolExecutor(1) as thread:
            learning = None
            for epochs in self._rounds(int(epoch), length):
                drawn = self._drawn(keys, epochs)
                tracks, begun = self._play(policies, epochs, drawn)
                if learning is not None:
                    state = learning.result()
                if self.overlaps:
                    policies = self.acting.snapshot(state.learner)
                given = (epochs, tracks, begun, drawn.updates)
                learning = thread.submit(self._learn, state, *given, rows)
                if not self.overlaps:
                    state = learning.result()
                    learning, policies = None, self.acting.snapshot(state.learner)
            if learning is not None:
                state = learning.result()
        for k, row in enumerate(rows):
            norms, rows[k] = norms.with_row(row)
        metrics = jax.tree.map(lambda *row: np.stack(row, axis=1), *rows)
        return state, metrics._replace(agent_gradient_norm=norms.means())

    def evaluate(self, state: RunState, key: Array, episodes: int) -> Outcome:
        """Of greedy policies, `[seeds, episodes, agents]`; all play the same episodes."""
        resets = reset_seeds(jax.random.split(key, episodes))
        jobs = [
            Job(reset, f"seed {seed} in evaluation episode {number}")
            for seed in self.seeds
            for number, reset in enumerate(resets)
        ]
        policies = self.acting.snapshot(state.learner)

        def greedy(numbers: np.ndarray) -> Act:
            return self.acting.greedy(policies, numbers // episodes)

        tracks, limits = self.player.play(jobs, greedy), limits_of(self.env)

        def by_seed(values: list[np.ndarray]) -> Array:
            return jnp.asarray(np.stack(values).reshape(len(self.seeds), episodes, -1))

        returns = by_seed([track.rewards.sum(0) for track in tracks])
        if limits is None:
            return Outcome(returns, None)
        return Outcome(returns, by_seed([self._violations(limits, track) for track in tracks]))

    def _violations(self, limits: Limits, track: Track) -> np.ndarray:
        """The share of its steps at which each agent was beyond a limit."""
        actions = self.env.in_units(track.actions, track.alive)
        beyond = limits.exceeded(track.states[:-1], actions) & track.alive
        return (beyond.sum(0) / np.maximum(track.alive.sum(0), 1)).astype(np.float32)

    def close(self) -> None:
        """Let go of all simulators."""
        self.player.close()

    def _keys_of(self, keys: Array, epochs: Array) -> Drawn:
        of_epoch = jax.vmap(self.seed.keys, in_axes=(0, None))
        both = jax.vmap(of_epoch, in_axes=(None, 0))(keys, epochs)
        data = jax.random.key_data(both)
        return Drawn(data[:, :, 0], jax.vmap(jax.vmap(reset_bits))(both[:, :, 0]), data[:, :, 1])

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

    def _drawn(self, keys: Array, epochs: Sequence[int]) -> Drawn:
        """The random numbers of a round, in one call; short rounds are filled up."""
        filled = [*epochs, *[epochs[-1]] * (self.in_flight - len(epochs))]
        return Drawn(*jax.device_get(self._keys(keys, np.asarray(filled, np.int32))))

    def _play(
        self, policies: Any, epochs: Sequence[int], drawn: Drawn
    ) -> tuple[list[Track], dict[int, Any]]:
        """The episodes of some epochs and of all seeds, and what is to be known of each."""
        count = len(self.seeds)
        data = drawn.episodes.reshape(-1, *drawn.episodes.shape[2:])
        names = [(epoch, seed) for epoch in epochs for seed in self.seeds]
        jobs = [
            Job(int(reset), f"seed {seed} in epoch {epoch}")
            for reset, (epoch, seed) in zip(drawn.resets.ravel(), names, strict=False)
        ]
        begun: dict[int, Any] = {}

        def exploring(numbers: np.ndarray) -> Act:
            at = np.asarray(epochs, np.int32)[numbers // count]
            act, known = self.acting.exploring(policies, numbers % count, data[numbers], at)
            for place, number in enumerate(numbers):
                begun[int(number)] = jax.tree.map(lambda leaf, p=place: leaf[p], known)
            return act

        return self.player.play(jobs, exploring), begun

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
        epochs: Sequence[int],
        tracks: Sequence[Track],
        begun: Mapping[int, Any],
        keys: np.ndarray,
        rows: list[EpochMetrics],
    ) -> RunState:
        """The state after some epochs' episodes, and their rows."""
        count = len(self.seeds)
        for place, epoch in enumerate(epochs):
            numbers = range(place * count, (place + 1) * count)
            of_seeds = [self._episode(tracks[number], begun[number]) for number in numbers]
            episode = jax.tree.map(lambda *leaves: np.stack(leaves), *of_seeds)
            update_keys = jax.random.wrap_key_data(jnp.asarray(keys[place]))
            arguments = placed(state), placed(episode), placed(update_keys)
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
