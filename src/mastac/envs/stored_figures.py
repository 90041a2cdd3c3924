"""Reference figures of named environments: read where they are stored, computed otherwise."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from mastac.envs.base import Reference
from mastac.envs.family import AnyCouplings, Family, Figures, Options

FILE = Path(__file__).with_name("data") / "references.json"
SECONDS = 5.0
"""Limit of a search for figures that are not stored."""


def reference(
    family: Family, id: str, couplings: AnyCouplings, options: Options
) -> Reference | None:
    """The reference figures of environment `id`, in the unit of its reported return.

    Stored figures are read; others are computed once in a process, within some seconds. `None`
    where the family has none, for example of too many agents.

    **Arguments:**

    - `family`: the family of `id`.
    - `couplings`, `options`: of the environment; all options, checked.
    """
    if family.figures is None or not family.has_figures(couplings.num_agents, options):
        return None
    key = key_of(id, options)
    if key not in _COMPUTED:
        record = stored().get(key)
        figures = (
            record["figures"] if record else figures_of(family, couplings, options, SECONDS)[0]
        )
        _COMPUTED[key] = Reference(**figures)
    return _COMPUTED[key]


_COMPUTED: dict[str, Reference] = {}


def key_of(id: str, options: Options) -> str:
    """What a record is stored under."""
    return json.dumps([id, dict(options)], sort_keys=True)


@cache
def stored() -> dict[str, dict[str, Any]]:
    """The stored records (id, options, figures, witness) by [`key_of`][], in the file's order.

    A witness is the policy that attains the best known return, so that anyone can simulate it.
    """
    records = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []
    return {key_of(record["id"], record["options"]): record for record in records}


def figures_of(
    family: Family, couplings: AnyCouplings, options: Options, seconds: float
) -> Figures:
    """The figures of a reference, computed, and the policy that attains the best known one."""
    assert family.figures is not None
    figures, witness = family.figures(couplings, options, seconds)
    for name in ("simple", "best_known", "bound"):
        figures[name] = None if figures[name] is None else figures[name] + 0.0  # no -0.0
    return figures, witness
