"""Local models of the dynamics on the graphs' in-neighbours, and actors that climb through them.

Every agent's next state and reward are small regressions on the agents that enter them. Actors
climb the return of imagined episodes. With `dynamics=true` these are played by the simulator. With
critics, imagined episodes are short and end in the values of MAStAC's critics.

Or the models add to what MAStAC itself learns from, and nothing climbs through them (Dyna).
"""

from mastac.algorithms.base import Algorithm
from mastac.algorithms.mastac import mastac_layout
from mastac.learning.kinds import Kind
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import dynamics_layout


def model_layout(
    couplings: Couplings | CouplingSequence, kappa: int | None, minimal: bool
) -> CriticLayout:
    """What the local model of each agent's next state reads."""
    return dynamics_layout(couplings)


DEFAULTS = {
    "actor_lr": 1e-2,
    "actor_hidden": (32, 32),
    "actor_output_scale": 0.1,
    "batch_size": 64,
    "noise": 0.3,
    "noise_final": 0.05,
    "random_fraction": 0.2,
    "random_fraction_final": 0.0,
}
MASTAC_MODEL = Algorithm(
    summary="learnt local dynamics: actors climb imagined returns; few environment steps",
    layout=model_layout,
    kind=Kind(estimator="model", reads="others"),
    defaults=DEFAULTS,
)
MASTAC_MODEL_CRITICS = Algorithm(
    summary="the same, but imagined episodes are short and end in structured critics' values",
    layout=mastac_layout,
    kind=Kind(estimator="model", reads="sets", credit="sets", terminal_value="critics"),
    uses_kappa=True,
    follows_time=True,
    defaults={**DEFAULTS, "imagined_steps": 4, "critic_hidden": (64, 64)},
)
MASTAC_MODEL_DYNA = Algorithm(
    summary="mastac, with imagined transitions in its batches and more updates for each step",
    layout=mastac_layout,
    kind=Kind(reads="sets", credit="sets", imagined_data=True),
    uses_kappa=True,
    follows_time=True,
)
