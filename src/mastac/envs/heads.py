r"""Output heads: how the numbers that a network gives, the logits, become an action.

One object for each head, in the table `HEADS`. All that any part of the package knows of a head
stands here: a new head is a class in this file. Every method takes numpy or JAX arrays and answers
in kind, so that a trained policy plays by numpy alone what was learnt in compiled code. This module
imports no JAX.

Arrays have the entries of an action along `axis`. `mask` says which of them are real (rows of
agents with fewer entries are padded), `limit` is `Environment.action_limit`; both broadcast against
the logits.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator

SATURATED = 2.0

Values = Any
"""A numpy or a JAX array of floating-point numbers."""


@dataclass(frozen=True)
class Head(ABC):
    """What is known of one head.

    - `name`: what `Environment.action_head` calls it.
    - `is_discrete`: an action is one of several choices, as a row of zeros with a one in its place.
        Such actions have no slope, and policies are categorical.
    - `has_choices`: whether the actions of some agents are such choices.
    - `is_relative`: of logits only differences matter; their mean counts as zero.
    - `is_bounded`: there is a largest action. Where there is none, `limit` is a natural scale.
    - `may_lack_action`: an agent may have no entry at all.
    - `explores_logits`: noise is added to the logits, where it leaves every action valid; else it
        is added to the action, in units of its limit.
    - `widths`: standard deviations of the logits that [`Head.probes`][] draws.
    """

    name: ClassVar[str]
    is_discrete: ClassVar[bool] = False
    has_choices: ClassVar[bool] = False
    is_relative: ClassVar[bool] = False
    is_bounded: ClassVar[bool] = True
    may_lack_action: ClassVar[bool] = False
    explores_logits: ClassVar[bool] = False
    widths: ClassVar[tuple[float, ...]] = (0.3, 1.0, 3.0)

    @abstractmethod
    def apply(self, logits: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        """The action that the logits mean; padded entries are zero."""

    @abstractmethod
    def invert(self, actions: Values, limit: Values) -> Values:
        """Logits of an action. At a limit they stay finite, a little within it."""

    @abstractmethod
    def project(self, values: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        """The valid action that is nearest to any numbers (by the sum of squares)."""

    def from_uniform(self, uniform: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        """An action drawn evenly among all, from independent numbers uniform in [0, 1).

        Unless the head says otherwise: each entry evenly within one limit either way.
        """
        return (2.0 * uniform - 1.0) * namespace(uniform).where(mask, limit, 0.0)

    def log_stretch(self, logits: Values, mean: Values, log_std: Values, mask: Values) -> Values:
        r"""What the head adds to the log-density of Gaussian logits to make it that of the action.

        That is $-\ln |\det \partial a / \partial z|$, with actions in units of their limit; zero
        unless the head says otherwise.

        **Arguments:**

        - `logits`: $z$, drawn from independent normal distributions.
        - `mean`, `log_std`: theirs; broadcast against `logits`.

        **Returns:** one number for each action: the shape of `logits` without axis 1, along which
        the entries are.
        """
        return namespace(logits).zeros_like(logits.sum(1))

    def choices(self, mask: Values) -> Values:
        """Which entries are choices."""
        return namespace(mask).zeros(mask.shape, bool)

    def saturation(self, logits: Values, mask: Values, axis: int = 1, held: Values = 2.0) -> Values:
        """How far logits are beyond ± `held`, those of choices beyond ± `SATURATED`."""
        xp, held = namespace(logits), SATURATED if self.is_discrete else held
        if self.is_relative:
            entries = xp.maximum(mask.sum(axis, keepdims=True), 1)
            logits = logits - xp.where(mask, logits, 0.0).sum(axis, keepdims=True) / entries
        return xp.where(mask, xp.maximum(abs(logits) - held, 0.0), 0.0)

    def entropy_aim(self, level: float, mask: Values) -> Values:
        """The entropy that each agent's policy is to keep, in nats.

        `level` is that of each number that can be chosen freely, in units of its limit.
        """
        return level * mask.sum(1)

    def perturb(
        self, logits: Values, noise: Values, limit: Values, mask: Values, axis: int = 1
    ) -> Values:
        """The action with noise, valid again; see `explores_logits` for what it is added to."""
        if self.explores_logits:
            return self.apply(logits + noise, limit, mask, axis)
        steps = noise * namespace(noise).where(mask, limit, 0.0)
        noisy = self.apply(logits, limit, mask, axis) + steps
        return self.project(noisy, limit, mask, axis)

    def probes(self, random: Generator, limit: Values, mask: Values, count: int) -> Values:
        """Valid actions of very different size, `[count, agents, act]`, in numpy.

        They are what a simulator is probed with.
        """
        normal = random.standard_normal((count, *mask.shape))
        width = random.choice(self.widths, (*normal.shape[:2], 1))
        return self.apply(width * normal, limit, mask, axis=2)


class Tanh(Head):
    r"""Each entry within its limit: $a = l \tanh z$."""

    name = "tanh"
    may_lack_action = True

    def apply(self, logits: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        xp = namespace(logits)
        return limit * xp.tanh(xp.where(mask, logits, 0.0))

    def invert(self, actions: Values, limit: Values) -> Values:
        xp = namespace(actions)
        return xp.arctanh(xp.clip(actions / limit, -0.999, 0.999))

    def project(self, values: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        xp = namespace(values)
        return xp.where(mask, xp.clip(values, -limit, limit), 0.0)

    def log_stretch(self, logits: Values, mean: Values, log_std: Values, mask: Values) -> Values:
        r"""$-\sum_k \ln(1 - \tanh^2 z_k)$ (Haarnoja et al. 2018, appendix C)."""
        xp = namespace(logits)
        # 1 - tanh² z = 4 / (e^z + e^-z)²; written so, nothing overflows where tanh is 1.
        logs = 2.0 * (math.log(2.0) - logits - xp.logaddexp(-2.0 * logits, 0.0))
        return -xp.where(mask, logs, 0.0).sum(1)

    def probes(self, random: Generator, limit: Values, mask: Values, count: int) -> Values:
        """Evenly within the limits, and a fifth of the entries at one of them."""
        normal = random.standard_normal((count, *mask.shape))
        inside = random.uniform(-1, 1, normal.shape)
        is_edge = random.random(normal.shape) < 0.2
        return np.where(mask, np.where(is_edge, np.sign(normal), inside), 0.0) * limit


class Linear(Head):
    """Unbounded entries; logits are in units of the natural scale `limit`."""

    name = "linear"
    is_bounded = False
    may_lack_action = True

    def apply(self, logits: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        return limit * namespace(logits).where(mask, logits, 0.0)

    def invert(self, actions: Values, limit: Values) -> Values:
        return actions / limit

    def project(self, values: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        return namespace(values).where(mask, values, 0.0)


class Softmax(Head):
    """Shares that sum to one."""

    name = "softmax"
    is_relative = True
    explores_logits = True
    widths = (0.5, 3.0)

    def apply(self, logits: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        real = namespace(logits).where(mask, logits, -math.inf)
        return _functions(logits).softmax(real, axis=axis)

    def invert(self, actions: Values, limit: Values) -> Values:
        xp = namespace(actions)
        return xp.log(xp.maximum(actions, 1e-6))

    def project(self, values: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        """Onto the simplex: all entries less one number, and what is then negative zero.

        Duchi et al. (2008): that number is the largest $(u_1 + … + u_k - 1) / k$ of the entries
        $u$ in falling order.
        """
        xp = namespace(values)
        falling = -xp.sort(-xp.where(mask, values, -math.inf), axis=axis)
        counts = 1.0 + _numbers(values, axis).astype(values.dtype)
        excess = ((xp.cumsum(falling, axis=axis) - 1.0) / counts).max(axis, keepdims=True)
        return xp.where(mask, xp.maximum(values - excess, 0.0), 0.0)

    def from_uniform(self, uniform: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        # Exponential numbers that are divided by their sum are uniform on the simplex.
        xp = namespace(uniform)
        exponential = xp.where(mask, -xp.log1p(-uniform), 0.0)
        return exponential / exponential.sum(axis, keepdims=True)

    def log_stretch(self, logits: Values, mean: Values, log_std: Values, mask: Values) -> Values:
        r"""That of the logistic-normal distribution (Aitchison and Shen 1980).

        The density is one of all shares but one, whichever that is: the Jacobian of the rest is the
        product of all shares. Shifting all logits changes no share, so the density is first
        integrated over shifts. With $d = z - \mu$ and $w_k = 1 / \sigma_k^2$ this adds $(\sum_k w_k
        d_k)^2 / 2 \sum_k w_k + \ln(2 \pi / \sum_k w_k) / 2$ to the logarithm.
        """
        xp = namespace(logits)

        def summed(entries: Values) -> Values:
            return xp.where(mask, entries, 0.0).sum(1)

        away = logits - mean
        precision = xp.broadcast_to(xp.exp(-2.0 * log_std), logits.shape)
        total = summed(precision)
        shifts = 0.5 * summed(precision * away) ** 2 / total + 0.5 * xp.log(2 * math.pi / total)
        # The logarithm of a padded share is -inf: it is left out of the sum, and so is its slope.
        real = xp.where(mask, logits, -math.inf)
        shares = _functions(logits).log_softmax(real, axis=1)
        return shifts - summed(shares)

    def entropy_aim(self, level: float, mask: Values) -> Values:
        return level * (mask.sum(1) - 1)


class Discrete(Head):
    """One of several choices: a row of zeros with a one where the logit is largest."""

    name = "discrete"
    is_discrete = True
    has_choices = True
    is_relative = True
    explores_logits = True

    def apply(self, logits: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        xp = namespace(logits)
        best = xp.where(mask, logits, -math.inf).argmax(axis, keepdims=True)
        return (_numbers(logits, axis) == best).astype(logits.dtype)

    def invert(self, actions: Values, limit: Values) -> Values:
        return actions

    def project(self, values: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        return self.apply(values, limit, mask, axis)

    def from_uniform(self, uniform: Values, limit: Values, mask: Values, axis: int = 1) -> Values:
        return self.apply(uniform, limit, mask, axis)

    def choices(self, mask: Values) -> Values:
        return mask

    def entropy_aim(self, level: float, mask: Values) -> Values:
        """Of even choices a share whose logarithm is `level`."""
        return math.exp(level) * np.log(np.maximum(mask.sum(1), 1))

    def probes(self, random: Generator, limit: Values, mask: Values, count: int) -> Values:
        """Choices drawn evenly."""
        chosen = random.integers(0, mask.sum(-1), (count, len(mask)))
        return np.eye(mask.shape[1])[chosen]


HEADS: dict[str, Head] = {head.name: head for head in (Tanh(), Softmax(), Linear(), Discrete())}
"""All output heads, by the name that `Environment.action_head` gives."""


def namespace(values: Values) -> Any:
    """The library of an array: `numpy`, or `jax.numpy` for JAX arrays and what is traced."""
    if isinstance(values, np.ndarray):
        return np
    import jax.numpy as jnp

    return jnp


def _numbers(values: Values, axis: int) -> Values:
    """0, 1, 2, … along one axis of an array."""
    shape = [1] * values.ndim
    shape[axis] = -1
    return namespace(values).arange(values.shape[axis]).reshape(shape)


def _functions(values: Values) -> Any:
    """Where `softmax` and `log_softmax` are; JAX's have derivative rules of their own."""
    if isinstance(values, np.ndarray):
        import scipy.special

        return scipy.special
    import jax.nn

    return jax.nn
