"""Who moves whom at random points of a simulator. Imports JAX for environments only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from mastac.checks import real_number, whole_number
from mastac.envs.modules import is_environment
from mastac.errors import UserError
from mastac.probing.effects import Change, Effects, EvidenceSum
from mastac.probing.points import (
    Points,
    Readings,
    VaryState,
    draw_points,
    entry_scale,
    stratified_times,
)
from mastac.probing.simulator import Simulator
from mastac.structure.couplings import GRAPHS

ROUNDING = 64
"""Moves of less than this many units in the last place of the entry may be rounding."""
DEFAULT_POINTS = 512
"""Of edges that show at 1 % of the points, 0.6 % are missed."""
POINTS_A_TIME = 64
"""Default points for each time, where times are told apart."""
FEWEST_POINTS = 32
"""Default points of many agents, at the least."""
MOST_PAIRS = 2**26
"""Pairs (source, target) times points of a default probe; a minute of one core for 1000 agents."""
MOST_AGENTS = 10_000
"""An answer about every pair of more agents than this takes hours."""


class Prober(Protocol):
    """A simulator, whatever it is made of, as something that can be probed."""

    name: str
    agents: tuple[str, ...]
    horizon: int
    state_sizes: np.ndarray
    action_sizes: np.ndarray
    precision: float
    derivatives: bool
    has_obs: bool
    vary: VaryState | None

    def actions(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]: ...

    def visit(self, times: np.ndarray, random: np.random.Generator) -> Readings: ...

    def changes(
        self, points: Points, scale: Readings
    ) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Change]]]: ...


def probe(
    simulator: Any,
    points: int | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    widen: bool = True,
    by_time: bool = False,
) -> Effects:
    """The effects that show at random points.

    At every point (a state, the actions, a time, the random numbers) each agent in turn has its
    state, and then its action, exchanged for another, with everything else and the random numbers
    held; what moves is noted. Of JAX environments the derivatives are taken as well. States come
    from as many rollouts as there are points.

    **Arguments:**

    - `simulator`: an [`mastac.Environment`][] or a [`mastac.Simulator`][].
    - `points`: how many points; [`default_points`][] unless given.
    - `seed`: of everything random.
    - `tolerance`: moves count above this share of the entry's size or scale; the default allows
        for rounding.
    - `widen`: whether half of the states are moved beyond those that rollouts reach.
    - `by_time`: keep the evidence of each time apart, for couplings that change with the time.

    **Returns:**

    Every edge that was seen, with its evidence.

    **Raises:** `UserError` for a simulator that raises an exception, that does not repeat itself
    under the same seed, whose arrays have wrong shapes, or whose rollouts give values that are not
    finite.
    """
    seed = whole_number("seed", seed)
    if tolerance is not None:
        tolerance = real_number("tolerance", tolerance, 0, 1, most_excluded=True)
    if points is not None:
        points = whole_number("points", points, least=2)
    prober = prober_of(simulator)
    num_agents = len(prober.agents)
    if num_agents > MOST_AGENTS:
        raise UserError(
            f"'{prober.name}' has {num_agents:,} agents, and every pair of them would be probed; "
            f"probe a smaller system of the same kind, of at most {MOST_AGENTS:,}"
        )
    count = points or default_points(num_agents, prober.horizon if by_time else 1)
    random = np.random.default_rng(seed)
    times = stratified_times(prober.horizon, count, random)
    visited = prober.visit(times, random)
    actions = prober.actions(count, random)
    drawn = draw_points(
        visited.states, times, prober.state_sizes, actions, random, widen, prober.vary
    )
    obs_scale = None if visited.obs is None else entry_scale(visited.obs)
    scale = Readings(entry_scale(visited.states), entry_scale(visited.rewards), obs_scale)
    if tolerance is None:
        tolerance = ROUNDING * prober.precision
    return _collected(prober, drawn, scale, tolerance, by_time)


def default_points(num_agents: int, times: int = 1) -> int:
    """512 points, or 64 for each of many `times`; fewer for more than 360 agents.

    Every pair of agents is looked at, so that the work grows with their square.
    """
    wanted = max(DEFAULT_POINTS, POINTS_A_TIME * times)
    return int(np.clip(MOST_PAIRS // num_agents**2, FEWEST_POINTS, wanted))


def prober_of(simulator: Any) -> Prober:
    """What probes the simulator: compiled code, or calls."""
    if isinstance(simulator, Simulator):
        from mastac.probing.black_box import BlackBox

        return BlackBox(simulator)
    if is_environment(simulator):
        from mastac.probing.compiled import Compiled

        return Compiled(simulator)
    raise UserError(
        f"a {type(simulator).__name__} cannot be probed; give a mastac.Environment or a "
        "mastac.Simulator"
    )


def _collected(
    prober: Prober, points: Points, scale: Readings, tolerance: float, by_time: bool
) -> Effects:
    """All changes, summed up by graph and, if wanted, by time."""
    graphs = [graph for graph in GRAPHS if graph != "observation" or prober.has_obs]
    length = prober.horizon if by_time else 1
    sums = {
        graph: [EvidenceSum(len(prober.agents), tolerance) for _ in range(length)]
        for graph in graphs
    }
    groups = points.times if by_time else np.zeros(len(points.times), int)
    for numbers, sources, changes in prober.changes(points, scale):
        for group in np.unique(groups[numbers]):
            mine = groups[numbers] == group
            reached = points.reached[numbers[mine]]
            for graph, change in changes.items():
                part = Change(change.relative[mine], change.size[mine])
                sums[graph][group].add(part, numbers[mine], sources, reached)
    counts = np.bincount(groups, minlength=length).tolist()
    evidence = {
        graph: [total.evidence(count) for total, count in zip(times, counts, strict=True)]
        for graph, times in sums.items()
    }
    return Effects(
        prober.agents,
        points,
        evidence,
        by_time,
        prober.derivatives,
        prober.state_sizes,
        prober.action_sizes,
    )
