"""Small simulators outside JAX for tests; workers import them by name."""

import os
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from mastac import Couplings

ENDLESS = 1e9


class Tanks(ParallelEnv):
    """Three tanks in a row with unequal spaces; the last one may run dry and leave early."""

    metadata = MappingProxyType({"name": "tanks"})  # pyright: ignore[reportAssignmentType]
    sizes = MappingProxyType({"upper": 2, "middle": 1, "lower": 3})
    couplings = (("upper", "middle"), ("middle", "lower"))

    def __init__(self, dry_at: int = 3, horizon: int = 5) -> None:
        self.possible_agents = ["upper", "middle", "lower"]
        self.max_cycles = self.longest = horizon
        self.dry_at = dry_at

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-np.inf, np.inf, (self.sizes[agent],), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Box(0, 2, (1 if agent != "upper" else 2,), np.float32)

    def local_state(self, agent: str) -> np.ndarray:
        return self.level[[self.possible_agents.index(agent)]]

    def _seen(self) -> dict[str, np.ndarray]:
        rows = zip(self.possible_agents, self.level, strict=True)
        return {
            agent: np.full(self.sizes[agent], level, np.float32)
            for agent, level in rows
            if agent in self.agents
        }

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.agents, self.time = list(self.possible_agents), 0
        self.level = np.random.default_rng(seed).normal(size=3).astype(np.float32)
        return self._seen(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, np.ndarray]) -> Any:
        acted, self.time = self.agents, self.time + 1
        assert set(actions) == set(acted)
        for agent, action in actions.items():
            assert self.action_space(agent).contains(action), (agent, action)
            self.level[self.possible_agents.index(agent)] += 0.5 * (action.mean() - 1)
        rewards = {
            agent: float(-(self.level[self.possible_agents.index(agent)] ** 2)) for agent in acted
        }
        ended = {agent: agent == "lower" and self.time == self.dry_at for agent in acted}
        stopped = dict.fromkeys(acted, self.time >= self.longest)
        seen = self._seen()
        self.agents = [agent for agent in acted if not ended[agent] and not stopped[agent]]
        return seen, rewards, ended, stopped, {agent: {} for agent in acted}


class Uncoupled(Tanks):
    """Says nothing of who affects whom."""

    couplings = None


class Endless(Tanks):
    """Does not say how long an episode may be."""

    def __init__(self, dry_at: int = 3) -> None:
        super().__init__(dry_at, horizon=10_000)
        self.max_cycles = None


class Choices:
    """Two agents of no class, whose ids are numbers, with joint and single choices."""

    possible_agents = (7, 8)
    horizon = 4
    couplings = ((7, 8),)

    def observation_space(self, agent: int) -> spaces.Space:
        return spaces.Dict({"at": spaces.Discrete(3), "left": spaces.Box(0, 1, (2,))})

    def action_space(self, agent: int) -> spaces.Space:
        return spaces.MultiDiscrete([2, 3]) if agent == 7 else spaces.Discrete(2, start=5)

    def _seen(self) -> dict[int, Any]:
        return {k: {"at": np.int64(self.time % 3), "left": np.zeros(2)} for k in (7, 8)}

    def reset(self, seed: int) -> Any:
        self.time = 0
        return self._seen(), {7: {"state": [1.0]}, 8: {"state": [2.0, 3.0]}}

    def step(self, actions: dict[int, Any]) -> Any:
        self.time += 1
        assert all(self.action_space(agent).contains(chosen) for agent, chosen in actions.items())
        paid = {7: float(actions[7].sum()), 8: float(actions[8])}
        no = {7: False, 8: False}
        infos = {7: {"state": [float(self.time)]}, 8: {"state": [2.0, 3.0]}}
        return self._seen(), paid, no, no, infos


class Works:
    """A pump in a box, a valve of three choices and a double gate: each is told what is wanted.

    All are paid alike: for the pump's first entry where it is wanted, the valve's choice that is
    asked for, and gates of which one is open.
    """

    possible_agents = ("pump", "valve", "gates")
    horizon = 4
    couplings = (("pump", "valve"), ("valve", "gates"), ("gates", "pump"))

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-1, 1, (1 if agent == "pump" else 2,), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        if agent == "pump":
            return spaces.Box(np.array([0, 5], np.float32), np.array([2, 7], np.float32))
        return spaces.Discrete(3) if agent == "valve" else spaces.MultiDiscrete([2, 2])

    def _seen(self) -> dict[str, np.ndarray]:
        wanted = np.array([self.wanted - 1, 1], np.float32)
        return {agent: wanted[: 1 if agent == "pump" else 2] for agent in self.possible_agents}

    def reset(self, seed: int) -> Any:
        self.random = np.random.default_rng(seed)
        self.wanted, self.time = int(self.random.integers(3)), 0
        return self._seen(), {}

    def step(self, actions: dict[str, Any]) -> Any:
        assert all(self.action_space(agent).contains(chosen) for agent, chosen in actions.items())
        near = 1 - abs(float(actions["pump"][0]) - self.wanted)
        paid = near + float(actions["valve"] == self.wanted) + float(actions["gates"].sum() == 1)
        self.wanted, self.time = int(self.random.integers(3)), self.time + 1
        everyone = self.possible_agents
        no, rewards = dict.fromkeys(everyone, False), dict.fromkeys(everyone, paid)
        return self._seen(), rewards, no, dict.fromkeys(everyone, self.time == self.horizon), {}


class Twin:
    """`0.9 s + 0.1 (sum) + 0.5 a` from fixed first states: what a JAX environment is held to."""

    possible_agents = ("a", "b")

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-np.inf, np.inf, (1,))

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-1, 1, (1,))

    def _seen(self) -> dict[str, np.ndarray]:
        return {agent: self.state[k] for k, agent in enumerate(self.possible_agents)}

    def reset(self, seed: int) -> Any:
        self.state = np.array([[1.0], [-0.5]], np.float32)
        return self._seen(), {}

    def step(self, actions: dict[str, Any]) -> Any:
        rows = np.stack([actions[agent] for agent in self.possible_agents])
        paid = -(self.state[:, 0] ** 2) - 0.1 * rows[:, 0] ** 2
        self.state = 0.9 * self.state + 0.1 * self.state.sum(0) + 0.5 * rows
        no = dict.fromkeys(self.possible_agents, False)
        rewards = dict(zip(self.possible_agents, paid, strict=True))
        return self._seen(), rewards, no, no, {}


class Faulty(Tanks):
    """Tanks that misbehave at step 2: always, or once where `once` names a file to remember by."""

    def __init__(self, fault: str = "none", once: str = "") -> None:
        super().__init__()
        self.fault, self.once = fault, once

    def _is_due(self) -> bool:
        if self.time != 2 or os.environ.get("HOST_WORLDS_CALM"):
            return False
        if not self.once:
            return True
        if Path(self.once).exists():
            return False
        Path(self.once).touch()
        return True

    def step(self, actions: dict[str, np.ndarray]) -> Any:
        given = super().step(actions)
        if not self._is_due():
            return given
        match self.fault:
            case "dies":
                os._exit(3)
            case "hangs":
                time.sleep(ENDLESS)
            case "raises":
                raise RuntimeError("the pump is stuck")
            case "nan":
                given[0]["middle"][0] = np.nan
            case "shape":
                given[0]["middle"] = np.zeros((1, 2))
            case "missing":
                del given[0]["middle"]
            case "unpaid":
                del given[1]["upper"]
        return given


class Poles:
    """Two poles, each pushed over by itself, one of which sees the other; who falls leaves.

    Every step that an agent is there pays 1, so that nobody gets more than `max_cycles`.
    """

    possible_agents = ("left", "right")
    couplings = Couplings(possible_agents, state=[], action=[], observation=[("left", "right")])
    max_cycles = 10

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-np.inf, np.inf, (1 if agent == "left" else 2,))

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-1, 1, (1,))

    def local_state(self, agent: str) -> np.ndarray:
        return self.angle[[self.possible_agents.index(agent)]]

    def _seen(self) -> dict[str, np.ndarray]:
        shown = {"left": [2.0 * self.angle[0] + 1.0], "right": [self.angle[0], self.angle[1]]}
        return {agent: np.array(shown[agent]) for agent in self.agents}

    def reset(self, seed: int) -> Any:
        self.agents, self.time = list(self.possible_agents), 0
        self.angle = np.random.default_rng(seed).uniform(-0.6, 0.6, 2)
        return self._seen(), {}

    def step(self, actions: dict[str, Any]) -> Any:
        acted, self.time = self.agents, self.time + 1
        for agent in acted:
            number = self.possible_agents.index(agent)
            self.angle[number] += 0.5 * self.angle[number] + 0.5 * actions[agent][0]
        fallen = {a: bool(abs(self.local_state(a)[0]) > 1) for a in acted}
        over = dict.fromkeys(acted, self.time >= self.max_cycles)
        seen = self._seen()
        self.agents = [agent for agent in acted if not fallen[agent] and not over[agent]]
        return seen, dict.fromkeys(acted, 1.0), fallen, over, {agent: {} for agent in acted}
