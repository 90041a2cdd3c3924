"""The world: it holds the true state, and hands every agent its own; nobody else sees all."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.distributed.messages import Ledger
from mastac.distributed.node import Group
from mastac.distributed.plans import EpochKeys, Training, epoch_keys, evaluation_keys
from mastac.distributed.team import Team
from mastac.envs.base import Environment

Told = Callable[[int], None]
"""Called after each epoch with how many there were."""


class Played(NamedTuple):
    """One episode as the world saw it."""

    states: Float[np.ndarray, "times agents state"]
    actions: Float[np.ndarray, "time agents act"]
    rewards: Float[np.ndarray, "time agents"]


def reported(env: Environment, played: Played) -> float:
    """The return of an episode, in the unit that the environment reports."""
    return float(env.reported(jnp.asarray(played.rewards.sum(0))))


class World:
    """The simulator, and which rows of it belong to which process."""

    def __init__(self, env: Environment, groups: Sequence[Group]) -> None:
        self.env, self.groups = env, [np.asarray(group) for group in groups]
        self._reset = jax.jit(lambda key: env.reset(key).astype(np.float32))
        self._step = jax.jit(self._stepped)

    def _stepped(
        self, state: Array, actions: Array, time: Array, key: PRNGKeyArray
    ) -> tuple[Array, Array]:
        after = self.env.transition(state, actions, time, key)
        return after.state, after.rewards

    def shares(self, *arrays: np.ndarray) -> list[list[np.ndarray]]:
        """For each process the rows of its agents."""
        return [[array[group] for array in arrays] for group in self.groups]

    def play(self, team: Team, keys: EpochKeys) -> Played:
        """One episode; at its end everyone has been told the last step but one."""
        env = self.env
        states, actions, rewards = [np.asarray(self._reset(keys.reset))], [], []
        earned = np.zeros(env.num_agents, np.float32)
        for time in range(env.horizon):
            done = team.chain(["tell", "act"], self.told(time, states[-1], earned))
            chosen = np.zeros((env.num_agents, done[0].shape[1]), np.float32)
            for group, rows in zip(self.groups, done, strict=True):
                chosen[group] = rows
            after = self._step(states[-1], chosen, np.int32(time), keys.noise[time])
            state, earned = map(np.asarray, after)
            states.append(state)
            actions.append(chosen)
            rewards.append(earned)
        return Played(*map(np.stack, (states, actions, rewards)))

    def told(self, time: int, states: np.ndarray, rewards: np.ndarray) -> list[list[Any]]:
        """What each process is handed at a time: its agents' states and last rewards."""
        return [[time, *share] for share in self.shares(states, rewards)]


def train(
    team: Team, training: Training, groups: Sequence[Group], tell: Told = lambda epoch: None
) -> np.ndarray:
    """All epochs; the returns of their episodes, `[epochs]`."""
    env, schedule = training.play.env, training.schedule
    world, number = World(env, groups), len(groups)
    returns = []
    for epoch in range(training.epochs):
        team.call("begin_epoch", [[epoch]] * number)
        played = world.play(team, epoch_keys(training, epoch))
        last = world.told(env.horizon, played.states[-1], played.rewards[-1])
        team.chain(["tell", "close"], last)
        if schedule.is_due(epoch):
            for update in range(schedule.updates):
                team.chain(["propose", "judge", "improve"], [[update]] * number)
        returns.append(reported(env, played))
        tell(epoch + 1)
    return np.array(returns)


def evaluate(
    team: Team, env: Environment, groups: Sequence[Group], keys: Sequence[Any]
) -> list[Played]:
    """An episode of the greedy policies for each key."""
    world = World(env, groups)
    episodes = []
    for key in keys:
        chosen = evaluation_keys(key, env.horizon)
        data = np.asarray(jax.random.key_data(chosen.links))  # keys themselves do not travel
        team.call("begin", [[data, env.horizon]] * len(groups))
        episodes.append(world.play(team, chosen))
    return episodes


def ledger_of(team: Team, number: int) -> Ledger:
    """The ledgers of all processes as one."""
    ledger = Ledger()
    for entries in team.call("report", [[]] * number):
        ledger.add(entries)
    return ledger


def all_weights(parts: Sequence[Any], groups: Sequence[Group]) -> Any:
    """The actors of all agents, from those of each process."""
    order = np.argsort(np.concatenate([np.asarray(group) for group in groups]))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[order], *parts)
