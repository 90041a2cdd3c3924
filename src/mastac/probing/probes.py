"""A simulator's observed effects: who moves whom, at how many of many points. Imports JAX for environments only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from mastac.errors import UserError
from mastac.probing.effects import Change, Effects, Tally
from mastac.probing.points import Points, Vary, Visited, draw_points, spread_of, stratified_times
from mastac.probing.simulator import Simulator
from mastac.structure.couplings import GRAPHS

ROUNDING = 64
"""Moves of less than this many units in the last place of the entry may be rounding."""
DEFAULT_POINTS = 512
"""Of edges that show at 1 % of the points, 0.6 % are missed."""
POINTS_EACH = 64
"""At least so many for each time, where times are told apart."""
FEWEST_POINTS = 32
MOST_PAIRS = 2**26
"""Pairs (source, target) times points of a default probe; about a minute of one core for 1000 agents."""
MOST_AGENTS = 10_000
"""An answer about every pair of more agents than this takes hours."""


class World(Protocol):
    """What probing needs of a simulator, whatever it is made of."""

    name: str
    agents: tuple[str, ...]
    horizon: int
    state_sizes: np.ndarray
    action_sizes: np.ndarray
    precision: float
    derivatives: bool
    has_obs: bool
    vary: Vary | None

    def actions(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]: ...

    def visit(self, times: np.ndarray, random: np.random.Generator) -> Visited: ...

    def changes(
        self, points: Points, spread: Visited
    ) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Change]]]: ...


def probe(
    simulator: Any,
    points: int | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    widen: bool = True,
    by_time: bool = False,
) -> Effects:
    """Who affects whom, as far as it shows at random points.

    At every point (a state, the actions, a time, the random numbers) each agent in turn has its
    state, and then its action, exchanged for another, with everything else and the random numbers
    held; what moves is noted. Of JAX environments the derivatives are taken as well. States come
    from as many rollouts as there are points.

    **Arguments:**

    - `simulator`: an [`mastac.Environment`][] or a [`mastac.Simulator`][].
    - `points`: how many; [`default_points`][] unless given.
    - `seed`: of everything random.
    - `tolerance`: moves count above this share of the entry's size or spread; the default allows
        for rounding.
    - `widen`: whether half of the states are moved beyond those that rollouts reach.
    - `by_time`: keep the evidence of each time apart, for couplings that change with the time.

    **Raises:** `UserError` for a simulator that does not repeat itself under the same seed, whose
    arrays have wrong shapes, or whose rollouts give values that are not finite.
    """
    world = world_of(simulator)
    num_agents = len(world.agents)
    if num_agents > MOST_AGENTS:
        raise UserError(
            f"'{world.name}' has {num_agents:,} agents, and every pair of them would be probed; probe a smaller system "
            f"of the same kind, of at most {MOST_AGENTS:,}"
        )
    count = (
        default_points(num_agents, world.horizon if by_time else 1) if points is None else points
    )
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 2:
        raise UserError(
            f"points is {count!r}; at least 2 are needed to change one state into another"
        )
    random = np.random.default_rng(seed)
    times = stratified_times(world.horizon, int(count), random)
    visited = world.visit(times, random)
    actions = world.actions(int(count), random)
    drawn = draw_points(
        visited.states, times, world.state_sizes, actions, random, widen, world.vary
    )
    # pyright: ignore[reportArgumentType]
    spread = Visited(*(None if each is None else spread_of(each) for each in visited))
    return _collected(
        world,
        drawn,
        spread,
        ROUNDING * world.precision if tolerance is None else tolerance,
        by_time,
    )


def default_points(num_agents: int, groups: int = 1) -> int:
    """512, or 64 for each of `groups` times; fewer for more than 360 agents, of which every pair is looked at."""
    wanted = max(DEFAULT_POINTS, POINTS_EACH * groups)
    return int(np.clip(MOST_PAIRS // num_agents**2, FEWEST_POINTS, wanted))


def world_of(simulator: Any) -> World:
    """What probes the simulator: compiled code, or calls."""
    if isinstance(simulator, Simulator):
        from mastac.probing.black_box import BlackBox

        return BlackBox(simulator)
    if is_environment(simulator):
        from mastac.probing.compiled import Compiled

        return Compiled(simulator)
    raise UserError(
        f"a {type(simulator).__name__} cannot be probed; give a mastac.Environment or a mastac.Simulator"
    )


def is_environment(value: Any) -> bool:
    """Whether it is an [`mastac.Environment`][]; there is none before the module that defines them is loaded."""
    base = sys.modules.get("mastac.envs.base")
    return base is not None and isinstance(value, base.Environment)


def _collected(
    world: World, points: Points, spread: Visited, tolerance: float, by_time: bool
) -> Effects:
    """All changes, tallied by graph and, if wanted, by time."""
    graphs = [graph for graph in GRAPHS if graph != "observation" or world.has_obs]
    length = world.horizon if by_time else 1
    tallies = {
        graph: [Tally(len(world.agents), tolerance) for _ in range(length)] for graph in graphs
    }
    groups = points.times if by_time else np.zeros(len(points.times), int)
    for numbers, sources, found in world.changes(points, spread):
        for group in np.unique(groups[numbers]):
            mine = groups[numbers] == group
            for graph, change in found.items():
                part = Change(change.relative[mine], change.size[mine])
                tallies[graph][group].add(
                    part, numbers[mine], sources, points.reached[numbers[mine]]
                )
    counts = np.bincount(groups, minlength=length)
    evidence = {
        graph: [each.evidence(int(number)) for each, number in zip(row, counts, strict=True)]
        for graph, row in tallies.items()
    }
    return Effects(
        world.agents,
        points,
        evidence,
        by_time,
        world.derivatives,
        world.state_sizes,
        world.action_sizes,
    )
