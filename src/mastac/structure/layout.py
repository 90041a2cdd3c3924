"""What each critic reads, whose rewards it predicts, which actors it is credited to."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from mastac.errors import UserError
from mastac.structure.boolean import row_of_entry
from mastac.structure.buckets import Bucket, Features, bucket_of, grouped_by_width
from mastac.structure.kinds import Kinds, blocks_of, from_own


@dataclass(frozen=True, eq=False)
class CriticLayout:
    r"""An algorithm as data: what its critics read, what they predict, and whom they improve.

    A *term* is a network and a *value* has a temporal-difference target. They are the same unless
    there is a `mix`; then value `v` is made of the terms in row `v` of it.

    **Arguments:**

    - `agents`: the names of the agents.
    - `states`, `actions`: `[terms, agents]`, true where term `m` reads agent `j`'s state or action.
    - `rewards`: `[values, agents]`, the weight of agent `j`'s reward in value `v`; or one row
        `[1, agents]` where all values predict the same.
    - `credit`: `[agents, values]`, the weight of value `v` in what actor `i` maximises ($\hat Q_i$,
        eq. 11).
    - `mix`: `[values, terms]`, the weight of term `m` in value `v`; `None` where terms are values.
    - `schedule`: for each time which of `states` and `actions` are read then; `None` where all are
        read always. An input that is not read at a time is zero to the critic, and its gradient
        reaches no actor.
    - `distances`: the smallest kappa at which term `m` reads agent `j`'s state, and its action, at
        least 1 for other agents; `None` where they are not asked for.

    All matrices are sparse: nothing of the size agents times agents is built where the couplings
    and the sets are sparse.

    **Raises:**

    - [`mastac.errors.UserError`][] if shapes disagree, or the schedule reads what `states` and
        `actions` do not have.
    """

    agents: tuple[str, ...]
    states: csr_array
    actions: csr_array
    rewards: csr_array
    credit: csr_array
    mix: csr_array | None = None
    schedule: tuple[tuple[csr_array, csr_array], ...] | None = None
    distances: tuple[csr_array, csr_array] | None = None

    def __post_init__(self) -> None:
        num_agents = len(self.agents)
        terms, values = self.num_terms, self.num_values
        expected = {
            "states": (terms, num_agents),
            "actions": (terms, num_agents),
            "rewards": (1 if len(self.rewards.indptr) == 2 else values, num_agents),
            "credit": (num_agents, values),
        }
        if self.mix is not None:
            expected["mix"] = (values, terms)
        for name, shape in expected.items():
            matrix = csr_array(
                getattr(self, name), dtype=bool if name in ("states", "actions") else np.float64
            )
            if matrix.shape != shape:
                raise UserError(
                    f"{name} of the critic layout has shape {matrix.shape}; expected {shape}"
                )
            matrix.eliminate_zeros()
            matrix.sort_indices()
            object.__setattr__(self, name, matrix)
        for time, entry in enumerate(self.schedule or ()):
            for name, matrix in zip(("states", "actions"), entry, strict=True):
                if csr_array(matrix > getattr(self, name)).nnz:
                    raise UserError(
                        f"the schedule of the critic layout reads {name} at time {time} that are "
                        f"not in {name}"
                    )

    @property
    def num_agents(self) -> int:
        """How many agents there are, $N$."""
        return len(self.agents)

    @property
    def num_terms(self) -> int:
        """How many networks there are."""
        return len(self.states.indptr) - 1

    @property
    def num_values(self) -> int:
        """How many values have a temporal-difference target."""
        return self.num_terms if self.mix is None else len(self.mix.indptr) - 1

    def without_actions(self) -> "CriticLayout":
        """The layout of critics that read states alone and are credited to the same actors."""
        nothing = csr_array(self.actions.shape, dtype=bool)
        schedule = self.schedule and tuple((states, nothing) for states, _ in self.schedule)
        return replace(self, actions=nothing, schedule=schedule)

    def useful_credit(self) -> csr_array:
        """The weight of each term in what an actor maximises, `[agents, terms]`.

        That is `credit`, handed down to terms by `mix`, where the term reads the actor's action.
        Elsewhere the gradient is exactly zero.
        """
        if self.mix is None:
            return csr_array(self.credit.multiply(self.actions.T.tocsr()))
        # Entry by entry: with one value of the team the product of credit and mix is dense.
        term, agent = row_of_entry(self.actions), self.actions.indices
        weights = csr_array(self.mix.T)[term].multiply(self.credit[agent]).sum(axis=1)
        credit = csr_array((weights, (agent, term)), shape=(self.num_agents, self.num_terms))
        credit.eliminate_zeros()
        return credit

    def buckets(
        self,
        state_sizes: np.ndarray,
        action_sizes: np.ndarray,
        max_waste: float = 0.25,
        kinds: Kinds | None = None,
        largest: int = 1,
    ) -> tuple[Bucket, ...]:
        """Critics sorted into stacks of similar width.

        **Arguments:**

        - `state_sizes`, `action_sizes`: entries of each agent's state and action, `[agents]`.
        - `max_waste`: the largest share of the first layer's width that may be padding.
        - `kinds`: which critics are one network; each then reads its agents from its own on.
        - `largest`: how many of them are computed together.
        """
        state_sizes, action_sizes = np.asarray(state_sizes), np.asarray(action_sizes)
        widths = self.states @ state_sizes + self.actions @ action_sizes
        credit = csr_array(self.useful_credit().T)
        states, actions = self.states, self.actions
        if kinds is not None:
            states, actions = from_own(states), from_own(actions)
        return tuple(
            bucket_of(
                terms,
                Features(csr_array(states[terms]), state_sizes),
                Features(csr_array(actions[terms]), action_sizes),
                csr_array(credit[terms]),
                None
                if self.schedule is None
                else [(states[terms], actions[terms]) for states, actions in self.schedule],
                None
                if self.distances is None
                else (self.distances[0][terms], self.distances[1][terms]),
                None if kinds is None else blocks_of(kinds.among(terms), largest),
            )
            for terms in grouped_by_width(widths, max_waste)
        )
