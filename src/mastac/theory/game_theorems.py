"""Theorems 3.2, 3.6 and 3.7 (b) on finite games: both sides exactly, and how far they are apart.

A value is given only what its theorem says that a critic needs: agents outside a set are pinned to
their first state and action before a value is used. A set that lacks a member therefore shows as a
deviation.
"""

import numpy as np
from jaxtyping import Inexact

from mastac.theory.comparison import TheoremCheck, complex_slopes, relative_deviation
from mastac.theory.games import (
    Game,
    Logits,
    action_values,
    expected_return,
    joint_policy,
    occupancy,
    score_average,
)
from mastac.theory.sets import DependencySets

Values = Inexact[np.ndarray, "agents states actions"]


def as_read(game: Game, values: Values, sets: DependencySets) -> Values:
    """Every agent's value as a critic knows it that reads its set only."""
    return np.stack(
        [_pinned(game, value, ~sets.states[i], ~sets.actions[i]) for i, value in enumerate(values)]
    )


def _pinned(game: Game, value: np.ndarray, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """A value at the first state and the first action of the marked agents."""
    first = tuple(slice(0, 1) if pinned else slice(None) for pinned in (*states, *actions))
    return np.broadcast_to(value.reshape(game.axes)[first], game.axes).reshape(value.shape)


def _smallest_move(game: Game, value: np.ndarray, states: np.ndarray, actions: np.ndarray) -> float:
    """The smallest effect of any member's state or action on the value.

    Members with one state or one action only are passed over.
    """
    moves = [
        np.ptp(value.reshape(game.axes), axis=axis).max()
        for axis, member in enumerate((*states, *actions))
        if member and game.axes[axis] > 1
    ]
    return min(moves, default=np.inf)


def value_locality(
    game: Game, logits: Logits, sets: DependencySets, steps: int | None = None
) -> TheoremCheck:
    r"""Theorem 3.2: $Q_i(s, a) = Q_i(s_{I_Q^i}, a_{I_Q^i})$.

    **Arguments:**

    - `game`, `logits`: the game and the policies of all agents.
    - `sets`: the value dependency sets to check.
    - `steps`: the window of the values, in rewards ahead; `None` for infinite horizon.

    **Returns:**

    `outside`: the largest change of a value when only its set is read. `inside`: the smallest
    effect of a member on a value.
    """
    values = action_values(game, logits, steps)
    inside = min(
        _smallest_move(game, value, sets.states[i], sets.actions[i]) / np.abs(value).max()
        for i, value in enumerate(values)
    )
    return TheoremCheck(
        relative_deviation(as_read(game, values, sets) - values, values), float(inside)
    )


def gradient_decomposition(game: Game, logits: Logits, sets: DependencySets) -> TheoremCheck:
    r"""Theorem 3.6: $\nabla_{\theta_i} Q = \nabla_{\theta_i} \sum_{j \in I_{GD}^i} Q_j$.

    Every $Q_j$ reads its set only. The derivative is the total one: $\theta_i$ enters at all later
    times, too. `inside` is the smallest effect of a policy on a value of its gradient set.
    """
    worst, least = 0.0, np.inf
    for i in range(len(logits)):
        slopes = complex_slopes(lambda tables: action_values(game, tables), logits, i)
        slopes = slopes.reshape(-1, *slopes.shape[-3:])
        read = np.stack([as_read(game, slope, sets) for slope in slopes])
        known = read[:, sets.gradient[i]].sum(1)
        total = slopes.sum(1)
        worst = max(worst, relative_deviation(known - total, total))
        effects = np.abs(slopes).max((0, 2, 3))
        least = min(least, (effects[sets.gradient[i]] / effects.max()).min())
    return TheoremCheck(worst, float(least))


def stochastic_policy_gradient(game: Game, logits: Logits, sets: DependencySets) -> TheoremCheck:
    r"""Theorem 3.7 (b): $\nabla_{\theta_i} J = E[\hat Q_i \nabla_{\theta_i} \ln \pi_i]$.

    The right side sums exactly over states and actions. The left side is a complex step through
    the linear solve that gives the return, which does not use the theorem. $d^\pi$ is the
    discounted sum over states, as the statement needs.
    """
    values = as_read(game, action_values(game, logits), sets)
    weight = occupancy(game, logits)[:, None] * joint_policy(game, logits) / (1 - game.discount)
    worst = 0.0
    for i in range(len(logits)):
        ours = score_average(game, logits, i, weight * values[sets.gradient[i]].sum(0))
        exact = complex_slopes(lambda tables: np.asarray(expected_return(game, tables)), logits, i)
        worst = max(worst, relative_deviation(ours - exact, exact))
    return TheoremCheck(worst)
