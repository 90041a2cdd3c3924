r"""The variance identity on linear-quadratic networks, exactly, by moments of Gaussians.

Actions are drawn from $N(K x, \sigma^2 I)$ and states from the stationary law of that policy, so $z
= (x, \epsilon)$ is Gaussian. The score of agent `i` is $\epsilon_i x_O / \sigma^2$, its squared
norm a product of two quadratic forms in $z$, and $\hat Q_i$ and $\bar Q_i$ less their baselines are
quadratic forms, too. The terms are therefore moments of order eight, which cumulants give. The work
grows with $N^4$; no state is enumerated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, permutations
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float

from mastac.envs.linear_system import LinearQuadraticProblem
from mastac.errors import UserError
from mastac.theory.linear_quadratic import action_values
from mastac.theory.sets import DependencySets
from mastac.theory.variance import VarianceTerms, known_actions


@dataclass(frozen=True)
class GaussianNetwork:
    r"""Values as forms in $z = (x, \epsilon) \sim N(0, \Sigma)$: $Q_i = z^\top F_i z + c_i$.

    States $x$ and noise $\epsilon$ are independent.

    - `forms`, `constants`: $F_i$ and $c_i$.
    - `states`: the covariance of $x$.
    - `std`: the standard deviation $\sigma$ of every entry of $\epsilon$.
    - `seen`: which entries of $x$ each agent observes.
    """

    forms: Float[np.ndarray, "agents _ _"]
    constants: Float[np.ndarray, " agents"]
    states: Float[np.ndarray, "states states"]
    std: float
    seen: Bool[np.ndarray, "agents states"]

    @property
    def covariance(self) -> Float[np.ndarray, "_ _"]:
        r"""$\Sigma$, of states and noise together."""
        return np.asarray(
            scipy.linalg.block_diag(self.states, self.std**2 * np.eye(len(self.constants)))
        )


def gaussian_network(
    problem: LinearQuadraticProblem,
    gain: Float[np.ndarray, "actions states"],
    discount: float,
    std: float,
) -> GaussianNetwork:
    r"""Values and stationary law of a noisy linear policy, one action for each agent.

    **Arguments:**

    - `problem`: the network.
    - `gain`: $K$; actions are drawn from $N(K x, \text{std}^2 I)$.
    - `discount`: $\gamma$ of the values, at least 0 and below 1.
    - `std`: standard deviation of the policies' noise.

    **Raises:**

    - [`mastac.errors.UserError`][] if the closed loop is unstable, the problem has offsets or
      targets, or an agent does not have exactly one action.
    """
    n, m = problem.num_states, problem.num_actions
    loop = problem.state_matrix + problem.input_matrix @ gain
    if np.abs(np.linalg.eigvals(loop)).max() >= 1:
        raise UserError(
            "the network does not settle under this policy; make decay or coupling smaller"
        )
    if (
        problem.offset.any()
        or problem.target.any()
        or not np.array_equal(problem.action_owner, np.arange(m))
    ):
        raise UserError(
            "exact variances need a network without offsets and targets, "
            "and one action for each agent"
        )
    noise = np.diag(problem.noise_variance)
    driven = std**2 * problem.input_matrix @ problem.input_matrix.T
    plain = -action_values(problem, gain, discount).forms[:, : n + m, : n + m]
    lift = np.block([[np.eye(n), np.zeros((n, m))], [gain, np.eye(m)]])
    forms = lift.T @ plain @ lift
    ahead = np.einsum("iab,ba->i", forms[:, :n, :n], noise) + std**2 * np.trace(
        forms[:, n:, n:], axis1=1, axis2=2
    )
    states = scipy.linalg.solve_discrete_lyapunov(loop, noise + driven)
    return GaussianNetwork(forms, discount / (1 - discount) * ahead, states, std, problem.gain_mask)


def centred(
    network: GaussianNetwork,
    form: np.ndarray,
    constant: float,
    known: Bool[np.ndarray, " agents"] | None,
) -> tuple[np.ndarray, float]:
    """A value less its baseline: its mean given the state and the known actions.

    Form and constant of the difference. Noise of known actions and the state cancels; of unknown
    noise the mean of the square is subtracted.
    """
    if known is None:
        return form, constant
    kept = np.concatenate([np.ones(len(network.states), bool), known])
    unknown = np.diag(form)[~kept].sum() * network.std**2
    return np.where(kept[:, None] & kept, 0.0, form), -float(unknown)


def lq_terms(
    network: GaussianNetwork, sets: DependencySets, baseline: str = "none"
) -> VarianceTerms:
    """The terms of every agent, exactly, under the stationary law.

    **Arguments:**

    - `network`: values and law.
    - `sets`: the dependency sets; with truncated ones the structured estimator has a bias.
    - `baseline`: none, state, shared or counterfactual.
    """
    covariance, rows = network.covariance, []
    for i in range(len(network.constants)):
        known, gradient = known_actions(sets, i, baseline), sets.gradient[i]
        own, rest = (
            centred(network, network.forms[agents].sum(0), network.constants[agents].sum(), known)
            for agents in (gradient, ~gradient)
        )
        rows.append(_row(network, covariance, i, own, rest))
    return VarianceTerms(*np.array(rows).T)


def _row(
    network: GaussianNetwork,
    covariance: np.ndarray,
    i: int,
    own: tuple[np.ndarray, float],
    rest: tuple[np.ndarray, float],
) -> list[Any]:
    n, seen = len(network.states), network.seen[i]
    axes = np.eye(len(covariance))
    noise = LowRankForm(axes[:, [n + i]], covariance)
    observed = LowRankForm(axes[:, :n][:, seen], covariance)
    mine, others = (QuadraticForm(form @ covariance, constant) for form, constant in (own, rest))

    def weighted(*values: QuadraticForm) -> float:
        return product_mean([noise, observed, *values]) / network.std**4

    # E[epsilon_i x_k z'Fz] = 2 (Sigma F Sigma)[epsilon_i, x_k], over sigma^2 of the score.
    own_mean, rest_mean = (2 * form[n + i, :n] @ network.states[:, seen] for form, _ in (own, rest))
    return [
        weighted(mine, mine),
        weighted(others, others),
        2 * weighted(mine, others),
        weighted(),
        np.sum((own_mean + rest_mean) ** 2),
        np.sum(own_mean**2),
        np.linalg.norm(rest_mean) / max(np.linalg.norm(own_mean + rest_mean), np.finfo(float).tiny),
    ]


@dataclass(frozen=True)
class QuadraticForm:
    r"""The quadratic form $z^\top A z + c$, held as $A \Sigma$ and $c$."""

    matrix: np.ndarray
    constant: float = 0.0

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        return self.matrix @ columns


class LowRankForm:
    r"""The quadratic form $z^\top U U^\top z$ of low rank: $U$ has few columns."""

    constant = 0.0

    def __init__(self, columns: np.ndarray, covariance: np.ndarray) -> None:
        self.columns, self.moved = columns, covariance @ columns

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        return self.columns @ (self.moved.T @ columns)


def product_mean(factors: Sequence[QuadraticForm | LowRankForm]) -> float:
    r"""$E \prod_k (z^\top A_k z + c_k)$ for Gaussian $z$ with mean zero, by joint cumulants.

    The joint cumulant of quadratic forms is $2^{k-1} \sum \operatorname{tr}(A_1 \Sigma A_{\pi(2)}
    \Sigma \cdots)$ over the orders of all but the first (Mathai and Provost, Quadratic Forms in
    Random Variables, 1992); constants enter the first cumulant alone.
    """
    if not factors:
        return 1.0
    first, others = factors[0], factors[1:]
    total = 0.0
    for size in range(len(factors)):
        for chosen in combinations(range(len(others)), size):
            left = [others[k] for k in range(len(others)) if k not in chosen]
            cumulant = 2**size * sum(
                _trace([first, *(others[k] for k in order)]) for order in permutations(chosen)
            )
            total += (cumulant + (first.constant if size == 0 else 0.0)) * product_mean(left)
    return total


def _trace(cycle: list[QuadraticForm | LowRankForm]) -> float:
    r"""The trace of a product of $A_k \Sigma$, by columns if one of them has low rank."""
    for place, factor in enumerate(cycle):
        if isinstance(factor, LowRankForm):
            columns = factor.columns
            for following in reversed(cycle[place + 1 :] + cycle[:place]):
                columns = following(columns)
            return float(np.sum(factor.moved * columns))
    matrices = [factor.matrix for factor in cycle if isinstance(factor, QuadraticForm)]
    return float(np.trace(reduce(np.matmul, matrices)))
