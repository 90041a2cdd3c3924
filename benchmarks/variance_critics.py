"""Critics of everything and structured ones, learnt from the same samples; used by `variance.py`."""

from typing import Any

import numpy as np

from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.linear_system import LinearQuadraticProblem
from mastac.envs.registry import checked_options
from mastac.structure import Couplings
from mastac.theory.example_games import game_couplings, random_game, random_logits
from mastac.theory.games import Game, action_values, joint_policy, occupancy
from mastac.theory.linear_quadratic import best_structured_gain
from mastac.theory.lq_variance import gaussian_network
from mastac.theory.sets import DependencySets, dependency_sets

DISCOUNT = 0.9
SAMPLES, CRITIC_SEEDS = (100, 300, 1000, 3000, 10_000, 30_000), 5


def network(graph: str, count: int, seed: int) -> tuple[Couplings, LinearQuadraticProblem]:
    """Matrices as `lq-N` draws them, on another graph."""
    couplings = game_couplings(graph, count)
    couplings = couplings.with_graphs(action=Couplings(count).action)
    return couplings, lq_problem(couplings, checked_options(f"lq-{count}", {"seed": seed}))


def all_critics(spread: float) -> list[list[Any]]:
    """Errors for every system, seed and number of samples; `spread` is that of the linear policies' noise."""
    rows = []
    for seed in range(CRITIC_SEEDS):
        for graph, count, kappa in (("stream", 12, None), ("ring", 12, 1), ("ring", 12, 2)):
            rows += linear_critics(graph, count, kappa, seed, spread)
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
    """Mean squared errors over a test set: of the team's value, and of each agent's sum, averaged over agents.

    `learnt(target, member, samples)` gives predictions of a return from what a set reads; `None`
    reads everything. `exact` and `returns` are [samples, agents].
    """
    rows, agents = [], range(exact.shape[1])
    team = exact[test].sum(1)
    own = exact[test] @ sets.gradient.T
    for samples in SAMPLES:
        central = learnt(returns.sum(1), None, samples)
        each = np.stack([learnt(returns[:, i], i, samples) for i in agents], 1)
        errors = [np.mean((central - team) ** 2), np.mean((each @ sets.gradient.T - own) ** 2)]
        rows.append([*start, samples, *errors, team.var(), own.var(0).mean()])
    return rows


def linear_critics(
    graph: str, count: int, kappa: int | None, seed: int, spread: float
) -> list[list[Any]]:
    """Ridge regression on all squares and products of what a critic reads, against single discounted returns."""
    couplings, problem = network(graph, count, seed)
    gain = best_structured_gain(problem, constant=False)[0][:, :count]
    gaussian, sets = (
        gaussian_network(problem, gain, DISCOUNT, spread),
        dependency_sets(couplings, kappa),
    )
    random, train, test = np.random.default_rng([seed, 7]), max(SAMPLES), 2000
    z = random.multivariate_normal(np.zeros(2 * count), gaussian.covariance, train + test)
    exact = np.einsum("za,iab,zb->zi", z, gaussian.forms, z) + gaussian.constants
    returns = linear_returns(problem, gain, z[:train], spread, random)
    z[:, count:] += z[:, :count] @ gain.T  # critics read actions, not their noise

    def learnt(target: np.ndarray, member: int | None, samples: int) -> np.ndarray:
        read = (
            slice(None)
            if member is None
            else np.concatenate([sets.states[member], sets.actions[member]])
        )
        seen = z[:, read]
        rows, columns = np.triu_indices(seen.shape[1])
        table = np.column_stack([seen[:, rows] * seen[:, columns], np.ones(len(seen))])
        return table[train:] @ ridge(table[:samples], target[:samples])

    start = [f"linear, {graph}", count, "exact" if kappa is None else kappa, seed]
    return critic_rows(start, sets, learnt, exact, returns, slice(train, None))


def ridge(table: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights for the penalty that predicts the last fifth best, then fitted to all."""
    part = len(table) * 4 // 5

    def weights(rows: slice, penalty: float) -> np.ndarray:
        gram = table[rows].T @ table[rows]
        size = np.trace(gram) / len(gram)
        return np.linalg.solve(
            gram + penalty * size * np.eye(len(gram)), table[rows].T @ target[rows]
        )

    def miss(penalty: float) -> float:
        return float(np.mean((table[part:] @ weights(slice(part), penalty) - target[part:]) ** 2))

    return weights(slice(None), min(10.0 ** np.arange(-8, 1), key=miss))


def linear_returns(
    problem: LinearQuadraticProblem,
    gain: np.ndarray,
    z: np.ndarray,
    spread: float,
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
        noise = spread * random.normal(size=noise.shape)
    return total


def game_critics(graph: str, count: int, kappa: int | None, seed: int) -> list[list[Any]]:
    """Tables of what a critic reads: the mean of the returns seen, and the mean of all where none was seen."""
    couplings = game_couplings(graph, count)
    game, sets = random_game(couplings, seed, discount=DISCOUNT), dependency_sets(couplings, kappa)
    logits, random = random_logits(game, seed), np.random.default_rng([seed, 8])
    policy, train, test = joint_policy(game, logits), max(SAMPLES), 20_000
    states = random.choice(game.joint_states, train + test, p=occupancy(game, logits))
    actions = drawn(policy[states], random)
    exact = action_values(game, logits)[:, states, actions].T
    returns = game_returns(game, policy, states[:train], actions[:train], random)
    bits = np.array(np.unravel_index(np.stack([states, actions]), (2,) * count)).transpose(1, 2, 0)

    def learnt(target: np.ndarray, member: int | None, samples: int) -> np.ndarray:
        read = (
            np.ones((2, count), bool)
            if member is None
            else np.stack([sets.states[member], sets.actions[member]])
        )
        seen = np.concatenate([bits[0][:, read[0]], bits[1][:, read[1]]], 1)
        cells = seen @ (1 << np.arange(seen.shape[1]))
        sums, times = (
            np.bincount(cells[:samples], w, 2 ** seen.shape[1]) for w in (target[:samples], None)
        )
        return np.where(times > 0, sums / np.maximum(times, 1), target[:samples].mean())[
            cells[train:]
        ]

    start = [f"game, {graph}", count, "exact" if kappa is None else kappa, seed]
    return critic_rows(start, sets, learnt, exact, returns, slice(train, None))


def drawn(laws: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One draw from each row."""
    return np.minimum((laws.cumsum(1) < random.random((len(laws), 1))).sum(1), laws.shape[1] - 1)


def game_returns(
    game: Game, policy: np.ndarray, states: np.ndarray, actions: np.ndarray, random: Any
) -> np.ndarray:
    """Every agent's discounted return of one rollout from each state and action."""
    total = np.zeros((len(states), game.couplings.num_agents))
    for t in range(int(np.log(1e-4) / np.log(game.discount))):
        total += game.discount**t * game.reward_table[:, states, actions].T
        states = drawn(game.kernel[states, actions], random)
        actions = drawn(policy[states], random)
    return total
