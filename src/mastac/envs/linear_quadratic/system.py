"""The matrices of linear-quadratic networks `lq-N`, as sparse as the couplings (numpy)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array, diags_array

from mastac.envs.actuators import with_actuator
from mastac.envs.family import Options
from mastac.envs.linear_quadratic.couplings import period_of
from mastac.envs.linear_system import LinearQuadraticProblem
from mastac.structure import Couplings
from mastac.structure.boolean import selection


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """A linear-quadratic problem of many agents.

    The fields are those of the same names in
    [`LinearQuadraticProblem`][mastac.envs.linear_system.LinearQuadraticProblem]; matrices are
    sparse.
    """

    state_matrix: csr_array
    input_matrix: csr_array
    offset: Float[np.ndarray, " states"]
    state_weights: csr_array
    action_weights: csr_array
    target: Float[np.ndarray, " states"]
    noise_variance: Float[np.ndarray, " states"]
    start_mean: Float[np.ndarray, " states"]
    start_variance: Float[np.ndarray, " states"]
    state_owner: Int[np.ndarray, " states"]
    action_owner: Int[np.ndarray, " actions"]
    gain_mask: csr_array
    horizon: int

    def dense(self) -> LinearQuadraticProblem:
        """The same with dense matrices, for what is solved exactly."""
        fields = {
            name: value.toarray() if isinstance(value, csr_array) else value
            for name, value in vars(self).items()
        }
        return LinearQuadraticProblem(**fields)


def lq_system(couplings: Couplings, values: Options) -> LinearSystem:
    """The network `lq-N`, drawn from the option `seed`.

    An agent keeps `decay` (times 0.85 to 1.15, turned by a random rotation) of its own state; its
    neighbours' states enter with random signs and weights that add up to `coupling`; its action
    drives its own state. With states of one entry the defaults decay without control. With
    `actuators` other than "all" the same network is drawn and only those agents keep their actions;
    with `repeat` agent `i` has what agent `i - repeat` has.

    **Raises:**

    - `UserError` if the draws cannot `repeat`
        ([`mastac.envs.linear_quadratic.couplings.period_of`][]).
    """
    random = np.random.default_rng(values["seed"])
    n = couplings.num_agents
    sizes = np.broadcast_to(np.asarray(values["state_size"], int), n)
    owner = np.repeat(np.arange(n), sizes)
    period = period_of(n, values)
    drawn = int(sizes[:period].sum())
    moved, pushed = _drawn(random, couplings, values, sizes, period)
    state_price, action_price = (
        np.tile(random.uniform(0.5, 1.5, m), n // period) for m in (drawn, period)
    )
    acting = np.flatnonzero(with_actuator(n, values["actuators"]))
    of_agents = csr_array(selection(owner, n).T).astype(float)
    costs = csr_array(diags_array(values["control_cost"] * action_price))
    rewarded, seen = (
        getattr(couplings, graph).astype(float) for graph in ("reward", "observation")
    )
    num_states = len(owner)
    return LinearSystem(
        state_matrix=_repeated(*moved, (drawn, drawn), (num_states, num_states)),
        input_matrix=csr_array(
            _repeated(*pushed, (drawn, period), (num_states, n)).tocsc()[:, acting]
        ),
        offset=np.zeros(num_states),
        state_weights=csr_array(rewarded @ of_agents @ diags_array(state_price)),
        action_weights=csr_array(costs[:, acting]),
        target=np.zeros(num_states),
        noise_variance=np.full(num_states, values["noise"] ** 2),
        start_mean=np.zeros(num_states),
        start_variance=np.full(num_states, values["start"] ** 2),
        state_owner=owner,
        action_owner=acting,
        gain_mask=csr_array((seen @ of_agents).astype(bool))[acting],
        horizon=values["horizon"],
    )


Entries = tuple[list[int], list[int], list[float]]
"""Rows, columns and values of a sparse matrix."""


def _drawn(
    random: np.random.Generator,
    couplings: Couplings,
    values: Options,
    sizes: Int[np.ndarray, " agents"],
    period: int,
) -> tuple[Entries, Entries]:
    """The rows of the first `period` agents of both matrices of a step."""
    first = np.cumsum(sizes) - sizes
    moved: Entries = ([], [], [])
    pushed: Entries = ([], [], [])

    def put(entries: Entries, row: int, column: int, block: np.ndarray) -> None:
        height, width = block.shape
        entries[0].extend([row + k for k in range(height) for _ in range(width)])
        entries[1].extend([column + k for k in range(width)] * height)
        entries[2].extend(block.ravel().tolist())

    graph, n = couplings.state, couplings.num_agents
    for i in range(period):
        size, row = int(sizes[i]), int(first[i])
        turn = random.standard_normal((size, size))
        turn = np.linalg.qr(turn)[0] if size > 1 else np.ones((1, 1))
        put(moved, row, row, values["decay"] * random.uniform(0.85, 1.15) * turn)
        neighbours = [j for j in graph.indices[graph.indptr[i] : graph.indptr[i + 1]] if j != i]
        if values["repeat"]:  # from an agent on round the ring: the same order for all of them
            neighbours.sort(key=lambda j, i=i: (j - i) % n)
        shares = random.uniform(0.5, 1.5, len(neighbours))
        for j, share in zip(neighbours, shares / max(shares.sum(), 1e-9), strict=True):
            signs = random.choice([-1.0, 1.0], (size, sizes[j]))
            put(moved, row, int(first[j]), values["coupling"] * share * signs / sizes[j])
        push = random.uniform(0.5, 1.5, size)
        push = push / np.linalg.norm(push) * random.uniform(0.75, 1.25)
        put(pushed, row, i, push[:, None])
    return moved, pushed


def _repeated(
    rows: list[int],
    columns: list[int],
    entries: list[float],
    step: tuple[int, int],
    shape: tuple[int, int],
) -> csr_array:
    """A matrix whose first rows are given and come again, `step` rows and columns further on."""
    start = np.arange(shape[0] // step[0])[:, None]
    row = np.asarray(rows) + step[0] * start
    column = (np.asarray(columns) + step[1] * start) % shape[1]
    values = np.broadcast_to(entries, row.shape)
    matrix = csr_array(coo_array((values.ravel(), (row.ravel(), column.ravel())), shape=shape))
    matrix.sort_indices()
    return matrix
