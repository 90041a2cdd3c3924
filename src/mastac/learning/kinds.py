"""Kinds of learner, and the conditions that say which of them use a knob."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Kind:
    """What a learner is, as far as it decides which knobs it uses.

    - `estimator`, `mixer`, `max_entropy`, `coordinated`: the knobs of these names, which the kind
        sets and nobody else.
    - `reads`: what a critic reads: its "own" agent, the "sets" that the couplings give, or "others"
        by another rule.
    - `credit`: which critics an actor follows, in the same words.
    - `terminal_value`: the knob of this name, of learners through a model.
    - `imagined_data`: the knob of this name, of learners whose batches a model adds to.
    """

    estimator: Literal["pathwise", "score", "perturbation", "model"] = "pathwise"
    mixer: Literal["none", "sum", "monotonic", "nonmonotonic"] = "none"
    max_entropy: bool = False
    coordinated: bool = False
    reads: Literal["own", "sets", "others"] = "own"
    credit: Literal["own", "sets", "others"] = "own"
    terminal_value: Literal["none", "critics"] = "none"
    imagined_data: bool = False


def every_learner(kind: Kind) -> bool:
    """All kinds of learner."""
    return True


def by_steps(kind: Kind) -> bool:
    """Learners whose actors take one step at each update."""
    return kind.estimator != "model"


def by_episodes(kind: Kind) -> bool:
    """Those of the former whose updates are counted by episodes, not by environment steps."""
    return by_steps(kind) and not kind.imagined_data


def with_critics(kind: Kind) -> bool:
    """Learners that have critics."""
    return by_critics(kind) or with_terminal_value(kind)


def by_critics(kind: Kind) -> bool:
    """Learners that have critics and no model."""
    return kind.estimator in ("pathwise", "score")


def with_terminal_value(kind: Kind) -> bool:
    """Learners through a model whose imagined episodes end in a critic's value."""
    return kind.terminal_value == "critics"


def discounting(kind: Kind) -> bool:
    """Learners of discounted values."""
    return by_steps(kind) or with_terminal_value(kind)


def with_targets(kind: Kind) -> bool:
    """Learners with target networks."""
    return off_policy(kind) or with_terminal_value(kind)


def with_batches(kind: Kind) -> bool:
    """Learners whose networks are fitted to batches of transitions."""
    return kind.estimator != "perturbation"


def off_policy(kind: Kind) -> bool:
    """Learners of critics from a replay buffer."""
    return kind.estimator == "pathwise"


def with_replay(kind: Kind) -> bool:
    """Learners that keep past episodes."""
    return kind.estimator in ("pathwise", "model")


def by_model(kind: Kind) -> bool:
    """Learners through a model of the dynamics."""
    return kind.estimator == "model"


def with_imagined_data(kind: Kind) -> bool:
    """Learners whose batches hold imagined transitions, too."""
    return kind.imagined_data


def with_models(kind: Kind) -> bool:
    """Learners with a model of the dynamics, whatever it is for."""
    return by_model(kind) or with_imagined_data(kind)


def on_policy(kind: Kind) -> bool:
    """Learners from rollouts of the current policies."""
    return kind.estimator in ("score", "perturbation")


def exploring(kind: Kind) -> bool:
    """Learners of deterministic policies, to which exploration is added."""
    return with_replay(kind) and not kind.max_entropy


def exploring_at_once(kind: Kind) -> bool:
    """Those of the former whose agents update at once, along the slopes of critics."""
    return exploring_with_critics(kind) and not kind.coordinated


def exploring_with_critics(kind: Kind) -> bool:
    """Those of the former that have critics."""
    return exploring(kind) and by_critics(kind)


def by_scores(kind: Kind) -> bool:
    """Learners of stochastic policies by the score function."""
    return kind.estimator == "score"


def by_perturbation(kind: Kind) -> bool:
    """Learners that perturb the policies' weights."""
    return kind.estimator == "perturbation"


def with_entropy(kind: Kind) -> bool:
    """Learners whose rewards include the policies' entropies."""
    return kind.max_entropy


def unmixed(kind: Kind) -> bool:
    """Off-policy learners without a mixer."""
    return off_policy(kind) and kind.mixer == "none"


def unmixed_at_once(kind: Kind) -> bool:
    """Off-policy learners without a mixer whose agents update at once."""
    return off_policy(kind) and kind.mixer == "none" and not kind.coordinated


def with_target_policies(kind: Kind) -> bool:
    """Those of the former whose targets take actions of deterministic target policies."""
    return unmixed_at_once(kind) and not kind.max_entropy


def reading_others(kind: Kind) -> bool:
    """Off-policy learners without a mixer whose critics read other agents' actions."""
    return off_policy(kind) and kind.mixer == "none" and kind.reads != "own"


def with_sets(kind: Kind) -> bool:
    """Learners with dependency sets of action values; those of state values are always minimal."""
    return "sets" in (kind.reads, kind.credit) and kind.estimator != "score"


def reading_sets(kind: Kind) -> bool:
    """Learners whose critics learn from a replay buffer and read dependency sets."""
    return with_targets(kind) and kind.reads == "sets"


def with_mixing_network(kind: Kind) -> bool:
    """Learners whose mixer has weights."""
    return kind.mixer not in ("none", "sum")


def updating_at_once(kind: Kind) -> bool:
    """Learners whose agents step together along gradients of their own actors."""
    return by_critics(kind) and not kind.coordinated
