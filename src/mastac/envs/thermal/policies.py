"""Policies of the building's actuators within their limits: constants and feedback (numpy)."""

from collections.abc import Iterator

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from jaxtyping import Float

from mastac.envs.linear_system import LinearQuadraticProblem


def best_constants(
    problem: LinearQuadraticProblem, limit: Float[np.ndarray, " actions"]
) -> Float[np.ndarray, " actions"]:
    """The best constant action of every actuator within ± `limit`: a convex quadratic program.

    A constant shifts the mean path and leaves variances alone, so the noise plays no part.
    """
    steps, paid = problem.horizon, problem.action_weights.sum(0)
    weights = problem.state_weights.sum(0)
    # Sparse, so that large buildings stay cheap.
    ahead_by, inputs = _sparse(problem), sp.csr_array(problem.input_matrix)
    back_by, inputs_transposed = [sp.csr_array(step.T) for step in ahead_by], sp.csr_array(inputs.T)

    def loss(u: np.ndarray) -> tuple[float, np.ndarray]:
        path = [problem.start_mean]
        for step in ahead_by[:-1]:
            path.append(step @ path[-1] + inputs @ u + problem.offset)
        errors = [weights * (x - problem.target) for x in path]
        total = sum(
            float(error @ (x - problem.target)) for error, x in zip(errors, path, strict=True)
        )
        gradient, ahead = 2 * steps * paid * u, np.zeros_like(weights)
        for error, transposed in zip(reversed(errors), reversed(back_by), strict=True):
            gradient = gradient + inputs_transposed @ ahead
            ahead = 2 * error + transposed @ ahead
        return total + steps * float(paid @ u**2), gradient

    bounds = list(zip(-limit, limit, strict=True))
    options = {"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-9}
    start = np.zeros(problem.num_actions)
    return scipy.optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).x


def _sparse(problem: LinearQuadraticProblem) -> list[sp.csr_array]:
    """The state matrix of every step; one object where it stays the same."""
    if problem.schedule is None:
        return [sp.csr_array(problem.state_matrix)] * problem.horizon
    return [sp.csr_array(state_matrix) for state_matrix in problem.schedule]


class SampledBuilding:
    """Episodes with common random numbers, and the return of `limit * tanh(K x + k)` on them."""

    def __init__(
        self, problem: LinearQuadraticProblem, limit: np.ndarray, episodes: int, seed: int
    ) -> None:
        random = np.random.default_rng(seed)
        n, half = problem.num_states, episodes // 2
        start = random.standard_normal((half, n)) * np.sqrt(problem.start_variance)
        noise = random.standard_normal((problem.horizon, half, n)) * np.sqrt(problem.noise_variance)
        # Antithetic pairs: the linear part of the sampling error cancels.
        self.start = problem.start_mean + np.concatenate([start, -start])
        self.noise = np.concatenate([noise, -noise], 1)
        self.problem, self.limit = problem, limit
        self.steps = _sparse(problem)
        self.transposed = [sp.csr_array(step.T) for step in self.steps]
        self.inputs = sp.csr_array(problem.input_matrix)
        rows, columns = np.nonzero(problem.gain_mask)
        self.entries = (rows, columns)
        # What is seen of each entry at each step.
        seen = (
            np.ones((problem.horizon, 1))
            if problem.gain_schedule is None
            else problem.gain_schedule[:, rows, columns]
        )
        self.seen = seen.astype(float)

    def returns(self, entries: np.ndarray) -> Float[np.ndarray, "episodes agents"]:
        """Each episode's and zone's return under a policy: entries of K, then the constants."""
        errors, spent = (
            np.zeros_like(self.start),
            np.zeros((len(self.start), self.problem.num_actions)),
        )
        for x, u in self._simulate(entries):
            errors += (x - self.problem.target) ** 2
            spent += u**2
        weights, paid = (
            sp.csr_array(costs)
            for costs in (self.problem.state_weights, self.problem.action_weights)
        )
        return -(weights @ errors.T + paid @ spent.T).T

    def _simulate(self, entries: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Temperatures and actions of every step, `[episodes, …]`."""
        own, shifts = self._split(entries)
        x = self.start
        for noise, step, gains in zip(self.noise, self.steps, own, strict=True):
            u = self.limit * np.tanh((gains @ (x - self.problem.target).T).T + shifts)
            yield x, u
            x = (step @ x.T).T + (self.inputs @ u.T).T + self.problem.offset + noise

    def _split(self, entries: np.ndarray) -> tuple[list[sp.csr_array], np.ndarray]:
        """The gain of every step, and the constants."""
        m, shape = self.problem.num_actions, self.problem.gain_mask.shape
        return [
            sp.csr_array((entries[:-m] * seen, self.entries), shape=shape) for seen in self.seen
        ], entries[-m:]

    def loss(self, entries: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean cost of an agent and its gradient, back through the episodes."""
        rows, columns = self.entries
        weights, paid = self.problem.state_weights.sum(0), self.problem.action_weights.sum(0)
        inputs, own = sp.csr_array(self.inputs.T), self._split(entries)[0]
        cost, ahead = 0.0, np.zeros_like(self.start)
        by_gain, by_constant = np.zeros(len(rows)), np.zeros(self.problem.num_actions)
        steps = zip(self._simulate(entries), self.transposed, self.seen, own, strict=True)
        for (x, u), transposed, seen, gains in reversed(list(steps)):
            error = x - self.problem.target
            cost += float((error**2 @ weights + u**2 @ paid).sum())
            before = (2 * paid * u + (inputs @ ahead.T).T) * (self.limit - u**2 / self.limit)
            by_constant += before.sum(0)
            by_gain += seen * np.einsum("ek,ek->k", before[:, rows], error[:, columns])
            ahead = 2 * weights * error + (transposed @ ahead.T).T + (gains.T @ before.T).T
        size = self.start.size
        return cost / size, np.concatenate([by_gain, by_constant]) / size


def best_saturated_policy(
    problem: LinearQuadraticProblem, limit: np.ndarray, episodes: int = 256
) -> np.ndarray:
    """The best `limit * tanh(K (o - target) + k)` found: entries of K, then the constants.

    Entries stand in the order of the mask. Sample average over common random numbers, L-BFGS: first
    with one gain on the own temperature, one on the others and one shift for all zones, from
    several starts that agree on an optimum; then with all entries free.
    """
    sampled = SampledBuilding(problem, limit, episodes, seed=1)
    rows, columns = sampled.entries
    own, size = problem.action_owner[rows] == columns, len(rows)
    constant = np.arctanh(np.clip(best_constants(problem, limit) / limit, -0.95, 0.95))

    def laid_out(shared: np.ndarray) -> np.ndarray:
        """All entries and constants from three shared numbers."""
        return np.concatenate(
            [np.where(own, shared[0], shared[1]) * 10 / limit[rows], constant + shared[2]]
        )

    def shared_loss(shared: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = sampled.loss(laid_out(shared))
        scaled = gradient[:size] * 10 / limit[rows]
        return value, np.array([scaled[own].sum(), scaled[~own].sum(), gradient[size:].sum()])

    starts = [
        scipy.optimize.minimize(
            shared_loss, [own_gain, 0.0, 0.0], jac=True, method="L-BFGS-B", options={"maxiter": 60}
        )
        for own_gain in (-0.2, -1.0)
    ]
    best = min(starts, key=lambda result: result.fun)
    options = {"maxiter": 200, "maxcor": 20}
    return scipy.optimize.minimize(
        sampled.loss, laid_out(best.x), jac=True, method="L-BFGS-B", options=options
    ).x


def saturated_gain(
    problem: LinearQuadraticProblem,
    limit: np.ndarray,
    entries: np.ndarray,
    constants: np.ndarray,
    seed: int = 2,
) -> tuple[float, float]:
    """How much more a zone earns under a saturated policy than with constant power.

    Both act in the same sampled episodes, in antithetic pairs, so what chance adds to both cancels.

    **Arguments:**

    - `problem`, `limit`: the building, and the largest power of its actuators, in kW.
    - `entries`: the saturated policy, as [`best_saturated_policy`][] gives it.
    - `constants`: the constant powers, in kW.
    - `seed`: of the episodes.

    **Returns:**

    The mean gain of a zone in an episode, and its standard error.
    """
    # Many zones are as good as many episodes.
    episodes = min(8192, 8192 * 40 // problem.num_states // 2 * 2)
    sampled = SampledBuilding(problem, limit, episodes, seed)
    still = np.zeros_like(entries)
    still[-len(constants) :] = np.arctanh(np.clip(constants / limit, -1 + 1e-12, 1 - 1e-12))
    gained = (sampled.returns(entries) - sampled.returns(still)).mean(1)
    pairs = gained.reshape(2, -1).mean(0)
    return float(pairs.mean()), float(pairs.std() / np.sqrt(len(pairs)))
