"""What the outside simulators have in common: PettingZoo's protocol, and imports that may fail."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Space
from pettingzoo import ParallelEnv

import mastac
from mastac.errors import UserError

Actions = dict[str, Any]
Observations = dict[str, np.ndarray]


class Team(ParallelEnv):
    """Agents with couplings that act at the same time until a time limit.

    A simulator writes `begin`, `advance`, `observe` and `local_state`.

    **Arguments:**

    - `couplings`: the graphs; they name the agents.
    - `observation_spaces`, `action_spaces`: one space for each agent, in the order of the agents.
    - `horizon`: steps of an episode.
    """

    fixed_length = True  # every agent is there for all steps

    def __init__(
        self,
        couplings: mastac.Couplings,
        observation_spaces: list[Space],
        action_spaces: list[Space],
        horizon: int,
    ) -> None:
        self.metadata = {"name": type(self).__name__.lower(), "render_modes": []}
        self.render_mode = None
        self.couplings = couplings
        self.possible_agents = list(couplings.agents)
        self.agents: list[str] = []
        self.observation_spaces = dict(zip(self.possible_agents, observation_spaces, strict=True))
        self.action_spaces = dict(zip(self.possible_agents, action_spaces, strict=True))
        self.max_cycles = horizon
        self.time = 0
        self.random = np.random.default_rng()

    def begin(self) -> None:
        """Bring the simulator to the start of an episode; chance comes from `self.random`."""
        raise NotImplementedError

    def advance(self, actions: Actions) -> np.ndarray:
        """Play one step: the reward of each agent, in the order of the agents."""
        raise NotImplementedError

    def observe(self, agent: str) -> np.ndarray:
        """What one agent sees."""
        raise NotImplementedError

    def local_state(self, agent: str) -> np.ndarray:
        """The own state of one agent, for critics."""
        raise NotImplementedError

    def observation_space(self, agent: str) -> Space:
        """The space of what an agent sees."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space:
        """The space of an agent's actions."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, dict[str, Any]]]:
        """Begin an episode; the same seed begins the same one."""
        if seed is not None:
            self.random = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self.time = 0
        self.begin()
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: Actions
    ) -> tuple[
        Observations, dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """Play one step; the last one of an episode is truncated."""
        rewards = self.advance(actions)
        self.time += 1
        is_over = self.time >= self.max_cycles
        acting = self.agents
        result = (
            self._observations(),
            {agent: float(reward) for agent, reward in zip(acting, rewards, strict=True)},
            dict.fromkeys(acting, False),
            dict.fromkeys(acting, is_over),
            {agent: {} for agent in acting},
        )
        if is_over:
            self.agents = []
        return result

    def _observations(self) -> Observations:
        return {agent: self.observe(agent).astype(np.float32) for agent in self.agents}


class Baseline(NamedTuple):
    """A policy that needs no training: the simulator that it plays in, and what it does there."""

    make: Callable[[], Team]
    act: Callable[[Team], Actions]


def chance(team: Team) -> Actions:
    """Any action of each agent, as likely as any other."""
    spaces = team.action_spaces
    seeds = team.random.integers(2**31, size=len(spaces))
    for space, seed in zip(spaces.values(), seeds, strict=True):
        space.seed(int(seed))
    return {agent: space.sample() for agent, space in spaces.items()}


def returns(baseline: Baseline, seeds: list[int]) -> list[float]:
    """The return of an episode of each seed, summed over agents."""
    team, totals = baseline.make(), []
    try:
        for seed in seeds:
            team.reset(seed=seed)
            total = 0.0
            while team.agents:
                total += sum(team.step(baseline.act(team))[1].values())
            totals.append(total)
    finally:
        team.close()
    return totals


def outside(module: str, extra: str) -> Any:
    """A module of another package.

    **Raises:**

    - [`mastac.errors.UserError`][] that names the extra to install, if the package is not there.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise UserError(
            f"this example needs the package '{error.name}'; pip install 'mastac[{extra}]'"
        ) from error
