"""A simulator that is no JAX code, as the environment that a learner knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float

from mastac.envs.base import Environment
from mastac.envs.host.records import Sizes
from mastac.envs.host.simulator import OBSERVATIONS, Recipe
from mastac.errors import UserError


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class HostEnvironment(Environment):
    """An environment whose episodes are played by a simulator outside JAX.

    [`mastac.from_pettingzoo`][] makes one. It declares what every [`mastac.Environment`][]
    declares; its `reset`, `step` and `reward` cannot be called. Observations are stored with the
    episodes unless they are the local states.

    **Arguments:**

    - `recipe`: how to build a simulator, and how to read it.
    - `spaces`: each agent's observation and action space in words, to recognise the simulator by.
    - `action_offset`: `[agents, act]`, the middle of each action's range, about which policies act;
        `None`: zero.
    - `timeout`: seconds that a worker may take for an answer.
    - `one_per_process`: whether a process can hold one simulator only.
    - `notes`: sentences that a user should read before training.
    """

    recipe: Recipe
    spaces: Mapping[str, tuple[str, str]]
    action_offset: np.ndarray | None
    timeout: float
    one_per_process: bool
    notes: tuple[str, ...] = ()
    is_host: ClassVar[bool] = True

    @property
    def observes_state(self) -> bool:
        """Whether each agent's observation is its local state."""
        return self.recipe.local_states == OBSERVATIONS

    @property
    def stores_observations(self) -> bool:
        """Whether observations are not the local states, and are stored beside them."""
        return not self.observes_state

    @property
    def terminates(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Simulators may end early unless they promise not to."""
        return not self.recipe.fixed_length

    @property
    def sizes(self) -> Sizes:
        """Of an episode's arrays."""
        widths = (self.state_sizes, self.obs_sizes, self.action_sizes)
        return Sizes(self.horizon, self.num_agents, *(int(sizes.max()) for sizes in widths))

    def in_units(
        self,
        actions: Float[np.ndarray, "steps agents act"],
        alive: Bool[np.ndarray, "steps agents"],
    ) -> Float[np.ndarray, "steps agents act"]:
        """Actions of an episode as the simulator takes them; zero of agents that have left."""
        if self.action_offset is None:
            return actions
        return np.where(alive[:, :, None], actions + self.action_offset, 0.0)


def not_in_jax(*given: Any) -> Any:
    """What stands for the functions that a simulator outside JAX does not have."""
    raise UserError(
        "this environment is a simulator outside JAX, whose state cannot be set; "
        "it can be trained, evaluated and recorded, and nothing else"
    )
