"""Theorems 3.2, 3.6 and 3.7 (b) on finite games: both sides exactly, and how far they are apart.

What a theorem says a critic may read is all that it is given: members outside a set are pinned to
their first state and action before a value is used. A set with a member too few therefore shows.
"""

import numpy as np
from jaxtyping import Inexact

from mastac.theory.games import (
    Game,
    Logits,
    action_values,
    expected_return,
    joint_policy,
    occupancy,
    score_average,
)
from mastac.theory.sets import Check, Sets, complex_slopes, relative

Values = Inexact[np.ndarray, "agents states actions"]


def as_read(game: Game, values: Values, sets: Sets) -> Values:
    """Every agent's value as a critic knows it that sees its set alone."""
    return np.stack(
        [_pinned(game, value, ~sets.states[i], ~sets.actions[i]) for i, value in enumerate(values)]
    )


def _pinned(game: Game, value: np.ndarray, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    first = tuple(slice(0, 1) if pinned else slice(None) for pinned in (*states, *actions))
    return np.broadcast_to(value.reshape(game.axes)[first], game.axes).reshape(value.shape)


def _smallest_move(game: Game, value: np.ndarray, states: np.ndarray, actions: np.ndarray) -> float:
    """The least that any member's state or action with a choice moves the value by."""
    moves = [
        np.ptp(value.reshape(game.axes), axis=axis).max()
        for axis, member in enumerate((*states, *actions))
        if member and game.axes[axis] > 1
    ]
    return min(moves, default=np.inf)


def value_locality(game: Game, logits: Logits, sets: Sets, steps: int | None = None) -> Check:
    r"""Theorem 3.2: $Q_i(s, a) = Q_i(s_{I_Q^i}, a_{I_Q^i})$, for windows of `steps` rewards ahead or without end.

    `outside`: the most that reading the set alone changes a value. `inside`: the least that a
    member moves it.
    """
    values = action_values(game, logits, steps)
    inside = min(
        _smallest_move(game, value, sets.states[i], sets.actions[i]) / np.abs(value).max()
        for i, value in enumerate(values)
    )
    return Check(relative(as_read(game, values, sets) - values, values), float(inside))


def gradient_decomposition(game: Game, logits: Logits, sets: Sets) -> Check:
    r"""Theorem 3.6: $\nabla_{\theta_i} Q(s, a) = \nabla_{\theta_i} \sum_{j \in I_{GD}^i} Q_j(s_{I_Q^j}, a_{I_Q^j})$.

    The derivative is the whole one: $\theta_i$ enters at all later times, too. `inside`: the least
    that a policy moves a value of its gradient set.
    """
    worst, least = 0.0, np.inf
    for i in range(len(logits)):
        slopes = complex_slopes(lambda tables: action_values(game, tables), logits, i)
        slopes = slopes.reshape(-1, *slopes.shape[-3:])
        known = np.stack([as_read(game, each, sets) for each in slopes])[:, sets.moved[i]].sum(1)
        total = slopes.sum(1)
        worst = max(worst, relative(known - total, total))
        each = np.abs(slopes).max((0, 2, 3))
        least = min(least, (each[sets.moved[i]] / each.max()).min())
    return Check(worst, float(least))


def stochastic_policy_gradient(game: Game, logits: Logits, sets: Sets) -> Check:
    r"""Theorem 3.7 (b): $\nabla_{\theta_i} J = E[\hat Q_i \nabla_{\theta_i} \ln \pi_i]$ against the return's own slope.

    The right side sums exactly over states and actions; the left side is a complex step through the
    linear solve that gives the return, and knows of no theorem. $d^\pi$ is the discounted sum here,
    as the statement needs.
    """
    values = as_read(game, action_values(game, logits), sets)
    weight = occupancy(game, logits)[:, None] * joint_policy(game, logits) / (1 - game.discount)
    worst = 0.0
    for i in range(len(logits)):
        ours = score_average(game, logits, i, weight * values[sets.moved[i]].sum(0))
        exact = complex_slopes(lambda tables: np.asarray(expected_return(game, tables)), logits, i)
        worst = max(worst, relative(ours - exact, exact))
    return Check(worst)
