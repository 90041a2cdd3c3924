"""How an environment is drawn: which of its numbers, in which units, and within which limits.

Needs no JAX: what is drawn are records of episodes, in numpy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mastac.errors import UserError
from mastac.structure import Couplings, CouplingSequence
from mastac.text import shortened

SIDES = ("above", "below")
Numbers = float | Sequence[float] | np.ndarray
"""One number for all agents, or one for each."""


@dataclass(frozen=True)
class Quantity:
    """One number of each agent, as pictures and tables show it.

    **Arguments:**

    - `name`, `unit`: such as "temperature" and "°C".
    - `entry`: which entry of the agent's state or action it is.
    - `target`: the value that is asked for; drawn white.
    - `low`, `high`: limits that it should keep, or cannot leave. Where there is one limit and no
        target, the limit is drawn white.
    - `red`: which side of white is red, "above" or "below"; the other side is blue.
    - `levels`: names of choices or conditions that a row of zeros with a one tells, from `entry`
        on; the quantity is then which of them it is.

    `target`, `low` and `high` are one number or one for each agent.
    """

    name: str
    unit: str = ""
    entry: int = 0
    target: Numbers | None = None
    low: Numbers | None = None
    high: Numbers | None = None
    red: str = "above"
    levels: Sequence[str] = ()

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.name} [{self.unit}]" if self.has_unit else self.name

    @property
    def has_unit(self) -> bool:
        """Whether it is more than a plain number."""
        return self.unit not in ("", "1")

    @property
    def last_entry(self) -> int:
        """The last entry that it is read from."""
        return self.entry + max(len(self.levels), 1) - 1

    def values(
        self, rows: Float[np.ndarray, "times agents entries"], sizes: Int[np.ndarray, " agents"]
    ) -> Float[np.ndarray, "times agents"]:
        """The quantity in rows of states or actions; NaN for agents without such an entry."""
        if self.levels:
            found = rows[:, :, self.entry : self.last_entry + 1].argmax(-1).astype(float)
        else:
            found = rows[:, :, self.entry].astype(float)
        return np.where(sizes > self.entry, found, np.nan)

    def each(self, name: str, agents: int) -> Float[np.ndarray, " agents"] | None:
        """`target`, `low` or `high` for each agent; `None` where there is none."""
        numbers = getattr(self, name)
        return None if numbers is None else np.broadcast_to(np.asarray(numbers, float), agents)


@dataclass(frozen=True)
class Flow:
    """What flows along edges between agents, such as goods or heat.

    **Arguments:**

    - `name`, `unit`: such as "stock sent" and "pieces".
    - `edges`: pairs (source, target) of names or numbers of agents, or an array of numbers.
    - `amount`: `(state, actions, time) -> [edges]`, in numpy, from the rows of all agents; negative
        where it flows from target to source.
    """

    name: str
    edges: Sequence[tuple[Any, Any]] | np.ndarray
    amount: Callable[[np.ndarray, np.ndarray, int], np.ndarray]
    unit: str = ""

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    def pairs(self, couplings: Couplings | CouplingSequence) -> Int[np.ndarray, "edges 2"]:
        """The edges as rows of agents; `UserError` for what is none."""
        edges, agents = self.edges, couplings.num_agents
        if isinstance(edges, np.ndarray) and edges.dtype.kind in "iu" and edges.shape[1:] == (2,):
            beyond = edges[(edges < 0) | (edges >= agents)]
            for number in beyond[:1].tolist():
                couplings.index(number)  # says that there is no such agent
            return edges.astype(int)
        for edge in edges:
            if not isinstance(edge, Sequence) or isinstance(edge, str) or len(edge) != 2:
                raise UserError(
                    f"edges of the flow '{self.name}' must be pairs (source, target), got {edge!r}"
                )
        found = [[couplings.index(end) for end in edge] for edge in edges]
        return np.array(found, int).reshape(-1, 2)


@dataclass(frozen=True)
class View:
    """What `mastac rollout` draws of an environment.

    **Arguments:**

    - `states`: quantities of local states; the first one colours the agents.
    - `actions`: quantities of actions.
    - `flow`: what is drawn on edges.
    """

    states: Sequence[Quantity]
    actions: Sequence[Quantity] = ()
    flow: Flow | None = None


def check_view(env: Any) -> None:
    """`UserError` if the view of an environment is none, or does not fit its agents."""
    view, named = env.view, f"view of environment '{env.id}'"
    if view is None:
        return
    if not isinstance(view, View) or not view.states:
        raise UserError(
            f"{named} must be a mastac.View with at least one quantity in states, got "
            f"{shortened(repr(view))}"
        )
    for space in ("states", "actions"):
        width = int(getattr(env, f"{space.removesuffix('s')}_sizes").max())
        for quantity in getattr(view, space):
            _check_quantity(quantity, f"{space} of the {named}", width, env.num_agents)
    if view.flow is not None:
        view.flow.pairs(env.couplings)


def _check_quantity(quantity: Any, place: str, width: int, agents: int) -> None:
    if not isinstance(quantity, Quantity):
        raise UserError(f"{place} must be mastac.Quantity, got {shortened(repr(quantity))}")
    named = f"'{quantity.name}' in {place}"
    if not 0 <= quantity.entry <= quantity.last_entry < width:
        raise UserError(
            f"{named} reads entries {quantity.entry} to {quantity.last_entry}; the widest agent "
            f"has entries 0 to {width - 1}"
        )
    if quantity.red not in SIDES:
        raise UserError(f"red of {named} is {quantity.red!r}; use 'above' or 'below'")
    for name in ("target", "low", "high"):
        try:
            quantity.each(name, agents)
        except (TypeError, ValueError):
            raise UserError(
                f"{name} of {named} must be a number, or one for each of the {agents} agents"
            ) from None


def view_of(env: Any) -> View:
    """The view that an environment declares, or one that shows all its numbers by their place."""
    if env.view is not None:
        return env.view
    # Of a simulator outside JAX, observations may stand for states.
    name = "observation" if getattr(env, "observes_state", False) else "state"
    states = _numbered(name, int(env.state_sizes.max()), env.units.get("state", ""))
    width, unit = int(env.action_sizes.max()), env.units.get("action", "")
    if env.action_head == "discrete":
        names = [f"choice {k}" for k in range(width)]
        return View(states, [Quantity("action", levels=names)])
    return View(states, [_limited(env, quantity) for quantity in _numbered("action", width, unit)])


def _numbered(name: str, width: int, units: str) -> list[Quantity]:
    """A quantity for each entry; several units, as in "m, m/s", are those of the entries."""
    parts = [part.strip() for part in units.split(",")]
    if len(parts) == 1:
        parts *= width
    parts += [""] * (width - len(parts))
    names = [name] if width == 1 else [f"{name} {k}" for k in range(width)]
    return [Quantity(names[k], parts[k], k) for k in range(width)]


def _limited(env: Any, quantity: Quantity) -> Quantity:
    """An action with the limits of its head."""
    unlimited = (quantity.name, quantity.unit, quantity.entry)
    if env.action_head == "softmax":
        return Quantity(*unlimited, low=0.0, high=1.0)
    if env.action_head != "tanh":
        return quantity
    shape = (env.num_agents, int(env.action_sizes.max()))
    limit = np.broadcast_to(np.asarray(env.action_limit, float), shape)[:, quantity.entry]
    offset = getattr(env, "action_offset", None)
    middle = 0.0 if offset is None else np.asarray(offset, float)[:, quantity.entry]
    return Quantity(*unlimited, low=middle - limit, high=middle + limit)
