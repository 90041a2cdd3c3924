"""Whether an agent's state or action matters to a target, all else that may matter given: tests on the other half."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from mastac.discovery.samples import CONSTANT, Entry, Sample, centred


class Bends(NamedTuple):
    """Quantiles at which the pieces of splines meet, of the target's own entries and of others'.

    `rows`: so many for each block of entries are needed at the least.
    """

    own: Sequence[float]
    other: Sequence[float]
    rows: int


BENDS = (
    Bends((0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1), (0, 0.1, 0.35, 0.65, 0.9, 1), 150),
    Bends((0, 0.05, 0.35, 0.65, 0.95, 1), (0, 0.5, 1), 0),
)
LINES = Bends((0, 1), (0, 1), 0)
ROWS_A_TERM = 1.5
"""No more terms than one for so many rows: what fits anything by chance leaves no spread to measure by."""
ROWS_EACH = 24
"""Of a sample no more agents are tested together than one for so many rows."""
TELL_APART = 1e-3
"""Shares of a term's variance that others' terms leave; below, its effect cannot be told from theirs."""
MOST_DIRECTIONS = 4
"""Of a block's terms so many directions are tested at the most, those that vary most. Others rest on few transitions,
and with six p-values without edges come out too small: 9 % of them below 0.05, with four 5 %."""
RIDGE = 1e-7


_Design = tuple[np.ndarray, list[tuple[Entry, ...]]]
"""Terms, and the entries that each is made of."""


class Tested(NamedTuple):
    """The p-value of an entry's block, and the sd of what it alone adds, in sds of the target; NaN: not to be told."""

    entry: Entry
    p_value: float
    effect: float


class Tests:
    """The tests on one sample; `spans` are all the values of the log, at whose quantiles splines have their knots."""

    def __init__(
        self, sample: Sample, spans: Float[np.ndarray, "rows entries"], least_effect: float
    ) -> None:
        self.sample, self.spans, self.least_effect = sample, spans, least_effect

    def of(self, number: int, outcome: np.ndarray, survivors: Sequence[Entry]) -> list[Tested]:
        """A test for each survivor that is another agent's; `outcome` is target `number`, centred."""
        target = self.sample.targets[number]
        kinds = ("state",) if target.what == "observation" else ("state", "action")
        own = [Entry(kind, target.agent) for kind in kinds]
        others = [entry for entry in survivors if entry.agent != target.agent]
        others = others[: max(4, len(outcome) // ROWS_EACH)]
        design = self._affordable(own, others, target.agent)
        if design is None:
            return [Tested(entry, np.nan, np.nan) for entry in others]
        terms, owners = design
        fit = _Fit(terms, outcome, self.sample)
        found = []
        for entry in others:
            places = [place for place, owner in enumerate(owners) if entry in owner]
            found.append(Tested(entry, *fit.test(places, self.least_effect)))
        return found

    def _affordable(
        self, own: Sequence[Entry], others: Sequence[Entry], agent: int
    ) -> _Design | None:
        """The finest terms of most others that the rows can carry; `None` if they carry none."""
        rows = len(self.sample.values)
        # Finer or coarser splines; then straight lines, and of ever fewer others, the likeliest.
        choices = [
            (others, bends) for bends in BENDS if bends.rows * (len(own) + len(others)) <= rows
        ]
        choices += [(others[:number], LINES) for number in range(len(others), 0, -1)]
        designs = (self._design([*own, *some], agent, bends) for some, bends in choices)
        return next(
            (
                each
                for each in designs
                if each[0].shape[1] * ROWS_A_TERM <= rows - self.sample.steps
            ),
            None,
        )

    def _design(self, blocks: Sequence[Entry], agent: int, bends: Bends) -> _Design:
        """Terms of a spline for each entry, and products within an agent and with the target's own entries."""
        sample, values = self.sample, self.sample.values
        splines: dict[int, np.ndarray] = {}
        for entry in blocks:
            knots = bends.own if entry.agent == agent else bends.other
            splines |= {k: self._spline(k, knots) for k in sample.columns(*entry)}
        columns, owners = [], []
        for k, one in splines.items():
            first = sample.entries[k]
            columns.append(one)
            owners += [(first,)] * one.shape[1]
            for m in (m for m in splines if m < k):
                second = sample.entries[m]
                if first.agent == second.agent and first.kind != second.kind:
                    # What flows is often a bent function of the state times an action, as
                    # max(stock, 0) x share.
                    product = splines[m] * values[:, [k]]
                elif first.agent == second.agent or agent in (first.agent, second.agent):
                    product = (values[:, k] * values[:, m])[:, None]
                else:
                    continue
                columns.append(product)
                owners += [(first, second)] * product.shape[1]
        terms = centred(np.concatenate(columns, 1), sample.steps)
        spread = terms.std(0)
        keep = spread > CONSTANT
        return terms[:, keep] / spread[keep], [
            owner for owner, kept in zip(owners, keep, strict=True) if kept
        ]

    def _spline(self, k: int, quantiles: Sequence[float]) -> np.ndarray:
        from sklearn.preprocessing import SplineTransformer

        knots = np.unique(np.quantile(self.spans[:, k], quantiles))
        if len(knots) < 3:  # one of two values
            return self.sample.values[:, [k]]
        given: Any = knots[:, None]
        spline = SplineTransformer(
            knots=given, degree=2, include_bias=False, extrapolation="linear"
        )
        return spline.fit(given).transform(self.sample.values[:, [k]])


class _Fit:
    """Least squares, and the same with each group of transitions left out in turn (the delete-a-group jackknife).

    The spread of the coefficients over groups is their covariance whatever the noise is like, be
    its size dependent on the state or one step's on the step before.
    """

    def __init__(self, terms: np.ndarray, outcome: np.ndarray, sample: Sample) -> None:
        self.rows, size = terms.shape
        group = sample.group
        self.groups = int(group.max()) + 1
        # Taking out the mean at each time has taken one episode's worth of the noise with it.
        self.deflation = 1 - sample.steps / self.rows
        # No more deviations are independent than rows are left after the means and the terms.
        self.independent = min(self.groups, self.rows - sample.steps - size)
        grams, moments = np.zeros((self.groups, size, size)), np.zeros((self.groups, size))
        for each in range(self.groups):
            mine = terms[group == each]
            grams[each], moments[each] = mine.T @ mine, mine.T @ outcome[group == each]
        gram, moment = grams.sum(0) + RIDGE * self.rows * np.eye(size), moments.sum(0)
        self.inverse = np.linalg.inv(gram)
        self.fitted = self.inverse @ moment
        self.without = np.linalg.solve(gram - grams, (moment - moments)[..., None])[..., 0]

    def test(self, places: Sequence[int], least_effect: float) -> tuple[float, float]:
        """p-value of "these terms add no more than `least_effect`", and what they add.

        Hotelling's T² of the coefficients, in the directions that other terms leave free,
        F-distributed. Of the estimate only the part beyond the least effect counts.
        """
        if not places:
            return np.nan, np.nan
        at = list(places)
        left = (
            np.linalg.inv(self.inverse[np.ix_(at, at)]) / self.rows
        )  # covariance of the terms, the others given
        share, directions = np.linalg.eigh(left)
        share, directions = (
            share[-MOST_DIRECTIONS:],
            directions[:, -MOST_DIRECTIONS:],
        )  # in ascending order
        share, directions = share[share > TELL_APART], directions[:, share > TELL_APART]
        free = len(share)
        if not free:
            return np.nan, np.nan
        estimate, moved = self.fitted[at] @ directions, self.without[:, at] @ directions
        moved = moved - moved.mean(0)
        covariance = (self.groups - 1) / self.groups * moved.T @ moved / self.deflation
        effect = float(np.sqrt(estimate**2 @ share))
        beyond = max(0.0, 1.0 - least_effect / effect) if effect > 0 else 0.0
        size = estimate @ np.linalg.lstsq(covariance, estimate, rcond=1e-12)[0] * beyond**2
        scale = (self.independent - free) / (free * (self.independent - 1))
        return float(stats.f.sf(size * scale, free, self.independent - free)), effect
