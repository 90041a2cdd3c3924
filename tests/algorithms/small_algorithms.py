"""Every algorithm on the small heterogeneous environment.

Resolved as a user's run is, and compiled once for all tests.
"""

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from small_world import random_batch, random_rollout, small_environment

from mastac import Couplings, Environment
from mastac.algorithms import ALGORITHMS
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.spec import Learner, LearnerSpec, LearnerState, Metrics
from mastac.runs.config import resolve
from mastac.runs.plan import layout_of

KNOBS: dict[str, Any] = {
    "actor_hidden": (8,),
    "critic_hidden": (8,),
    "mixer_embedding": 4,
    "lr_final": 0.5,
    "actor_output_scale": 1.0,
}
BATCH = 6
UPDATES = 4
TOTAL = 100


class Case(NamedTuple):
    """One algorithm put together; `init` and `update` are compiled when first called."""

    env: Environment
    spec: LearnerSpec
    learner: Learner
    init: Any
    update: Any


def hermit() -> Environment:
    """A world of one agent, whose state and action have two entries each."""
    return Environment(
        id="hermit",
        couplings=Couplings(1),
        horizon=5,
        reset=lambda key: jax.random.normal(key, (1, 2)),
        step=lambda state, actions, time, key: 0.5 * state + 0.3 * jnp.tanh(actions),
        reward=lambda state, actions, time: -(state**2).sum(1),
        observe=lambda state: state,
        state_sizes=np.array([2]),
        obs_sizes=np.array([2]),
        action_sizes=np.array([2]),
        action_head="tanh",
    )


@cache
def built(
    name: str, kappa: int | None, alone: bool, head: str, couplings: Couplings | None, knobs: tuple
) -> Case:
    """What `case` gives, for arguments that can be told apart."""
    world = hermit() if alone else small_environment(head)
    world = world if couplings is None else replace(world, couplings=couplings)
    how = ALGORITHMS[name]
    constant = how.constant_knobs
    chosen = {knob: value for knob, value in KNOBS.items() if knob not in constant} | dict(knobs)
    window = kappa if how.uses_kappa else None
    config = resolve(world.id, {}, custom=True, algorithm=name, kappa=window, **chosen)
    spec = learner_spec(world, layout_of(world, config), config.settings, total_updates=TOTAL)
    learner = learner_of(spec)
    return Case(world, spec, learner, jax.jit(learner.init), jax.jit(learner.update))


def case(
    name: str,
    kappa: int | None = 1,
    alone: bool = False,
    head: str = "tanh",
    couplings: Couplings | None = None,
    **knobs: Any,
) -> Case:
    """An algorithm with the settings of a run; equal calls share one compiled update.

    `couplings` take the place of the environment's: what is updated hangs on them alone, whatever
    the world does. `alone` gives the world of one agent instead.
    """
    return built(name, kappa, alone, head, couplings, tuple(sorted(knobs.items())))


def material(which: Case, seed: int = 0) -> Any:
    """What an update of this algorithm learns from: transitions, or whole episodes."""
    estimator = which.spec.settings.estimator
    if estimator == "pathwise":
        return random_batch(which.env, BATCH, seed)
    return random_rollout(which.env, 3, estimator, seed)


def initial(which: Case, seed: int = 0) -> LearnerState:
    """Online and target weights that differ, so that a mix-up of the two shows."""
    state, other = (which.init(jax.random.key(number)) for number in (seed, seed + 100))
    actors, critics = (
        (online if jax.tree.leaves(targets) else ())
        for online, targets in (
            (other.actors, state.target_actors),
            (other.critics, state.target_critics),
        )
    )
    return state._replace(target_actors=actors, target_critics=critics)


def history(
    which: Case, seed: int = 0, updates: int = UPDATES
) -> tuple[list[LearnerState], list[Metrics]]:
    """The states before and after each of several updates, and their metrics."""
    states, metrics = [initial(which, seed)], []
    for count in range(updates):
        batch, key = material(which, 10 * seed + count), jax.random.key(10 * seed + count)
        state, row = which.update(states[-1], batch, key, jnp.int32(count))
        states.append(state)
        metrics.append(row)
    return states, metrics


def same_bits(a: Any, b: Any) -> bool:
    """Whether two trees hold the same arrays, bit for bit; their containers may differ."""
    left, right = jax.tree.leaves(a), jax.tree.leaves(b)
    return len(left) == len(right) and all(
        x.shape == y.shape and bool((x == y).all()) for x, y in zip(left, right, strict=True)
    )
