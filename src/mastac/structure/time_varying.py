"""The sets of every time of a sequence of couplings, by one recursion backward in time."""

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

from mastac.structure.boolean import sorted_rows, union
from mastac.structure.memory_limits import (
    SAMPLE,
    Estimate,
    bytes_of,
    check_fits_memory,
    drawn_agents,
    estimated_total,
    memory_limit,
)
from mastac.structure.sequences import CouplingSequence
from mastac.structure.steps import Steps, reward_needs, same_sets

Sets = tuple[csr_array, csr_array]
Kinds = tuple[int, ...]
"""The couplings of the times of a window, equal ones by the same number."""


class TimeVarying:
    r"""The recursion $U(t) = R_t O_t \cup U(t+1) S_t O_t$ of [`mastac.value_dependency`][].

    What follows from equal couplings is computed once. Ask for windows from the last time to the
    first: then those that reach the end share one pass.

    **Arguments:**

    - `sequence`: the couplings.
    - `minimal`: whether the sets are the minimal ones, else the paper's.
    """

    def __init__(self, sequence: CouplingSequence, minimal: bool) -> None:
        self.sequence, self.minimal = sequence, minimal
        self.kinds = sequence.kinds
        self.steps = {kind: Steps(sequence[kind]) for kind in set(self.kinds)}
        self.now = {kind: reward_needs(sequence[kind]) for kind in set(self.kinds)}
        self.needs: dict[Kinds, csr_array] = {}
        self.values: dict[Kinds, Sets] = {}

    def window(self, at: int, kappa: int | None) -> Sets:
        """The sets (states, actions) of the values at time `at`."""
        horizon = self.sequence.horizon
        kinds = self.kinds[at : (horizon if kappa is None else min(at + kappa, horizon)) + 1]
        if kinds not in self.values:
            needs = (
                None
                if self.minimal and len(kinds) == 1
                else self._needs(kinds[1:] if self.minimal else kinds)
            )
            self.values[kinds] = self._value(kinds[0], needs)
        return self.values[kinds]

    def _needs(self, kinds: Kinds) -> csr_array:
        """$U$ at the first of these times: the states that all their rewards need."""
        known = next((i for i in range(len(kinds)) if kinds[i:] in self.needs), len(kinds))
        later = self.needs.get(kinds[known:])
        for kind in reversed(kinds[:known]):
            if later is None:
                later = self.now[kind]
            else:
                steps = self.steps[kind]
                check_product(later, steps.back, steps.work(later))
                later = union(self.now[kind], sorted_rows(steps.back(later)))
        assert later is not None  # there is at least one time
        self.needs[kinds] = later
        return later

    def _value(self, kind: int, later: csr_array | None) -> Sets:
        """The sets at a time of this kind, from $U$ at the next time.

        For the paper's sets `later` is $U$ at the time itself, which they are.
        """
        now = self.sequence[kind]
        if not self.minimal:
            assert later is not None
            return later, later
        if later is None:
            return now.reward, now.reward_action
        steps, shared = self.steps[kind], same_sets(now, self.minimal)
        check_product(later, steps.state.left_product, steps.state.work(later))
        states = union(now.reward, sorted_rows(steps.state.left_product(later)))
        return states, states if shared else union(
            now.reward_action, sorted_rows(steps.action.left_product(later))
        )


def check_product(left: csr_array, times: Callable[[csr_array], csr_array], work: int) -> None:
    """Refuse a product that the memory does not hold.

    **Arguments:**

    - `left`: the left factor.
    - `times`: multiplies a left factor, here by some rows of `left` for an estimate.
    - `work`: a bound on the entries, which often suffices.

    **Raises:**

    - [`mastac.errors.UserError`][] with the size, the limit and the fix.
    """
    if bytes_of(work) <= memory_limit():
        return
    number = len(left.indptr) - 1
    drawn = drawn_agents(number, int(np.clip(10**7 * number // work, 16, SAMPLE)))
    total, error = estimated_total(np.diff(times(csr_array(left[drawn])).indptr), number)
    check_fits_memory(
        "the sets", Estimate(total, error, len(drawn), "products"), "take a smaller kappa"
    )
