"""A network of linear agents with quadratic costs, as an environment."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from mastac.envs.base import ORDER_ONE, Environment, observed_agents
from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.linear_system import LinearQuadraticProblem
from mastac.errors import UserError
from mastac.structure import Couplings, steady


def linear_quadratic(
    couplings: Couplings,
    problem: LinearQuadraticProblem,
    limit: float = 1.0,
    id: str = "lq",
    options: Mapping[str, Any] | None = None,
) -> Environment:
    r"""A linear-quadratic problem as an environment.

    $$x' = A x + B u + c + w, \quad
    r_i = -\sum_k W_{ik}(x_k - x^*_k)^2 - \sum_k R_{ik} u_k^2$$

    Agents own blocks of the state and action vectors, observe the full states of the agents that
    `couplings` names (the own first) and act without limits. Returns are reported as the mean over
    agents.

    **Arguments:**

    - `couplings`: who affects, observes and pays for whom; covers the matrices.
    - `problem`: the matrices.
    - `limit`: the natural scale of an action.
    - `id`, `options`: what the environment says of itself.

    **Raises:**

    - `UserError` if a block of $A$, $B$, $W$ or $R$ couples agents that `couplings` does not.
    """
    n = couplings.num_agents
    _check_covered(couplings, problem)
    states, actions = _Rows(problem.state_owner, n), _Rows(problem.action_owner, n)
    moved = _Gathered(problem.state_matrix, states, states, couplings.state)
    driven = _Gathered(problem.input_matrix, states, actions, couplings.action)
    offset = states.padded(problem.offset)
    target = states.padded(problem.target)
    noise_sd, start_sd = (
        states.padded(np.sqrt(problem.noise_variance)),
        states.padded(np.sqrt(problem.start_variance)),
    )
    start_mean = states.padded(problem.start_mean)
    pays_states = _Paid(problem.state_weights, states)
    pays_actions = _Paid(problem.action_weights, actions)
    seen = observed_agents(couplings)
    picks, obs_sizes = states.picks(seen)

    def reset(key):
        return jnp.asarray(start_mean) + start_sd * jax.random.normal(key, states.shape)

    def step(state, actions, time, key):
        noise = noise_sd * jax.random.normal(key, states.shape)
        return moved(state) + driven(actions) + offset + noise

    def reward(state, actions, time):
        return -pays_states((state - target) ** 2) - pays_actions(actions**2)

    def observe(state):
        return jnp.append(state.ravel(), 0.0)[picks]

    def no_control(state, time):
        return jnp.zeros(actions.shape, state.dtype)

    return Environment(
        id=id,
        couplings=couplings,
        horizon=problem.horizon,
        reset=reset,
        step=step,
        reward=reward,
        observe=observe,
        state_sizes=states.sizes,
        obs_sizes=obs_sizes,
        action_sizes=actions.sizes,
        action_head="linear",
        action_limit=limit,
        **{**ORDER_ONE, "action_scale": limit},
        report="mean",
        simple_actions=no_control,
        units={"state": "1", "action": "1", "reward": "1"},
        options=options or {},
    )


class _Rows:
    """Entries of one vector as padded rows, one for each owner."""

    def __init__(self, owner: np.ndarray, num_agents: int) -> None:
        self.owner = owner
        self.sizes = np.bincount(owner, minlength=num_agents)
        self.shape = (num_agents, int(self.sizes.max()))
        order = np.argsort(owner, kind="stable")
        within = np.empty(len(owner), int)
        within[order] = np.arange(len(owner)) - np.repeat(
            np.cumsum(self.sizes) - self.sizes, self.sizes
        )
        self.slot = owner * self.shape[1] + within  # of each entry, in the flattened rows

    def padded(self, vector: np.ndarray) -> np.ndarray:
        rows = np.zeros(self.shape[0] * self.shape[1])
        rows[self.slot] = vector
        return rows.reshape(self.shape)

    def picks(self, groups: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Slots of the entries of each group of agents, padded, and how many are real."""
        slots = [
            [agent * self.shape[1] + k for agent in group for k in range(self.sizes[agent])]
            for group in groups
        ]
        counts = np.array([len(row) for row in slots])
        picks = np.full((len(groups), int(counts.max())), self.shape[0] * self.shape[1], np.int32)
        for row, entries in zip(picks, slots, strict=True):
            row[: len(entries)] = entries
        return picks, counts


class _Gathered:
    """A block-sparse matrix times rows: agents gather the rows they are coupled to."""

    def __init__(self, matrix: np.ndarray, out: _Rows, into: _Rows, graph: sp.csr_array) -> None:
        groups = [graph[[i]].indices.tolist() for i in range(out.shape[0])]
        self.picks, _ = into.picks(groups)
        slots = np.zeros((out.shape[0] * out.shape[1], into.shape[0] * into.shape[1] + 1))
        slots[np.ix_(out.slot, into.slot)] = matrix
        blocks = slots.reshape(*out.shape, -1)
        self.blocks = np.take_along_axis(blocks, self.picks[:, None, :].astype(int), axis=2)

    def __call__(self, rows):
        gathered = jnp.append(rows.ravel(), 0.0)[self.picks]
        return (self.blocks * gathered[:, None, :]).sum(-1)


class _Paid:
    """Every agent's weighted sum of entries."""

    def __init__(self, weights: np.ndarray, rows: _Rows) -> None:
        entries = sp.coo_array(weights)
        self.num_agents = len(weights)
        self.payer, self.slot, self.weight = entries.row, rows.slot[entries.col], entries.data

    def __call__(self, squares):
        paid = self.weight * squares.ravel()[self.slot]
        return jax.ops.segment_sum(paid, self.payer, self.num_agents)


def _check_covered(couplings: Couplings, problem: LinearQuadraticProblem) -> None:
    """Refuse matrices that couple agents which the graphs do not."""
    everyone = np.arange(couplings.num_agents)
    for name, matrix, rows, columns in (
        ("state", problem.state_matrix, problem.state_owner, problem.state_owner),
        ("action", problem.input_matrix, problem.state_owner, problem.action_owner),
        ("reward", problem.state_weights, everyone, problem.state_owner),
        ("reward_action", problem.action_weights, everyone, problem.action_owner),
    ):
        graph = getattr(couplings, name)
        for row, column in zip(*np.nonzero(matrix), strict=True):
            i, j = int(rows[row]), int(columns[column])
            if not graph[i, j]:
                source, target = couplings.agents[j], couplings.agents[i]
                raise UserError(
                    f"the matrices let '{source}' affect '{target}'; "
                    f"add that edge to the {name} graph"
                )


def problem_of(env: Environment) -> LinearQuadraticProblem:
    """The matrices behind an environment made as `lq-N`."""
    if not env.id.startswith("lq-") or "seed" not in env.options:
        raise UserError(f"environment '{env.id}' is no linear-quadratic network made by name")
    return lq_problem(steady(env.couplings), env.options)
