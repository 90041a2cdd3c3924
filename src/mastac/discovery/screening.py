"""Which agents may matter to a target: a sparse regression on one half of a log (scikit-learn)."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from mastac.discovery.samples import CONSTANT, Block, Sample, center_by_time
from mastac.errors import UserError

LONGEST_PATH = 40
"""Terms that the sparse regression takes in at the most."""
PRODUCTS = 3
"""Products of an own and another's entry that are taken in for their correlation, at the most."""
LARGE_PRODUCT = 2.5
"""Standard errors by which that correlation has to differ from zero."""


class Screen:
    """A regression of any target on all agents' entries and their products within an agent.

    **Arguments:**

    - `sample`: the half of the log that is looked at.
    - `noise`: standard deviation of the noise that outcomes were given; no fit is closer than that.
    """

    def __init__(self, sample: Sample, noise: float) -> None:
        self.sample, self.noise = sample, noise
        values, blocks = sample.values, sample.blocks
        self.varies = np.flatnonzero(center_by_time(values, sample.steps).std(0) > CONSTANT)
        factors, columns = [], []
        for k in self.varies:
            own = [m for m in self.varies if m <= k and blocks[m].agent == blocks[k].agent]
            factors += [(int(k),), *((int(k), int(m)) for m in own)]
            columns += [values[:, k], *(values[:, k] * values[:, m] for m in own)]
        stacked = np.stack(columns, 1) if columns else np.zeros((len(values), 0))
        terms = center_by_time(stacked, sample.steps)
        std = terms.std(0)
        keep = std > CONSTANT
        self.terms = terms[:, keep] / std[keep]
        self.factors = [factors[place] for place in np.flatnonzero(keep)]

    @cached_property
    def _gram(self) -> np.ndarray:
        return self.terms.T @ self.terms

    @cached_property
    def _state_terms(self) -> tuple[np.ndarray, np.ndarray]:
        """The places of terms in states alone, and their products, for observations."""
        blocks = self.sample.blocks
        states = [
            place
            for place, factors in enumerate(self.factors)
            if all(blocks[k].kind == "state" for k in factors)
        ]
        return np.array(states, int), self._gram[np.ix_(states, states)]

    def candidates(self, number: int, outcome: Float[np.ndarray, " rows"]) -> list[Block]:
        """The blocks that may enter target `number`, the likeliest first.

        `outcome` is the target, centered at each time.
        """
        target = self.sample.targets[number]
        if target.what == "observation":
            places, gram = self._state_terms
        else:
            places, gram = np.arange(len(self.factors)), self._gram
        weights: dict[Block, float] = {}
        residual = outcome
        if len(places):
            terms = self.terms[:, places]
            coefficients = _lasso_by_bic(gram, terms.T @ outcome, outcome, self.noise)
            for place in np.flatnonzero(coefficients):
                for k in self.factors[places[place]]:
                    block = self.sample.blocks[k]
                    weights[block] = weights.get(block, 0.0) + abs(coefficients[place])
            residual = outcome - terms @ coefficients
        for block in self._by_products(target.agent, residual, target.what == "observation"):
            weights.setdefault(block, 0.0)
        return sorted(weights, key=lambda block: (-weights[block], block))

    def _by_products(self, agent: int, residual: np.ndarray, states_only: bool) -> list[Block]:
        """Blocks whose product with an own entry correlates with the residual.

        A source that acts only through $x_i x_j$ leaves no other trace.
        """
        sample, blocks = self.sample, self.sample.blocks
        allowed = [k for k in self.varies if blocks[k].kind == "state" or not states_only]
        others = [k for k in allowed if blocks[k].agent != agent]
        largest = np.zeros(len(others))
        for k in (k for k in allowed if blocks[k].agent == agent):
            columns = sample.values[:, others] * sample.values[:, [k]]
            products = center_by_time(columns, sample.steps)
            size = np.sqrt((products**2).sum(0) * (residual @ residual) / len(residual))
            correlation = np.abs(products.T @ residual) / np.maximum(size, 1e-12)
            largest = np.maximum(largest, correlation)
        first = np.argsort(-largest)[:PRODUCTS]
        return [blocks[others[place]] for place in first if largest[place] > LARGE_PRODUCT]


def _lasso_by_bic(
    gram: np.ndarray, moments: np.ndarray, outcome: np.ndarray, noise: float
) -> np.ndarray:
    """Coefficients of the step of the lasso's path that has the least BIC (Schwarz 1978).

    The path is that of Efron et al. (2004). Each step's terms are fitted anew without shrinkage.
    """
    lars_path_gram, ConvergenceWarning = _scikit_learn()
    rows = len(outcome)
    steps = max(1, min(LONGEST_PATH, rows // 4))
    with warnings.catch_warnings():
        # It warns of terms that double others, and passes over them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        _, _, path = lars_path_gram(
            moments, gram.copy(), n_samples=rows, max_iter=steps, method="lasso"
        )
    best, least = np.zeros(len(moments)), np.inf
    for number in range(path.shape[1]):
        on = np.flatnonzero(path[:, number])
        fitted = np.linalg.lstsq(gram[np.ix_(on, on)], moments[on], rcond=1e-10)[0]
        # A simulator without noise is fitted up to the noise that was added, and no further.
        misfit = max(outcome @ outcome - moments[on] @ fitted, rows * noise**2 / 2)
        criterion = rows * np.log(misfit) + np.log(rows) * len(on)
        if criterion < least:
            least, best = criterion, np.zeros(len(moments))
            best[on] = fitted
    return best


def _scikit_learn() -> tuple[Any, type[Warning]]:
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import lars_path_gram
    except ImportError as error:
        raise UserError(
            "graphs are discovered from logs with scikit-learn, which is not installed; "
            "pip install 'mastac[discover]'"
        ) from error
    return lars_path_gram, ConvergenceWarning
