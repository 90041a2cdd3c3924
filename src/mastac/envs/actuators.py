"""Which agents have an actuator, where not all of them do (numpy)."""

import numpy as np
from jaxtyping import Bool


def spacing(actuators: str) -> int:
    """The K of the option value `every-K`; 1 for `all`."""
    return 1 if actuators == "all" else int(actuators.removeprefix("every-"))


def with_actuator(num_agents: int, actuators: str, chains: int = 1) -> Bool[np.ndarray, " agents"]:
    """The first of every K agents.

    **Arguments:**

    - `num_agents`: number of agents.
    - `actuators`: `all` or `every-K`.
    - `chains`: agents join so many chains alternately, and each chain is counted by itself.
    """
    return np.arange(num_agents) // chains % spacing(actuators) == 0
