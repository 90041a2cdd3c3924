"""Environments as pure functions on JAX arrays, each with its couplings and exact reference figures."""

import importlib
from typing import TYPE_CHECKING, Any

from mastac.envs.registry import ENVIRONMENTS, make

if TYPE_CHECKING:
    from mastac.envs.base import Environment, Reference, rollout_return

# Loaded when first used, because they import JAX and the table of environments does not need it.
_LAZY = {"Environment": "base", "Reference": "base", "rollout_return": "base"}

__all__ = ["ENVIRONMENTS", "Environment", "Reference", "make", "rollout_return"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value
