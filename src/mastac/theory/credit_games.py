r"""What actors converge to that are credited with the returns of some agents, exactly, on linear-quadratic networks.

Actor $i$ climbs $U_i(K) = \sum_{j \in C_i} J_j(K)$, with $J_j$ the expected undiscounted episode
return of agent $j$ under the static structured gain $K$. Where no $U_i$ has a slope in the own rows
$K_i$, play stands still: with $C_i = \{i\}$ (independent learners) as at a Nash equilibrium, with
$C_i$ everybody as at the team's optimum, with $C_i = I_{GD}^i$ at a window $\kappa$ as MAStAC does
whose critics are exact. Only who is credited is modelled: critics that also *read* no more than a
window have a further error, which is not in here.
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
LEAP = 0.5  # far from the top the quadratic models mislead; of gains
TOLERANCE = 1e-9  # of gains, relative to the largest entry


@dataclass(frozen=True)
class Settled:
    """Where gradient play stands still.

    - `gain`: the fixed point, or the last point tried where none was found.
    - `residual`: how far the gain would still move, were every actor to climb to the top of its own
      quadratic model; the largest entry, relative to the largest of the gain (at least 1).
    - `converged`: whether `residual` is within the tolerance.
    - `passes`: how many gradients this took.
    """

    gain: Gain
    residual: float
    converged: bool
    passes: int


def windowed_credit(couplings: Couplings, kappa: int | None) -> Credit:
    r"""$I_{GD}$ at window `kappa` (`None`: exact): entry `[i, j]` says that agent `j`'s return is credited to `i`."""
    return gradient_dependency(value_dependency(couplings, kappa)).toarray().astype(bool)


def credited_gradient(
    problem: LinearQuadraticProblem, gain: Float[np.ndarray, "actions _"], credit: Credit
) -> Gain:
    r"""$\partial U_i / \partial K_i$ in the rows of every agent `i`, zero where its observations do not allow an entry.

    With everybody credited to everybody it is that of
    [`mastac.envs.linear_system.episode_return`][]. All agents together cost a few products of whole
    matrices for each step, whatever they are credited with.

    **Raises:** [`mastac.errors.UserError`][] if the matrices or what is seen change with the time,
    or `credit` is not one row and one column for each agent.
    """
    return _Play(problem, credit, constant=True).slopes(problem.affine(gain))[0]


def settled_gain(
    problem: LinearQuadraticProblem,
    credit: Credit,
    start: Float[np.ndarray, "actions _"] | None = None,
    constant: bool = True,
    damped: Sequence[int] = (8, 60, 400),
) -> Settled:
    """The static gain at which no actor's credited return has a slope, from `start` (default zero).

    The first of `damped` steps half the way to the top of every actor's quadratic model, values and
    states held as they are; then Newton's method on those steps. Where that does not arrive, as on
    the plateaus of networks that neighbours alone can steady, the steps go on from where they were,
    as many as `damped` says next, and so does it. `constant=False` leaves the constant part at
    zero. Fixed points need not be unique: this is the one near which damped play from `start` ends
    up, and like that of any structured gain it is stationary, which is not proven to be the best
    answer everywhere.

    **Raises:** as [`credited_gradient`][].
    """
    play = _Play(problem, credit, constant)
    gain = np.zeros(play.free.shape) if start is None else problem.affine(start)
    entries = gain[play.free]
    found, residual = entries, np.inf
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # what overflows is not a step forward, and shows as residual
        for steps in damped:
            for _ in range(steps):
                moved = play.step(entries)
                entries = entries + 0.5 * moved * min(
                    1.0, LEAP / max(np.abs(moved).max(initial=0.0), LEAP)
                )
            found = _rooted(play, entries)
            residual = play.residual(found)
            if residual <= TOLERANCE:
                break
    return Settled(play.gain(found), residual, residual <= TOLERANCE, play.passes)


def _rooted(play: "_Play", entries: np.ndarray) -> np.ndarray:
    """Where steps vanish, by Newton and Krylov from `entries`; the best point seen where they do not arrive."""
    best, least = entries, np.inf

    def watched(point: np.ndarray) -> np.ndarray:
        nonlocal best, least
        moved = play.step(point)
        size = float(np.abs(moved).max())
        if size < least:
            best, least = point.copy(), size
        return moved

    accuracy = TOLERANCE / 2 * max(1.0, float(np.abs(entries).max(initial=0.0)))
    # ValueError: the line search met infinite numbers, or no entry is free.
    with contextlib.suppress(scipy.optimize.NoConvergence, ValueError):
        scipy.optimize.newton_krylov(watched, entries, f_tol=accuracy, maxiter=NEWTON_STEPS)
    return best


class _Play:
    """Gradients and steps of all actors of one problem under one credit."""

    def __init__(self, problem: LinearQuadraticProblem, credit: Credit, constant: bool) -> None:
        if problem.schedule is not None or problem.gain_schedule is not None:
            raise UserError(
                "fixed points want a network that stays the same; leave out the schedule"
            )
        agents = problem.num_agents
        if np.shape(credit) != (agents, agents):
            raise UserError(
                f"credit must be {agents} rows of {agents} agents, got the shape {np.shape(credit)}"
            )
        self.problem, self.passes = problem, 0
        self.free = problem.free.copy()
        self.free[:, -1] &= constant
        owned = np.asarray(credit, float)[problem.action_owner]
        self.state_paid = (
            owned @ problem.state_weights
        ).T  # [states, actions]: a column for who owns the action
        self.action_paid = (owned @ problem.action_weights).T
        self.own_paid = np.diag(self.action_paid)

    @cached_property
    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns that each action may use, padded, and which of them are real: [actions, most of them]."""
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

    def slopes(self, gain: Gain) -> tuple[Gain, np.ndarray]:
        r"""The gradient, and every action's Hessian in its entries with values and states held (minus, halved).

        The value that agent $i$ climbs is $V_i = \sum_k (L^k)^\top C_i L^k$ for the loop $L$ and
        the cost $C_i$ that it is credited with. Only $V_i b$ is wanted for its own column $b$ of
        $B$, so all agents share the powers of $L$: column by column, $C_i L^k b$ needs the
        diagonals of $C_i$ alone.
        """
        self.passes += 1
        problem, horizon = self.problem, self.problem.horizon
        loop = problem.transition + problem.inputs @ gain
        moments, ahead = [problem.start], []
        for _ in range(horizon - 1):
            ahead.append(loop @ moments[-1])
            moments.append(ahead[-1] @ loop.T + problem.noise)
        columns, real = self.seen
        gradient = -2 * self.own_paid[:, None] * (gain @ sum(moments))
        hessian = np.zeros((*columns.shape, columns.shape[1]))
        pushed, power, value = problem.inputs, np.eye(len(loop)), np.zeros_like(problem.inputs)
        at = (columns[:, :, None], columns[:, None, :])
        hessian += self.own_paid[:, None, None] * moments[-1][at]
        for moment, moved in zip(reversed(moments[:-1]), reversed(ahead), strict=True):
            value = value + power.T @ self._charged(gain, pushed)
            pushed, power = loop @ pushed, power @ loop
            gradient -= 2 * value.T @ moved
            bent = self.own_paid + np.sum(problem.inputs * value, 0)
            hessian += bent[:, None, None] * moment[at]
        both = real[:, :, None] & real[:, None, :]
        return np.where(self.free, gradient, 0.0), np.where(both, hessian, np.eye(columns.shape[1]))

    def _charged(self, gain: Gain, pushed: np.ndarray) -> np.ndarray:
        """Every column of `pushed` times the cost matrix of the action's owner."""
        costly = self.state_paid * pushed[:-1]
        return np.vstack([costly, -self.problem.target @ costly]) + gain.T @ (
            self.action_paid * (gain @ pushed)
        )

    def step(self, entries: np.ndarray) -> np.ndarray:
        """From the free `entries` of a gain to the top of every action's model; zero where nobody gains by moving."""
        gradient, hessian = self.slopes(self.gain(entries))
        columns, real = self.seen
        rows = np.where(real, np.take_along_axis(gradient, columns, 1), 0.0)
        hessian = hessian + 1e-13 * np.trace(hessian, axis1=1, axis2=2)[:, None, None] * np.eye(
            columns.shape[1]
        )
        moved = np.zeros(self.free.shape)
        np.put_along_axis(
            moved, columns, np.linalg.solve(2 * hessian, rows[:, :, None])[:, :, 0], 1
        )
        return moved[self.free]
