"""What a run measures of each agent beside its return. Needs no JAX."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from mastac.envs.base import Environment

STORED_AS = "gradient_norms"


class GradientNorms:
    """The norm of the gradient that each agent's policy follows, in the last epochs of a run.

    `values`: means over the last chunk of epochs in which policies moved, `[seeds, agents]`; NaN
    where none is known, and `None` where none ever was.
    """

    def __init__(self, values: Float[np.ndarray, "seeds agents"] | None = None) -> None:
        self.values = values

    def add(self, norms: Any) -> None:
        """The norms of a chunk, `[seeds, agents]`; NaN where no policy moved."""
        if norms is not None:
            new = np.asarray(norms, float)
            old = new if self.values is None else self.values
            self.values = np.where(np.isfinite(new), new, old)

    def to_store(self) -> dict[str, Any]:
        """What the manifest of a checkpoint says of them."""
        # All digits: a run that goes on ends with the same figures as one that never stopped.
        return {} if self.values is None else {STORED_AS: _plain(self.values, digits=17)}

    @staticmethod
    def stored(manifest: Mapping[str, Any], shape: tuple[int, int]) -> "GradientNorms":
        """Inverse of `to_store`; unknown where an earlier version wrote the manifest."""
        try:
            values = np.array(manifest[STORED_AS], float)  # `None` becomes NaN
        except (KeyError, TypeError, ValueError):
            return GradientNorms()
        return GradientNorms(values if values.shape == shape else None)


def agent_measures(
    env: Environment, violations: Any, norms: Any, alive: Bool[np.ndarray, " seeds"]
) -> dict[str, dict[str, float | None]]:
    """The entries of a summary that tell of single agents: means over the seeds that ended well.

    **Arguments:**

    - `violations`: of the evaluation after training, `[seeds, episodes, agents]`
        ([`Outcome`][mastac.envs.episodes.Outcome]); `None` where the environment has no limits.
    - `norms`: `values` of [`GradientNorms`][].
    """
    found = {
        "violation_by_agent": None if violations is None else np.asarray(violations).mean(1),
        "gradient_norm_by_agent": norms,
    }
    return {
        name: dict(zip(env.agents, _plain(values[alive].mean(0, dtype=float)), strict=True))
        for name, values in found.items()
        if values is not None and alive.any()
    }


def _plain(values: Any, digits: int = 9) -> Any:
    """Nested lists of so many digits, as JSON can hold them; `None` for what is not finite."""
    if np.ndim(values):
        return [_plain(each, digits) for each in values]
    return float(f"{values:.{digits}g}") if np.isfinite(values) else None
