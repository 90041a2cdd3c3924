"""The numbers of every zone and wall of a building, from its options (numpy)."""

import numpy as np
from jaxtyping import Float, Int

from mastac.envs.actuators import with_actuator
from mastac.envs.family import Options
from mastac.errors import UserError
from mastac.structure import Couplings


def per_zone(value: float | list[float], num_agents: int) -> Float[np.ndarray, " agents"]:
    """One number for each zone."""
    return np.broadcast_to(np.asarray(value, float), num_agents)


def zone_limits(num_agents: int, options: Options) -> Float[np.ndarray, " agents"]:
    """The largest power of every zone, in kW; 0 where there is no actuator.

    Zones without a cooler have `weak_kw`. Of the two chains of the default graph each is counted by
    itself: with `every-2` these are zones 1, 2, 5, 6, 9, 10, ...
    """
    chains = 2 if options["graph"] == "two-chains" else 1
    cooled = with_actuator(num_agents, options["coolers"], chains)
    return np.where(cooled, np.asarray(options["limit_kw"], float), options["weak_kw"])


def walls_of(couplings: Couplings) -> tuple[Int[np.ndarray, " walls"], Int[np.ndarray, " walls"]]:
    """The two zones of every wall, each wall once from either side."""
    graph = couplings.state.tocoo()
    off = graph.row != graph.col
    return graph.row[off], graph.col[off]


def wall_resistances(couplings: Couplings, value: float | list) -> Float[np.ndarray, " walls"]:
    """The resistance of every wall, in °C/kW, in the order of [`walls_of`][].

    **Arguments:**

    - `couplings`: zones share a wall where their states are coupled.
    - `value`: the option `wall_resistance`: one number, or `[zone, zone, number]` for each wall.

    **Raises:**

    - `UserError` if `value` names a wall that is not there or leaves one out.
    """
    zones, others = walls_of(couplings)
    if not isinstance(value, list):
        return np.full(len(zones), float(value))
    for zone, other, _ in value:
        if zone == other or not couplings.state[couplings.index(zone), couplings.index(other)]:
            raise UserError(
                f"wall_resistance names the wall '{zone}'-'{other}', which is not in the graph"
            )
    known = {frozenset((zone, other)): resistance for zone, other, resistance in value}
    names = couplings.agents
    walls = [(names[i], names[j]) for i, j in zip(zones, others, strict=True)]
    for zone, other in walls:
        if frozenset((zone, other)) not in known:
            raise UserError(f"wall_resistance gives no number for the wall '{zone}'-'{other}'")
    return np.array([known[frozenset(wall)] for wall in walls])
