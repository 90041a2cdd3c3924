"""Every knob of the learner, declared once; presets and `--set` fill it in. Imports no JAX."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from mastac.errors import UserError, unknown
from mastac.learning.kinds import (
    Kind,
    by_perturbation,
    by_scores,
    by_steps,
    every_learner,
    exploring,
    exploring_at_once,
    exploring_with_critics,
    off_policy,
    on_policy,
    reading_others,
    reading_sets,
    unmixed,
    unmixed_at_once,
    updating_at_once,
    with_batches,
    with_critics,
    with_entropy,
    with_mixing_network,
    with_replay,
    with_sets,
    with_target_policies,
)
from mastac.learning.knob_names import ELSEWHERE
from mastac.learning.knobs import Knob, knob
from mastac.learning.model_settings import ModelSettings


@dataclass(frozen=True)
class Settings(ModelSettings):
    """Knobs of a learner. Units: rates are per update, noise is in units of the action's limit."""

    actor_lr: float = knob(1e-3, "Adam step size of the actors", every_learner, above=0)
    critic_lr: float = knob(1e-3, "Adam step size of the critics", with_critics, above=0)
    lr_final: float = knob(
        0.02,
        "both step sizes fall linearly to this fraction of their start over the run",
        by_steps,
        least=0,
        most=1,
    )
    discount: float = knob(0.95, "discount factor of the values", by_steps, least=0, most=1)
    n_steps: int = knob(
        1,
        "rewards in a target before its bootstrap value; above 1 it is biased by older policies",
        exploring_with_critics,
        least=1,
    )
    tau: float = knob(
        0.02,
        "share of the online weights that enters the target weights at each update",
        off_policy,
        least=0,
        most=1,
    )
    batch_size: int = knob(
        256, "transitions in one update, the same for all agents", with_batches, least=1
    )
    buffer_size: int = knob(
        100_000, "environment steps that the replay buffer holds", with_replay, least=1
    )
    updates_per_epoch: int = knob(
        4,
        "updates of all agents after each episode, on-policy after each rollout",
        by_steps,
        least=1,
    )
    warmup_epochs: int = knob(
        0,
        "episodes before the first update (at least until the replay buffer could fill a batch)",
        with_replay,
        least=0,
    )
    noise: float = knob(
        0.1,
        "standard deviation of the Gaussian exploration, or of stochastic policies, at the start",
        with_batches,
        least=0,
    )
    noise_cycle: bool = knob(
        False,
        "every second and third episode explores with 0.3 and 0.1 of the noise",
        exploring_with_critics,
    )
    episode_noise: float = knob(
        0.0,
        "noise on logits that lasts for an episode, as a multiple of noise",
        exploring_with_critics,
        least=0,
    )
    noise_final: float = knob(
        0.05,
        "standard deviation of the Gaussian exploration at the end; it falls linearly to it",
        exploring,
        least=0,
        off=0.0,
    )
    random_fraction: float = knob(
        0.1,
        "probability that an agent's action is uniformly random, at the start",
        exploring,
        least=0,
        most=1,
        off=0.0,
    )
    random_fraction_final: float = knob(
        0.0,
        "probability that an agent's action is uniformly random, at the end; linear between",
        exploring,
        least=0,
        most=1,
    )
    rewards: str = knob(
        "own",
        "what critics predict: their own agents' rewards, or the mean reward of the team",
        every_learner,
        choices=("own", "team"),
    )
    others_actions: str = knob(
        "policy",
        "the other agents' actions in an actor's gradient: of their current policies, or replayed",
        reading_others,
        choices=("policy", "replay"),
    )
    coordinated: bool = knob(
        False, "agents update in sequence, each seeing the updates before it", every_learner
    )
    minimal: bool = knob(
        True, "the minimal (d-separation) sets; false: the paper's, which are larger", with_sets
    )
    distance_decay: float = knob(
        1.0,
        "factor on a critic's first weights and their steps, for each kappa of an input's distance",
        reading_sets,
        above=0,
        most=1,
    )
    finite_horizon: bool = knob(
        True,
        "critics are told the time and end with the episode; false: they bootstrap through its end",
        with_critics,
    )
    reward_scale: float = knob(
        1.0,
        "what rewards are multiplied with before they reach the critics",
        with_critics,
        above=0,
    )
    actor_hidden: tuple[int, ...] = knob((64, 64, 64), "hidden layers of an actor", every_learner)
    critic_hidden: tuple[int, ...] = knob(
        (64, 64, 64), "hidden layers of a critic", with_critics, min_layers=1
    )
    actor_output_scale: float = knob(
        1.0,
        "factor on the actors' initial last-layer weights; 1: Glorot throughout",
        every_learner,
        above=0,
    )
    critic_activation: str = knob(
        "relu",
        "activation between a critic's layers",
        with_critics,
        choices=("relu", "silu", "tanh"),
    )
    saturation_cost: float = knob(
        0.0, "half the cost of (|logit| - 2)² beyond 2 in a tanh", exploring_at_once, least=0
    )
    relative_errors: bool = knob(
        False, "critics weigh squared errors by 1 / (1 + value²), so that all sizes count", unmixed
    )
    critics_first: int = knob(
        0, "updates of the critics before actors begin to move", exploring_at_once, least=0
    )
    max_grad_norm: float = knob(
        0.0, "largest norm of one network's gradient; 0: no limit", by_steps, least=0
    )
    twin_critics: bool = knob(
        False, "two networks for each critic, the smaller value enters the target", unmixed_at_once
    )
    target_noise: float = knob(
        0.0,
        "standard deviation of the noise on the target policies' actions",
        with_target_policies,
        least=0,
    )
    target_noise_clip: float = knob(
        0.5, "largest noise on the target policies' actions", with_target_policies, above=0
    )
    policy_delay: int = knob(
        1,
        "actors and targets move at every so many updates of the critics",
        unmixed_at_once,
        least=1,
    )
    share_actors: bool = knob(
        False, "agents of equal sizes, scales and limits share one actor", updating_at_once
    )
    max_entropy: bool = knob(
        False, "policies are stochastic and rewarded for their entropy", every_learner
    )
    temperature: float = knob(
        0.01,
        "what a nat of entropy is worth, in scaled rewards; where it is tuned, at the start",
        with_entropy,
        above=0,
    )
    tune_temperature: bool = knob(
        True, "each agent's temperature is tuned until its entropy is at its target", with_entropy
    )
    entropy_target: float = knob(
        -1.0,
        "entropy that a tuned temperature aims at, in nats for each free number of an action in "
        "units of its limit",
        with_entropy,
    )
    estimator: str = knob(
        "pathwise",
        "what actors' gradients come from: critics, scores of drawn actions, perturbed weights, or "
        "a model of the dynamics",
        every_learner,
        choices=("pathwise", "score", "perturbation", "model"),
    )
    rollout_steps: int = knob(
        512,
        "environment steps of a rollout, during which policies stay the same",
        on_policy,
        least=1,
    )
    gae_lambda: float = knob(
        0.95,
        "how much of later errors enters an advantage: 0 one step, 1 the whole return",
        by_scores,
        least=0,
        most=1,
    )
    clip_ratio: float = knob(
        0.2,
        "how far ratios of probabilities may leave 1 and still count; 0: no limit",
        by_scores,
        least=0,
    )
    normalize_advantages: bool = knob(
        True,
        "each agent's advantages get mean 0 and standard deviation 1 in every batch",
        by_scores,
    )
    entropy_bonus: float = knob(
        0.0, "weight of a policy's entropy in the objective of its actor", by_scores, least=0
    )
    perturbation: float = knob(
        0.05,
        "standard deviation of the perturbation of the policies' weights",
        by_perturbation,
        above=0,
    )
    mixer: str = knob(
        "none",
        "how utilities and payoffs become values",
        every_learner,
        choices=("none", "sum", "monotonic", "nonmonotonic"),
    )
    mixer_embedding: int = knob(
        64,
        "width of the mixer and of the networks that make its weights",
        with_mixing_network,
        least=1,
    )

    @property
    def on_policy(self) -> bool:
        """Whether there is a rollout instead of a replay."""
        return self.estimator in ("score", "perturbation")


KNOBS: dict[str, Knob] = {field.name: field.metadata["knob"] for field in fields(Settings)}
# Knobs that make the kind of a learner; only its algorithm sets them.
KIND_KNOBS = tuple(field.name for field in fields(Kind) if field.name in KNOBS)


def checked_settings(knobs: Mapping[str, Any], base: Settings | None = None) -> Settings:
    """Settings with some knobs set.

    **Arguments:**

    - `knobs`: values by name.
    - `base`: the settings to start from; without it, the defaults.

    **Raises:**

    - `UserError` for an unknown name, or a value of another type or outside the knob's range.
    """
    for name in knobs:
        if name in ELSEWHERE:
            raise UserError(f"unknown knob '{name}'; here it is called {ELSEWHERE[name]}")
        if name not in KNOBS:
            raise unknown("knob", name, KNOBS)
    values = {name: KNOBS[name].checked(name, value) for name, value in knobs.items()}
    return replace(base or Settings(), **values)
