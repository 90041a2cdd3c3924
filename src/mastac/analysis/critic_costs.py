"""What critics cost: numbers they read, and weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from mastac.errors import UserError


class CriticCosts:
    """Sizes of states and actions, and what critics that read them cost.

    **Arguments:**

    - `num_agents`: $N$.
    - `state_sizes`, `action_sizes`: numbers of each agent's state and action, `[agents]`; one each
        where `None`.
    - `hidden`: widths of the hidden layers of a critic.

    **Raises:**

    - [`mastac.errors.UserError`][] for sizes that do not fit the agents, or a width below 1.
    """

    def __init__(
        self, num_agents: int, state_sizes: Any, action_sizes: Any, hidden: Sequence[int]
    ) -> None:
        self.sizes_given = state_sizes is not None or action_sizes is not None
        self.states = _checked_sizes("state_sizes", state_sizes, num_agents)
        self.actions = _checked_sizes("action_sizes", action_sizes, num_agents)
        self.hidden = tuple(int(width) for width in hidden)
        if any(width < 1 for width in self.hidden):
            raise UserError(f"hidden must list widths of at least 1, got {list(hidden)}")

    def parameters(self, inputs: Any) -> Any:
        """Weights and biases of a critic with so many inputs and one output."""
        widths = [*self.hidden, 1]
        inner = sum(width * following for width, following in pairwise(widths))
        return inputs * widths[0] + inner + sum(widths)

    def central(self) -> dict[str, int]:
        """The cost of one critic for each agent that reads all states and actions."""
        inputs = int(self.states.sum() + self.actions.sum())
        parameters = int(self.parameters(inputs))
        return {
            "inputs": inputs,
            "parameters_each": parameters,
            "parameters": parameters * len(self.states),
        }

    def of(self, inputs: np.ndarray) -> dict[str, Any]:
        """The cost of one critic for each agent, given its inputs, and the share that it saves."""
        parameters = int(self.parameters(inputs).sum())
        return {
            "inputs": size_range(inputs),
            "parameters": parameters,
            "saving": round(1 - parameters / self.central()["parameters"], 6),
        }


def size_range(sizes: np.ndarray) -> dict[str, float]:
    """Smallest, median, largest and total of some sizes, ready for JSON."""
    median = float(np.median(sizes))
    return {
        "smallest": int(sizes.min()),
        "median": int(median) if median.is_integer() else median,
        "largest": int(sizes.max()),
        "total": int(sizes.sum()),
    }


def _checked_sizes(name: str, sizes: Any, num_agents: int) -> np.ndarray:
    if sizes is None:
        return np.ones(num_agents, np.int64)
    sizes = np.asarray(sizes)
    if sizes.shape != (num_agents,) or sizes.dtype.kind not in "iu" or (sizes < 0).any():
        raise UserError(
            f"{name} must give one integer of at least 0 for each of the {num_agents} agents"
        )
    return sizes.astype(np.int64)
