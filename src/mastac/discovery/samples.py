"""The two halves of a log, as rows of numbers: one to look for edges in, the other to test them on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mastac.discovery.logs import TransitionLog
from mastac.errors import UserError

FEWEST_EPISODES = 8
GROUPS = 60
"""Groups of transitions that the jackknife leaves out in turn, at the least (if there are as many transitions); whole
episodes where there are enough. Up to twice as many, so that groups are of about one size."""
CONSTANT = 1e-6
"""What varies by less than this, in standard deviations of the log, does not vary."""


class Entry(NamedTuple):
    """One number of an agent's state or action; `kind` is "state" or "action"."""

    kind: str
    agent: int


class Target(NamedTuple):
    """One number to be explained: an entry of the agent's next state or observation, or its reward."""

    what: str
    agent: int
    place: int


@dataclass(frozen=True)
class Sample:
    """Transitions of some episodes. Columns of `values` are `entries`, those of `outcomes` are `targets`.

    Both are in standard deviations over the whole log. `steps` are the steps of each episode, of
    which rows follow one another; `group` is the group of the jackknife that a row belongs to.
    """

    entries: tuple[Entry, ...]
    values: Float[np.ndarray, "rows entries"]
    targets: tuple[Target, ...]
    outcomes: Float[np.ndarray, "rows targets"]
    steps: int
    group: Int[np.ndarray, " rows"]

    def columns(self, kind: str, agent: int) -> list[int]:
        """The columns of an agent's state or action."""
        return [k for k, entry in enumerate(self.entries) if entry == (kind, agent)]


def centred(
    columns: Float[np.ndarray, "rows columns"], steps: int
) -> Float[np.ndarray, "rows columns"]:
    """Columns less their mean at each time of the episode.

    What all agents share because of the time alone, such as a supply that follows the season, is no
    effect of anyone's, and entries that follow from the time cannot stand for it.
    """
    by_time = columns.reshape(-1, steps, columns.shape[1])
    return (by_time - by_time.mean(0)).reshape(columns.shape)


def halves(log: TransitionLog, random: np.random.Generator) -> tuple[Sample, Sample]:
    """A random half of the episodes and the other: what was chosen on the one is tested on independent episodes.

    **Raises:** `UserError` for a log of fewer than 8 episodes.
    """
    if log.episodes < FEWEST_EPISODES:
        raise UserError(
            f"'{log.name}' has {log.episodes} episodes, of which one half is to test what the other suggests; give at "
            f"least {FEWEST_EPISODES}, if need be by cutting long ones into pieces of equal length"
        )
    entries, values = _entries(log)
    targets, outcomes = _targets(log)
    order = random.permutation(log.episodes)
    found = []
    for episodes in (order[: log.episodes // 2], order[log.episodes // 2 :]):
        parts = [
            each[episodes].reshape(len(episodes) * log.steps, -1) for each in (values, outcomes)
        ]
        group = _groups(len(episodes), log.steps)
        found.append(Sample(entries, parts[0], targets, parts[1], log.steps, group))
    return found[0], found[1]


def _groups(episodes: int, steps: int) -> Int[np.ndarray, " rows"]:
    """Whole episodes, or pieces of consecutive steps of an episode where there are fewer episodes than groups."""
    pieces = min(steps, max(1, -(-GROUPS // episodes)))
    piece = np.arange(episodes)[:, None] * pieces + np.arange(steps) * pieces // steps
    return (piece % min(2 * GROUPS, episodes * pieces)).reshape(-1)


def _entries(log: TransitionLog) -> tuple[tuple[Entry, ...], np.ndarray]:
    """All entries of states and actions, [episodes, steps, entries]."""
    parts = {
        "state": (log.states[:, :-1], log.state_sizes),
        "action": (log.actions, log.action_sizes),
    }
    names, columns = [], []
    for kind, (rows, sizes) in parts.items():
        for agent, size in enumerate(np.asarray(sizes)):
            names += [Entry(kind, agent)] * size
            columns.append(rows[:, :, agent, :size])
    return tuple(names), _standardised(np.concatenate(columns, -1))


def _targets(log: TransitionLog) -> tuple[tuple[Target, ...], np.ndarray]:
    """All numbers that are to be explained, [episodes, steps, targets]."""
    parts = {
        "state": (log.states[:, 1:], log.state_sizes),
        "reward": (log.rewards[..., None], None),
    }
    if log.observations is not None:
        parts["observation"] = (log.observations[:, : log.steps], log.obs_sizes)
    names, columns = [], []
    for what, (rows, sizes) in parts.items():
        for agent in range(len(log.names)):
            size = 1 if sizes is None else np.asarray(sizes)[agent]
            names += [Target(what, agent, place) for place in range(size)]
            columns.append(rows[:, :, agent, :size])
    return tuple(names), _standardised(np.concatenate(columns, -1))


def _standardised(columns: np.ndarray) -> np.ndarray:
    mean, spread = columns.mean((0, 1)), columns.std((0, 1))
    constant = spread <= 1e-9 * np.abs(mean)
    return np.where(constant, 0.0, (columns - mean) / np.where(constant, 1.0, spread))
