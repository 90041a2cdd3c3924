"""One simulator at work: dictionaries by agent in, rows for all agents out, checked. No JAX."""

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from mastac.envs.host.spaces import (
    Observed,
    Wrong,
    acting,
    check_finite,
    numbers,
    observed,
    reward,
)
from mastac.envs.modules import told

OBSERVATIONS, METHOD = "observations", "local_state"
LocalStates = str | Mapping[str, Any]
"""Where local states come from.

- "observations": they stand in.
- "local_state": the simulator's method of this name, `agent -> numbers`.
- another text: this key of the agents' infos.
- a mapping: for each agent the entries of `state()` that are its own, a slice or a list of numbers.
"""


class Frame(NamedTuple):
    """What a simulator shows after `reset` or a step; rows are agents, in the couplings' order.

    - `states`: local states; of agents that have left the last ones.
    - `obs`: observations; `None` where they are the states.
    - `rewards`: of the step, zero for agents that did not act.
    - `alive`: who acts next.
    - `terminated`: whose last step this was, and not because of a time limit.
    """

    states: Float[np.ndarray, "agents state"]
    obs: Float[np.ndarray, "agents obs"] | None
    rewards: Float[np.ndarray, " agents"]
    alive: Bool[np.ndarray, " agents"]
    terminated: Bool[np.ndarray, " agents"]


@dataclass(frozen=True)
class Recipe:
    """All that a worker needs to build a simulator and speak to it.

    - `make`: `() -> simulator`, with the methods of a PettingZoo `ParallelEnv`.
    - `agents`: names in the couplings' order; the simulator's own may be of another type.
    - `local_states`: where they come from.
    - `state_sizes`: how many entries each agent's has; `None`: as many as at the first reset.
    - `fixed_length`: whether no agent ever leaves before the horizon.
    """

    make: Callable[[], Any]
    agents: tuple[str, ...]
    local_states: LocalStates
    state_sizes: tuple[int, ...] | None = None
    fixed_length: bool = False


class HostSimulator:
    """A simulator built by a recipe; `reset` and `step` raise `Wrong` where it misbehaves."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.world = recipe, called("making it", recipe.make)
        self.ids = ids_of(self.world)
        self.observed = [
            observed(name, space_of(self.world, "observation", self.ids[name]))
            for name in recipe.agents
        ]
        self.acting = [
            acting(name, space_of(self.world, "action", self.ids[name])) for name in recipe.agents
        ]
        width = max(space.size for space in self.acting)
        self.center, self.low, self.high = (
            np.stack(
                [np.pad(getattr(space, end), (0, width - space.size)) for space in self.acting]
            )
            for end in ("center", "low", "high")
        )
        self.is_state = recipe.local_states == OBSERVATIONS
        self.obs_width = max(space.size for space in self.observed)
        self.state_sizes = recipe.state_sizes
        self.last: Frame | None = None
        self.gone: set[str] = set()

    def reset(self, seed: int) -> Frame:
        """The first frame of an episode."""
        obs, infos = shown_at_reset(called("reset", self.world.reset, seed=seed))
        self.gone = set()
        alive = self._present(by_name(obs, "observations"))
        if not alive:
            raise Wrong("reset gives no observation of any agent")
        return self._frame(obs, infos, {}, alive, set(), set())

    def step(self, actions: Float[np.ndarray, "agents act"]) -> Frame:
        """The frame after an action of every agent that is there."""
        assert self.last is not None
        within = np.minimum(np.maximum(self.center + actions, self.low), self.high)
        alive = self.last.alive.tolist()
        acts = {name for name, is_alive in zip(self.recipe.agents, alive, strict=True) if is_alive}
        given = {
            self.ids[space.agent]: space.taken(row)
            for space, row in zip(self.acting, within, strict=True)
            if space.agent in acts
        }
        after = called("step", self.world.step, given)
        if not isinstance(after, tuple) or len(after) != 5:
            raise Wrong(
                "its step must give observations, rewards, terminations, truncations and infos, "
                f"it gives {len(after) if isinstance(after, tuple) else type(after).__name__}"
            )
        obs, rewards, terminations, truncations, infos = after
        ended = _flagged(terminations, "termination", acts)
        stopped = _flagged(truncations, "truncation", acts)
        self.gone |= ended | stopped
        seen = by_name(obs, "observations")
        if getattr(self.world, "agents", None) is None:  # then nothing else says who is there
            lacking = [name for name in self.ids if name in acts - self.gone and name not in seen]
            if lacking:
                raise Wrong(
                    f"there is no observation of agent '{lacking[0]}', which is neither terminated "
                    "nor truncated"
                )
        return self._frame(obs, infos, rewards, self._present(seen), acts, ended)

    def close(self) -> None:
        """Let the simulator go; what it raises then is of no interest."""
        try:
            close(self.world)
        except Exception:
            return

    def _present(self, obs: Collection[str]) -> set[str]:
        """Names of the agents that act next."""
        listed = getattr(self.world, "agents", None)
        names = set(obs) if listed is None else set(map(str, listed))
        return names - self.gone

    def _frame(
        self,
        obs: Any,
        infos: Any,
        rewards: Any,
        alive: set[str],
        acted: set[str],
        terminated: set[str],
    ) -> Frame:
        agents, seen, paid = self.recipe.agents, by_name(obs, "observations"), {}
        if acted:
            paid = by_name(rewards, "rewards")
        old = self.last if acted else None
        obs_rows = np.zeros((len(agents), self.obs_width), np.float32)
        states: list[np.ndarray] = []
        reward_row = np.zeros(len(agents), np.float32)
        state_of = None if self.is_state else self._local_states(infos)
        for i, (name, space) in enumerate(zip(agents, self.observed, strict=True)):
            is_there = name in alive or name in acted
            is_over = name in terminated or not is_there
            if name in seen and is_there and not (is_over and _is_useless(space, seen[name])):
                obs_rows[i, : space.size] = space.row(seen[name])
            elif name in alive:
                raise Wrong(f"there is no observation of agent '{name}', who is there")
            elif old is not None:
                obs_rows[i] = old.states[i] if old.obs is None else old.obs[i]
            if name in acted:
                if name not in paid:
                    raise Wrong(f"there is no reward of agent '{name}', who acted")
                reward_row[i] = reward(name, paid[name])
            if state_of is not None:
                state = state_of(i, name, name in alive, old)
                if is_over and old is not None and not np.isfinite(state).all():
                    state = old.states[i]
                states.append(state)
        check_finite(agents, obs_rows, "observation")
        check_finite(agents, reward_row, "reward")
        self.last = Frame(
            obs_rows if self.is_state else self._state_rows(states),
            None if self.is_state else obs_rows,
            reward_row,
            np.array([name in alive for name in agents]),
            np.array([name in terminated for name in agents]),
        )
        return self.last

    def _local_states(self, infos: Any) -> Callable[[int, str, bool, Frame | None], np.ndarray]:
        """`(row, name, must be there, last frame) -> local state` as the recipe says."""
        source = self.recipe.local_states
        whole = None
        if not isinstance(source, str):
            whole = numbers("all", called("state", self.world.state), "state() of")
        by_info = by_name(infos, "infos") if source not in (METHOD,) and whole is None else {}

        def one(i: int, name: str, alive: bool, old: Frame | None) -> np.ndarray:
            try:
                if whole is not None:
                    return whole[source[name]]  # pyright: ignore[reportArgumentType]
                given = (
                    self.world.local_state(self.ids[name])
                    if source == METHOD
                    else by_info[name][source]
                )
                return numbers(name, given, "local state")
            except Exception as error:
                if not alive:  # it has left: its last state stays
                    return np.zeros(0, np.float32) if old is None else old.states[i]
                if isinstance(error, Wrong):
                    raise
                raise Wrong(f"the local state of agent '{name}' raised {told(error)}") from error

        return one

    def _state_rows(self, states: Sequence[np.ndarray]) -> np.ndarray:
        """Local states as rows, filled up with zeros."""
        if self.state_sizes is None:
            self.state_sizes = tuple(len(state) for state in states)
        rows = np.zeros((len(states), max(self.state_sizes)), np.float32)
        for i, (state, size) in enumerate(zip(states, self.state_sizes, strict=True)):
            if len(state) not in (size, rows.shape[1]):
                name = self.recipe.agents[i]
                raise Wrong(
                    f"the local state of agent '{name}' has {len(state)} entries, expected {size}"
                )
            rows[i, : len(state)] = state
        check_finite(self.recipe.agents, rows, "local state")
        return rows


def _is_useless(space: Observed, value: Any) -> bool:
    """Whether an observation has no numbers, as simulators may give after an agent's end."""
    try:
        return not np.isfinite(space.row(value)).all()
    except Wrong:
        return True


def shown_at_reset(given: Any) -> tuple[Any, Any]:
    """Observations and infos of what `reset` gave; earlier simulators give no infos."""
    return given if isinstance(given, tuple) and len(given) == 2 else (given, {})


def close(world: Any) -> None:
    """Let a simulator go that may have no `close`."""
    getattr(world, "close", lambda: None)()


def ids_of(world: Any) -> dict[str, Any]:
    """The simulator's own identifiers of all agents that there may be, by name."""
    listed = getattr(world, "possible_agents", None) or getattr(world, "agents", None)
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
        raise Wrong("it must list its agents in possible_agents")
    return {str(agent): agent for agent in listed}


def space_of(world: Any, kind: str, agent: Any) -> Any:
    """The "observation" or the "action" space of an agent."""
    method, table = f"{kind}_space", f"{kind}_spaces"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PettingZoo's, where the table is all that there is
        if callable(getattr(world, method, None)):
            return called(method, getattr(world, method), agent)
        try:
            return getattr(world, table)[agent]
        except (AttributeError, KeyError, TypeError) as error:
            raise Wrong(f"it has no {method} of agent '{agent}'") from error


def by_name(given: Any, what: str) -> Mapping[str, Any]:
    """A dictionary of the simulator's by names of agents."""
    if not isinstance(given, Mapping):
        raise Wrong(f"its {what} are {type(given).__name__}, expected a dictionary by agent")
    if isinstance(next(iter(given), ""), str):
        return given
    return {str(agent): value for agent, value in given.items()}


def _flagged(given: Any, what: str, acted: Collection[str]) -> set[str]:
    flags = by_name(given, f"{what}s")
    missing = [name for name in acted if name not in flags]
    if missing:
        raise Wrong(f"there is no {what} of agent '{missing[0]}', who acted")
    return {name for name, flag in flags.items() if flag}


def called(what: str, function: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What a function of the simulator gives; `Wrong` says what it raised, and where."""
    try:
        return function(*given, **named)
    except (Exception, SystemExit) as error:  # a simulator that exits must not end the training
        raise Wrong(f"{what} raised {told(error)}") from error
