"""Our environments as PettingZoo's `ParallelEnv`, for programs that take those."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray
from pettingzoo import ParallelEnv

from mastac.checks import whole_number
from mastac.envs.base import Environment
from mastac.envs.naming import environment_from
from mastac.envs.options import LARGEST_SEED
from mastac.envs.transitions import Alive
from mastac.envs.validation import check_environment
from mastac.errors import UserError, unknown
from mastac.text import shortened

Row = Float[np.ndarray, " entries"]
"""What one agent observes, or its state; without padding."""


def pettingzoo(
    env: Environment | str, env_options: Mapping[str, Any] | None = None
) -> "ParallelEnvironment":
    """An environment as a `pettingzoo.ParallelEnv`.

    **Arguments:**

    - `env`: an [`mastac.Environment`][], its id, or `module:name`.
    - `env_options`: options of an environment that is named.

    **Returns:**

    A [`mastac.envs.parallel.ParallelEnvironment`][], which says what spaces and seeds are.

    **Raises:**

    - `UserError` as [`mastac.make`][] and [`mastac.envs.validation.check_environment`][].
    """
    if isinstance(env, str):
        env = environment_from(env, env_options).build()
    elif env_options is not None:
        raise UserError("env_options are of an environment that is named; give its name as env")
    if not isinstance(env, Environment):
        raise UserError(f"env is a {type(env).__name__}; give a mastac.Environment or its name")
    check_environment(env)
    return ParallelEnvironment(env)


class ParallelEnvironment(ParallelEnv[str, np.ndarray, Any]):
    """An environment with PettingZoo's methods; everything that goes in or out is numpy.

    Observations are unbounded boxes with each agent's own number of entries. What an action is
    depends on `Environment.action_head`:

    - "tanh": a box within the limits; what is beyond them is moved to them.
    - "linear": an unbounded box.
    - "softmax": a box from 0 to 1. Entries are divided by their sum; if all are 0, shares are
      equal.
    - "discrete": `Discrete`, the number of the choice.

    An agent without an action has a box with no entries, and is given an empty array.

    The time limit is told by `truncations`, and an end that the environment declares by
    `terminations`: of the team, or of agents that then leave. Nothing is rendered, and `options` of
    `reset` are ignored.

    Episode number n (from 0) after `reset(seed=s)` is that of
    [`mastac.envs.base.rollout_return`][] with the key `fold_in(key(s), n)`. `reset()` goes on to
    the next episode; if no seed was ever given, one is drawn.

    **Arguments:**

    - `environment`: the environment.
    """

    def __init__(self, environment: Environment) -> None:
        env = self.environment = environment
        self.metadata = {"name": env.id, "render_modes": [], "is_parallelizable": True}
        self.render_mode = None
        self.couplings, self.horizon = env.couplings, env.horizon
        self.possible_agents = list(env.agents)
        self.agents: list[str] = []
        self._index = {agent: i for i, agent in enumerate(env.agents)}
        self.observation_spaces: dict[str, Space[Any]] = {
            agent: _unbounded(size)
            for agent, size in zip(env.agents, env.obs_sizes.tolist(), strict=True)
        }
        self.action_spaces = dict(zip(env.agents, _action_spaces(env), strict=True))
        self.state_space = _unbounded(int(env.state_sizes.sum()))
        self._seed: int | None = None
        self._episode = self._time = 0
        self._state: Array | None = None
        self._keys: Array | None = None

    def observation_space(self, agent: str) -> Space[Any]:
        """What an agent observes; the same object at every call."""
        return self.observation_spaces[self._known(agent)]

    def action_space(self, agent: str) -> Space[Any]:
        """What an agent may do; the same object at every call."""
        return self.action_spaces[self._known(agent)]

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Row], dict[str, dict[str, Any]]]:
        """Begin an episode.

        **Returns:** observations and, for each agent, an empty dictionary.

        **Raises:** `UserError` for a seed that is no whole number from 0 to 2³² - 1.
        """
        if seed is not None or self._seed is None:
            drawn = np.random.SeedSequence().generate_state(1)[0] if seed is None else seed
            self._seed = whole_number("seed", drawn, 0, LARGEST_SEED)
            self._episode = 0
        key = jax.random.fold_in(jax.random.key(np.uint32(self._seed)), self._episode)
        self._state, obs, self._keys = _first(self.environment, key)
        self._episode, self._time = self._episode + 1, 0
        self.agents = list(self.possible_agents)
        return self._observations(obs), {agent: {} for agent in self.agents}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[
        dict[str, Row],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Play one step with an action of every agent that is there.

        **Returns:** observations, rewards, terminations, truncations and empty dictionaries.

        **Raises:** `UserError` if an agent is missing or unknown, if an action has another shape
        than its space or is not finite, and if the episode is over.
        """
        if not self.agents:
            raise UserError("no episode is being played; call reset() before step()")
        rows = self._rows(actions)
        env = self.environment
        alive = np.isin(self.possible_agents, self.agents) if env.terminates else None
        after = _next(env, self._state, rows, np.int32(self._time), self._keys, alive)
        self._state, self._time = after.state, self._time + 1
        observations = self._observations(after.obs)
        is_last, numbers = self._time == env.horizon, self._index
        ended, paid = np.asarray(after.terminated).tolist(), np.asarray(after.rewards).tolist()
        terminations = {agent: ended[numbers[agent]] for agent in self.agents}
        truncations = {agent: is_last and not terminations[agent] for agent in self.agents}
        rewards = {agent: paid[numbers[agent]] for agent in self.agents}
        infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self.agents = [a for a in self.agents if not (terminations[a] or truncations[a])]
        return observations, rewards, terminations, truncations, infos

    def local_state(self, agent: str) -> Row:
        """The present state of one agent, in the entries and units of the environment.

        **Raises:** `UserError` before the first `reset` and for an unknown agent.
        """
        i = self._index[self._known(agent)]
        return self._states()[i, : self.environment.state_sizes[i]]

    def state(self) -> Row:
        """The local states of all agents one after the other, in the order of `possible_agents`.

        **Raises:** `UserError` before the first `reset`.
        """
        rows = self._states()
        return rows[np.arange(rows.shape[1]) < self.environment.state_sizes[:, None]]

    def _states(self) -> Float[np.ndarray, "agents state"]:
        if self._state is None:
            raise UserError("there is no state yet; call reset() first")
        return np.array(self._state)

    def _observations(self, obs: Array) -> dict[str, Row]:
        """Rows of the agents that are there, in arrays that may be written to."""
        rows, sizes = np.array(obs), self.environment.obs_sizes
        numbers = [self._index[agent] for agent in self.agents]
        return {self.possible_agents[i]: rows[i, : sizes[i]] for i in numbers}

    def _rows(self, actions: Mapping[str, Any]) -> Float[np.ndarray, "agents act"]:
        """Actions by name as the rows that the environment takes."""
        if not isinstance(actions, Mapping):
            raise UserError(f"actions must be a mapping by agent, got {type(actions).__name__}")
        for agent in actions:
            if self._known(agent) not in self.agents:
                raise UserError(f"agent '{agent}' has left the episode; leave out its action")
        sizes = self.environment.action_sizes
        rows = np.zeros((len(sizes), int(sizes.max())), np.float32)
        for agent in self.agents:
            space, i = self.action_spaces[agent], self._index[agent]
            if agent not in actions:
                raise UserError(f"there is no action of agent '{agent}'; give one of {space}")
            rows[i, : sizes[i]] = _entries(f"action of agent '{agent}'", actions[agent], space)
            if self.environment.action_head == "softmax":
                rows[i, : sizes[i]] = _shares(rows[i, : sizes[i]])
        return rows

    def _known(self, agent: str) -> str:
        if agent not in self._index:
            raise unknown("agent", agent, self.possible_agents)
        return agent


def _unbounded(size: int) -> Box:
    return Box(-np.inf, np.inf, (size,), np.float32)


def _action_spaces(env: Environment) -> list[Space[Any]]:
    """The actions of each agent as a space."""
    sizes = env.action_sizes.tolist()
    if env.head.is_discrete:
        return [Discrete(size) for size in sizes]
    if env.action_head == "softmax":
        return [Box(0.0, 1.0, (size,), np.float32) for size in sizes]
    if not env.head.is_bounded:
        return [_unbounded(size) for size in sizes]
    shape = (env.num_agents, max(sizes))
    limits = np.broadcast_to(np.asarray(env.action_limit, np.float32), shape)
    rows = [limit[:size] for limit, size in zip(limits, sizes, strict=True)]
    return [Box(-limit, limit, dtype=np.float32) for limit in rows]


def _entries(what: str, action: Any, space: Space[Any]) -> Row:
    """An action as the entries of a row, moved into its space."""
    if isinstance(space, Discrete):
        return np.eye(int(space.n), dtype=np.float32)[
            whole_number(what, action, 0, int(space.n) - 1)
        ]
    assert isinstance(space, Box)
    try:
        values = np.asarray(action, np.float32)
    except (TypeError, ValueError):
        raise UserError(f"{what} must be numbers of {space}, got {shortened(action)}") from None
    if values.shape != space.shape:
        raise UserError(f"{what} must be of {space}, got an array of shape {list(values.shape)}")
    if not np.isfinite(values).all():
        raise UserError(f"{what} must be finite numbers of {space}, got {shortened(action)}")
    return np.clip(values, space.low, space.high)


def _shares(values: Row) -> Row:
    """Numbers that are not negative, divided by their sum; equal shares where that is zero."""
    total = values.sum()
    return values / total if total > 0 else np.full_like(values, 1 / len(values))


# Compiled once for an environment, whatever the number of its `ParallelEnv`s.
@partial(jax.jit, static_argnums=0)
def _first(
    env: Environment, key: PRNGKeyArray
) -> tuple[Float[Array, "agents state"], Float[Array, "agents obs"], Key[Array, " steps"]]:
    """The first state of an episode, what is observed of it, and the keys of the steps."""
    reset_key, steps_key = jax.random.split(key)
    state = env.reset(reset_key)
    return state, env.observed(state, 0), jax.random.split(steps_key, env.horizon)


class Stepped(NamedTuple):
    """What a step gives, one row or number for each agent."""

    state: Float[Array, "agents state"]
    obs: Float[Array, "agents obs"]
    rewards: Float[Array, " agents"]
    terminated: Bool[Array, " agents"]


@partial(jax.jit, static_argnums=0)
def _next(
    env: Environment,
    state: Float[Array, "agents state"],
    actions: Float[Array, "agents act"],
    time: Int[Array, ""],
    keys: Key[Array, " steps"],
    alive: Alive,
) -> Stepped:
    """One step, and what is observed of the state that it leads to."""
    after = env.transition(state, actions, time, keys[time], alive)
    terminated = jnp.zeros(env.num_agents, bool) if alive is None else after.terminated
    return Stepped(after.state, env.observed(after.state, time + 1), after.rewards, terminated)
