"""Which agents may matter to a target: a sparse regression on one half of a log (scikit-learn)."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import numpy as np

from mastac.discovery.samples import CONSTANT, Entry, Sample, centred
from mastac.errors import UserError

LONGEST_PATH = 40
"""Terms that the sparse regression takes in at the most."""
PRODUCTS = 3
LARGE_PRODUCT = 2.5
"""Products of an own and another's entry are looked at if their correlation with what is left over is so many
standard errors large; the three largest at the most."""


class Screen:
    """Terms in every agent's entries, their products within an agent, and the regression of any target on them."""

    def __init__(self, sample: Sample, dither: float) -> None:
        self.sample, self.dither = sample, dither
        self.varies = centred(sample.values, sample.steps).std(0) > CONSTANT
        owners, columns = [], []
        values, entries = sample.values, sample.entries
        for k in np.flatnonzero(self.varies):
            own = [
                m
                for m in np.flatnonzero(self.varies[: k + 1])
                if entries[m].agent == entries[k].agent
            ]
            owners += [(int(k),), *((int(k), int(m)) for m in own)]
            columns += [values[:, k], *(values[:, k] * values[:, m] for m in own)]
        terms = (
            centred(np.stack(columns, 1), sample.steps) if columns else np.zeros((len(values), 0))
        )
        spread = terms.std(0)
        keep = spread > CONSTANT
        self.terms = terms[:, keep] / spread[keep]
        self.owners = [owner for owner, kept in zip(owners, keep, strict=True) if kept]

    @cached_property
    def _gram(self) -> np.ndarray:
        return self.terms.T @ self.terms

    @cached_property
    def _state_terms(self) -> tuple[np.ndarray, np.ndarray]:
        """The terms in states alone, and their products: what observations may be made of."""
        states = [
            place for place, owner in enumerate(self.owners) if self._kinds(owner) == {"state"}
        ]
        return np.array(states, int), self._gram[np.ix_(states, states)]

    def _kinds(self, owner: tuple[int, ...]) -> set[str]:
        return {self.sample.entries[k].kind for k in owner}

    def survivors(self, number: int, outcome: np.ndarray) -> list[Entry]:
        """Whose state or action may enter target `number`, the likeliest first; `outcome` is centred."""
        target = self.sample.targets[number]
        if target.what == "observation":
            places, gram = self._state_terms
        else:
            places, gram = np.arange(len(self.owners)), self._gram
        weights: dict[Entry, float] = {}
        left_over = outcome
        if len(places):
            terms = self.terms[:, places]
            coefficients = _sparse(gram, terms.T @ outcome, outcome, self.dither)
            for place in np.flatnonzero(coefficients):
                for k in self.owners[places[place]]:
                    entry = self.sample.entries[k]
                    weights[entry] = weights.get(entry, 0.0) + abs(coefficients[place])
            left_over = outcome - terms @ coefficients
        for entry in self._by_products(target.agent, left_over, target.what == "observation"):
            weights.setdefault(entry, 0.0)
        return sorted(weights, key=lambda entry: (-weights[entry], entry))

    def _by_products(self, agent: int, left_over: np.ndarray, states_only: bool) -> list[Entry]:
        """Others whose entries matter by their product with one of the target's own: x_i x_j has no other trace."""
        sample = self.sample
        allowed = [
            k
            for k in np.flatnonzero(self.varies)
            if sample.entries[k].kind == "state" or not states_only
        ]
        others = [k for k in allowed if sample.entries[k].agent != agent]
        largest = np.zeros(len(others))
        for k in (k for k in allowed if sample.entries[k].agent == agent):
            products = centred(sample.values[:, others] * sample.values[:, [k]], sample.steps)
            size = np.sqrt((products**2).sum(0) * (left_over @ left_over) / len(left_over))
            largest = np.maximum(largest, np.abs(products.T @ left_over) / np.maximum(size, 1e-12))
        first = np.argsort(-largest)[:PRODUCTS]
        return [sample.entries[others[place]] for place in first if largest[place] > LARGE_PRODUCT]


def _sparse(
    gram: np.ndarray, moments: np.ndarray, outcome: np.ndarray, dither: float
) -> np.ndarray:
    """Coefficients of the step of the lasso's path whose terms, fitted without shrinkage, have the least BIC."""
    lars_path_gram, ConvergenceWarning = _library()
    rows = len(outcome)
    steps = max(1, min(LONGEST_PATH, rows // 4))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # of terms that double others, which are passed over
        _, _, path = lars_path_gram(
            moments, gram.copy(), n_samples=rows, max_iter=steps, method="lasso"
        )
    best, least = np.zeros(len(moments)), np.inf
    for number in range(path.shape[1]):
        on = np.flatnonzero(path[:, number])
        fitted = np.linalg.lstsq(gram[np.ix_(on, on)], moments[on], rcond=1e-10)[0]
        # A simulator without noise is fitted up to the dither, and no further.
        misfit = max(outcome @ outcome - moments[on] @ fitted, rows * dither**2 / 2)
        criterion = rows * np.log(misfit) + np.log(rows) * len(on)
        if criterion < least:
            least, best = criterion, np.zeros(len(moments))
            best[on] = fitted
    return best


def _library() -> tuple[Any, type[Warning]]:
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import lars_path_gram
    except ImportError as error:
        raise UserError(
            "graphs are discovered from logs with scikit-learn, which is not installed; pip install 'mastac[discover]'"
        ) from error
    return lars_path_gram, ConvergenceWarning
