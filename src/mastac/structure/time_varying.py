"""Sets of every time of a sequence of couplings, backward in time."""

from __future__ import annotations

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
    r"""The recursion $U(t) = R_t O_t \cup U(t+1) S_t O_t$; what follows from equal couplings is found once.

    Windows are best asked for from the last time to the first: then those that reach the end share
    one pass.
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
        """The states at the first of these times that the rewards of all of them need when policies act."""
        place = next(
            (place for place in range(len(kinds)) if kinds[place:] in self.needs), len(kinds)
        )
        later = self.needs.get(kinds[place:])
        for kind in reversed(kinds[:place]):
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
        """The sets at a time of this kind from what the next time needs, or (the paper's) what it needs itself."""
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
    """Refuses a product that the memory does not hold, by its number of terms and, past that, by some of its rows.

    **Raises:**

    - [`mastac.errors.UserError`][] with the size, the limit and the mend.
    """
    if bytes_of(work) <= memory_limit():
        return
    number = len(left.indptr) - 1
    some = drawn_agents(number, int(np.clip(10**7 * number // work, 16, SAMPLE)))
    total, error = estimated_total(np.diff(times(csr_array(left[some])).indptr), number)
    check_fits_memory(
        "the sets", Estimate(total, error, len(some), "products"), "take a smaller kappa"
    )
