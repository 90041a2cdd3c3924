"""The algorithms, as data: which critics there are and what is fixed. Imports no JAX."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mastac.algorithms.mastac import mastac_layout
from mastac.structure import Couplings
from mastac.structure.layout import CriticLayout


@dataclass(frozen=True)
class Algorithm:
    """How an algorithm differs from the others.

    - `layout`: `(couplings, kappa, minimal) -> CriticLayout`.
    - `fixed`: knobs that make the algorithm what it is; a user cannot set them.
    - `summary`: one line; `combines`: what it can be combined with, in words.
    """

    summary: str
    layout: Callable[[Couplings, int | None, bool], CriticLayout]
    combines: str
    fixed: Mapping[str, Any] = field(default_factory=dict)


ALGORITHMS: dict[str, Algorithm] = {
    "mastac": Algorithm(
        summary="structured critics on the value dependency sets, all agents update at once",
        layout=mastac_layout,
        combines="--kappa K or exact; policy_actions=true|false; minimal=true|false",
        fixed={"coordinated": False},
    ),
    "mastac-coordinated": Algorithm(
        summary="the same, but agents update in sequence, each seeing the updates before it",
        layout=mastac_layout,
        combines="--kappa K or exact; policy_actions=true|false; minimal=true|false",
        fixed={"coordinated": True},
    ),
}
