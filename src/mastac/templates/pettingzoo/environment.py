"""Water tanks in a row as a PettingZoo `ParallelEnv`: a simulator to put your own in the place of.

    python -m pytest test_NAME.py      do the tests hold?
    mastac check NAME:env              do the declared graphs agree with what episodes show?
    mastac train NAME:env              train one policy for each tank

Change it from top to bottom, step by step, and run the tests after each step. If you have a
`ParallelEnv` already, import it here, and change the couplings and `env` alone.
"""

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Space
from pettingzoo import ParallelEnv

import mastac

# Change: the constants of your own system. Write them in natural units; nothing need be scaled.
# Here a tank's floor is such that a litre of water fills a centimetre.
TARGET = 100.0  # cm, the level that every tank should hold
RIM = 200.0  # cm
OUTFLOW = 0.1  # litres a minute that leave a tank through its pipe, for each cm of level
DEMAND = 5.0  # litres a minute that are drawn from each tank, on average
PUMP_LIMIT = 30.0  # litres a minute, into the tank or out of it
MINUTES = 60  # of an episode; a step is a minute

# Change: who affects whom, in pairs (source, target), by the names of the simulator's agents. Every
# agent affects itself; that need not be said. If you are not sure about an edge, declare it.
PIPES = [("upper", "middle"), ("middle", "lower")]
COUPLINGS = mastac.Couplings(
    ["upper", "middle", "lower"],
    state=PIPES,  # whose state enters the next state of whom: water flows down the pipes
    observation=[],  # who is seen by whom: each tank sees its own level
    reward=[],  # whose state enters whose reward: each tank is paid for its own level
    action=[],  # whose action enters whose next state: a pump moves its own tank's water
    reward_action=[],  # whose action enters whose reward: each pays for its own pump
)


def env() -> Any:
    """What `mastac train NAME:env` trains in.

    Arguments of this function would be options: `mastac train NAME:env --env-set name=value`.
    """
    return mastac.from_pettingzoo(Tanks, couplings=COUPLINGS, horizon=MINUTES)


class Tanks(ParallelEnv):
    """Change: your own simulator, or what speaks to it."""

    def __init__(self) -> None:
        self.metadata = {"name": "NAME"}
        self.possible_agents = ["upper", "middle", "lower"]
        self.agents: list[str] = []
        # Spaces may differ between agents; one object for each agent, not a new one at each call.
        self.observation_spaces = {a: Box(0.0, RIM, (1,)) for a in self.possible_agents}
        self.action_spaces = {a: Box(-PUMP_LIMIT, PUMP_LIMIT, (1,)) for a in self.possible_agents}
        self.random = np.random.default_rng()

    def observation_space(self, agent: str) -> Space:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict, dict]:
        """Begin an episode. All that is random must come from the seed."""
        if seed is not None:
            self.random = np.random.default_rng(seed)
        self.agents, self.minute = self.possible_agents[:], 0
        self.level = self.random.uniform(50.0, 150.0, 3)
        return self._by_agent(self.level), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
        """One minute: observations, rewards, terminations, truncations, infos, by agent."""
        present = self.agents
        pump = np.array([actions[agent][0] for agent in present])
        # Each agent's own reward. Do not add them up.
        rewards = -((self.level - TARGET) ** 2) - 0.1 * pump**2
        outflow = OUTFLOW * self.level
        inflow = np.array([0.0, *outflow[:-1]])  # what leaves the tank above
        demand = DEMAND * self.random.uniform(0.0, 2.0, 3)
        self.level = np.clip(self.level + inflow - outflow - demand + pump, 0.0, RIM)
        self.minute += 1
        is_over = self.minute == MINUTES  # a time limit truncates; what ends for good terminates
        self.agents = [] if is_over else present
        return (
            self._by_agent(self.level),
            {agent: float(reward) for agent, reward in zip(present, rewards, strict=True)},
            dict.fromkeys(present, False),
            dict.fromkeys(present, is_over),
            {agent: {} for agent in present},
        )

    def local_state(self, agent: str) -> np.ndarray:
        """All of an agent's state that matters; leave it out where observations say it all."""
        return self.level[[self.possible_agents.index(agent)]]

    def _by_agent(self, values: np.ndarray) -> dict[str, np.ndarray]:
        rows = values.astype(np.float32)[:, None]
        return dict(zip(self.possible_agents, rows, strict=True))
