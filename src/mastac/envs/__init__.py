"""Environments as pure functions on JAX arrays, each with its couplings and reference figures."""

from typing import TYPE_CHECKING, Any

from mastac.envs.registry import ENVIRONMENTS, make

if TYPE_CHECKING:
    from mastac.envs.base import Environment, Reference
    from mastac.envs.episodes import rollout_return

__all__ = ["ENVIRONMENTS", "Environment", "Reference", "make", "rollout_return"]


def __getattr__(name: str) -> Any:
    # Loaded when first used: they import JAX, and the table of environments does not need it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mastac.envs import base, episodes

    return getattr(episodes if name == "rollout_return" else base, name)
