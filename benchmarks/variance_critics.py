"""Errors of central and of structured critics, learnt from the same samples.

Used by `variance.py`.
"""

from typing import Any

import numpy as np

from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.linear_system import LinearQuadraticProblem
from mastac.envs.registry import checked_options
from mastac.structure import Couplings
from mastac.theory import (
    DependencySets,
    Game,
    dependency_sets,
    game_couplings,
    gaussian_network,
    random_game,
    random_logits,
)
from mastac.theory.games import action_values, joint_policy, occupancy
from mastac.theory.linear_quadratic import best_structured_gain

DISCOUNT = 0.9
SAMPLES, CRITIC_SEEDS = (100, 300, 1000, 3000, 10_000, 30_000), 5


def network(graph: str, count: int, seed: int) -> tuple[Couplings, LinearQuadraticProblem]:
    """Matrices as `lq-N` draws them, on another graph."""
    couplings = game_couplings(graph, count)
    couplings = couplings.with_graphs(action=Couplings(count).action)
    return couplings, lq_problem(couplings, checked_options(f"lq-{count}", {"seed": seed}))


def all_critics(std: float) -> list[list[Any]]:
    """Errors for every system, seed and number of samples.

    `std` is the standard deviation of the linear policies' actions.
    """
    rows = []
    for seed in range(CRITIC_SEEDS):
        for graph, count, kappa in (("stream", 12, None), ("ring", 12, 1), ("ring", 12, 2)):
            rows += linear_critics(graph, count, kappa, seed, std)
        for graph, count, kappa in (("stream", 6, None), ("ring", 6, 1)):
            rows += game_critics(graph, count, kappa, seed)
        print("critics", seed, flush=True)
    return rows


def critic_rows(
    start: list[Any],
    sets: DependencySets,
    learnt: Any,
    exact: np.ndarray,
    returns: np.ndarray,
    test: slice,
) -> list[list[Any]]:
    """Mean squared errors over a test set: of the team's value, and mean over agents of their sums.

    `learnt(target, member, samples)` gives predictions of a return from what a set reads; `None`
    reads everything. `exact` and `returns` are [samples, agents].
    """
    rows, agents = [], range(exact.shape[1])
    team = exact[test].sum(1)
    own = exact[test] @ sets.gradient.T
    for samples in SAMPLES:
        central = learnt(returns.sum(1), None, samples)
        local = np.stack([learnt(returns[:, i], i, samples) for i in agents], 1)
        errors = [np.mean((central - team) ** 2), np.mean((local @ sets.gradient.T - own) ** 2)]
        rows.append([*start, samples, *errors, team.var(), own.var(0).mean()])
    return rows


def linear_critics(
    graph: str, count: int, kappa: int | None, seed: int, std: float
) -> list[list[Any]]:
    """Ridge regression of single discounted returns on all products of what a critic reads."""
    couplings, problem = network(graph, count, seed)
    gain = best_structured_gain(problem, constant=False)[0][:, :count]
    gaussian, sets = (
        gaussian_network(problem, gain, DISCOUNT, std),
        dependency_sets(couplings, kappa),
    )
    random, train, test = np.random.default_rng([seed, 7]), max(SAMPLES), 2000
    z = random.multivariate_normal(np.zeros(2 * count), gaussian.covariance, train + test)
    exact = np.einsum("za,iab,zb->zi", z, gaussian.forms, z) + gaussian.constants
    returns = linear_returns(problem, gain, z[:train], std, random)
    z[:, count:] += z[:, :count] @ gain.T  # critics read actions, not their noise

    def learnt(target: np.ndarray, member: int | None, samples: int) -> np.ndarray:
        seen = z
        if member is not None:
            seen = z[:, np.concatenate([sets.states[member], sets.actions[member]])]
        rows, columns = np.triu_indices(seen.shape[1])
        table = np.column_stack([seen[:, rows] * seen[:, columns], np.ones(len(seen))])
        return table[train:] @ ridge(table[:samples], target[:samples])

    start = [f"linear, {graph}", count, "exact" if kappa is None else kappa, seed]
    return critic_rows(start, sets, learnt, exact, returns, slice(train, None))


def ridge(table: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights for the penalty that predicts the last fifth best, then fitted to all."""
    fitted = len(table) * 4 // 5

    def weights(rows: slice, penalty: float) -> np.ndarray:
        gram = table[rows].T @ table[rows]
        size = np.trace(gram) / len(gram)
        return np.linalg.solve(
            gram + penalty * size * np.eye(len(gram)), table[rows].T @ target[rows]
        )

    def miss(penalty: float) -> float:
        errors = table[fitted:] @ weights(slice(fitted), penalty) - target[fitted:]
        return float(np.mean(errors**2))

    return weights(slice(None), min(10.0 ** np.arange(-8, 1), key=miss))


def linear_returns(
    problem: LinearQuadraticProblem,
    gain: np.ndarray,
    z: np.ndarray,
    std: float,
    random: np.random.Generator,
) -> np.ndarray:
    """Every agent's discounted return of one rollout from each state and noise of actions."""
    count = problem.num_states
    x, noise = z[:, :count].copy(), z[:, count:]
    total = np.zeros((len(z), problem.num_agents))
    for t in range(int(np.log(1e-5) / np.log(DISCOUNT))):
        u = x @ gain.T + noise
        total -= DISCOUNT**t * (x**2 @ problem.state_weights.T + u**2 @ problem.action_weights.T)
        disturbed = random.normal(size=x.shape) * np.sqrt(problem.noise_variance)
        x = x @ problem.state_matrix.T + u @ problem.input_matrix.T + disturbed
        noise = std * random.normal(size=noise.shape)
    return total


def game_critics(graph: str, count: int, kappa: int | None, seed: int) -> list[list[Any]]:
    """Tables over what a critic reads: mean return of a cell, or of all if the cell is empty."""
    couplings = game_couplings(graph, count)
    game, sets = random_game(couplings, seed, discount=DISCOUNT), dependency_sets(couplings, kappa)
    logits, random = random_logits(game, seed), np.random.default_rng([seed, 8])
    policy, train, test = joint_policy(game, logits), max(SAMPLES), 20_000
    states = random.choice(game.joint_states, train + test, p=occupancy(game, logits))
    actions = draws(policy[states], random)
    exact = action_values(game, logits)[:, states, actions].T
    returns = game_returns(game, policy, states[:train], actions[:train], random)
    bits = np.array(np.unravel_index(np.stack([states, actions]), (2,) * count)).transpose(1, 2, 0)

    def learnt(target: np.ndarray, member: int | None, samples: int) -> np.ndarray:
        read = np.ones((2, count), bool)
        if member is not None:
            read = np.stack([sets.states[member], sets.actions[member]])
        seen = np.concatenate([bits[0][:, read[0]], bits[1][:, read[1]]], 1)
        cells = seen @ (1 << np.arange(seen.shape[1]))
        size = 2 ** seen.shape[1]
        sums = np.bincount(cells[:samples], target[:samples], size)
        counts = np.bincount(cells[:samples], None, size)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), target[:samples].mean())
        return means[cells[train:]]

    start = [f"game, {graph}", count, "exact" if kappa is None else kappa, seed]
    return critic_rows(start, sets, learnt, exact, returns, slice(train, None))


def draws(probabilities: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One draw from each row."""
    uniform = random.random((len(probabilities), 1))
    return np.minimum((probabilities.cumsum(1) < uniform).sum(1), probabilities.shape[1] - 1)


def game_returns(
    game: Game, policy: np.ndarray, states: np.ndarray, actions: np.ndarray, random: Any
) -> np.ndarray:
    """Every agent's discounted return of one rollout from each state and action."""
    total = np.zeros((len(states), game.couplings.num_agents))
    for t in range(int(np.log(1e-4) / np.log(game.discount))):
        total += game.discount**t * game.reward_table[:, states, actions].T
        states = draws(game.kernel[states, actions], random)
        actions = draws(policy[states], random)
    return total
