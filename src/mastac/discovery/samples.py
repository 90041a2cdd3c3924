"""The two halves of a log as matrices: edges are looked for on one, and tested on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mastac.discovery.logs import TransitionLog
from mastac.errors import UserError

FEWEST_EPISODES = 8
GROUPS = 60
"""Groups of transitions that the jackknife leaves out in turn, at the least.

Fewer only if there are fewer transitions. Groups are whole episodes where there are enough, and up
to twice as many, so that they are of about one size.
"""
CONSTANT = 1e-6
"""What varies by less than this, in standard deviations of the log, does not vary."""


class Block(NamedTuple):
    """An agent's state or action, one column or several: what an edge starts from.

    `kind` is "state" or "action"; `agent` is the agent's number.
    """

    kind: str
    agent: int


class Target(NamedTuple):
    """One number to be explained: an entry of a next state or observation, or a reward."""

    what: str
    agent: int
    place: int


@dataclass(frozen=True)
class Sample:
    """Transitions of some episodes, in standard deviations over the whole log.

    - `blocks`: the block that each column of `values` belongs to.
    - `values`: states and actions. `outcomes`: what is to be explained, a column for each of
        `targets`.
    - `steps`: steps of each episode; the rows of an episode follow one another.
    - `group`: the group of the jackknife that each row belongs to.
    """

    blocks: tuple[Block, ...]
    values: Float[np.ndarray, "rows columns"]
    targets: tuple[Target, ...]
    outcomes: Float[np.ndarray, "rows targets"]
    steps: int
    group: Int[np.ndarray, " rows"]

    def columns(self, block: Block) -> list[int]:
        """The columns of an agent's state or action."""
        return [k for k, owner in enumerate(self.blocks) if owner == block]


def center_by_time(
    columns: Float[np.ndarray, "rows columns"], steps: int
) -> Float[np.ndarray, "rows columns"]:
    """Columns less their mean at each time of the episode.

    What all agents share because of the time alone, such as a supply that follows the season, is no
    effect of anyone's, and entries that follow from the time cannot stand for it.
    """
    by_time = columns.reshape(len(columns) // steps, steps, columns.shape[1])
    return (by_time - by_time.mean(0)).reshape(columns.shape)


def split_episodes(log: TransitionLog, random: np.random.Generator) -> tuple[Sample, Sample]:
    """A random half of the episodes, and the other half.

    What was chosen on the one is tested on the other, whose episodes are independent of the choice
    (screen and clean: Wasserman and Roeder 2009).

    **Raises:** `UserError` for a log of fewer than 8 episodes.
    """
    if log.episodes < FEWEST_EPISODES:
        raise UserError(
            f"'{log.name}' has {log.episodes} episodes, of which one half is to test what the "
            f"other suggests; give at least {FEWEST_EPISODES}, if need be by cutting long ones "
            "into pieces of equal length"
        )
    blocks, values = _inputs(log)
    targets, outcomes = _targets(log)
    order = random.permutation(log.episodes)
    samples = []
    for episodes in (order[: log.episodes // 2], order[log.episodes // 2 :]):
        rows = len(episodes) * log.steps
        half = [array[episodes].reshape(rows, -1) for array in (values, outcomes)]
        group = _jackknife_groups(len(episodes), log.steps)
        samples.append(Sample(blocks, half[0], targets, half[1], log.steps, group))
    return samples[0], samples[1]


def _jackknife_groups(episodes: int, steps: int) -> Int[np.ndarray, " rows"]:
    """Whole episodes, or pieces of consecutive steps where there are fewer episodes than groups."""
    pieces = min(steps, max(1, -(-GROUPS // episodes)))
    piece = np.arange(episodes)[:, None] * pieces + np.arange(steps) * pieces // steps
    return (piece % min(2 * GROUPS, episodes * pieces)).reshape(-1)


def _inputs(log: TransitionLog) -> tuple[tuple[Block, ...], np.ndarray]:
    """All entries of states and actions, [episodes, steps, entries], and whose they are."""
    arrays = {
        "state": (log.states[:, :-1], log.state_sizes),
        "action": (log.actions, log.action_sizes),
    }
    blocks, columns = [], []
    for kind, (rows, sizes) in arrays.items():
        for agent, size in enumerate(np.asarray(sizes)):
            blocks += [Block(kind, agent)] * size
            columns.append(rows[:, :, agent, :size])
    return tuple(blocks), _standardized(np.concatenate(columns, -1))


def _targets(log: TransitionLog) -> tuple[tuple[Target, ...], np.ndarray]:
    """All numbers that are to be explained, [episodes, steps, targets]."""
    arrays = {
        "state": (log.states[:, 1:], log.state_sizes),
        "reward": (log.rewards[..., None], None),
    }
    if log.observations is not None:
        arrays["observation"] = (log.observations[:, : log.steps], log.obs_sizes)
    targets, columns = [], []
    for what, (rows, sizes) in arrays.items():
        for agent in range(len(log.names)):
            size = 1 if sizes is None else np.asarray(sizes)[agent]
            targets += [Target(what, agent, place) for place in range(size)]
            columns.append(rows[:, :, agent, :size])
    return tuple(targets), _standardized(np.concatenate(columns, -1))


def _standardized(columns: np.ndarray) -> np.ndarray:
    mean, std = columns.mean((0, 1)), columns.std((0, 1))
    constant = std <= 1e-9 * np.abs(mean)
    return np.where(constant, 0.0, (columns - mean) / np.where(constant, 1.0, std))
