"""Distributed runs in this process, small enough for tests."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from small_world import small_environment

from mastac import Environment
from mastac.distributed.learning_node import LearningNode
from mastac.distributed.lossy import Lossy
from mastac.distributed.messages import Ledger
from mastac.distributed.plans import Training, training_of
from mastac.distributed.running import all_weights, ledger_of, train
from mastac.distributed.team import LocalTeam
from mastac.learning.learner import buffer_of, learner_of
from mastac.learning.loop import training_program
from mastac.runs.plan import RunPlan
from mastac.runs.planning import prepared

KNOBS: dict[str, Any] = {
    "batch_size": 8,
    "buffer_size": 40,
    "critic_hidden": (8,),
    "actor_hidden": (8,),
    "updates_per_epoch": 2,
}
SEED = 3
GROUPS = ((2, 0), (1, 3))


@contextmanager
def local_team(makes: Sequence[Any]) -> Iterator[LocalTeam]:
    """All nodes in this process."""
    yield LocalTeam(makes)


def small() -> Environment:
    """Four unequal agents on a graph without symmetry, all of whose scales are declared."""
    return replace(small_environment(), obs_center=0.0, reward_scale=1.5)


@cache
def plan_of(algorithm: str, epochs: int, *knobs: tuple[str, Any]) -> RunPlan:
    """A small training."""
    given = KNOBS | dict(knobs)
    return prepared(small(), algorithm=algorithm, epochs=epochs, seeds=[SEED], **given)


def training(plan: RunPlan, lossy: Lossy | None = None) -> Training:
    """The same for agents that are apart."""
    return training_of(plan.spec, SEED, plan.config.epochs, lossy or Lossy())


class Outcome(NamedTuple):
    """What came of a training."""

    returns: np.ndarray
    actors: Any
    ledger: Ledger


def apart(known: Training, groups: Sequence[Sequence[int]] = GROUPS) -> Outcome:
    """Trained by nodes that send each other messages."""
    team = LocalTeam([partial(LearningNode, known, groups, k) for k in range(len(groups))])
    returns = train(team, known, groups)
    nothing = [[]] * len(groups)
    weights = all_weights(team.call("trained", nothing), groups)
    return Outcome(returns, weights, ledger_of(team, len(groups)))


def inside(plan: RunPlan) -> tuple[np.ndarray, Any]:
    """Returns and actors of the same training in one process, as `mastac train` does it."""
    epochs, settings = plan.config.epochs, plan.config.settings
    parts = (learner_of(plan.spec), buffer_of(plan.env, settings, epochs), settings, epochs)
    program = training_program(plan.env, *parts)
    keys = jax.vmap(jax.random.key)(jnp.asarray([SEED]))
    state, rows = program.advance(program.init(keys), keys, jnp.asarray(0), epochs)
    actors = jax.tree.map(lambda leaf: np.asarray(leaf)[0], state.learner.actors)
    return np.asarray(rows.episode_return)[0], actors


def assert_same(one: Any, other: Any, atol: float = 2e-6) -> None:
    """Equal to rounding, array by array."""
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=atol)
