"""Reference figures of the building: exact where the policy is affine, sampled where actions saturate (numpy)."""

import dataclasses
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from jaxtyping import Float

from mastac.envs.linear_system import (
    LinearQuadraticProblem,
    best_structured_gain,
    episode_return,
    riccati,
)
from mastac.structure import Couplings, CouplingSequence


def thermal_problem(couplings: Couplings | CouplingSequence, values: dict[str, Any]) -> LinearQuadraticProblem:
    """The building without its actuator limits, from its couplings and its options (eq. 84)."""
    if isinstance(couplings, CouplingSequence):
        whole = thermal_problem(couplings.union(), values)
        entries = {id(each): each for each in couplings}  # few of them take turns
        built = {key: thermal_problem(each, values).state_matrix for key, each in entries.items()}
        return dataclasses.replace(
            whole,
            state_matrix=built[id(couplings[0])],
            schedule=np.stack([built[id(each)] for each in couplings]),
            gain_schedule=np.stack([each.observation.toarray() for each in couplings]),
        )
    n = couplings.num_agents
    per_zone = {name: np.broadcast_to(np.asarray(values[name], float), n) for name in _PER_ZONE}
    nu, step = per_zone["capacitance"], values["step_seconds"]
    graph = couplings.state.tocoo()
    row, col = graph.row[graph.row != graph.col], graph.col[graph.row != graph.col]
    resistance = np.full(len(row), 1.0)
    if isinstance(values["wall_resistance"], list):
        names = couplings.agents
        known = {frozenset(wall[:2]): wall[2] for wall in values["wall_resistance"]}
        resistance = np.array([known[frozenset((names[i], names[j]))] for i, j in zip(row, col, strict=True)])
    else:
        resistance *= values["wall_resistance"]
    conductance = sp.coo_array((step / (nu[row] * resistance), (row, col)), shape=(n, n)).toarray()
    leak = step / (nu * per_zone["outside_resistance"])
    return LinearQuadraticProblem(
        state_matrix=np.diag(1 - leak - conductance.sum(1)) + conductance,
        input_matrix=np.diag(step / nu),
        offset=leak * values["outside"] + step / nu * per_zone["heat_kw"],
        state_weights=np.eye(n),
        action_weights=np.diag(per_zone["control_cost"]),
        target=per_zone["target"],
        noise_variance=values["noise_variance"] * step / nu**2,
        start_mean=np.full(n, values["start_mean"]),
        start_variance=np.full(n, values["start_variance"]),
        state_owner=np.arange(n),
        action_owner=np.arange(n),
        gain_mask=couplings.observation.toarray(),
        horizon=values["horizon"],
    )


def building_of_doors(num_agents: int, options: dict[str, Any]) -> dict[str, Any]:
    """The options of rooms with doors as those of a building: the limits of strong and weak rooms in turns."""
    limits = [options["strong_kw"] if room % 2 == 0 else options["weak_kw"] for room in range(num_agents)]
    return {**options, "limit_kw": limits}


_PER_ZONE = ("capacitance", "outside_resistance", "heat_kw", "target", "control_cost")


def best_constants(
    problem: LinearQuadraticProblem, limit: Float[np.ndarray, " agents"]
) -> Float[np.ndarray, " agents"]:
    """The best constant action of every zone within ± `limit`, together: a convex quadratic program.

    A constant shifts the mean path and leaves the spread alone, so the noise plays no part.
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
        total = sum(float(error @ (x - problem.target)) for error, x in zip(errors, path, strict=True))
        gradient, ahead = 2 * steps * paid * u, np.zeros_like(weights)
        for error, transposed in zip(reversed(errors), reversed(back_by), strict=True):
            gradient = gradient + inputs_transposed @ ahead
            ahead = 2 * error + transposed @ ahead
        return total + steps * float(paid @ u**2), gradient

    bounds = list(zip(-limit, limit, strict=True))
    options = {"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-9}
    start = np.zeros(problem.num_actions)
    return scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x


def _sparse(problem: LinearQuadraticProblem) -> list[sp.csr_array]:
    """The state matrix of every step; one object where it stays the same."""
    if problem.schedule is None:
        return [sp.csr_array(problem.state_matrix)] * problem.horizon
    return [sp.csr_array(each) for each in problem.schedule]


class SampledBuilding:
    """Episodes of the building with common random numbers, and the return of `limit * tanh(K x + k)` on them."""

    def __init__(self, problem: LinearQuadraticProblem, limit: np.ndarray, episodes: int, seed: int) -> None:
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
        self.gain = np.diag(problem.input_matrix)
        rows, columns = np.nonzero(problem.gain_mask)
        self.entries = (rows, columns)
        # What is seen of each entry at each step.
        seen = (
            np.ones((problem.horizon, 1)) if problem.gain_schedule is None else problem.gain_schedule[:, rows, columns]
        )
        self.seen = seen.astype(float)
        self.sums = sp.csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(n, len(rows)))

    def returns(self, entries: np.ndarray) -> Float[np.ndarray, "episodes agents"]:
        """Each episode's and zone's return under the policy with these entries of K, then the constants."""
        return self._simulate(entries)[0]

    def _simulate(self, entries: np.ndarray) -> tuple[np.ndarray, list, list]:
        n = self.problem.num_states
        weights, paid = self.problem.state_weights.sum(0), self.problem.action_weights.sum(0)
        x, total, path, actions = self.start, np.zeros_like(self.start), [], []
        for noise, step, seen in zip(self.noise, self.steps, self.seen, strict=True):
            gains = sp.csr_array((entries[:-n] * seen, self.entries), shape=(n, n))
            u = self.limit * np.tanh((gains @ (x - self.problem.target).T).T + entries[-n:])
            total = total - weights * (x - self.problem.target) ** 2 - paid * u**2
            path.append(x)
            actions.append(u)
            x = (step @ x.T).T + self.gain * u + self.problem.offset + noise
        return total, path, actions

    def loss(self, entries: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean cost of an agent and its gradient, back through the episodes."""
        n = self.problem.num_states
        rows, columns = self.entries
        weights, paid = self.problem.state_weights.sum(0), self.problem.action_weights.sum(0)
        total, path, actions = self._simulate(entries)
        ahead, by_gain, by_constant = np.zeros_like(path[0]), np.zeros(len(rows)), np.zeros(n)
        steps = zip(path, actions, self.transposed, self.seen, strict=True)
        for x, u, transposed, seen in reversed(list(steps)):
            gains = sp.csr_array((entries[:-n] * seen, self.entries), shape=(n, n))
            error = x - self.problem.target
            before = (2 * paid * u + self.gain * ahead) * (self.limit - u**2 / self.limit)
            by_constant += before.sum(0)
            by_gain += seen * np.einsum("ek,ek->k", before[:, rows], error[:, columns])
            ahead = 2 * weights * error + (transposed @ ahead.T).T + (gains.T @ before.T).T
        size = total.size
        return -float(total.sum()) / size, np.concatenate([by_gain, by_constant]) / size


def best_saturated_policy(problem: LinearQuadraticProblem, limit: np.ndarray, episodes: int = 256) -> np.ndarray:
    """The best `limit * tanh(K (o - target) + k)` found: entries of K in the order of the mask, then the constants.

    Sample average over common random numbers, L-BFGS: first with one gain on the own temperature, one on the others
    and one shift for all zones, from several starts that agree on an optimum; then with all entries free.
    """
    sampled = SampledBuilding(problem, limit, episodes, seed=1)
    rows, columns = sampled.entries
    own, size = rows == columns, len(rows)
    constant = np.arctanh(np.clip(best_constants(problem, limit) / limit, -0.95, 0.95))

    def spread(shared: np.ndarray) -> np.ndarray:
        return np.concatenate([np.where(own, shared[0], shared[1]) * 10 / limit[rows], constant + shared[2]])

    def shared_loss(shared: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = sampled.loss(spread(shared))
        scaled = gradient[:size] * 10 / limit[rows]
        return value, np.array([scaled[own].sum(), scaled[~own].sum(), gradient[size:].sum()])

    starts = [
        scipy.optimize.minimize(shared_loss, [own_gain, 0.0, 0.0], jac=True, method="L-BFGS-B", options={"maxiter": 60})
        for own_gain in (-0.2, -1.0)
    ]
    best = min(starts, key=lambda found: found.fun)
    options = {"maxiter": 200, "maxcor": 20}
    return scipy.optimize.minimize(sampled.loss, spread(best.x), jac=True, method="L-BFGS-B", options=options).x


def saturated_bound(problem: LinearQuadraticProblem, limit: np.ndarray, iterations: int = 60) -> float:
    r"""An upper bound on the episode return (summed over agents) of every policy with $|u_i| \le$ `limit`.

    Lagrangian relaxation. A limited policy has $E u_i(t)^2 \le \text{limit}_i^2$, so for any multipliers
    $\lambda \ge 0$ its return is at most $\max E[\sum r - \sum \lambda_{it} (u_i(t)^2 - \text{limit}_i^2)]$ over all
    policies, a linear-quadratic problem that the Riccati equation solves exactly. Each $\lambda$ gives a proven bound;
    the best one is sought by L-BFGS (the bound is convex in $\lambda$). With $\lambda = 0$ it is the optimum without
    limits, so the bound is never looser than that.
    """
    steps, n = problem.horizon, problem.num_actions
    paid = problem.action_weights.sum(0)

    def loss(multipliers: np.ndarray) -> tuple[float, np.ndarray]:
        extra = np.broadcast_to(multipliers.reshape(steps, -1), (steps, n))
        gains, _, value = riccati(problem, paid + extra)
        slack, moment = np.empty((steps, n)), problem.start
        for t, gain in enumerate(gains):
            slack[t] = limit**2 - np.einsum("ij,jk,ik->i", gain, moment, gain)
            loop = problem.transitions[t] + problem.inputs @ gain
            moment = loop @ moment @ loop.T + problem.noise
        gradient = slack.sum(1) if multipliers.size == steps else slack.ravel()
        return value + float(np.sum(extra * limit**2)), gradient

    def least(start: np.ndarray, rounds: int) -> scipy.optimize.OptimizeResult:
        options = {"maxiter": rounds}
        bounds = scipy.optimize.Bounds(0, np.inf)
        return scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)

    shared = least(np.zeros(steps), iterations)
    alike = np.ptp(limit) == 0
    best = shared if alike else least(np.repeat(shared.x, n), iterations)
    return min(float(best.fun), float(loss(np.zeros(steps))[0]))


def thermal_figures(
    couplings: Couplings | CouplingSequence, values: dict[str, Any]
) -> tuple[dict[str, Any], np.ndarray]:
    """Reference figures of a building, per zone, and the saturated policy that attains the best known one."""
    problem = thermal_problem(couplings, values)
    n = problem.num_agents
    limit = np.broadcast_to(np.asarray(values["limit_kw"], float), n)
    policy = np.round(best_saturated_policy(problem, limit), 4)
    own = dataclasses.replace(problem, gain_mask=np.eye(n, dtype=bool))

    def constant(u: np.ndarray) -> float:
        gain = np.zeros((n, n + 1))
        gain[:, -1] = u
        return episode_return(problem, gain)[0] / n

    constants = best_constants(problem, limit)
    simple = constant(constants)
    gained, _ = saturated_gain(problem, limit, policy, constants)
    # A static gain may use only what is seen at all times.
    static = problem.gain_schedule is None
    affine = {"static affine feedback without limits": best_structured_gain(problem)[1] / n} if static else {}
    figures = {
        "simple": simple,
        "best_known": simple + (gained if gained > 1e-6 * abs(simple) else 0.0),
        "bound": saturated_bound(problem, limit) / n,
        "policies": {
            "no control": constant(np.zeros(n)),
            "static affine feedback without limits, own temperature": best_structured_gain(own)[1] / n,
            **affine,
            "full information without limits": riccati(problem)[2] / n,
        },
        "notes": NOTES,
    }
    return figures, policy


NOTES = (
    "Simple: the best constant power. Best known: the best limit * tanh(K o + b) found. Bound: no policy within the "
    "limits returns more (Lagrangian relaxation). Policies without limits are exact."
)


def saturated_gain(
    problem: LinearQuadraticProblem,
    limit: np.ndarray,
    entries: np.ndarray,
    constants: np.ndarray,
    episodes: int = 8192,
    seed: int = 2,
) -> tuple[float, float]:
    """How much more a zone earns under a saturated policy than with constant power, and the standard error.

    Both act in the same sampled episodes, in antithetic pairs, so what chance adds to both cancels.
    """
    sampled = SampledBuilding(problem, limit, episodes, seed)
    still = np.zeros_like(entries)
    still[-len(constants) :] = np.arctanh(np.clip(constants / limit, -1 + 1e-12, 1 - 1e-12))
    gained = (sampled.returns(entries) - sampled.returns(still)).mean(1)
    pairs = gained.reshape(2, -1).mean(0)
    return float(pairs.mean()), float(pairs.std() / np.sqrt(len(pairs)))
