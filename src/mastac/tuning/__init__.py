"""Searching good values of knobs with Optuna. Imports neither Optuna nor JAX until it is asked."""

from mastac.tuning.search import tune

__all__ = ["tune"]
