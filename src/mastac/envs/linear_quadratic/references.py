r"""The linear-quadratic networks `lq-N` and their reference figures, all exact (numpy).

A ring whose draws repeat is as well known as a small one, however long it is. Under gains that
repeat too, what an agent does and feels in $T$ steps comes from the $T$ agents on either side of
it, so on any ring of more than $2 T$ agents its return is the same. The optimum with full
information has no such reach; it falls apart into one small problem for each wave number, since a
shift by a period leaves everything as it is.
"""

import numpy as np

from mastac.envs.family import Figures, Options
from mastac.envs.linear_quadratic.couplings import lq_couplings, period_of
from mastac.envs.linear_quadratic.system import lq_system
from mastac.envs.linear_system import (
    LinearQuadraticProblem,
    best_structured_gain,
    episode_return,
    riccati,
)
from mastac.memory import check_free
from mastac.structure import Couplings


def lq_problem(couplings: Couplings, values: Options) -> LinearQuadraticProblem:
    """The network of [`lq_system`][mastac.envs.linear_quadratic.system.lq_system], dense.

    **Raises:**

    - `UserError` if the draws cannot `repeat`, or the matrices do not fit into the memory that is
        free.
    """
    n = couplings.num_agents
    states = int(np.broadcast_to(np.asarray(values["state_size"], int), n).sum())
    size = 8 * states * (states + n)
    check_free(f"the matrices of lq-{n}", size, "ask for fewer agents, or a smaller state_size")
    return lq_system(couplings, values).dense()


def lq_figures(couplings: Couplings, values: Options) -> Figures:
    """Reference figures, per agent, and the gain of the best structured feedback.

    Where draws repeat and the ring is long, the feedback repeats as well, and the gain returned is
    that of the shortest ring on which it earns the same.
    """
    n = couplings.num_agents
    short = folded(n, values)
    if short < n:
        problem = lq_problem(lq_couplings(short, values), values)
        bound = repeating_optimum(n, values)
        gain, _ = best_structured_gain(problem, constant=False)
        gain = alike_along(problem, gain, values)
        best = episode_return(problem, gain)[0] / short
    else:
        problem = lq_problem(couplings, values)
        gain, total = best_structured_gain(problem, constant=False)
        best, bound = total / n, riccati(problem)[2] / n
    nothing, _ = episode_return(problem, np.zeros((problem.num_actions, problem.num_states)))
    figures = {
        "simple": nothing / problem.num_agents,
        "best_known": best,
        "bound": bound,
        "policies": {},
        "notes": "Simple: no control. Best known: the best static linear feedback of what each "
        "agent observes. Bound: the optimum with full information (Riccati). All exact.",
    }
    return figures, gain


def folded(num_agents: int, values: Options) -> int:
    """Agents of the shortest ring, of whole periods, that cannot be told from a longer one."""
    period = period_of(num_agents, values)
    return min(num_agents, period * (2 * values["horizon"] // period + 1))


def alike_along(problem: LinearQuadraticProblem, gain: np.ndarray, values: Options) -> np.ndarray:
    """`gain` averaged over shifts by whole periods (the search leaves differences of rounding)."""
    n, period = problem.num_agents, values["repeat"]
    shifts = range(n // period)
    moves = problem.num_actions * period // n, problem.num_states * period // n
    shifted = [np.roll(gain[:, :-1], (k * moves[0], k * moves[1]), (0, 1)) for k in shifts]
    return problem.affine(np.mean(shifted, axis=0))


def repeating_optimum(num_agents: int, values: Options) -> float:
    r"""The full-information optimum of a ring whose draws repeat, per agent.

    With wave number $\theta$ and $A_d$ the block of $A$ from $d$ periods further on, $\hat
    A(\theta) = \sum_d A_d e^{i d \theta}$, and the value is the mean of the Riccati recursions'
    over the wave numbers of the ring.
    """
    period = period_of(num_agents, values)
    waves = 2 * np.pi * np.arange(num_agents // period) / (num_agents // period)
    problem = lq_problem(lq_couplings(3 * period, values), values)
    # Three periods: what is ahead of one is not behind it.
    size, acts = problem.num_states // 3, problem.num_actions // 3

    def seen_by(matrix: np.ndarray, width: int) -> np.ndarray:
        own, ahead, behind = (matrix[:size, k * width : (k + 1) * width] for k in range(3))
        turn = np.exp(1j * waves)[:, None, None]
        return own + turn * ahead + turn.conj() * behind

    moved, driven = seen_by(problem.state_matrix, size), seen_by(problem.input_matrix, acts)
    moved_back, driven_back = (np.swapaxes(block, 1, 2).conj() for block in (moved, driven))
    cost = np.diag(problem.state_weights.sum(0)[:size])
    paid = np.diag(problem.action_weights.sum(0)[:acts])
    value, total = np.zeros_like(moved), 0.0
    for _ in range(problem.horizon):
        total += np.einsum("tkk,k->", np.real(value), problem.noise_variance[:size])
        ahead = value @ moved
        gain = -np.linalg.solve(paid + driven_back @ value @ driven, driven_back @ ahead)
        value = cost + moved_back @ (ahead + value @ driven @ gain)
    total += np.einsum("tkk,k->", np.real(value), problem.start_variance[:size])
    return -float(total) / num_agents
