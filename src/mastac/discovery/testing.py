"""Whether a source matters to a target, all else that may matter given: tests on the other half."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from mastac.discovery.collinearity import Collinearity
from mastac.discovery.samples import CONSTANT, Block, Sample, center_by_time


class Knots(NamedTuple):
    """Quantiles at which the pieces of splines meet, of the target's own entries and of others'.

    `rows`: so many for each block are needed at the least.
    """

    own: Sequence[float]
    other: Sequence[float]
    rows: int


KNOTS = (
    Knots((0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1), (0, 0.1, 0.35, 0.65, 0.9, 1), 150),
    Knots((0, 0.05, 0.35, 0.65, 0.95, 1), (0, 0.5, 1), 0),
)
LINES = Knots((0, 1), (0, 1), 0)
ROWS_A_TERM = 1.5
"""Rows for each term, at the least: what fits anything by chance leaves no variance to measure."""
ROWS_A_BLOCK = 24
"""Rows for each block that is tested, at the least."""
TELL_APART = 1e-3
"""Shares of a term's variance that other terms leave; below, its effect is not told from theirs."""
MOST_DIRECTIONS = 4
"""Directions of a block's terms that are tested, at the most: those that vary most.

Others rest on few transitions. With six, p-values without edges come out too small: 9 % of them
below 0.05, with four 5 %.
"""
RIDGE = 1e-7


_Design = tuple[np.ndarray, list[tuple[int, ...]]]
"""Terms, and the columns of the sample that each is made of."""


class Tested(NamedTuple):
    """A test of what some sources add to a target.

    - `sources`: one block; or several, of which the log cannot say which one it is.
    - `p_value`, `effect`: of all of them together; the effect is the standard deviation of what
        they alone add, in those of the target. NaN: not to be told.
    - `alike`: whether the sources move alike, so that they are tested in no other way.
    """

    sources: tuple[Block, ...]
    p_value: float
    effect: float
    alike: bool = False


class ConditionalTests:
    """The tests on one sample.

    **Arguments:**

    - `sample`: the half of the log that was not used to choose what is tested.
    - `values`: those of the whole log, at whose quantiles splines have their knots.
    - `least_effect`: effects below are not looked for, in standard deviations of the target.
    """

    def __init__(
        self, sample: Sample, values: Float[np.ndarray, "rows columns"], least_effect: float
    ) -> None:
        self.sample, self.values, self.least_effect = sample, values, least_effect

    def tested(
        self,
        number: int,
        outcome: Float[np.ndarray, " rows"],
        candidates: Sequence[Block],
        collinear: Collinearity,
    ) -> list[Tested]:
        """A test of each candidate that is another agent's, and of those that move alike.

        `outcome` is target `number`, centered at each time. Columns that move alike are tested
        together and never alone; those that are merely similar in both ways.
        """
        target = self.sample.targets[number]
        kinds = ("state",) if target.what == "observation" else ("state", "action")
        own = [Block(kind, target.agent) for kind in kinds]
        others = [b for b in collinear.with_similar(candidates) if b.agent != target.agent]
        others = others[: max(4, len(outcome) // ROWS_A_BLOCK)]
        free = [b for b in others if not collinear.shared.issuperset(self.sample.columns(b))]
        design = self._affordable(own, others, target.agent)
        if design is None:
            return [Tested((block,), np.nan, np.nan) for block in free]
        terms, factors = design
        fit = _JackknifeFit(terms, outcome, self.sample)
        tests = [
            Tested((block,), *fit.test(self._alone(factors, block, collinear), self.least_effect))
            for block in free
        ]
        for sources, places in self._alike(factors, target.agent, collinear):
            tests.append(Tested(sources, *fit.test(places, self.least_effect), alike=True))
        for sources, places in self._similar(factors, others, collinear):
            tests.append(Tested(sources, *fit.test(places, self.least_effect)))
        return tests

    def _alone(
        self, factors: Sequence[tuple[int, ...]], block: Block, collinear: Collinearity
    ) -> list[int]:
        """The places of terms that contain a block, by columns that it shares with nobody."""
        blocks, shared = self.sample.blocks, collinear.shared
        mine = [{k for k in columns if blocks[k] == block} for columns in factors]
        return [place for place, columns in enumerate(mine) if columns and not columns & shared]

    def _alike(
        self, factors: Sequence[tuple[int, ...]], agent: int, collinear: Collinearity
    ) -> Iterator[tuple[tuple[Block, ...], list[int]]]:
        """Blocks that move alike, and the places of the terms in their shared columns."""
        blocks = self.sample.blocks
        for group in collinear.groups:
            sources = tuple(sorted({blocks[k] for k in group}))
            # What products with the target's own entries add is the group's, too.
            places = [
                place
                for place, columns in enumerate(factors)
                if group.intersection(columns)
                and all(k in group or blocks[k].agent == agent for k in columns)
            ]
            if places and any(block.agent != agent for block in sources):
                yield sources, places

    def _similar(
        self, factors: Sequence[tuple[int, ...]], others: Sequence[Block], collinear: Collinearity
    ) -> Iterator[tuple[tuple[Block, ...], list[int]]]:
        """Each block with those it might be taken for, and the places of their terms."""
        pairs = [(block, collinear.similar.get(block, ())) for block in others]
        several = {tuple(sorted({block, *near} & set(others))) for block, near in pairs}
        for sources in sorted(sources for sources in several if len(sources) > 1):
            alone = [self._alone(factors, block, collinear) for block in sources]
            yield sources, sorted({place for places in alone for place in places})

    def _affordable(
        self, own: Sequence[Block], others: Sequence[Block], agent: int
    ) -> _Design | None:
        """The finest terms of most others that the rows can carry; `None` if they carry none."""
        rows = len(self.sample.values)
        # Finer or coarser splines; then straight lines, and of ever fewer others, the likeliest.
        choices = [
            (others, knots) for knots in KNOTS if knots.rows * (len(own) + len(others)) <= rows
        ]
        choices += [(others[:number], LINES) for number in range(len(others), 0, -1)]
        for some, knots in choices:
            terms, factors = self._design([*own, *some], agent, knots)
            if terms.shape[1] * ROWS_A_TERM <= rows - self.sample.steps:
                return terms, factors
        return None

    def _design(self, blocks: Sequence[Block], agent: int, knots: Knots) -> _Design:
        """A spline of each entry, and products within an agent and with own entries."""
        sample, values = self.sample, self.sample.values
        splines: dict[int, np.ndarray] = {}
        for block in blocks:
            quantiles = knots.own if block.agent == agent else knots.other
            splines |= {k: self._spline(k, quantiles) for k in sample.columns(block)}
        columns, factors = [], []
        for k, spline in splines.items():
            first = sample.blocks[k]
            columns.append(spline)
            factors += [(k,)] * spline.shape[1]
            for m in (m for m in splines if m < k):
                second = sample.blocks[m]
                if first.agent == second.agent and first.kind != second.kind:
                    # What flows is often a bent function of the state times an action, as
                    # max(stock, 0) x share.
                    product = splines[m] * values[:, [k]]
                elif first.agent == second.agent or agent in (first.agent, second.agent):
                    product = (values[:, k] * values[:, m])[:, None]
                else:
                    continue
                columns.append(product)
                factors += [(k, m)] * product.shape[1]
        terms = center_by_time(np.concatenate(columns, 1), sample.steps)
        std = terms.std(0)
        keep = std > CONSTANT
        return terms[:, keep] / std[keep], [factors[place] for place in np.flatnonzero(keep)]

    def _spline(self, k: int, quantiles: Sequence[float]) -> np.ndarray:
        from sklearn.preprocessing import SplineTransformer

        knots = np.unique(np.quantile(self.values[:, k], quantiles))
        if len(knots) < 3:  # one of two values
            return self.sample.values[:, [k]]
        base: Any = knots[:, None]
        spline = SplineTransformer(knots=base, degree=2, include_bias=False, extrapolation="linear")
        return spline.fit(base).transform(self.sample.values[:, [k]])


class _JackknifeFit:
    """Least squares, and the same without each group of transitions (delete-a-group jackknife).

    The variance of the coefficients over groups is their covariance whatever the noise is like, be
    its size dependent on the state or one step's on the step before (Efron and Stein 1981; Shao and
    Wu 1989 for leaving out several rows at once).
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
        for number in range(self.groups):
            rows = group == number
            grams[number] = terms[rows].T @ terms[rows]
            moments[number] = terms[rows].T @ outcome[rows]
        gram, moment = grams.sum(0) + RIDGE * self.rows * np.eye(size), moments.sum(0)
        self.inverse = np.linalg.inv(gram)
        self.fitted = self.inverse @ moment
        self.without = np.linalg.solve(gram - grams, (moment - moments)[..., None])[..., 0]

    def test(self, places: Sequence[int], least_effect: float) -> tuple[float, float]:
        """The p-value of "these terms add no more than `least_effect`", and what they add.

        Hotelling's T² (1931) of the coefficients, in the directions that other terms leave free,
        F-distributed. Of the estimate only the part beyond the least effect counts.
        """
        if not places:
            return np.nan, np.nan
        at = list(places)
        # The covariance of the terms, the others given (Schur complement).
        left = np.linalg.inv(self.inverse[np.ix_(at, at)]) / self.rows
        share, directions = np.linalg.eigh(left)  # in ascending order
        share, directions = share[-MOST_DIRECTIONS:], directions[:, -MOST_DIRECTIONS:]
        share, directions = share[share > TELL_APART], directions[:, share > TELL_APART]
        free = len(share)
        if not free:
            return np.nan, np.nan
        estimate, deviation = self.fitted[at] @ directions, self.without[:, at] @ directions
        deviation = deviation - deviation.mean(0)
        covariance = (self.groups - 1) / self.groups * deviation.T @ deviation / self.deflation
        effect = float(np.sqrt(estimate**2 @ share))
        beyond = max(0.0, 1.0 - least_effect / effect) if effect > 0 else 0.0
        size = estimate @ np.linalg.lstsq(covariance, estimate, rcond=1e-12)[0] * beyond**2
        scale = (self.independent - free) / (free * (self.independent - 1))
        return float(stats.f.sf(size * scale, free, self.independent - free)), effect
