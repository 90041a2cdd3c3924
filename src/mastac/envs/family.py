"""What a family of named environments declares of itself, readable without JAX."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Int

from mastac.envs.options import Option
from mastac.structure import Couplings, CouplingSequence

if TYPE_CHECKING:
    from mastac.envs.base import Environment

AnyCouplings = Couplings | CouplingSequence
Options = Mapping[str, Any]
"""Every option of a family by name, checked."""
Figures = tuple[dict[str, Any], np.ndarray]
"""Fields of [`Reference`][mastac.envs.base.Reference], and the policy that is best known."""

MOST_AGENTS_WITH_FIGURES = 400
"""Above this number of agents reference figures would take minutes."""


class Structure(NamedTuple):
    """What is known of an environment before it is built.

    **Arguments:**

    - `couplings`: who affects whom.
    - `state_sizes`, `action_sizes`: entries of each agent's state and action.
    """

    couplings: AnyCouplings
    state_sizes: Int[np.ndarray, " agents"]
    action_sizes: Int[np.ndarray, " agents"]


@dataclass(frozen=True, eq=False)
class Family:
    """A family of environments, such as all buildings `thermal-N`.

    Functions that need JAX or take time import what they use when they are called, so that the
    table of families stays quick to read.

    **Arguments:**

    - `id`: the name; `N` stands for the number of agents (`thermal-N`, or `warehouse-9` for nine).
    - `summary`: one line on what it is.
    - `example`: an id that [`mastac.make`][] accepts.
    - `options`: every option by name.
    - `structure`: `(num_agents, options) -> Structure`. Raises `UserError` where options do not go
        together.
    - `build`: `(id, couplings, options) -> Environment`, with the couplings of `structure`.
    - `figures`: `(couplings, options, seconds) -> Figures`, the reference figures; `seconds` limits
        a search. `None`: the family has none.
    - `has_figures`: `(num_agents, options) -> bool`, whether `figures` can be computed.
    - `stored`: pairs of id and the options that differ from the defaults, whose figures take long
        and are stored with the package.
    - `discrete`: whether actions are choices.
    """

    id: str
    summary: str
    example: str
    options: Mapping[str, Option]
    structure: Callable[[int, Options], Structure]
    build: Callable[[str, AnyCouplings, Options], "Environment"]
    figures: Callable[[AnyCouplings, Options, float], Figures] | None = None
    has_figures: Callable[[int, Options], bool] = lambda num_agents, options: (
        num_agents <= MOST_AGENTS_WITH_FIGURES
    )
    stored: Sequence[tuple[str, dict[str, Any]]] = ()
    discrete: bool = False
