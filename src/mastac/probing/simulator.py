"""A simulator that is no JAX code, as the few functions that probing needs. Imports no JAX."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mastac.checks import whole_number
from mastac.errors import UserError
from mastac.structure import Couplings, CouplingSequence

Rows = np.ndarray
"""One row for each agent; rows of agents with fewer entries are padded on the right."""


@dataclass(frozen=True, eq=False)
class Simulator:
    """Any simulator whose state can be set: numpy, a compiled program, another framework.

    Rows are agents, in the order of their names. Where agents differ in size, rows are padded on
    the right and the `…_sizes` say how many entries are real. Nothing but the arguments may enter a
    result: no state kept between calls, and every random number drawn from `seed`
    (`np.random.default_rng(seed)`), for all agents before anything is decided, so that what one
    agent does moves no one else's numbers.

    **Arguments:**

    - `horizon`: number of steps of an episode.
    - `reset`: `seed -> state`, the first state of an episode, [agents, entries].
    - `step`: `(state, actions, time, seed) -> state` at `time + 1`; or, where `reward` is left out,
        `-> (state, rewards)`.
    - `reward`: `(state, actions, time) -> rewards`, each agent's own reward, [agents].
    - `sample_actions`: `random -> actions`, valid actions of all agents, drawn from a
        `np.random.Generator`.
    - `observe`: `state -> obs` or `(state, time) -> obs`, rows. Left out, the observation graph is
        not probed.
    - `couplings`: the declared graphs, [`mastac.Couplings`][] or a [`mastac.CouplingSequence`][]
        with an entry for each step. May be left out where nothing is declared yet; `agents` then
        says who there is.
    - `agents`: names, or a number of agents; needed only without `couplings`.
    - `state_sizes`, `action_sizes`, `obs_sizes`: real entries of each agent's rows; all of them
        unless given.
    - `vary_state`: `(row, agent, random) -> row`, another valid state of the agent with that
        number. Left out, entries of floating-point states are moved by normal numbers on the scale
        that rollouts reach, and integer states are exchanged for others that were reached.
    - `name`: stands in reports.

    **Raises:** `UserError` if nothing says who the agents are, a function is none, or sizes do not
    fit.
    """

    horizon: int
    reset: Callable[[int], Rows]
    step: Callable[[Rows, Rows, int, int], Any]
    sample_actions: Callable[[np.random.Generator], Rows]
    reward: Callable[[Rows, Rows, int], np.ndarray] | None = None
    observe: Callable[..., Rows] | None = None
    couplings: Couplings | CouplingSequence | None = None
    agents: Sequence[str] | int | None = None
    state_sizes: Sequence[int] | np.ndarray | None = None
    action_sizes: Sequence[int] | np.ndarray | None = None
    obs_sizes: Sequence[int] | np.ndarray | None = None
    vary_state: Callable[[np.ndarray, int, np.random.Generator], np.ndarray] | None = None
    name: str = "simulator"

    def __post_init__(self) -> None:
        if self.couplings is None and self.agents is None:
            raise UserError(
                f"'{self.name}' has neither couplings nor agents; give one of them to say who "
                "there is"
            )
        known = self.couplings
        if known is None:
            known = Couplings([] if self.agents is None else self.agents)
        if not isinstance(known, Couplings | CouplingSequence):
            raise UserError(
                f"couplings of '{self.name}' are {type(known).__name__}; give Couplings"
            )
        object.__setattr__(self, "agents", known.agents)
        self._check_functions()
        horizon = whole_number(f"horizon of '{self.name}'", self.horizon, least=1)
        object.__setattr__(self, "horizon", horizon)
        if isinstance(known, CouplingSequence) and len(known) != horizon:
            raise UserError(
                f"the coupling sequence of '{self.name}' has {len(known)} entries; give one for "
                f"each of its {horizon} steps"
            )
        for name in ("state_sizes", "action_sizes", "obs_sizes"):
            given = getattr(self, name)
            if given is not None and np.shape(given) != (len(known.agents),):
                raise UserError(
                    f"{name} of '{self.name}' must give one number for each of "
                    f"{len(known.agents)} agents"
                )

    def _check_functions(self) -> None:
        needed = ("reset", "step", "sample_actions")
        for name in (*needed, "reward", "observe", "vary_state"):
            given = getattr(self, name)
            if not callable(given) and (name in needed or given is not None):
                raise UserError(
                    f"{name} of '{self.name}' is {type(given).__name__}; it must be a function"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The agents' names."""
        return self.agents  # pyright: ignore[reportReturnType]

    @property
    def observes_time(self) -> bool:
        """Whether `observe` asks for the time beside the state."""
        if self.observe is None:
            return False
        try:
            parameters = inspect.signature(self.observe).parameters.values()
        except ValueError:  # a function written in C
            return False
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        needed = [p for p in parameters if p.kind in positional and p.default is p.empty]
        return len(needed) > 1
