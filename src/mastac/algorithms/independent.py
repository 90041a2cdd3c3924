"""Independent learners: a deterministic policy gradient (Silver et al. 2014) for each agent alone.

Critic and actor of an agent know its own observation, action and reward; the other agents are part
of the environment, which therefore changes as they learn.
"""

from mastac.algorithms.base import Algorithm
from mastac.learning.kinds import Kind
from mastac.structure import Couplings
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import local


def independent_layout(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """Critic `i` reads agent `i`'s observation and action, and is credited to agent `i` alone."""
    return local(couplings)


INDEPENDENT = Algorithm(
    summary="every agent learns by itself from its observation, its action and its reward",
    layout=independent_layout,
    kind=Kind(),
    rewards=("own", "team"),
)
