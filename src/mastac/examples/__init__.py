"""Environments that no default was chosen on, each written as a newcomer would write one.

Natural units, no scales declared, true graphs. `python -m mastac.examples` prints what a simple and
a hand-written policy attain in each. Importing this table does not import JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mastac.errors import unknown

if TYPE_CHECKING:
    from mastac.envs.base import Environment

OPEN = ("platoon", "reservoirs", "inventory", "voltage")
"""Examples that may be looked at when defaults are chosen."""
HELD_OUT = ("formation", "epidemic", "microgrid", "traffic")
"""Examples that must never be used to choose a default: they tell whether defaults carry over."""
EXAMPLES = OPEN + HELD_OUT

__all__ = ["EXAMPLES", "HELD_OUT", "OPEN", "example"]


def example(name: str) -> "Environment":
    """The environment of one example.

    **Arguments:**

    - `name`: one of `EXAMPLES`.

    **Raises:**

    - [`mastac.errors.UserError`][] if there is no such example.
    """
    if name not in EXAMPLES:
        raise unknown("example", name, EXAMPLES)
    return import_module(f"mastac.examples.{name}").env()
