"""The graphs of a system, from its simulator or a log. Imports JAX for environments only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mastac.checks import real_number, whole_number
from mastac.discovery.discovered import Discovered
from mastac.discovery.from_logs import discover_from_log
from mastac.discovery.from_queries import discover_by_queries
from mastac.discovery.logs import TransitionLog, read_log
from mastac.discovery.recording import record
from mastac.envs import make
from mastac.envs.modules import is_environment, is_place
from mastac.errors import UserError
from mastac.probing.loading import load
from mastac.probing.simulator import Simulator

EPISODES = 200
"""Recorded of a simulator whose state cannot be set."""


def discover(
    source: Any,
    points: int | None = None,
    seed: int = 0,
    fdr: float = 0.05,
    least_effect: float = 0.01,
    tolerance: float | None = None,
    widen: bool = True,
    by_time: bool = False,
    env_options: Mapping[str, Any] | None = None,
    episodes: int | None = None,
) -> Discovered:
    """The graphs of a system, with the evidence for each edge.

    A simulator is asked: at random points each agent's state and action is exchanged, with all else
    and the random numbers held ([`mastac.probing.probe`][]); nothing that it declares is used. Of a
    log it is found first which states and actions never vary or cannot be told apart; edges from
    those are undecided at best. Then, on one half of the episodes, a sparse regression chooses who
    may matter to each entry of a next state, reward or observation; on the other half each of them
    is tested, given all the others.

    **Arguments:**

    - `source`: an [`mastac.Environment`][], a [`mastac.Simulator`][], a [`mastac.TransitionLog`][],
        the name of an environment, `module:function`, or a log's file (`.npz`). Of a simulator
        outside JAX a log is recorded and read.
    - `points`, `tolerance`, `widen`: of queries, as for [`mastac.probing.probe`][].
    - `seed`: of everything random.
    - `fdr`: of logs, the share of false edges that is allowed among those found of each graph, on
        average.
    - `least_effect`: of logs, edges that add less than this to the target, in standard deviations,
        are not looked for: a regression that does not fit perfectly gives such traces to agents
        that move alike.
    - `by_time`: of queries, tell the times apart ([`Discovered.sequence`][]).
    - `env_options`: of an environment that is named; arguments of the function of a module.
    - `episodes`: of a simulator outside JAX, how many are recorded; 200 unless given.

    **Returns:**

    The edges with their evidence, and the couplings that they make up; printed, a report.

    **Raises:** `UserError` for a source that is none of these, a number out of its range, and as
    [`mastac.check`][] and [`mastac.read_log`][].
    """
    fdr = real_number("fdr", fdr, 0, 1, least_excluded=True, most_excluded=True)
    least_effect = real_number("least_effect", least_effect, 0, 1, most_excluded=True)
    seed = whole_number("seed", seed)
    source = source_of(source, env_options)
    is_host = is_environment(source) and source.is_host
    if episodes is not None and not is_host:
        raise UserError("episodes are recorded of simulators outside JAX; leave out episodes here")
    if isinstance(source, TransitionLog):
        if by_time:
            raise UserError(
                "times are told apart by queries only; from a log comes the union over the times"
            )
        return discover_from_log(source, fdr, least_effect, seed)
    if is_host:
        if points is not None or by_time:
            raise UserError(
                f"'{source.id}' is a simulator outside JAX, whose state cannot be set, so that "
                "it is not queried; leave out points and by_time"
            )
        return discover_from_log(
            record(source, EPISODES if episodes is None else episodes, seed),
            fdr,
            least_effect,
            seed,
        )
    return discover_by_queries(
        source, points=points, seed=seed, tolerance=tolerance, widen=widen, by_time=by_time
    )


def source_of(given: Any, env_options: Mapping[str, Any] | None = None) -> Any:
    """The log or simulator that is given, or named by a string."""
    if isinstance(given, str) and not given.endswith(".npz"):
        if is_place(given):
            return load(given, env_options)[0]
        return make(given, **(env_options or {}))
    if env_options:
        raise UserError("env_options are of environments that are named; leave them out here")
    if isinstance(given, str):
        return read_log(given)
    if not isinstance(given, Simulator | TransitionLog) and not is_environment(given):
        raise UserError(
            f"nothing is discovered from a {type(given).__name__}; give a mastac.Environment, a "
            "mastac.Simulator, a mastac.TransitionLog or a name"
        )
    return given
