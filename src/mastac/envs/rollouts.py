"""What happened in an episode, under one policy or under several. Needs no JAX."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from mastac.envs.views import Quantity, View
from mastac.structure import Couplings, CouplingSequence
from mastac.text import number


@dataclass(frozen=True)
class Episode:
    """One episode of one policy.

    **Arguments:**

    - `policy`: "trained" or "simple".
    - `label`: which policy it is, in words.
    - `states`: from the first state to the one after the last step.
    - `actions`, `rewards`: of each step, in the environment's units.
    - `alive`: who was there at each step.
    """

    policy: str
    label: str
    states: Float[np.ndarray, "times agents state"]
    actions: Float[np.ndarray, "steps agents act"]
    rewards: Float[np.ndarray, "steps agents"]
    alive: Bool[np.ndarray, "steps agents"]

    def __repr__(self) -> str:
        return f"Episode({self.label!r}, {self.steps} steps of {self.rewards.shape[1]} agents)"

    @property
    def steps(self) -> int:
        """How many steps were played."""
        return len(self.rewards)

    @property
    def returns(self) -> Float[np.ndarray, " agents"]:
        """The undiscounted return of each agent."""
        return self.rewards.astype(float).sum(0)

    @property
    def shown(self) -> Bool[np.ndarray, "times agents"]:
        """Whose state is known at each time: of an agent that leaves, up to where it left."""
        return np.concatenate([np.ones_like(self.alive[:1]), self.alive])


@dataclass(frozen=True)
class Rollout:
    """One episode, played by a trained policy and by the simple one: same start, same noise.

    **Arguments:**

    - `env_id`, `couplings`, `view`: of the environment; how it is drawn.
    - `state_sizes`, `action_sizes`: real entries of each agent's rows.
    - `report`: "sum" or "mean": how returns of agents become one number.
    - `reward_unit`: the unit of rewards.
    - `episodes`: the trained policy's first.
    """

    env_id: str
    couplings: Couplings | CouplingSequence
    view: View
    state_sizes: Int[np.ndarray, " agents"]
    action_sizes: Int[np.ndarray, " agents"]
    report: str
    reward_unit: str
    episodes: Sequence[Episode]

    def __repr__(self) -> str:
        told = [f"{one.label}: {number(self.reported(one.returns))}" for one in self.episodes]
        return f"Rollout({self.env_id!r}, {self.last} steps; returns: {', '.join(told)})"

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents."""
        return self.couplings.agents

    @property
    def last(self) -> int:
        """The last time of the longest episode."""
        return max(episode.steps for episode in self.episodes)

    @property
    def reward(self) -> Quantity:
        """How rewards are shown."""
        return Quantity("reward", self.reward_unit)

    def reported(self, returns: Float[np.ndarray, " agents"]) -> float:
        """Returns of agents as the one number that is reported."""
        return float(returns.sum() if self.report == "sum" else returns.mean())

    def states(self, episode: Episode, quantity: Quantity) -> Float[np.ndarray, "times agents"]:
        """A quantity of states at each time; NaN where an agent has none, or has left."""
        return _known(quantity.values(episode.states, self.state_sizes), episode.shown)

    def actions(self, episode: Episode, quantity: Quantity) -> Float[np.ndarray, "steps agents"]:
        """A quantity of actions at each step; NaN where an agent has none, or has left."""
        return _known(quantity.values(episode.actions, self.action_sizes), episode.alive)

    def rewards(self, episode: Episode) -> Float[np.ndarray, "steps agents"]:
        """Rewards at each step; NaN of agents that have left."""
        return _known(episode.rewards.astype(float), episode.alive)

    def return_until(self, episode: Episode, time: int) -> float:
        """The reported return of the steps before a time."""
        return self.reported(episode.rewards[:time].astype(float).sum(0))

    def flows(self, episode: Episode, time: int) -> Float[np.ndarray, " edges"]:
        """What flows along the edges of the view at a step; no edges where it has no flow."""
        flow = self.view.flow
        if flow is None:
            return np.zeros(0)
        amounts = flow.amount(episode.states[time], episode.actions[time], time)
        return np.asarray(amounts, float)


def _known(
    values: Float[np.ndarray, "times agents"], shown: Bool[np.ndarray, "times agents"]
) -> Float[np.ndarray, "times agents"]:
    """Values of those that are there; NaN also for infinities, which cannot be drawn."""
    return np.where(shown & np.isfinite(values), values, np.nan)
