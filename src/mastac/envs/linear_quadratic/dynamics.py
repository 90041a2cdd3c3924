"""A network of linear agents with quadratic costs, as an environment."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from mastac.envs.base import ORDER_ONE, Environment, observed_agents
from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.linear_quadratic.system import LinearSystem
from mastac.envs.linear_system import LinearQuadraticProblem
from mastac.errors import UserError
from mastac.structure import Couplings, steady
from mastac.structure.boolean import row_of_entry, within
from mastac.structure.buckets import entries_at, padded

Matrix = np.ndarray | sp.csr_array


def linear_quadratic(
    couplings: Couplings,
    problem: LinearQuadraticProblem | LinearSystem,
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
    lengths = [len(row) for row in seen]
    picks, obs_sizes = states.picks(np.repeat(np.arange(n), lengths), np.concatenate(seen), n)

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

    def picks(
        self, group: np.ndarray, agents: np.ndarray, num_groups: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slots of the entries of each group of agents, padded, and how many are real.

        **Arguments:**

        - `group`, `agents`: which agent is in which group, sorted by group.
        """
        counts = self.sizes[agents]
        slots = np.repeat(agents * self.shape[1], counts) + within(counts)
        rows = np.repeat(group, counts)
        fill = self.shape[0] * self.shape[1]
        picks = padded(slots, rows, num_groups, fill, np.int32)
        return picks, np.bincount(rows, minlength=num_groups)


class _Gathered:
    """A block-sparse matrix times rows: agents gather the rows they are coupled to."""

    def __init__(self, matrix: Matrix, out: _Rows, into: _Rows, graph: sp.csr_array) -> None:
        n, size = out.shape
        self.picks, _ = into.picks(row_of_entry(graph), graph.indices, n)
        entries = sp.coo_array(matrix)
        slots = sp.csr_array(
            (entries.data, (out.slot[entries.row], into.slot[entries.col])),
            shape=(n * size, into.shape[0] * into.shape[1] + 1),
        )
        # An agent's entries all pick the same.
        columns = np.repeat(self.picks, size, axis=0)
        rows = np.repeat(np.arange(n * size), columns.shape[1])
        self.blocks = entries_at(slots, rows, columns.ravel()).reshape(n, size, -1)

    def __call__(self, rows):
        gathered = jnp.append(rows.ravel(), 0.0)[self.picks]
        return (self.blocks * gathered[:, None, :]).sum(-1)


class _Paid:
    """Every agent's weighted sum of entries."""

    def __init__(self, weights: Matrix, rows: _Rows) -> None:
        entries = sp.coo_array(weights)
        self.num_agents = rows.shape[0]
        self.payer, entry = entries.coords
        self.slot, self.weight = rows.slot[entry], np.asarray(entries.data)

    def __call__(self, squares):
        paid = self.weight * squares.ravel()[self.slot]
        return jax.ops.segment_sum(paid, self.payer, self.num_agents)


def _check_covered(couplings: Couplings, problem: LinearQuadraticProblem | LinearSystem) -> None:
    """Refuse matrices that couple agents which the graphs do not."""
    everyone = np.arange(couplings.num_agents)
    for name, matrix, rows, columns in (
        ("state", problem.state_matrix, problem.state_owner, problem.state_owner),
        ("action", problem.input_matrix, problem.state_owner, problem.action_owner),
        ("reward", problem.state_weights, everyone, problem.state_owner),
        ("reward_action", problem.action_weights, everyone, problem.action_owner),
    ):
        graph = getattr(couplings, name)
        entries = sp.coo_array(matrix)
        targets, sources = rows[entries.row], columns[entries.col]
        missing = np.flatnonzero((entries.data != 0) & ~entries_at(graph, targets, sources))
        if len(missing):
            source, target = (couplings.agents[end[missing[0]]] for end in (sources, targets))
            raise UserError(
                f"the matrices let '{source}' affect '{target}'; add that edge to the {name} graph"
            )


def problem_of(env: Environment) -> LinearQuadraticProblem:
    """The matrices behind an environment made as `lq-N`."""
    if not env.id.startswith("lq-") or "seed" not in env.options:
        raise UserError(f"environment '{env.id}' is no linear-quadratic network made by name")
    return lq_problem(steady(env.couplings), env.options)
