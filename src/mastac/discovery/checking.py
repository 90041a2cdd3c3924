"""Are declared graphs true: of a simulator that can be asked, or of what happened in episodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mastac.checks import whole_number
from mastac.discovery.discovering import EPISODES
from mastac.discovery.log_checking import LogCheck, check_log
from mastac.discovery.logs import TransitionLog, read_log
from mastac.discovery.samples import FEWEST_EPISODES
from mastac.envs.modules import is_environment, is_place
from mastac.errors import UserError
from mastac.probing.checking import Check
from mastac.probing.checking import check as check_by_queries
from mastac.probing.findings import Declared
from mastac.probing.loading import load


def check(
    simulator: Any,
    couplings: Declared | None = None,
    points: int | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    widen: bool = True,
    env_options: Mapping[str, Any] | None = None,
    episodes: int | None = None,
) -> Check | LogCheck:
    """Whether the declared graphs are true of the simulator, with the evidence edge by edge.

    All five graphs are compared with what [`mastac.probing.probe`][] sees at random points. What
    was seen is certain, up to rounding; what was not seen may be there: of an edge that shows at a
    share $p$ of the points, $n$ independent points miss $(1 - p)^n$ (`Check.misses`).

    The state of a simulator outside JAX cannot be set. It plays episodes under random actions, and
    what they show is tested as [`mastac.discover`][] does with a log.

    **Arguments:**

    - `simulator`: an [`mastac.Environment`][], a [`mastac.Simulator`][], the name of an
        environment, `module:function`, a [`mastac.TransitionLog`][], or a log's file (`.npz`).
    - `couplings`: what is checked; what the simulator declares unless given.
    - `points`, `tolerance`, `widen`: as for [`mastac.probing.probe`][].
    - `seed`: of everything random.
    - `env_options`: of an environment that is named; arguments of the function of a module.
    - `episodes`: of a simulator outside JAX, how many are played; 200 unless given.

    **Returns:**

    Missing edges, and declared ones that never showed; printed, a report.

    **Raises:** `UserError` for couplings of other agents, for a simulator that fails, and as
    [`mastac.probing.probe`][].
    """
    seed = whole_number("seed", seed)
    given: Any = simulator
    paired = None
    if isinstance(given, str) and given.endswith(".npz"):
        given = read_log(given)
    elif isinstance(given, str) and is_place(given):
        given, paired = load(given, env_options, needs_couplings=couplings is None)
        env_options = None
    declared = couplings or paired
    log = given if isinstance(given, TransitionLog) else None
    host: Any = given if is_environment(given) and getattr(given, "is_host", False) else None
    if log is None and host is None:
        if episodes is not None:
            raise UserError(
                "episodes are played of simulators outside JAX; this one is asked at points"
            )
        return check_by_queries(given, declared, points, seed, tolerance, widen, env_options)
    if env_options:
        raise UserError("env_options are of environments that are named; leave them out here")
    if points is not None or tolerance is not None or not widen:
        raise UserError(
            f"'{host.id if log is None else log.name}' cannot be asked at points, since its state "
            "cannot be set; leave out points, tolerance and reached-only"
        )
    if log is not None:
        if declared is None:
            raise UserError(
                f"the log '{log.name}' declares no couplings; give those to check it against"
            )
        if episodes is not None:
            raise UserError(f"'{log.name}' is a log, whose episodes are given")
        return check_log(log, declared, seed)
    from mastac.discovery.host_checking import check_host

    count = whole_number(
        "episodes", EPISODES if episodes is None else episodes, least=FEWEST_EPISODES
    )
    return check_host(host, host.couplings if declared is None else declared, count, seed)
