"""Agents that act in different ways in one environment: some in boxes, some among choices.

`Environment.action_head` is then a name for each agent. Masks say more than which entries are real:
they hold 0 for padding, and else which head an entry belongs to. This module imports no JAX.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Int
from numpy.random import Generator

from mastac.envs.heads import HEADS, SATURATED, Head, Values, namespace
from mastac.errors import UserError

MIXABLE = ("tanh", "discrete")
"""Heads that agents of one environment can have side by side; in a mask from 1 on."""


class Mixed(Head):
    """Every agent has a head of its own, which the mask tells."""

    name = "mixed"
    has_choices = True
    may_lack_action = True

    def apply(self, logits: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        return joined(mask, axis, lambda head, part: head.apply(logits, limit, part, axis))

    def invert(self, actions: Values, limit: Values) -> Values:
        raise NotImplementedError("logits of actions need to know whose they are")

    def project(self, values: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        return joined(mask, axis, lambda head, part: head.project(values, limit, part, axis))

    def from_uniform(self, uniform: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        return joined(mask, axis, lambda head, part: head.from_uniform(uniform, limit, part, axis))

    def perturb(
        self, logits: Values, noise: Values, limit: Values, mask: Values, axis: int = 1
    ) -> Values:
        return joined(mask, axis, lambda head, part: head.perturb(logits, noise, limit, part, axis))

    def log_stretch(self, logits: Values, mean: Values, log_std: Values, mask: Values) -> Values:
        return HEADS["tanh"].log_stretch(logits, mean, log_std, _part(mask, "tanh"))

    def choices(self, mask: Values) -> Values:
        return _part(mask, "discrete")

    def saturation(
        self, logits: Values, mask: Values, axis: int = 1, held: Values = SATURATED
    ) -> Values:
        return joined(mask, axis, lambda head, part: head.saturation(logits, part, axis, held))

    def entropy_aim(self, level: float, mask: Values) -> Values:
        return sum(HEADS[name].entropy_aim(level, _part(mask, name)) for name in MIXABLE)

    def probes(self, random: Generator, limit: Values, mask: Values, count: int) -> Values:
        return joined(mask, 1, lambda head, part: head.probes(random, limit, part, count))


MIXED = Mixed()


def joined(mask: Values, axis: int, of: Callable[[Head, Values], Values]) -> Values:
    """`of(head, entries)` of every head, each for the entries that are its own; else zero."""
    xp, total = namespace(mask), 0.0
    for name in MIXABLE:
        part = _part(mask, name)
        # Where nothing is this head's own, it works on anything: what it gives is not taken.
        total = total + xp.where(part, of(HEADS[name], part | ~part.any(axis, keepdims=True)), 0.0)
    return total


def head_of(names: str | Sequence[str]) -> Head:
    """The head of a name, or of one name for each agent."""
    return HEADS[names] if isinstance(names, str) else MIXED


def mask_of(
    names: str | Sequence[str], sizes: Int[np.ndarray, " agents"]
) -> Bool[np.ndarray, "agents act"] | Int[np.ndarray, "agents act"]:
    """Which entries of the agents' actions are real, and where heads are mixed also whose."""
    real = np.arange(int(sizes.max())) < sizes[:, None]
    if isinstance(names, str):
        return real
    numbers = np.array([1 + MIXABLE.index(name) for name in names], np.int8)
    return np.where(real, numbers[:, None], np.int8(0))


def check_head(names: str | Sequence[str], env_id: str, agents: int) -> None:
    """`UserError` unless it is a head's name, or one for each of so many agents (0: no such)."""
    if isinstance(names, str) and names in HEADS:
        return
    if isinstance(names, tuple) and len(names) == agents and set(names) <= set(MIXABLE):
        return
    raise UserError(
        f"action_head of environment '{env_id}' is {names!r}; use one of {', '.join(HEADS)}"
    )


def _part(mask: Values, name: str) -> Values:
    return mask == 1 + MIXABLE.index(name)
