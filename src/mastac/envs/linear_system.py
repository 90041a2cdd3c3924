r"""Linear-quadratic problems over one episode: returns, their gradients and optima (numpy).

Everything is written in homogeneous coordinates $\bar x = (x, 1)$, so that offsets, targets away
from zero and affine policies $u = K \bar x$ need no case of their own: the last column of a gain is
the constant part. Values of endless discounted episodes are in
[`mastac.theory.linear_quadratic`][].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Bool, Float, Inexact, Int

# `affine`: the states and the constant 1 behind them.
Gain = Inexact[np.ndarray, "actions affine"]


@dataclass(frozen=True)
class LinearQuadraticProblem:
    r"""Linear dynamics and quadratic rewards of agents that own entries of states and actions.

    $$x' = A x + B u + c + w, \quad
    r_i = -\sum_k W_{ik} (x_k - x^*_k)^2 - \sum_k R_{ik} u_k^2$$

    **Arguments:**

    - `state_matrix` $A$, `input_matrix` $B$, `offset` $c$: one step; entries of all agents in one
        vector.
    - `state_weights` $W$, `action_weights` $R$: [agents, entries], what each agent pays for.
    - `target` $x^*$; `noise_variance`: of $w$, independent entries.
    - `start_mean`, `start_variance`: of the first state, independent entries.
    - `state_owner`, `action_owner`: the agent that each entry belongs to.
    - `gain_mask`: the entries of $K$ that the agents' observations allow, without the constant
        column.
    - `horizon`: steps of an episode; the reward of a step is that of its state and action.
    - `schedule`: $A$ of every step where it changes with the time; `state_matrix` is then that of
        the first.
    - `gain_schedule`: `gain_mask` of every step where what is seen changes with the time.
    """

    state_matrix: Float[np.ndarray, "states states"]
    input_matrix: Float[np.ndarray, "states actions"]
    offset: Float[np.ndarray, " states"]
    state_weights: Float[np.ndarray, "agents states"]
    action_weights: Float[np.ndarray, "agents actions"]
    target: Float[np.ndarray, " states"]
    noise_variance: Float[np.ndarray, " states"]
    start_mean: Float[np.ndarray, " states"]
    start_variance: Float[np.ndarray, " states"]
    state_owner: Int[np.ndarray, " states"]
    action_owner: Int[np.ndarray, " actions"]
    gain_mask: Bool[np.ndarray, "actions states"]
    horizon: int
    schedule: Float[np.ndarray, "steps states states"] | None = None
    gain_schedule: Bool[np.ndarray, "steps actions states"] | None = None

    @property
    def num_agents(self) -> int:
        return len(self.state_weights)

    @property
    def num_states(self) -> int:
        return len(self.state_matrix)

    @property
    def num_actions(self) -> int:
        return self.input_matrix.shape[1]

    @cached_property
    def transition(self) -> Float[np.ndarray, "affine affine"]:
        """$A$ and $c$ in homogeneous coordinates."""
        return self._homogeneous(self.state_matrix)

    @cached_property
    def transitions(self) -> Sequence[Float[np.ndarray, "affine affine"]]:
        """`transition` of every step."""
        if self.schedule is None:
            return [self.transition] * self.horizon
        return [self._homogeneous(state_matrix) for state_matrix in self.schedule]

    @property
    def state_matrices(self) -> Sequence[Float[np.ndarray, "states states"]]:
        """$A$ of every step."""
        return [self.state_matrix] * self.horizon if self.schedule is None else list(self.schedule)

    def _homogeneous(self, state_matrix: np.ndarray) -> np.ndarray:
        n = self.num_states
        return np.block([[state_matrix, self.offset[:, None]], [np.zeros((1, n)), np.ones((1, 1))]])

    @cached_property
    def inputs(self) -> Float[np.ndarray, "affine actions"]:
        """$B$ in homogeneous coordinates."""
        return np.vstack([self.input_matrix, np.zeros((1, self.num_actions))])

    @cached_property
    def noise(self) -> Float[np.ndarray, "affine affine"]:
        """Covariance of the disturbance in homogeneous coordinates."""
        return np.diag(np.append(self.noise_variance, 0.0))

    @cached_property
    def start(self) -> Float[np.ndarray, "affine affine"]:
        r"""Second moment $E[\bar x \bar x^\top]$ of the first state."""
        mean = np.append(self.start_mean, 1.0)
        return np.outer(mean, mean) + np.diag(np.append(self.start_variance, 0.0))

    def state_cost(
        self, weights: Float[np.ndarray, " states"]
    ) -> Float[np.ndarray, "affine affine"]:
        r"""The quadratic form in $\bar x$ of $\sum_k w_k (x_k - x^*_k)^2$."""
        cross = -weights * self.target
        return np.block(
            [[np.diag(weights), cross[:, None]], [cross, np.array([[weights @ self.target**2]])]]
        )

    @cached_property
    def free(self) -> Bool[np.ndarray, "actions affine"]:
        """The entries of a gain that a structured affine policy may set."""
        return np.hstack([self.gain_mask, np.ones((self.num_actions, 1), bool)])

    def affine(self, gain: Float[np.ndarray, "actions _"]) -> Gain:
        """`gain` with a zero constant column if it has none."""
        gain = np.asarray(gain, float)
        return (
            np.hstack([gain, np.zeros((len(gain), 1))])
            if gain.shape[1] == self.num_states
            else gain
        )


def episode_return(
    problem: LinearQuadraticProblem, gain: Float[np.ndarray, "actions _"]
) -> tuple[float, Gain]:
    r"""Expected undiscounted return of one episode under a static gain, and its gradient.

    Second moments run forwards, values backwards:
    $\partial U / \partial K = -2 \sum_t (R K + B^\top P_{t+1} L_t)\, E[\bar x_t \bar x_t^\top]$
    with $L_t = A_t + B K$.

    **Arguments:**

    - `problem`: the system.
    - `gain`: $K$ of $u = K \bar x$, with or without the constant column.

    **Returns:**

    The return, summed over agents, and its gradient in the entries of $K$; zero where the
    observations do not allow an entry.
    """
    gain = problem.affine(gain)
    driven = problem.inputs @ gain
    loops = [transition + driven for transition in problem.transitions]
    paid = problem.action_weights.sum(0)
    cost = problem.state_cost(problem.state_weights.sum(0)) + gain.T @ (paid[:, None] * gain)
    moments = [problem.start]
    for loop in loops[:-1]:
        moments.append(loop @ moments[-1] @ loop.T + problem.noise)
    gradient, value = np.zeros_like(gain), np.zeros_like(cost)
    for loop, moment in zip(reversed(loops), reversed(moments), strict=True):
        gradient -= 2 * (paid[:, None] * gain + problem.inputs.T @ value @ loop) @ moment
        value = cost + loop.T @ value @ loop
    return -float(np.sum(cost * sum(moments))), np.where(problem.free, gradient, 0.0)


def agent_returns(
    problem: LinearQuadraticProblem, gain: Float[np.ndarray, "actions _"]
) -> Float[np.ndarray, " agents"]:
    """Expected undiscounted return of one episode of every agent under the static `gain`."""
    gain = problem.affine(gain)
    driven = problem.inputs @ gain
    moment, total = problem.start, np.zeros_like(problem.start)
    for transition in problem.transitions:
        total = total + moment
        loop = transition + driven
        moment = loop @ moment @ loop.T + problem.noise
    n = problem.num_states
    squares = (
        np.diag(total)[:n] - 2 * problem.target * total[:n, n] + problem.target**2 * total[n, n]
    )
    return -problem.state_weights @ squares - problem.action_weights @ np.diag(
        gain @ total @ gain.T
    )


def best_structured_gain(
    problem: LinearQuadraticProblem,
    objective: Callable[[Gain], tuple[float, Gain]] | None = None,
    start: Float[np.ndarray, "actions _"] | None = None,
    constant: bool = True,
) -> tuple[Gain, float]:
    """The static gain with the highest `objective` that the observations allow, and its value.

    L-BFGS with exact gradients: a stationary point, which for structured gains need not be the
    global optimum.

    **Arguments:**

    - `problem`: the system.
    - `objective`: gives value and gradient of a gain; [`episode_return`][] unless given.
    - `start`: where the search begins; zero unless given.
    - `constant`: whether the constant part is sought, too; otherwise it stays zero.
    """
    score = objective or (lambda gain: episode_return(problem, gain))
    free = problem.free.copy()
    free[:, -1] &= constant
    gain = np.zeros(free.shape) if start is None else problem.affine(start).copy()

    def loss(entries: np.ndarray) -> tuple[float, np.ndarray]:
        gain[free] = entries
        try:
            value, gradient = score(gain)
        except ValueError:  # infinite under this gain: the line search steps back
            return np.inf, np.zeros(len(entries))
        return -value, -gradient[free]

    options = {"maxiter": 5000, "maxfun": 20000, "maxcor": 30, "ftol": 1e-15, "gtol": 1e-10}
    best = scipy.optimize.minimize(loss, gain[free], jac=True, method="L-BFGS-B", options=options)
    gain[free] = best.x
    return gain, -float(best.fun)


def riccati(
    problem: LinearQuadraticProblem, action_cost: Float[np.ndarray, "horizon actions"] | None = None
) -> tuple[list[Gain], list[Float[np.ndarray, "affine affine"]], float]:
    r"""The optimum with full information and unbounded actions, by the Riccati recursion.

    Every policy, whatever it observes, returns at most this.

    **Arguments:**

    - `problem`: the system.
    - `action_cost`: replaces the weights of $u_k^2$, one row for each step.

    **Returns:**

    The optimal $K_t$ of every step; $P_t$ of every step and the end, with
    $V_t(x) = -\bar x^\top P_t \bar x - v_t$ and $P_T = 0$; the expected return of an episode,
    summed over agents.
    """
    paid = np.broadcast_to(problem.action_weights.sum(0), (problem.horizon, problem.num_actions))
    paid = paid if action_cost is None else action_cost
    cost = problem.state_cost(problem.state_weights.sum(0))
    value, spent = np.zeros_like(cost), 0.0
    gains, values = [], [value]
    for t in reversed(range(problem.horizon)):
        spent += float(np.sum(value * problem.noise))
        transition = problem.transitions[t]
        ahead = value @ transition
        curvature = np.diag(paid[t]) + problem.inputs.T @ value @ problem.inputs
        gain = -scipy.linalg.solve(curvature, problem.inputs.T @ ahead, assume_a="pos")
        value = cost + transition.T @ ahead + (transition.T @ value @ problem.inputs) @ gain
        value = (value + value.T) / 2
        gains.append(gain)
        values.append(value)
    return gains[::-1], values[::-1], -float(np.sum(value * problem.start)) - spent
