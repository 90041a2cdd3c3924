"""The knobs of learners from rollouts of their current policies. Imports no JAX."""

from dataclasses import dataclass

from mastac.learning.kinds import by_perturbation, by_scores, on_policy
from mastac.learning.knobs import Search, knob


@dataclass(frozen=True)
class OnPolicySettings:
    """Rollouts, advantages, and perturbations of weights."""

    rollout_steps: int = knob(
        512,
        "environment steps of a rollout, during which policies stay the same",
        on_policy,
        least=1,
        search=Search(128, 2048, log=True),
    )
    gae_lambda: float = knob(
        0.95,
        "how much of later errors enters an advantage: 0 one step, 1 the whole return",
        by_scores,
        least=0,
        most=1,
        search=Search(0.8, 1.0),
    )
    clip_ratio: float = knob(
        0.2,
        "how far ratios of probabilities may leave 1 and still count; 0: no limit",
        by_scores,
        least=0,
        search=Search(0.05, 0.5, log=True),
    )
    normalize_advantages: bool = knob(
        True,
        "each agent's advantages get mean 0 and standard deviation 1 in every batch",
        by_scores,
    )
    entropy_bonus: float = knob(
        0.0,
        "weight of a policy's entropy in the objective of its actor",
        by_scores,
        least=0,
        search=Search(0.0, 0.1),
    )
    perturbation: float = knob(
        0.05,
        "standard deviation of the perturbation of the policies' weights",
        by_perturbation,
        above=0,
        search=Search(0.005, 0.5, log=True),
    )
