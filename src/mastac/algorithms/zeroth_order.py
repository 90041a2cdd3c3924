"""Distributed zeroth-order learning on local values (Jing et al. 2024, the paper's reference 20).

There are no critics: in each episode the policies' weights are perturbed, and every agent weighs
its perturbation with the returns of the agents that it moves.
"""

from mastac.algorithms.base import Algorithm
from mastac.algorithms.mastac import mastac_layout
from mastac.learning.kinds import Kind

ZEROTH_ORDER = Algorithm(
    summary="no critics: perturbed policies follow the returns of the agents that they move",
    layout=mastac_layout,
    kind=Kind(estimator="perturbation", credit="sets"),
    uses_kappa=True,
    defaults={"updates_per_epoch": 1},
)
