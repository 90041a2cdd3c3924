"""Environments by name: the table of families, readable without JAX, and `make`."""

import dataclasses
import re
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mastac.envs.computers.family import FAMILY as COMPUTERS
from mastac.envs.doors.family import FAMILY as DOORS
from mastac.envs.family import Family, Structure
from mastac.envs.linear_quadratic.family import FAMILY as LINEAR_QUADRATIC
from mastac.envs.options import resolved
from mastac.envs.thermal.family import FAMILY as THERMAL
from mastac.envs.warehouse.family import FAMILY as WAREHOUSE
from mastac.envs.warehouse.family import NINE as NINE_WAREHOUSES
from mastac.errors import UserError, unknown

if TYPE_CHECKING:
    from mastac.envs.base import Environment

ENVIRONMENTS: dict[str, Family] = {
    family.id: family
    for family in (
        NINE_WAREHOUSES,
        WAREHOUSE,
        THERMAL,
        DOORS,
        LINEAR_QUADRATIC,
        COMPUTERS,
    )
}
"""Every family by its id; `N` in an id stands for a number of agents, at least 2."""

MOST_AGENTS = 1_000_000
"""Building more by name would take minutes and gigabytes."""


def entry_of(id: str) -> tuple[Family, int]:
    """The family that `id` belongs to, and its number of agents.

    **Raises:**

    - `UserError` with the nearest id if there is no such family, and for too few or too many
        agents.
    """
    match = re.fullmatch(r"(.+)-([0-9]+)", id) if isinstance(id, str) else None
    if match is None or f"{match[1]}-N" not in ENVIRONMENTS:
        error = unknown("environment", id, [family.example for family in ENVIRONMENTS.values()])
        raise UserError(f"{error}; one of your own is named module:name")
    name, digits = match[1], match[2].lstrip("0") or "0"
    if len(digits) > 7 or int(digits) > MOST_AGENTS:
        raise UserError(f"environment '{id}' has more than {MOST_AGENTS:,} agents; ask for fewer")
    if int(digits) < 2:
        raise UserError(f"environment '{id}' needs at least 2 agents; write for example {name}-8")
    return ENVIRONMENTS.get(f"{name}-{digits}", ENVIRONMENTS[f"{name}-N"]), int(digits)


def checked_options(id: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of environment `id` with `options` filled in, checked and JSON-ready.

    **Raises:**

    - `UserError` as [`mastac.make`][].
    """
    family, num_agents = entry_of(id)
    return resolved(id, family.options, options, num_agents)


@dataclass(frozen=True, eq=False)
class NamedEnvironment:
    """An environment of the table, resolved but not built; needs no JAX.

    **Arguments:**

    - `id`, `family`: its name, and the family that this belongs to.
    - `options`: every option of the family, checked and JSON-ready.
    - `structure`: its couplings, and the sizes of its agents' states and actions.
    """

    id: str
    family: Family
    options: dict[str, Any]
    structure: Structure

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its name: who unpickles it resolves it anew."""
        return named, (self.id, self.options)

    @property
    def discrete(self) -> bool:
        """Whether actions are choices."""
        return self.family.discrete

    def build(self) -> "Environment":
        """The environment itself; imports JAX."""
        from mastac.envs.stored_figures import reference

        couplings = self.structure.couplings
        env = dataclasses.replace(
            self.family.build(self.id, couplings, self.options),
            reference=lambda: reference(self.family, self.id, couplings, self.options),
        )
        _BUILT_IN.add(env)
        return env


def named(id: str, options: Mapping[str, Any]) -> NamedEnvironment:
    """Resolve an id and the options that differ from the defaults.

    **Raises:**

    - `UserError` as [`mastac.make`][].
    """
    family, num_agents = entry_of(id)
    values = resolved(id, family.options, options, num_agents)
    return NamedEnvironment(id, family, values, family.structure(num_agents, values))


def make(id: str, **options: Any) -> "Environment":
    """The environment named `id`, for example `make("thermal-40", limit_kw=20.0)`.

    `mastac envs` and `ENVIRONMENTS` list the ids and their options. The result's `options` holds
    every option, so `make(env.id, **env.options)` builds the same environment again.

    **Raises:**

    - `UserError` for an unknown id or option (offering the nearest one) and for a value of the
        wrong kind.
    """
    return named(id, options).build()


def is_built_in(env: "Environment") -> bool:
    """Whether [`mastac.make`][] built this very object.

    What is made from it, for example by `dataclasses.replace`, is the user's own: its id and
    options no longer say all that it is.
    """
    return env in _BUILT_IN


_BUILT_IN: "weakref.WeakSet[Environment]" = weakref.WeakSet()
