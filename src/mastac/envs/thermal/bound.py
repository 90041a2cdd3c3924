"""How much no policy within the actuators' limits can return (numpy)."""

import dataclasses

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from jaxtyping import Float

from mastac.envs.linear_system import LinearQuadraticProblem, riccati


def saturated_bound(problem: LinearQuadraticProblem, limit: Float[np.ndarray, " actions"]) -> float:
    r"""An upper bound on the episode return of every policy with $|u_i| \le$ `limit`.

    Summed over agents. The sum over the building's connected parts, each with its own multipliers;
    parts that are alike are solved once.
    """
    return sum(
        count * _connected_bound(part, limit[acts])
        for part, acts, count in connected_parts(problem, limit)
    )


def connected_parts(
    problem: LinearQuadraticProblem, limit: Float[np.ndarray, " actions"]
) -> list[tuple[LinearQuadraticProblem, np.ndarray, int]]:
    """Parts of a building that share no heat and no reward.

    Agent `i` owns state `i`, as in every building.

    **Returns:**

    Of each kind of part its problem, the numbers of its actions, and how many parts are like it.
    """
    matrices = [problem.state_matrix] if problem.schedule is None else list(problem.schedule)
    coupled = sp.csr_array(sum(matrix != 0 for matrix in [*matrices, problem.state_weights]))
    parts: dict[bytes, tuple[LinearQuadraticProblem, np.ndarray, int]] = {}
    _, labels = sp.csgraph.connected_components(coupled, directed=False)
    for label in range(labels.max() + 1):
        zones = np.flatnonzero(labels == label)
        acts = np.flatnonzero(labels[problem.action_owner] == label)
        part = _restricted(problem, zones, acts)
        fields = [getattr(part, field.name) for field in dataclasses.fields(part)]
        key = b"".join(
            np.ascontiguousarray(value).tobytes()
            for value in [*fields, limit[acts]]
            if value is not None
        )
        first = parts.get(key, (part, acts, 0))
        parts[key] = (*first[:2], first[2] + 1)
    return list(parts.values())


def _restricted(
    problem: LinearQuadraticProblem, zones: np.ndarray, acts: np.ndarray
) -> LinearQuadraticProblem:
    """The problem of these zones and actions alone."""
    square, masked = np.ix_(zones, zones), np.ix_(acts, zones)
    return dataclasses.replace(
        problem,
        state_matrix=problem.state_matrix[square],
        input_matrix=problem.input_matrix[np.ix_(zones, acts)],
        state_weights=problem.state_weights[square],
        action_weights=problem.action_weights[np.ix_(zones, acts)],
        gain_mask=problem.gain_mask[masked],
        state_owner=np.arange(len(zones)),
        action_owner=np.searchsorted(zones, problem.action_owner[acts]),
        schedule=None if problem.schedule is None else problem.schedule[:, zones][:, :, zones],
        gain_schedule=None
        if problem.gain_schedule is None
        else problem.gain_schedule[:, acts][:, :, zones],
        **{name: getattr(problem, name)[zones] for name in _OF_STATES},
    )


_OF_STATES = ("offset", "target", "noise_variance", "start_mean", "start_variance")


def _connected_bound(
    problem: LinearQuadraticProblem, limit: np.ndarray, iterations: int = 60
) -> float:
    r"""The bound of one connected part: Lagrangian relaxation.

    A limited policy has $E u_i(t)^2 \le \text{limit}_i^2$, so for any multipliers $\lambda \ge 0$
    its return is at most $\max E[\sum r - \sum \lambda_{it} (u_i(t)^2 - \text{limit}_i^2)]$ over
    all policies, a linear-quadratic problem that the Riccati equation solves exactly. Each
    $\lambda$ gives a proven bound; the best one is sought by L-BFGS (the bound is convex in
    $\lambda$). With $\lambda = 0$ it is the optimum without limits, so the bound is never looser
    than that.
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
        return scipy.optimize.minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        )

    shared = least(np.zeros(steps), iterations)
    alike = np.ptp(limit) == 0
    best = shared if alike else least(np.repeat(shared.x, n), iterations)
    return min(float(best.fun), float(loss(np.zeros(steps))[0]))
