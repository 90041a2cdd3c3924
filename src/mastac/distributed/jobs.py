"""What a process is sent to make its node from: names and numbers, and its own weights alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mastac.distributed.lossy import Lossy

if TYPE_CHECKING:
    from mastac.distributed.learning_node import LearningNode
    from mastac.distributed.node import Node
    from mastac.distributed.plans import Training
    from mastac.envs.base import Environment
    from mastac.runs.plan import RunPlan


@dataclass(frozen=True)
class Source:
    """Where an environment comes from: `text` and `options` name it, or the folder of a run does.

    Functions do not travel between processes; each builds the environment for itself.
    """

    text: str
    options: Mapping[str, Any]
    is_run: bool = False

    def build(self) -> "Environment":
        """The environment."""
        if self.is_run:
            from mastac.runs.run import load

            return load(self.text).env
        from mastac.envs.naming import environment_from

        return environment_from(self.text, self.options).build()


@dataclass(frozen=True)
class Job:
    """A training that is to be distributed.

    - `choices`: keyword arguments of [`prepared`][mastac.runs.planning.prepared].
    """

    source: Source
    choices: Mapping[str, Any]
    seed: int
    lossy: Lossy

    def plan(self) -> "RunPlan":
        """What one process would train."""
        from mastac.runs.planning import prepared

        given = dict(self.source.options)
        return prepared(
            self.source.text, env_options=given, seeds=[self.seed], **dict(self.choices)
        )

    def training(self, plan: "RunPlan") -> "Training":
        """What the agents know."""
        from mastac.distributed.plans import training_of

        return training_of(plan.spec, self.seed, plan.config.epochs, self.lossy)


@dataclass(frozen=True)
class Learners:
    """Makes the node of a number, of agents that learn."""

    job: Job
    groups: Sequence[Sequence[int]]
    number: int

    def __call__(self) -> "LearningNode":
        """The node."""
        from mastac.distributed.learning_node import LearningNode

        return LearningNode(self.job.training(self.job.plan()), self.groups, self.number)


@dataclass(frozen=True)
class Players:
    """Makes the node of a number, of agents that act by trained policies.

    - `weights`: of its agents' actors, as numpy arrays.
    - `hidden`: their hidden layers.
    """

    source: Source
    lossy: Lossy
    groups: Sequence[Sequence[int]]
    number: int
    weights: Any
    hidden: tuple[int, ...]

    def __call__(self) -> "Node":
        """The node."""
        from mastac.distributed.node import Node
        from mastac.distributed.plans import play_of

        play = play_of(self.source.build(), self.hidden, self.lossy)
        return Node(play, self.groups, self.number, self.weights)


def players(
    source: Source, lossy: Lossy, groups: Sequence[Sequence[int]], weights: Any
) -> list[Players]:
    """One for each group, each with its own rows of the weights of all actors alone."""
    import jax

    hidden = tuple(int(bias.shape[1]) for bias in weights.biases[:-1])
    makes = []
    for number, group in enumerate(groups):
        rows = np.asarray(group)
        own = jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf)[rows], weights)
        makes.append(Players(source, lossy, groups, number, own, hidden))
    return makes
