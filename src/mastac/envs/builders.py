"""From an id and checked options to an environment with its reference figures."""

import dataclasses
import functools
import inspect
from typing import Any

import jax.numpy as jnp
import numpy as np

from mastac.envs.actuators import zone_limits
from mastac.envs.base import Environment
from mastac.envs.computers.dynamics import computers
from mastac.envs.graphs import couplings_of
from mastac.envs.linear_quadratic.dynamics import linear_quadratic
from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.references import reference
from mastac.envs.thermal.dynamics import thermal
from mastac.envs.thermal.policies import best_constants
from mastac.envs.thermal.references import building_of_doors, thermal_problem
from mastac.envs.warehouse.dynamics import warehouse
from mastac.errors import UserError
from mastac.structure import steady


def _with_reference(env: Environment) -> Environment:
    return dataclasses.replace(env, reference=lambda: reference(env.id, env.couplings, env.options))


def warehouse_n(id: str, options: dict[str, Any]) -> Environment:
    """Warehouses on a ring, on the graph of nine, or on any graph."""
    names = ("supply", "share", "frequency", "phase", "noise", "initial_stock", "horizon")
    chosen = {name: options[name] for name in names}
    return _with_reference(
        warehouse(steady(couplings_of(id, options)), **chosen, id=id, options=options)
    )


def thermal_n(id: str, options: dict[str, Any]) -> Environment:
    """Two chains of zones (zone `i` shares walls with zones `i - 2` and `i + 2`), or any walls."""
    couplings = steady(couplings_of(id, options))
    limit = zone_limits(couplings.num_agents, options)
    values = options | {"limit_kw": limit}
    if isinstance(options["wall_resistance"], list):
        values["wall_resistance"] = {
            (one, other): value for one, other, value in options["wall_resistance"]
        }
        for one, other in values["wall_resistance"]:
            if one == other or not couplings.state[couplings.index(one), couplings.index(other)]:
                raise UserError(
                    f"wall_resistance names the wall '{one}'-'{other}', which is not in the graph"
                )
    env = thermal(couplings, **_arguments(values), id=id, options=options)
    return _with_reference(_with_constants(env, options, limit))


def _arguments(values: dict[str, Any]) -> dict[str, Any]:
    """Those of the values that [`thermal`][mastac.envs.thermal.dynamics.thermal] takes."""
    return {
        name: values[name] for name in inspect.signature(thermal).parameters.keys() & values.keys()
    }


def _with_constants(env: Environment, values: dict[str, Any], limit: np.ndarray) -> Environment:
    """The building with the best constant powers, computed when first asked for, as its simple policy."""

    @functools.cache
    def constants() -> np.ndarray:
        problem, rows = thermal_problem(env.couplings, values), np.zeros((env.num_agents, 1))
        rows[problem.action_owner, 0] = best_constants(problem, limit[problem.action_owner])
        return rows

    return dataclasses.replace(
        env, simple_actions=lambda state, time: jnp.asarray(constants(), state.dtype)
    )


def doors_n(id: str, options: dict[str, Any]) -> Environment:
    """A corridor of rooms, or any graph of them, whose doors open and close on a schedule."""
    couplings = couplings_of(id, options | {"known": "schedule"})
    values = building_of_doors(couplings.num_agents, options)
    env = thermal(couplings, **_arguments(values), id=id, options=options)
    env = _with_constants(env, values, np.asarray(values["limit_kw"]))
    return _with_reference(dataclasses.replace(env, couplings=couplings_of(id, options)))


def lq_n(id: str, options: dict[str, Any]) -> Environment:
    """A linear-quadratic network on a ring or on any graph."""
    couplings = steady(couplings_of(id, options))
    problem = lq_problem(couplings, options)
    return _with_reference(
        linear_quadratic(couplings, problem, options["limit"], id=id, options=options)
    )


def computers_n(id: str, options: dict[str, Any]) -> Environment:
    """Computers on a ring, on a chain or on any graph."""
    chosen = {
        name: value for name, value in options.items() if name not in ("graph", "observation")
    }
    return _with_reference(
        computers(steady(couplings_of(id, options)), **chosen, id=id, options=options)
    )
