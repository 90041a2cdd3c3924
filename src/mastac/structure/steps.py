"""One step back in time through the coupling graphs: what rewards and states need."""

from scipy.sparse import csr_array

from mastac.structure.boolean import Factor, product, union
from mastac.structure.couplings import Couplings


def same_sets(couplings: Couplings, minimal: bool) -> bool:
    """Whether the sets of states and actions are the same by construction."""
    return not minimal or (
        couplings.action is couplings.state and couplings.reward_action is couplings.reward
    )


def reward_needs(couplings: Couplings) -> csr_array:
    r"""The states that the reward of the row agent needs when policies act: $R \cup R^a O$."""
    if Factor(couplings.reward_action).is_identity and couplings.reward_action is couplings.reward:
        return couplings.observation
    through = product(couplings.reward_action, couplings.observation)
    # An agent sees itself, so R O holds R.
    return (
        through if couplings.reward_action is couplings.reward else union(couplings.reward, through)
    )


class Steps:
    r"""Steps back in time: sets times $S \cup A O$.

    The factors are applied one after the other: their product may be far less sparse.
    """

    def __init__(self, couplings: Couplings) -> None:
        self.couplings = couplings
        self.state, self.observation = Factor(couplings.state), Factor(couplings.observation)
        self.action = (
            self.state if couplings.action is couplings.state else Factor(couplings.action)
        )

    def back(self, sets: csr_array) -> csr_array:
        """The states one step before that the states in `sets` need when policies act."""
        moved = self.state.left_product(sets)
        if self.action is self.state:  # S O holds S
            return self.observation.left_product(moved)
        return csr_array(moved + self.observation.left_product(self.action.left_product(sets)))

    def work(self, sets: csr_array) -> int:
        """About how much work the products of a step back are."""
        moved = self.action.work(sets)
        return moved + int(moved * self.observation.lengths.mean())
