r"""Theorems 3.2, 3.6 and 3.7 on linear-quadratic networks: both sides exactly, how far apart.

Values come from one linear system in all entries of the Lyapunov equations, which complex steps
pass through; the doubling of [`mastac.theory.linear_quadratic`][] is a second way to the same
forms, compared in the tests. What a set leaves out is set to zero in a value before it is used.
"""

import numpy as np
from jaxtyping import Float, Inexact

from mastac.envs.linear_system import Gain, LinearQuadraticProblem
from mastac.theory.comparison import TheoremCheck, complex_slopes, relative_deviation
from mastac.theory.sets import DependencySets

Forms = Inexact[np.ndarray, "agents _ _"]


def value_forms(problem: LinearQuadraticProblem, gain: Gain, discount: float) -> Forms:
    r"""The forms $F_i$ of the values $Q_i = \bar z^\top F_i \bar z + c_i$ for $u = K \bar x$.

    Here $\bar z = (x, u, 1)$. The forms are analytic in the gain: complex steps pass through.
    """
    n, m = problem.num_states, problem.num_actions
    loop = problem.transition + problem.inputs @ gain
    costs = np.stack([problem.state_cost(weights) for weights in problem.state_weights])
    paid = np.einsum("ka,ik,kb->iab", gain, problem.action_weights, gain)
    values = _sums(loop.T, -(costs + paid), discount)
    step = np.zeros((n + 1, n + m + 1))
    step[:, :n], step[:, n : n + m], step[:, -1] = (
        problem.transition[:, :n],
        problem.inputs,
        problem.transition[:, n],
    )
    forms = discount * step.T @ values @ step
    in_states = np.append(np.arange(n), n + m)
    forms[:, in_states[:, None], in_states] -= costs
    forms[:, np.arange(n, n + m), np.arange(n, n + m)] -= problem.action_weights
    return forms


def _sums(matrix: np.ndarray, sources: np.ndarray, discount: float) -> np.ndarray:
    r"""The $X$ with $X = S + \gamma M X M^\top$ for each of several $S$, as one linear system."""
    size = len(matrix)
    system = np.eye(size**2) - discount * np.kron(matrix, matrix)
    return np.linalg.solve(system, sources.reshape(-1, size**2).T).T.reshape(-1, size, size)


def moments(
    problem: LinearQuadraticProblem, gain: Gain, discount: float, std: float = 0.0
) -> Inexact[np.ndarray, "_ _"]:
    r"""$\sum_t \gamma^t E[\bar x_t \bar x_t^\top]$ for $u \sim N(K \bar x, \text{std}^2 I)$."""
    loop = problem.transition + problem.inputs @ gain
    noise = problem.noise + std**2 * problem.inputs @ problem.inputs.T
    return _sums(loop, problem.start + discount / (1 - discount) * noise, discount)[0]


def team_return(
    problem: LinearQuadraticProblem, gain: Gain, discount: float, std: float = 0.0
) -> np.inexact:
    r"""$J$ of $u \sim N(K \bar x, \text{std}^2 I)$, from second moments: no value is used."""
    cost = problem.state_cost(problem.state_weights.sum(0))
    paid = problem.action_weights.sum(0)
    spent = np.sum((cost + gain.T @ (paid[:, None] * gain)) * moments(problem, gain, discount, std))
    return -spent - std**2 * paid.sum() / (1 - discount)


def as_read(problem: LinearQuadraticProblem, forms: Forms, sets: DependencySets) -> Forms:
    """Every agent's form with zeros outside its set; the constant 1 belongs to nobody."""
    states, actions = sets.states[:, problem.state_owner], sets.actions[:, problem.action_owner]
    known = np.hstack([states, actions, np.ones((problem.num_agents, 1), bool)])
    return np.where(known[:, :, None] & known[:, None, :], forms, 0.0)


def value_locality(
    problem: LinearQuadraticProblem, gain: Gain, discount: float, sets: DependencySets
) -> TheoremCheck:
    """Theorem 3.2: the forms are zero outside the sets.

    `inside` is the smallest entry of a member, relative to the largest of the form.
    """
    forms = value_forms(problem, problem.affine(gain), discount)
    moves = np.abs(forms).max(2)
    least = np.inf
    for i, row in enumerate(moves):
        for owner, members, entries in (
            (problem.state_owner, sets.states[i], row[: problem.num_states]),
            (problem.action_owner, sets.actions[i], row[problem.num_states : -1]),
        ):
            least = min(
                [least, *(entries[owner == j].max() / row.max() for j in np.flatnonzero(members))]
            )
    return TheoremCheck(
        relative_deviation(as_read(problem, forms, sets) - forms, forms), float(least)
    )


def gradient_decomposition(
    problem: LinearQuadraticProblem, gain: Gain, discount: float, sets: DependencySets
) -> TheoremCheck:
    r"""Theorem 3.6, for the entries of the gain that the observations allow.

    The derivatives of the forms are compared. The constants $\gamma \operatorname{tr}(P_i \Sigma) /
    (1 - \gamma)$ need no comparison of their own: $P_i = L^\top F_i L$ with $L$ from $(x, 1)$ to
    $(x, Kx, 1)$, so $P_i$ does not change where $F_i$ does not and does not read the changed
    action.
    """
    gain = problem.affine(gain)
    slopes = complex_slopes(lambda gains: value_forms(problem, gains[0], discount), [gain], 0)
    worst, least = 0.0, np.inf
    for i in range(problem.num_agents):
        own = slopes[problem.free & (problem.action_owner == i)[:, None]]
        read = np.stack([as_read(problem, slope, sets) for slope in own])
        known = read[:, sets.gradient[i]].sum(1)
        worst = max(worst, relative_deviation(known - own.sum(1), own.sum(1)))
        effects = np.abs(own).max((0, 2, 3))
        least = min(least, (effects[sets.gradient[i]] / effects.max()).min())
    return TheoremCheck(worst, float(least))


def deterministic_policy_gradient(
    problem: LinearQuadraticProblem, gain: Gain, discount: float, sets: DependencySets
) -> TheoremCheck:
    r"""Theorem 3.7 (a): $\nabla_{K_i} J = E[\nabla_{a_i} \hat Q_i \, \bar x^\top]$.

    The left side is a complex step through the return.
    """
    gain = problem.affine(gain)
    exact = complex_slopes(lambda gains: team_return(problem, gains[0], discount), [gain], 0)
    second = moments(problem, gain, discount)
    ours = np.stack(
        [
            2 * (form[problem.num_states + k] @ _lift(problem, gain)) @ second
            for k, form in enumerate(_aggregate_forms(problem, gain, discount, sets))
        ]
    )
    return TheoremCheck(relative_deviation((ours - exact)[problem.free], exact[problem.free]))


def stochastic_policy_gradient(
    problem: LinearQuadraticProblem,
    gain: Gain,
    discount: float,
    sets: DependencySets,
    std: float = 0.5,
) -> TheoremCheck:
    r"""Theorem 3.7 (b) for $a \sim N(K \bar x, \sigma^2 I)$ with $\sigma$ = `std`.

    The score is $\epsilon_k \bar x / \sigma^2$. The mean over $\epsilon$ is a quadrature with
    points at $\pm \sigma \sqrt{m}$ along each axis, exact for the cubic polynomial $\epsilon_k
    \hat Q_k$; the mean over states needs second moments only.
    """
    gain = problem.affine(gain)
    n, m = problem.num_states, problem.num_actions
    exact = complex_slopes(lambda gains: team_return(problem, gains[0], discount, std), [gain], 0)
    second, lift = moments(problem, gain, discount, std), _lift(problem, gain)
    points = std * np.sqrt(m) * np.concatenate([np.eye(m), -np.eye(m)])
    ours = np.zeros_like(gain)
    for k, form in enumerate(_aggregate_forms(problem, gain, discount, sets)):
        for noise in points:
            # Q of (x, Kx + noise, 1) as a form in (x, 1); odd moments of states vanish against odd
            # ones of the noise.
            moved = lift.copy()
            moved[n : n + m, -1] += noise
            value = moved.T @ form @ moved - lift.T @ form @ lift
            ours[k] += noise[k] / std**2 / len(points) * (_linear(value) @ second)
    return TheoremCheck(relative_deviation((ours - exact)[problem.free], exact[problem.free]))


def _linear(value: Float[np.ndarray, "_ _"]) -> Float[np.ndarray, " _"]:
    """A form in (x, 1) that is linear in x, as the row that multiplies (x, 1)."""
    row = value[-1] + value[:, -1]
    row[-1] = value[-1, -1]
    return row


def _lift(problem: LinearQuadraticProblem, gain: Gain) -> Float[np.ndarray, "_ _"]:
    """From (x, 1) to (x, Kx, 1)."""
    n = problem.num_states
    return np.vstack([np.eye(n + 1)[:n], gain, np.eye(n + 1)[n:]])


def _aggregate_forms(
    problem: LinearQuadraticProblem, gain: Gain, discount: float, sets: DependencySets
) -> list[np.ndarray]:
    r"""For each entry of the actions, the form of its owner's $\hat Q$ as the sets let it read."""
    forms = as_read(problem, value_forms(problem, gain, discount), sets)
    return [forms[sets.gradient[owner]].sum(0) for owner in problem.action_owner]
