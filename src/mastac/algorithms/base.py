"""What an algorithm is: data over the shared learner. Imports no JAX."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mastac.learning.kinds import Kind
from mastac.learning.settings import KIND_KNOBS, KNOBS
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import with_team_rewards


@dataclass(frozen=True)
class Algorithm:
    """How an algorithm differs from the others.

    - `summary`: one line.
    - `layout`: `(couplings, kappa, minimal) -> CriticLayout`, of the agents' own rewards where
        these can be chosen.
    - `kind`: what its learner is; it decides which knobs are used.
    - `rewards`: what its critics can predict, the default first: "own", "team".
    - `uses_kappa`: whether its critics have a window at all.
    - `follows_time`: whether it can tell at which time which couplings hold. Others get the union
        over all times.
    - `fixed`: further knobs that make it what it is; a user cannot set them.
    - `defaults`: knobs that it sets unless the user says otherwise.
    """

    summary: str
    layout: Callable[[Any, int | None, bool], CriticLayout]
    kind: Kind
    rewards: tuple[str, ...] = ("own",)
    uses_kappa: bool = False
    follows_time: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def uses(self, knob: str) -> bool:
        """Whether a learner of its kind uses a knob."""
        return KNOBS[knob].used_by(self.kind)

    @property
    def constant_knobs(self) -> dict[str, Any]:
        """Every knob that a user cannot change, with its value: unused, of its kind, or fixed."""
        unused = {name: knob.unused for name, knob in KNOBS.items() if not self.uses(name)}
        return unused | {name: getattr(self.kind, name) for name in KIND_KNOBS} | dict(self.fixed)

    @property
    def combines(self) -> str:
        """What it can be combined with, in the form that the command line takes."""
        parts = ["--kappa K or exact"] if self.uses_kappa else []
        parts += [f"rewards={'|'.join(self.rewards)}"] if len(self.rewards) > 1 else []
        free = ("others_actions", "minimal", "twin_critics", "target_noise", "policy_delay")
        free += ("n_steps", "share_actors", "share_critics", "distance_decay")
        constant = self.constant_knobs
        parts += [name for name in free if name not in constant]
        parts += ["couplings that change with the time"] if self.follows_time else []
        return ", ".join(parts) or "nothing"

    def layout_for(
        self,
        couplings: Couplings | CouplingSequence,
        kappa: int | None,
        minimal: bool,
        rewards: str,
    ) -> CriticLayout:
        """The layout of its critics.

        **Arguments:**

        - `couplings`: of the environment, or one for each time.
        - `kappa`: steps of the window; `None`: the exact sets.
        - `minimal`: minimal sets, or the paper's.
        - `rewards`: "own" or "team", what the critics predict.
        """
        if isinstance(couplings, CouplingSequence) and not self.follows_time:
            couplings = couplings.union()
        layout = self.layout(couplings, kappa, minimal)
        return with_team_rewards(layout) if rewards == "team" and len(self.rewards) > 1 else layout
