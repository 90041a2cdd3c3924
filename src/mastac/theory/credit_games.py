r"""Fixed points of gradient play in which each actor is credited with some agents' returns.

Exact, on linear-quadratic networks. Actor $i$ ascends the gradient of $U_i(K) = \sum_{j \in C_i}
J_j(K)$ in its own rows $K_i$ of the gain, where $J_j$ is the expected undiscounted episode return
of agent $j$ under the static structured gain $K$. At a fixed point no $U_i$ has a gradient in the
rows $K_i$. What that is depends on the credit:

- $C_i = \{i\}$ (independent learners): a stationary point as at a Nash equilibrium;
- $C_i$ everybody: one as at the team's optimum;
- $C_i = I_{GD}^i$ at a window $\kappa$: what MAStAC with exact critics converges to.

Only the credit is modelled. Critics that also *read* no more than a window have a further error,
which is not in here.
"""

import contextlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.optimize
from jaxtyping import Bool, Float

from mastac.envs.linear_system import Gain, LinearQuadraticProblem
from mastac.errors import UserError
from mastac.structure import Couplings, gradient_dependency, value_dependency

Credit = Bool[np.ndarray, "agents agents"]
NEWTON_STEPS = 12
MOST_CHANGE = 0.5  # of a gain in one step: far from the maximum the quadratic models mislead
TOLERANCE = 1e-9  # of gains, relative to the largest entry


@dataclass(frozen=True)
class FixedPoint:
    """A fixed point of gradient play, or the last point tried where none was reached.

    - `gain`: the static gain.
    - `residual`: the largest change of an entry of the gain if every actor moved to the maximum of
      its own quadratic model, relative to the largest entry (at least 1).
    - `converged`: whether `residual` is within the tolerance.
    - `passes`: number of gradients that were computed.
    """

    gain: Gain
    residual: float
    converged: bool
    passes: int


def windowed_credit(couplings: Couplings, kappa: int | None) -> Credit:
    r"""The credit of MAStAC: the gradient sets $I_{GD}$ at window `kappa` (`None`: exact).

    Entry `[i, j]` says whether the return of agent `j` is credited to agent `i`.
    """
    return gradient_dependency(value_dependency(couplings, kappa)).toarray().astype(bool)


def credited_gradient(
    problem: LinearQuadraticProblem, gain: Float[np.ndarray, "actions _"], credit: Credit
) -> Gain:
    r"""$\partial U_i / \partial K_i$, the gradient of each agent's credited return in its own rows.

    With everybody credited to everybody it is the gradient of
    [`mastac.envs.linear_system.episode_return`][]. All agents together cost a few products of whole
    matrices for each step, whatever the credit.

    **Arguments:**

    - `problem`: the network, which must not change with the time.
    - `gain`: a linear or affine feedback; a constant column is added where there is none.
    - `credit`: entry `[i, j]` says whether the return of agent `j` is credited to agent `i`.

    **Returns:**

    One row for each action; zero where the observations of its agent do not allow an entry.

    **Raises:**

    - [`mastac.errors.UserError`][] if the matrices or the observations change with the time, or
      `credit` is not one row and one column for each agent.
    """
    return _GradientPlay(problem, credit, constant=True).slopes(problem.affine(gain))[0]


def credited_fixed_point(
    problem: LinearQuadraticProblem,
    credit: Credit,
    start: Float[np.ndarray, "actions _"] | None = None,
    constant: bool = True,
    damped: Sequence[int] = (8, 60, 400),
) -> FixedPoint:
    """The static gain at which no actor's credited return has a gradient in its own rows.

    Damped steps, each half way to the maximum of every actor's quadratic model with values and
    states held fixed, are followed by Newton's method on those steps. Where that does not converge,
    as on the plateaus of networks that only neighbours together can stabilise, more damped steps
    continue from where they were, and Newton's method is tried again.

    Fixed points need not be unique: this is the one near which damped play from `start` ends up.
    Like that of any structured gain it is stationary, which is not proven to be a global best
    response.

    **Arguments:**

    - `problem`, `credit`: as for [`credited_gradient`][].
    - `start`: the gain to begin with; zero where it is `None`.
    - `constant`: whether the constant part of the feedback is free; otherwise it stays zero.
    - `damped`: numbers of damped steps before each attempt of Newton's method.

    **Returns:**

    The fixed point, with its residual and whether it converged.

    **Raises:**

    - [`mastac.errors.UserError`][] as [`credited_gradient`][].
    """
    play = _GradientPlay(problem, credit, constant)
    gain = np.zeros(play.free.shape) if start is None else problem.affine(start)
    entries = gain[play.free]
    best, residual = entries, np.inf
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        # A step that overflows is no progress, which shows in the residual.
        warnings.simplefilter("ignore", RuntimeWarning)
        for steps in damped:
            for _ in range(steps):
                change = play.step(entries)
                largest = max(np.abs(change).max(initial=0.0), MOST_CHANGE)
                entries = entries + 0.5 * change * min(1.0, MOST_CHANGE / largest)
            best = _newton(play, entries)
            residual = play.residual(best)
            if residual <= TOLERANCE:
                break
    return FixedPoint(play.gain(best), residual, residual <= TOLERANCE, play.passes)


def _newton(play: "_GradientPlay", entries: np.ndarray) -> np.ndarray:
    """A zero of the steps by Newton-Krylov from `entries`, or the best point seen on the way."""
    best, least = entries, np.inf

    def watched(point: np.ndarray) -> np.ndarray:
        nonlocal best, least
        change = play.step(point)
        size = float(np.abs(change).max())
        if size < least:
            best, least = point.copy(), size
        return change

    accuracy = TOLERANCE / 2 * max(1.0, float(np.abs(entries).max(initial=0.0)))
    # ValueError: the line search met infinite numbers, or no entry is free.
    with contextlib.suppress(scipy.optimize.NoConvergence, ValueError):
        scipy.optimize.newton_krylov(watched, entries, f_tol=accuracy, maxiter=NEWTON_STEPS)
    return best


class _GradientPlay:
    """Gradients and steps of all actors of one problem under one credit."""

    def __init__(self, problem: LinearQuadraticProblem, credit: Credit, constant: bool) -> None:
        if problem.schedule is not None or problem.gain_schedule is not None:
            raise UserError(
                "fixed points need a network that stays the same; leave out the schedule"
            )
        agents = problem.num_agents
        if np.shape(credit) != (agents, agents):
            raise UserError(
                f"credit must be {agents} rows of {agents} agents, got the shape {np.shape(credit)}"
            )
        self.problem, self.passes = problem, 0
        self.free = problem.free.copy()
        self.free[:, -1] &= constant
        credited = np.asarray(credit, float)[problem.action_owner]
        # Column k holds the weights of the costs that the owner of action k is credited with.
        self.state_weights = (credited @ problem.state_weights).T  # [states, actions]
        self.action_weights = (credited @ problem.action_weights).T  # [actions, actions]
        self.own_weights = np.diag(self.action_weights)

    @cached_property
    def observed(self) -> tuple[np.ndarray, np.ndarray]:
        """The columns that each action may use, padded to one width, and which of them are real."""
        counts = self.free.sum(1)
        width = int(counts.max(initial=0))
        columns = np.argsort(~self.free, axis=1, kind="stable")[:, :width]
        return columns, np.arange(width) < counts[:, None]

    def gain(self, entries: np.ndarray) -> Gain:
        gain = np.zeros(self.free.shape)
        gain[self.free] = entries
        return gain

    def residual(self, entries: np.ndarray) -> float:
        size = max(1.0, float(np.abs(entries).max(initial=0.0)))
        return float(np.abs(self.step(entries)).max(initial=0.0)) / size

    def slopes(self, gain: Gain) -> tuple[Gain, Float[np.ndarray, "actions _ _"]]:
        r"""The gradient, and half the negative Hessian of every action's quadratic model.

        The model holds states and values fixed. The value that agent $i$ is credited with is $V_i =
        \sum_k (L^k)^\top C_i L^k$ for the closed loop $L$ and the credited cost $C_i$. Only $V_i b$
        is needed, for its own column $b$ of $B$, so all agents share the powers of $L$: column by
        column, $C_i L^k b$ needs the diagonal of $C_i$ and the gain alone.
        """
        self.passes += 1
        problem, horizon = self.problem, self.problem.horizon
        loop = problem.transition + problem.inputs @ gain
        # Second moments of the states, forward in time; L times them, without the noise.
        moments, ahead = [problem.start], []
        for _ in range(horizon - 1):
            ahead.append(loop @ moments[-1])
            moments.append(ahead[-1] @ loop.T + problem.noise)
        columns, real = self.observed
        at = (columns[:, :, None], columns[:, None, :])
        gradient = -2 * self.own_weights[:, None] * (gain @ sum(moments))
        hessian = np.zeros((*columns.shape, columns.shape[1]))
        hessian += self.own_weights[:, None, None] * moments[-1][at]
        # Values times the input columns, backward in time: `pushed` is L^k B, `power` is L^k.
        pushed, power, value = problem.inputs, np.eye(len(loop)), np.zeros_like(problem.inputs)
        for moment, moved in zip(reversed(moments[:-1]), reversed(ahead), strict=True):
            value = value + power.T @ self._cost_times(gain, pushed)
            pushed, power = loop @ pushed, power @ loop
            gradient -= 2 * value.T @ moved
            curvature = self.own_weights + np.sum(problem.inputs * value, 0)
            hessian += curvature[:, None, None] * moment[at]
        both = real[:, :, None] & real[:, None, :]
        return np.where(self.free, gradient, 0.0), np.where(both, hessian, np.eye(columns.shape[1]))

    def _cost_times(self, gain: Gain, pushed: np.ndarray) -> np.ndarray:
        """Every column of `pushed` times the credited cost matrix of the action's owner."""
        state_cost = self.state_weights * pushed[:-1]
        of_states = np.vstack([state_cost, -self.problem.target @ state_cost])
        return of_states + gain.T @ (self.action_weights * (gain @ pushed))

    def step(self, entries: np.ndarray) -> np.ndarray:
        """From the free `entries` of a gain to the maximum of every action's quadratic model."""
        gradient, hessian = self.slopes(self.gain(entries))
        columns, real = self.observed
        rows = np.where(real, np.take_along_axis(gradient, columns, 1), 0.0)
        # Observed states that always move together make a model singular, but for this.
        size = np.trace(hessian, axis1=1, axis2=2)[:, None, None]
        hessian = hessian + 1e-13 * size * np.eye(columns.shape[1])
        change = np.zeros(self.free.shape)
        solution = np.linalg.solve(2 * hessian, rows[:, :, None])[:, :, 0]
        np.put_along_axis(change, columns, solution, 1)
        return change[self.free]
