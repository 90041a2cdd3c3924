"""The couplings of named environments and the sizes of their agents, found without JAX."""

from collections.abc import Mapping
from typing import Any

from mastac.envs.family import AnyCouplings, Structure
from mastac.envs.registry import entry_of, named

__all__ = ["Structure", "couplings_of", "structure_of"]


def structure_of(id: str, options: Mapping[str, Any] | None = None) -> Structure:
    """Couplings and sizes of `make(id, **options)`, found without building it.

    **Raises:**

    - `UserError` as [`mastac.make`][].
    """
    return named(id, options or {}).structure


def couplings_of(id: str, options: Mapping[str, Any]) -> AnyCouplings:
    """The couplings of environment `id` with all its options, which have been checked."""
    family, num_agents = entry_of(id)
    return family.structure(num_agents, options).couplings
