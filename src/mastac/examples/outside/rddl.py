"""Domains of RDDL with one kind of object that acts, through pyRDDLGym."""

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.spaces import Box

import mastac
from mastac.examples.outside.team import Actions, Team, outside
from mastac.structure.readers import read_topology

Reward = Callable[[dict[str, Any], Any], Any]
"""(all fluents after a step, the actions) -> the reward of each agent, in numpy and in JAX."""


class RddlTeam(Team):
    """A domain in which each object has one state fluent and one action fluent.

    The simulator pays the team. `reward` divides that among the agents: it is the term of the sum
    in the domain that belongs to each object.

    **Arguments:**

    - `problem`, `instance`: what rddlrepository calls them.
    - `state`, `action`: the fluents.
    - `reward`: each agent's own.
    - `sees`: whom an agent sees besides itself: those that an edge leads to, or those that one
        comes from.
    - `acts_on_others`: whether an action enters the next state of those that an edge leads to.
    - `pays_after`: whether the reward is that of the state after the step.
    """

    def __init__(
        self,
        problem: str,
        instance: str,
        state: str,
        action: str,
        reward: Reward,
        sees: str,
        acts_on_others: bool,
        pays_after: bool,
    ) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        gym = outside("pyRDDLGym", "rddl")
        manager = outside("rddlrepository.core.manager", "rddl").RDDLRepoManager()
        files = manager.get_problem(problem)
        paths = files.get_domain(), files.get_instance(instance)
        couplings, self.said = read_topology(paths[1])
        edges = couplings.edges("state")
        seen = [(target, source) for source, target in edges] if sees == "targets" else edges
        couplings = mastac.Couplings(
            couplings.agents,
            state=edges,
            observation=seen,
            reward=edges if pays_after else (),
            action=edges if acts_on_others else (),
        )
        with warnings.catch_warnings():
            # Spaces of 32-bit numbers, and state invariants that are no limits of a fluent.
            warnings.simplefilter("ignore")
            self.simulator = gym.make(*paths, vectorized=True)
        space = self.simulator.action_space[action]
        self.low, self.high = space.low, space.high
        self.problem, self.paid = problem, reward
        self.state_fluent, self.action_fluent = state, action
        self.seen = {
            agent: [couplings.index(agent), *(couplings.index(s) for s, t in seen if t == agent)]
            for agent in couplings.agents
        }
        super().__init__(
            couplings,
            [Box(-np.inf, np.inf, (len(rows),)) for rows in self.seen.values()],
            [Box(low, high, (1,)) for low, high in zip(space.low, space.high, strict=True)],
            self.simulator.horizon,
        )
        self.metadata["name"] = problem.lower().replace("_", "-")

    @property
    def values(self) -> np.ndarray:
        """The state fluent of each agent."""
        return np.asarray(self.fluents[self.state_fluent], float)

    @property
    def fluents(self) -> dict[str, Any]:
        """All constants and fluents by name, as the last step left them."""
        return self.simulator.sampler.subs

    def begin(self) -> None:
        """The first state of the instance; the weather differs."""
        self.simulator.horizon = self.max_cycles
        self.simulator.reset(seed=int(self.random.integers(2**31)))

    def advance(self, actions: Actions) -> np.ndarray:
        """One step of the simulator."""
        asked = np.concatenate([actions[agent] for agent in self.agents]).astype(float)
        given = np.clip(asked, self.low, self.high)
        before = self.values.copy()
        _, self.team_reward, *_ = self.simulator.step({self.action_fluent: given})
        return self.paid({**self.fluents, "before": before}, given)

    def observe(self, agent: str) -> np.ndarray:
        """The state fluents of the agent and of those that it sees."""
        return self.values[self.seen[agent]]

    def local_state(self, agent: str) -> np.ndarray:
        """The agent's state fluent."""
        return self.values[self.seen[agent][:1]]


def nothing(team: Team) -> Actions:
    """All actions are zero: no air, no water."""
    return {agent: np.zeros(1, np.float32) for agent in team.agents}
