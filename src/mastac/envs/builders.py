"""From an id and checked options to an environment with its reference figures."""

import dataclasses
from typing import Any

from mastac.envs.base import Environment
from mastac.envs.graphs import thermal_couplings, warehouse_couplings
from mastac.envs.thermal import thermal
from mastac.envs.warehouse import warehouse


def _with_reference(env: Environment) -> Environment:
    return env


def _warehouse(id: str, num_agents: int, values: dict[str, Any]) -> Environment:
    couplings = warehouse_couplings(num_agents, values)
    names = ("supply", "share", "frequency", "phase", "noise", "initial_stock", "horizon")
    return _with_reference(warehouse(couplings, **{name: values[name] for name in names}, id=id, options=values))


warehouse_9 = warehouse_n = _warehouse


def thermal_n(id: str, num_agents: int, values: dict[str, Any]) -> Environment:
    """Two chains of zones: zone `i` shares walls with zones `i - 2` and `i + 2`."""
    couplings = thermal_couplings(num_agents, values)
    walls = values["wall_resistance"]
    rest = {name: value for name, value in values.items() if name not in ("graph", "observation", "wall_resistance")}
    resistance = walls if isinstance(walls, float) else {(one, other): value for one, other, value in walls}
    return _with_reference(thermal(couplings, wall_resistance=resistance, **rest, id=id, options=values))


def lq_n(id: str, num_agents: int, values: dict[str, Any]) -> Environment:
    """A linear-quadratic network on a ring."""
    raise NotImplementedError
