"""Every knob of the learner, declared once; presets and `--set` fill it in. Imports no JAX."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from mastac.errors import UserError, unknown
from mastac.learning import kinds
from mastac.learning.knob_names import ELSEWHERE
from mastac.learning.knobs import Knob, Search, knob
from mastac.learning.model_settings import ModelSettings
from mastac.learning.on_policy_settings import OnPolicySettings

RATES = Search(1e-5, 1e-2, log=True)
LAYERS = Search(choices=((32, 32), (64, 64, 64), (128, 128)))


@dataclass(frozen=True)
class Settings(OnPolicySettings, ModelSettings):
    """Knobs of a learner. Units: rates are per update, noise is in units of the action's limit."""

    actor_lr: float = knob(
        1e-3, "Adam step size of the actors", kinds.every_learner, above=0, search=RATES
    )
    critic_lr: float = knob(
        1e-3, "Adam step size of the critics", kinds.with_critics, above=0, search=RATES
    )
    lr_final: float = knob(
        0.02,
        "both step sizes fall linearly to this fraction of their start over the run",
        kinds.by_steps,
        least=0,
        most=1,
    )
    discount: float = knob(
        0.95,
        "discount factor of the values",
        kinds.discounting,
        least=0,
        most=1,
        search=Search(0.8, 0.999),
    )
    n_steps: int = knob(
        1,
        "rewards in a target before its bootstrap value; above 1 it is biased by older policies",
        kinds.exploring_with_critics,
        least=1,
        search=Search(1, 8),
    )
    tau: float = knob(
        0.02,
        "share of the online weights that enters the target weights at each update",
        kinds.with_targets,
        least=0,
        most=1,
        search=Search(0.002, 0.1, log=True),
    )
    batch_size: int = knob(
        256,
        "transitions in one update, the same for all agents",
        kinds.with_batches,
        least=1,
        search=Search(32, 1024, log=True),
    )
    buffer_size: int = knob(
        100_000, "environment steps that the replay buffer holds", kinds.with_replay, least=1
    )
    updates_per_epoch: int = knob(
        4,
        "updates of all agents after each episode, on-policy after each rollout",
        kinds.by_episodes,
        least=1,
        search=Search(1, 32, log=True),
    )
    warmup_epochs: int = knob(
        0,
        "episodes before the first update (at least until the replay buffer could fill a batch)",
        kinds.with_replay,
        least=0,
    )
    noise: float = knob(
        0.1,
        "standard deviation of the Gaussian exploration, or of stochastic policies, at the start",
        kinds.with_batches,
        least=0,
        search=Search(0.02, 1.0, log=True),
    )
    noise_cycle: bool = knob(
        False,
        "every second and third episode explores with 0.3 and 0.1 of the noise",
        kinds.exploring_with_critics,
    )
    episode_noise: float = knob(
        0.0,
        "noise on logits that lasts for an episode, as a multiple of noise",
        kinds.exploring_with_critics,
        least=0,
    )
    noise_final: float = knob(
        0.05,
        "standard deviation of the Gaussian exploration at the end; it falls linearly to it",
        kinds.exploring,
        least=0,
        off=0.0,
    )
    random_fraction: float = knob(
        0.1,
        "probability that an agent's action is uniformly random, at the start",
        kinds.exploring,
        least=0,
        most=1,
        off=0.0,
    )
    random_fraction_final: float = knob(
        0.0,
        "probability that an agent's action is uniformly random, at the end; linear between",
        kinds.exploring,
        least=0,
        most=1,
    )
    rewards: str = knob(
        "own",
        "what critics predict: their own agents' rewards, or the mean reward of the team",
        kinds.every_learner,
        choices=("own", "team"),
    )
    others_actions: str = knob(
        "policy",
        "the other agents' actions in an actor's gradient: of their current policies, or replayed",
        kinds.reading_others,
        choices=("policy", "replay"),
    )
    keep: str = knob(
        "last", "which evaluated policies a run ends with", kinds.by_steps, choices=("last", "best")
    )
    coordinated: bool = knob(
        False, "agents update in sequence, each seeing the updates before it", kinds.every_learner
    )
    minimal: bool = knob(
        True,
        "the minimal (d-separation) sets; false: the paper's, which are larger",
        kinds.with_sets,
    )
    distance_decay: float = knob(
        1.0,
        "factor on a critic's first weights and their steps, for each kappa of an input's distance",
        kinds.reading_sets,
        above=0,
        most=1,
    )
    finite_horizon: bool = knob(
        True,
        "critics are told the time and end with the episode; false: they bootstrap through its end",
        kinds.by_critics,
    )
    reward_scale: float = knob(
        1.0,
        "what rewards are multiplied with before they reach the critics",
        kinds.by_critics,
        above=0,
        search=Search(0.01, 100.0, log=True),
    )
    actor_hidden: tuple[int, ...] = knob(
        (64, 64, 64), "hidden layers of an actor", kinds.every_learner, search=LAYERS
    )
    critic_hidden: tuple[int, ...] = knob(
        (64, 64, 64), "hidden layers of a critic", kinds.with_critics, min_layers=1, search=LAYERS
    )
    actor_output_scale: float = knob(
        1.0,
        "factor on the actors' initial last-layer weights; 1: Glorot throughout",
        kinds.every_learner,
        above=0,
    )
    critic_activation: str = knob(
        "relu",
        "activation between a critic's layers",
        kinds.with_critics,
        choices=("relu", "silu", "tanh"),
        search=Search(choices=("relu", "silu", "tanh")),
    )
    saturation_cost: float = knob(
        0.0,
        "half the cost of (|logit| - 2)² beyond 2 in a tanh, or from the mean of choices",
        kinds.exploring_with_critics,
        least=0,
    )
    relative_errors: bool = knob(
        False,
        "critics weigh squared errors by 1 / (1 + value²), so that all sizes count",
        kinds.unmixed,
    )
    critics_first: int = knob(
        0, "updates of the critics before actors begin to move", kinds.exploring_at_once, least=0
    )
    max_grad_norm: float = knob(
        0.0,
        "largest norm of one network's gradient; 0: no limit",
        kinds.by_steps,
        least=0,
        search=Search(choices=(0.0, 0.5, 10.0)),
    )
    twin_critics: bool = knob(
        False,
        "two networks for each critic, the smaller value enters the target",
        kinds.unmixed_at_once,
        search=Search(choices=(False, True)),
    )
    target_noise: float = knob(
        0.0,
        "standard deviation of the noise on the target policies' actions",
        kinds.with_target_policies,
        least=0,
    )
    target_noise_clip: float = knob(
        0.5, "largest noise on the target policies' actions", kinds.with_target_policies, above=0
    )
    policy_delay: int = knob(
        1,
        "actors and targets move at every so many updates of the critics",
        kinds.unmixed_at_once,
        least=1,
        search=Search(1, 4),
    )
    share_actors: bool = knob(
        False, "agents of equal sizes, scales and limits share one actor", kinds.updating_at_once
    )
    share_critics: bool = knob(
        False, "critics that read corresponding sets share one network", kinds.unmixed_at_once
    )
    max_entropy: bool = knob(
        False, "policies are stochastic and rewarded for their entropy", kinds.every_learner
    )
    temperature: float = knob(
        0.01,
        "what a nat of entropy is worth, in scaled rewards; where it is tuned, at the start",
        kinds.with_entropy,
        above=0,
        search=Search(1e-4, 1.0, log=True),
    )
    tune_temperature: bool = knob(
        True, "each agent's temperature brings its entropy to its target", kinds.with_entropy
    )
    entropy_target: float = knob(
        -1.0,
        "entropy that a tuned temperature aims at, in nats for each free number of an action in "
        "units of its limit",
        kinds.with_entropy,
    )
    estimator: str = knob(
        "pathwise",
        "what actors' gradients come from: critics, scores of drawn actions, perturbed weights, or "
        "a model of the dynamics",
        kinds.every_learner,
        choices=("pathwise", "score", "perturbation", "model"),
    )
    mixer: str = knob(
        "none",
        "how utilities and payoffs become values",
        kinds.every_learner,
        choices=("none", "sum", "monotonic", "nonmonotonic"),
    )
    mixer_embedding: int = knob(
        64,
        "width of the mixer and of the networks that make its weights",
        kinds.with_mixing_network,
        least=1,
    )

    @property
    def on_policy(self) -> bool:
        """Whether there is a rollout instead of a replay."""
        return self.estimator in ("score", "perturbation")


KNOBS: dict[str, Knob] = {field.name: field.metadata["knob"] for field in fields(Settings)}
# Knobs that make the kind of a learner; only its algorithm sets them.
KIND_KNOBS = tuple(field.name for field in fields(kinds.Kind) if field.name in KNOBS)


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
