"""Ways to find state and action graphs in a log; used by `discovery.py`."""

import warnings
from collections import defaultdict

import numpy as np

from mastac.discovery import TransitionLog, discover

EdgeKey = tuple[str, int, int]  # "state" or "action", source, target


def lasso(log: TransitionLog) -> set[EdgeKey]:
    """Edges by a linear lasso chosen by BIC: coefficients that are not zero. Next states only."""
    from sklearn.linear_model import LassoLarsIC

    owners, values, outcomes = table(log)
    edges = set()
    for agent, outcome in outcomes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about columns that are equal
            coefficients = LassoLarsIC("bic", max_iter=60).fit(values, outcome).coef_
        edges |= {(*owners[k], agent) for k in np.flatnonzero(np.abs(coefficients) > 1e-6)}
    return {(graph, source, target) for graph, source, target in edges if source != target}


def covariance(log: TransitionLog) -> set[EdgeKey]:
    """Edges by the generalised covariance measure, all else given. Next states only.

    Shah and Peters (2020), with boosted trees as regressions.
    """
    from scipy import stats
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import cross_val_predict

    owners, values, outcomes = table(log)

    def residual(outcome: np.ndarray, without: list[int]) -> np.ndarray:
        given = np.delete(values, without, 1)
        trees = HistGradientBoostingRegressor(max_iter=40)
        return outcome - cross_val_predict(trees, given, outcome, cv=2)

    blocks: dict[tuple[str, int], list[int]] = defaultdict(list)
    for k, owner in enumerate(owners):
        blocks[owner].append(k)
    sources = {
        owner: [residual(values[:, k], columns) for k in columns]
        for owner, columns in blocks.items()
    }
    tests: list[tuple[EdgeKey, float]] = []
    for agent, outcome in outcomes:
        for (kind, source), columns in blocks.items():
            if source == agent:
                continue
            target = residual(outcome, columns)
            products = [target * residuals for residuals in sources[kind, source]]
            largest = max(abs(product.mean()) / product.std() for product in products)
            p_value = 2 * stats.norm.sf(np.sqrt(len(target)) * largest) * len(products)
            tests.append(((kind, source, agent), min(1.0, float(p_value))))
    adjusted = stats.false_discovery_control([p_value for _, p_value in tests])
    return {edge for (edge, _), value in zip(tests, adjusted, strict=True) if value <= 0.05}


def table(
    log: TransitionLog,
) -> tuple[list[tuple[str, int]], np.ndarray, list[tuple[int, np.ndarray]]]:
    """The log as regressions: owners of the columns, columns, and outcomes with their agents.

    Columns and outcomes are standardised. Episodes are in a random order, so that the folds of a
    cross-validation are alike, and outcomes have a little noise, for some are exact functions.
    """
    sizes = {"state": np.asarray(log.state_sizes), "action": np.asarray(log.action_sizes)}
    owners = [
        (kind, i) for kind in sizes for i, size in enumerate(sizes[kind]) for _ in range(size)
    ]
    order = np.random.default_rng(0).permutation(log.episodes)
    states, actions = entries(log.states, sizes["state"]), entries(log.actions, sizes["action"])
    values = standardized(np.concatenate([states[:, :-1], actions], -1))[order]
    values = values.reshape(-1, values.shape[-1])
    outcomes = standardized(states[:, 1:])[order].reshape(len(values), -1)
    # Noise was drawn for rewards and observations, too.
    width = states.shape[-1] + len(log.names)
    if log.observations is not None:
        width += int(np.asarray(log.obs_sizes).sum())
    noise = 1e-4 * np.random.default_rng(1).standard_normal((len(values), width))
    agents = [agent for kind, agent in owners if kind == "state"]
    pairs = [
        (agent, outcomes[:, k] + noise[:, k])
        for k, agent in enumerate(agents)
        if outcomes[:, k].std() > 0
    ]
    varying = np.flatnonzero(values.std(0) > 0)
    return [owners[k] for k in varying], values[:, varying], pairs


def entries(rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Real entries of all agents, [episodes, times, entries]."""
    return np.concatenate([rows[:, :, i, :size] for i, size in enumerate(sizes)], -1)


def standardized(columns: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1; zeros where a column is constant."""
    mean, std = columns.mean((0, 1)), columns.std((0, 1))
    constant = std <= 1e-9 * np.abs(mean)
    return np.where(constant, 0.0, (columns - mean) / np.where(constant, 1.0, std))


def ours(log: TransitionLog) -> set[EdgeKey]:
    """Edges of the state and action graphs by `mastac.discover`."""
    number = {name: k for k, name in enumerate(log.names)}
    return {
        (edge.graph, number[edge.source], number[edge.target])
        for edge in discover(log).found()
        if edge.graph in ("state", "action")
    }
