"""Exact action values and policy gradients of linear-quadratic networks, in double precision."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from mastac.envs.linear_system import (
    Gain,
    LinearQuadraticProblem,
    agent_returns,
    best_structured_gain,
    episode_return,
    riccati,
)

__all__ = [
    "ActionValues",
    "LinearQuadraticProblem",
    "action_values",
    "agent_returns",
    "best_structured_gain",
    "discounted_moments",
    "discounted_return",
    "episode_return",
    "lyapunov",
    "riccati",
    "value_supports",
]


@dataclass(frozen=True)
class ActionValues:
    r"""Exact action values $Q_i(x, u) = -\bar z^\top H_i \bar z - c_i$ with $\bar z = (x, u, 1)$.

    - `forms`: the symmetric matrices $H_i$.
    - `constants`: the numbers $c_i$.
    - `num_states`: the number of entries of $x$.
    """

    forms: Float[np.ndarray, "agents _ _"]
    constants: Float[np.ndarray, " agents"]
    num_states: int

    def __call__(
        self, x: Float[np.ndarray, "... states"], u: Float[np.ndarray, "... actions"]
    ) -> Float[np.ndarray, "... agents"]:
        """Every agent's value of states `x` and actions `u`."""
        z = np.concatenate([x, u, np.ones((*np.shape(x)[:-1], 1))], -1)
        return -np.einsum("...j,ijk,...k->...i", z, self.forms, z) - self.constants

    def action_gradients(
        self, x: Float[np.ndarray, "... states"], u: Float[np.ndarray, "... actions"]
    ) -> Float[np.ndarray, "... agents actions"]:
        r"""$\partial Q_i / \partial u$ for every agent."""
        z = np.concatenate([x, u, np.ones((*np.shape(x)[:-1], 1))], -1)
        return -2 * np.einsum("ijk,...k->...ij", self.forms[:, self.num_states : -1], z)


def _closed_loop(
    problem: LinearQuadraticProblem, gain: Gain, discount: float
) -> Float[np.ndarray, "_ _"]:
    """One step under `gain`; `ValueError` if its discounted values are infinite."""
    loop = problem.transition + problem.inputs @ gain
    radius = np.abs(np.linalg.eigvals(loop)).max()
    if not 0 <= discount < 1 or discount * radius**2 >= 1:
        raise ValueError(
            f"values are infinite: the discount {discount} times the square of the spectral "
            f"radius {radius:.4g} must be below 1"
        )
    return loop


def action_values(
    problem: LinearQuadraticProblem, gain: Float[np.ndarray, "actions _"], discount: float
) -> ActionValues:
    r"""Exact local action values of $u = K \bar x$: one Lyapunov equation for each agent.

    $V_i(x) = -\bar x^\top P_i \bar x - v_i$ with $P_i = C_i + K^\top R_i K + \gamma (A + BK)^\top
    P_i (A + BK)$ and $v_i = \gamma \operatorname{tr}(P_i \Sigma_w) / (1 - \gamma)$; $Q_i$ adds one
    step before it. The end of an episode is a time limit, so these are the values of an infinite
    horizon.

    **Arguments:**

    - `problem`: the network.
    - `gain`: $K$, linear or with a constant column.
    - `discount`: $\gamma$, at least 0 and below 1.

    **Raises:**

    - `ValueError` if the values are infinite under this gain and discount.
    """
    gain = problem.affine(gain)
    loop = _closed_loop(problem, gain, discount)
    n, m = problem.num_states, problem.num_actions
    step = np.zeros((n + 1, n + m + 1))
    step[:, :n], step[:, n : n + m], step[:, -1] = (
        problem.transition[:, :n],
        problem.inputs,
        problem.transition[:, n],
    )
    forms = np.empty((problem.num_agents, n + m + 1, n + m + 1))
    constants = np.empty(problem.num_agents)
    in_states = np.append(np.arange(n), n + m)
    for i in range(problem.num_agents):
        cost, paid = problem.state_cost(problem.state_weights[i]), problem.action_weights[i]
        value = lyapunov(loop.T, cost + gain.T @ (paid[:, None] * gain), discount)
        form = discount * step.T @ value @ step
        form[np.ix_(in_states, in_states)] += cost
        form[np.arange(n, n + m), np.arange(n, n + m)] += paid
        forms[i] = (form + form.T) / 2
        constants[i] = discount * np.trace(value @ problem.noise) / (1 - discount)
    return ActionValues(forms, constants, n)


def lyapunov(
    matrix: Float[np.ndarray, "n n"], source: Float[np.ndarray, "n n"], discount: float
) -> Float[np.ndarray, "n n"]:
    r"""The solution $X$ of the discrete Lyapunov equation $X = S + \gamma M X M^\top$.

    By doubling: $k$ rounds sum $2^k$ terms of the series $\sum_t \gamma^t M^t S (M^\top)^t$.
    Entries that are zero by structure stay exactly zero, which a dense solver would not give.
    """
    total, power = source.copy(), np.sqrt(discount) * matrix
    for _ in range(64):
        added = power @ total @ power.T
        total = total + added
        if np.abs(added).max() <= 1e-17 * np.abs(total).max():
            return total
        power = power @ power
    return total


def discounted_moments(
    problem: LinearQuadraticProblem, gain: Float[np.ndarray, "actions _"], discount: float
) -> Float[np.ndarray, "affine affine"]:
    r"""$\sum_t \gamma^t E[\bar x_t \bar x_t^\top]$ under `gain`, $\bar x = (x, 1)$.

    These are the second moments of the states that a policy gradient averages over.
    """
    gain = problem.affine(gain)
    loop = _closed_loop(problem, gain, discount)
    return lyapunov(loop, problem.start + discount / (1 - discount) * problem.noise, discount)


def discounted_return(
    problem: LinearQuadraticProblem, gain: Float[np.ndarray, "actions _"], discount: float
) -> tuple[float, Gain]:
    r"""The discounted return $\sum_i E \sum_t \gamma^t r_i(t)$ of $u = K \bar x$, and its gradient.

    The horizon is infinite. The gradient is with respect to the entries of $K$ that the
    observations allow, zero elsewhere:
    $-2 [(R + \gamma B^\top P B) K + \gamma B^\top P A] \sum_t \gamma^t E[\bar x_t \bar x_t^\top]$.
    """
    gain = problem.affine(gain)
    loop = _closed_loop(problem, gain, discount)
    moments = discounted_moments(problem, gain, discount)
    paid = problem.action_weights.sum(0)
    cost = problem.state_cost(problem.state_weights.sum(0)) + gain.T @ (paid[:, None] * gain)
    value = lyapunov(loop.T, cost, discount)
    slope = paid[:, None] * gain + discount * problem.inputs.T @ value @ loop
    return -float(np.sum(cost * moments)), np.where(problem.free, -2 * slope @ moments, 0.0)


def value_supports(
    values: ActionValues, problem: LinearQuadraticProblem
) -> tuple[sp.csr_array, sp.csr_array]:
    """Whose states and whose actions each agent's value depends on.

    Two boolean matrices [agents, agents]; row depends on column.
    """
    n = problem.num_states
    moves = np.abs(values.forms).max(2) > 0
    owners = np.eye(problem.num_agents, dtype=bool)
    states = (moves[:, :n].astype(int) @ owners[problem.state_owner]) > 0
    actions = (moves[:, n:-1].astype(int) @ owners[problem.action_owner]) > 0
    return sp.csr_array(states), sp.csr_array(actions)
