"""Every knob of the learner, with its meaning; presets and `--set` fill it in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Names that knobs had in runs stored by older versions.
FORMER_NAMES = {
    "soft": "max_entropy",
    "policy_actions": "others_actions",
    "smoothing_noise": "target_noise",
    "smoothing_clip": "target_noise_clip",
    "tuned_temperature": "tune_temperature",
    "random_final": "random_fraction_final",
    "normalise_advantages": "normalize_advantages",
}


def knob(default: Any, help: str, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field that carries its own documentation, and the words that it may be where it is one."""
    metadata = {"help": help, "choices": choices}
    if isinstance(default, list):
        return field(default_factory=lambda: tuple(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Knobs of a learner. Units: rates are per update, noise is in units of the action's limit."""

    actor_lr: float = knob(1e-3, "Adam step size of the actors")
    critic_lr: float = knob(1e-3, "Adam step size of the critics")
    lr_final: float = knob(
        0.02, "both step sizes fall linearly to this fraction of their start over the run"
    )
    discount: float = knob(0.95, "discount factor of the action values")
    n_steps: int = knob(
        1, "rewards in a target before its bootstrap value; above 1 it is biased by older policies"
    )
    tau: float = knob(
        0.02, "share of the online weights that enters the target weights at each update"
    )
    batch_size: int = knob(256, "transitions in one update, the same for all agents")
    buffer_size: int = knob(100_000, "environment steps that the replay holds")
    updates_per_epoch: int = knob(
        4, "updates of all agents after each episode, on-policy after each rollout"
    )
    warmup_epochs: int = knob(
        0, "episodes before the first update (at least until the replay could fill a batch)"
    )
    noise: float = knob(
        0.1,
        "standard deviation of the Gaussian exploration, or of stochastic policies, at the start",
    )
    noise_final: float = knob(0.05, "and at the end; it falls linearly")
    random_fraction: float = knob(
        0.1, "probability that an agent's action is uniformly random, at the start"
    )
    random_fraction_final: float = knob(0.0, "and at the end; it falls linearly")
    rewards: str = knob(
        "own", "what critics predict: own rewards, or the mean of the team's", ("own", "team")
    )
    others_actions: str = knob(
        "policy",
        "the other agents' actions in an actor's gradient: of their current policies, or replayed",
        ("policy", "replay"),
    )
    coordinated: bool = knob(False, "agents update in sequence, each seeing the updates before it")
    minimal: bool = knob(
        True, "the minimal (d-separation) sets; false: the paper's, which are larger"
    )
    distance_decay: float = knob(
        1.0,
        "factor on a critic's first weights and steps for what it reads, for each kappa that it is further away",
    )
    finite_horizon: bool = knob(
        True, "critics are told the time and end with the episode; false: bootstrap through"
    )
    reward_scale: float = knob(
        1.0, "what rewards are multiplied with before they reach the critics"
    )
    actor_hidden: tuple[int, ...] = knob([64, 64, 64], "hidden layers of an actor")
    critic_hidden: tuple[int, ...] = knob([64, 64, 64], "hidden layers of a critic")
    actor_output_scale: float = knob(
        1.0, "factor on the actors' initial last-layer weights; 1: Glorot throughout"
    )
    critic_activation: str = knob(
        "relu", "between a critic's layers: relu, silu or tanh", ("relu", "silu", "tanh")
    )
    max_grad_norm: float = knob(0.0, "largest norm of one network's gradient; 0: no limit")
    twin_critics: bool = knob(
        False, "two critics for each, the smaller of whose values enters the target"
    )
    target_noise: float = knob(
        0.0, "standard deviation of the noise on the target policies' actions"
    )
    target_noise_clip: float = knob(0.5, "largest such noise")
    policy_delay: int = knob(1, "actors and targets move at every so many updates of the critics")
    share_actors: bool = knob(False, "agents of equal sizes, scales and limits share one actor")
    max_entropy: bool = knob(False, "policies are stochastic and rewarded for their entropy")
    temperature: float = knob(
        0.01, "what a nat of entropy is worth, in scaled rewards; where it is tuned, at the start"
    )
    tune_temperature: bool = knob(
        True, "each agent's temperature is tuned until its entropy is at its target"
    )
    entropy_target: float = knob(
        -1.0, "that target, for each free number of an action in units of its limit"
    )
    estimator: str = knob(
        "pathwise",
        "of the actors' gradients: through the critics, by scores of what was drawn, or by perturbed weights",
        ("pathwise", "score", "perturbation"),
    )
    rollout_steps: int = knob(
        512, "environment steps that policies stay the same for, where learning is on-policy"
    )
    gae_lambda: float = knob(
        0.95, "how much of later errors enters an advantage: 0 one step, 1 the whole return"
    )
    clip_ratio: float = knob(
        0.2, "how far ratios of densities may leave 1 and still count; 0: no limit"
    )
    normalize_advantages: bool = knob(
        True, "each agent's advantages get mean 0 and spread 1 in every batch"
    )
    entropy_bonus: float = knob(
        0.0, "weight of a stochastic policy's entropy in what its actor climbs"
    )
    perturbation: float = knob(
        0.05, "standard deviation of what perturbed policies' weights are moved by"
    )
    mixer: str = knob(
        "none", "how terms become values", ("none", "sum", "monotonic", "nonmonotonic")
    )
    mixer_embedding: int = knob(64, "width of the mixer and of the networks that make its weights")

    @property
    def on_policy(self) -> bool:
        """Whether there is a rollout instead of a replay."""
        return self.estimator != "pathwise"


def stored_knobs(knobs: Mapping[str, Any]) -> dict[str, Any]:
    """Knobs of a stored run under their present names and with present values.

    >>> stored_knobs({"policy_actions": False, "tau": 0.1})
    {'others_actions': 'replay', 'tau': 0.1}
    """
    values = {FORMER_NAMES.get(name, name): value for name, value in knobs.items()}
    if isinstance(values.get("others_actions"), bool):
        values["others_actions"] = "policy" if values["others_actions"] else "replay"
    return values
