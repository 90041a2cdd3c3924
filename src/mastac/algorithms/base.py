"""What an algorithm is: data over the shared learner. Imports no JAX."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import with_team_rewards

# What a central or local critic leaves unused of the structured ones' knobs, and all but FACMAC of
# the mixer's.
NO_DISTANCES: Mapping[str, Any] = {"distance_decay": 1.0}
NO_SETS: Mapping[str, Any] = {"minimal": True, **NO_DISTANCES}
NO_MIXER: Mapping[str, Any] = {"mixer": "none", "mixer_embedding": 64}
NOT_IN_SEQUENCE: Mapping[str, Any] = {"coordinated": False}
NO_TRICKS: Mapping[str, Any] = {
    "twin_critics": False,
    "target_noise": 0.0,
    "target_noise_clip": 0.5,
    "policy_delay": 1,
}

# What only the soft actor-critic uses.
NOT_SOFT: Mapping[str, Any] = {
    "max_entropy": False,
    "temperature": 0.01,
    "tune_temperature": True,
    "entropy_target": -1.0,
}
# What only on-policy learners use.
OFF_POLICY: Mapping[str, Any] = {
    "estimator": "pathwise",
    "rollout_steps": 512,
    "gae_lambda": 0.95,
    "clip_ratio": 0.2,
    "normalize_advantages": True,
    "entropy_bonus": 0.0,
    "perturbation": 0.05,
}
# What on-policy learners leave unused: the replay, targets, and exploration that is no part of the
# policy.
ON_POLICY: Mapping[str, Any] = {
    **NO_MIXER,
    **NOT_IN_SEQUENCE,
    **NO_TRICKS,
    "n_steps": 1,
    "tau": 0.02,
    "buffer_size": 100_000,
    "warmup_epochs": 0,
    "noise_final": 0.0,
    "random_fraction": 0.0,
    "random_fraction_final": 0.0,
    "others_actions": "policy",
}


@dataclass(frozen=True)
class Algorithm:
    """How an algorithm differs from the others.

    - `summary`: one line.
    - `layout`: `(couplings, kappa, minimal) -> CriticLayout`, of the agents' own rewards where
        these can be chosen.
    - `rewards`: what its critics can predict, the default first: "own", "team".
    - `uses_kappa`: whether its critics have a window at all.
    - `follows_time`: whether it can tell at which time which couplings hold. Others get the union
        over all times.
    - `takes_discrete`: whether actions may be choices. Others climb slopes of their critics in the
        action.
    - `fixed`: knobs that make the algorithm what it is; a user cannot set them. What a learner of
        its kind leaves unused is fixed besides.
    - `defaults`: knobs that it sets unless the user says otherwise.
    """

    summary: str
    layout: Callable[[Any, int | None, bool], CriticLayout]
    rewards: tuple[str, ...] = ("own",)
    uses_kappa: bool = False
    follows_time: bool = False
    takes_discrete: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unused = OFF_POLICY if self.estimator == "pathwise" else {}
        unused = unused if self.fixed.get("max_entropy") else {**NOT_SOFT, **unused}
        object.__setattr__(self, "fixed", {**unused, **self.fixed})

    @property
    def estimator(self) -> str:
        """Of its actors' gradients (see the knob)."""
        return self.fixed.get("estimator", "pathwise")

    @property
    def combines(self) -> str:
        """What it can be combined with, in the form that the command line takes."""
        parts = ["--kappa K or exact"] if self.uses_kappa else []
        parts += [f"rewards={'|'.join(self.rewards)}"] if len(self.rewards) > 1 else []
        free = ("others_actions", "minimal", "twin_critics", "target_noise", "policy_delay")
        free += ("n_steps", "share_actors", "distance_decay")
        parts += [name for name in free if name not in self.fixed]
        parts += ["couplings that change with the time"] if self.follows_time else []
        return ", ".join(parts) or "nothing"

    def layout_for(
        self,
        couplings: Couplings | CouplingSequence,
        kappa: int | None,
        minimal: bool,
        rewards: str,
    ) -> CriticLayout:
        """The layout with the rewards that were chosen."""
        if isinstance(couplings, CouplingSequence) and not self.follows_time:
            couplings = couplings.union()
        layout = self.layout(couplings, kappa, minimal)
        return with_team_rewards(layout) if rewards == "team" and len(self.rewards) > 1 else layout
