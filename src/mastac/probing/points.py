"""Where a simulator is probed: states, actions, times and changes. Imports no JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real

WIDENED = (0.5, 1.0, 2.0)
"""How far widened states lie from reached ones, in scales of each entry."""
CHANGES = (0.1, 1.0, 3.0)
"""Sizes of changes of one agent's state at widened points, in scales of each entry."""

VaryState = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""Another valid state of an agent, from its row, its number and random numbers."""


class Readings(NamedTuple):
    """States, rewards and observations of all agents at one point of each of many rollouts.

    Without the leading axis: the scale of each entry over the points.
    """

    states: Float[np.ndarray, "points agents state"]
    rewards: Float[np.ndarray, "points agents"]
    obs: Float[np.ndarray, "points agents obs"] | None


@dataclass(frozen=True)
class Points:
    """Independent points, and what each agent's state and action are exchanged for at each.

    - `times`, `seeds`: of the step (JAX: `jax.random.key(seed)`).
    - `reached`: whether a rollout reached the state; else it was widened.
    - `states`, `actions`: of all agents. `other_states`, `other_actions`: what an agent's row is
        exchanged for.
    - `directions`: a random direction in each agent's state, one scale long, for derivatives.
    """

    times: Int[np.ndarray, " points"]
    seeds: Int[np.ndarray, " points"]
    reached: Bool[np.ndarray, " points"]
    states: Real[np.ndarray, "points agents state"]
    actions: Real[np.ndarray, "points agents act"]
    other_states: Real[np.ndarray, "points agents state"]
    other_actions: Real[np.ndarray, "points agents act"]
    directions: Real[np.ndarray, "points agents state"]


def entry_scale(values: np.ndarray) -> np.ndarray:
    """Standard deviation over points of every entry; where that is zero the entry's size, or 1."""
    values = values.astype(float)
    std, size = values.std(0), np.abs(values).mean(0)
    return np.where(std > 1e-6 * size, std, np.where(size > 0, size, 1.0))


def real_entries(
    sizes: Int[np.ndarray, " agents"], width: int
) -> Bool[np.ndarray, "agents entries"]:
    """Which entries of padded rows are real."""
    return np.arange(width) < np.asarray(sizes)[:, None]


def stratified_times(
    horizon: int, count: int, random: np.random.Generator
) -> Int[np.ndarray, " points"]:
    """Times of `count` points in random order, evenly over the horizon.

    One is drawn from each of `count` equal parts (stratified sampling), which misses nothing more
    often than independent draws would.
    """
    times = ((np.arange(count) + random.random(count)) * horizon / count).astype(int) % horizon
    return random.permutation(times)


def draw_points(
    visited: Real[np.ndarray, "points agents state"],
    times: Int[np.ndarray, " points"],
    state_sizes: Int[np.ndarray, " agents"],
    actions: tuple[np.ndarray, np.ndarray],
    random: np.random.Generator,
    widen: bool = True,
    vary: VaryState | None = None,
) -> Points:
    """Points from the states that rollouts passed through.

    At every second point the state is as it was reached, and an agent's state is exchanged for one
    that the same agent had at another point. At the others (with `widen`) all states are moved at
    random, so that kinks and limits that rollouts seldom meet are crossed, and an agent's state is
    moved again by a size of `CHANGES`. Of half the exchanges, one entry alone counts: what matters
    may show only where the other entries stay. States of zeros and ones alone are conditions, not
    quantities: they are exchanged for reached ones, and always whole.

    **Arguments:**

    - `visited`, `times`: one state of each of as many independent rollouts, and its time.
    - `state_sizes`: real entries of each agent's row.
    - `actions`: the actions of all agents, and what each agent's are exchanged for; [points,
        agents, act].
    - `random`: draws everything.
    - `widen`: whether every second state is moved beyond those that rollouts reach.
    - `vary`: the simulator's own rule for moving states; normal numbers unless given.
    """
    count, num_agents, width = visited.shape
    real, conditions = real_entries(state_sizes, width), are_conditions(visited)
    reached = (np.arange(count) % 2 == 0) | (not widen)
    scale = entry_scale(visited) * real
    states = visited.copy()
    others = _exchanged(visited, random)
    if vary is not None:
        _vary(states, others, ~reached, vary, random)
    elif np.issubdtype(visited.dtype, np.floating) and not conditions:
        wide = np.flatnonzero(~reached)
        states[wide] += _moves(WIDENED, scale, len(wide), random, by_agent=False)
        others[wide] = states[wide] + _moves(CHANGES, scale, len(wide), random)
    else:
        states[~reached] = _exchanged(visited, random)[~reached]
    entry = random.integers(0, np.maximum(state_sizes, 1), (count, num_agents))
    alone = np.arange(width) == entry[..., None]
    keep = real & (alone | (random.random((count, num_agents, 1)) < (1.0 if conditions else 0.5)))
    return Points(
        times=times,
        seeds=random.integers(0, 2**31 - 1, count),
        reached=reached,
        states=states,
        actions=actions[0],
        other_states=np.where(keep, others, states),
        other_actions=actions[1],
        directions=random.standard_normal(visited.shape) * scale,
    )


def are_conditions(visited: Real[np.ndarray, "points agents state"]) -> bool:
    """Whether states are one-hot rows or flags: entries that are all 0 or 1, and both."""
    return bool(
        ((visited == 0) | (visited == 1)).all() and (visited == 0).any() and (visited == 1).any()
    )


def _exchanged(visited: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """For each agent at each point, its row at another point."""
    count, num_agents, _ = visited.shape
    steps = random.integers(1, max(count, 2), (count, num_agents))
    return visited[(np.arange(count)[:, None] + steps) % count, np.arange(num_agents)]


def _moves(
    sizes: tuple[float, ...],
    scale: np.ndarray,
    count: int,
    random: np.random.Generator,
    by_agent: bool = True,
) -> np.ndarray:
    """Normal numbers times the scale and a size, which is drawn by agent or for the whole state."""
    factors = random.choice(sizes, (count, len(scale) if by_agent else 1, 1))
    return factors * scale * random.standard_normal((count, *scale.shape))


def _vary(
    states: np.ndarray,
    others: np.ndarray,
    wide: np.ndarray,
    vary: VaryState,
    random: np.random.Generator,
) -> None:
    """States and exchanges at widened points by the simulator's own rule, in place."""
    for point in np.flatnonzero(wide):
        for agent in range(states.shape[1]):
            states[point, agent] = vary(states[point, agent].copy(), agent, random)
            others[point, agent] = vary(states[point, agent].copy(), agent, random)
