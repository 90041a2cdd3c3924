"""The limits that an environment's view declares, and who is beyond them. Needs no JAX."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

ROUNDING = 1e-6
"""An agent is within a limit that it exceeds by less than this share: numbers are rounded."""


class Range(NamedTuple):
    """The least and the largest value of each entry; infinite where there is no limit."""

    low: Float[np.ndarray, "agents entries"]
    high: Float[np.ndarray, "agents entries"]

    def left_by(self, rows: Any) -> Any:
        """Which agents' rows `[..., agents, entries]` have an entry beyond it."""
        return ((rows < self.low) | (rows > self.high)).any(-1)


@dataclass(frozen=True)
class Limits:
    """What states and actions should keep to, as the quantities of a view say."""

    states: Range
    actions: Range

    def exceeded(self, states: Any, actions: Any) -> Any:
        """Which agents are beyond a limit: rows `[..., agents, entries]`, in numpy or in JAX."""
        return self.states.left_by(states) | self.actions.left_by(actions)


def limits_of(env: Any) -> Limits | None:
    """The limits that the view of an environment declares; `None` where there are none."""
    if env.view is None:
        return None
    both = [
        _range(quantities, sizes)
        for quantities, sizes in (
            (env.view.states, env.state_sizes),
            (env.view.actions, env.action_sizes),
        )
    ]
    has_limits = any(np.isfinite(side).any() for sides in both for side in sides)
    return Limits(*both) if has_limits else None


def _range(quantities: Any, sizes: np.ndarray) -> Range:
    """The narrowest range that quantities declare of each entry; padding has none."""
    shape = (len(sizes), int(sizes.max()))
    low, high = np.full(shape, -np.inf), np.full(shape, np.inf)
    for quantity in quantities:
        if quantity.levels:
            continue
        of_agents = [quantity.each(name, len(sizes)) for name in ("low", "high")]
        least, most = (np.full(len(sizes), np.nan) if x is None else x for x in of_agents)
        slack = ROUNDING * np.fmax(np.fmax(np.abs(least), np.abs(most)), 0.0)
        entry = quantity.entry
        low[:, entry] = np.fmax(low[:, entry], least - slack)
        high[:, entry] = np.fmin(high[:, entry], most + slack)
    is_padding = np.arange(shape[1]) >= sizes[:, None]
    low[is_padding], high[is_padding] = -np.inf, np.inf
    return Range(low.astype(np.float32), high.astype(np.float32))
