"""What every process of a distributed run knows before it begins, and what is refused."""

from typing import Any, NamedTuple

import jax
from jaxtyping import Key, PRNGKeyArray

from mastac.agents.actors import Actors, actors
from mastac.distributed.links import Links, links_of
from mastac.distributed.lossy import Lossy
from mastac.envs.base import Environment
from mastac.errors import UserError
from mastac.learning.buffer import Buffer
from mastac.learning.learner import buffer_of, update_schedule
from mastac.learning.schedule import UpdateSchedule
from mastac.learning.spec import LearnerSpec
from mastac.learning.updates import simultaneous
from mastac.structure import Couplings

LOSSES = 3
"""Folded into a key, gives that of the links; 2 is the offset's of an episode."""


class Play(NamedTuple):
    """What agents that only act know.

    - `links`: who may send what to whom.
    - `actors`: how policies are applied, of all agents.
    - `lossy`: how links lose and delay.
    """

    env: Environment
    links: Links
    actors: Actors
    lossy: Lossy


class Training(NamedTuple):
    """What agents that learn know.

    - `play`: the same, with the links of training.
    - `spec`: what the one-process learner is made of, of which agents take their rows.
    - `seed`: what all agents' random numbers come from.
    - `epochs`: of the run.
    """

    play: Play
    spec: LearnerSpec
    buffer: Buffer
    schedule: UpdateSchedule
    seed: int
    epochs: int

    @property
    def packets(self) -> int:
        """The most messages that a link carries in an epoch: in steps, and two for each update."""
        return self.play.env.horizon + 1 + 2 * self.schedule.updates


def play_of(env: Environment, hidden: tuple[int, ...], lossy: Lossy) -> Play:
    """What trained agents know.

    **Arguments:**

    - `hidden`: the hidden layers of their actors.

    **Raises:** [`mastac.errors.UserError`][] if the environment cannot be played so.
    """
    check_environment(env)
    assert isinstance(env.couplings, Couplings)
    return Play(env, links_of(env.couplings), actors(env, hidden), lossy)


def training_of(spec: LearnerSpec, seed: int, epochs: int, lossy: Lossy) -> Training:
    """What agents know that learn as one process would.

    **Raises:** [`mastac.errors.UserError`][] if they cannot learn so by themselves.
    """
    env, settings = spec.env, spec.settings
    check_environment(env)
    check_learner(spec, lossy)
    assert isinstance(env.couplings, Couplings)
    links = links_of(env.couplings, spec.layout, settings.others_actions == "policy")
    return Training(
        Play(env, links, spec.actors, lossy),
        spec,
        buffer_of(env, settings, epochs),
        update_schedule(env, settings),
        seed,
        epochs,
    )


def check_environment(env: Environment) -> None:
    """`UserError` for an environment whose agents cannot be apart here."""
    name = f"'{env.id}'"
    if env.is_host:
        raise UserError(
            f"{name} is a simulator outside JAX; run-distributed needs an environment in JAX, "
            "whose observations can be computed from the states that were sent"
        )
    if not isinstance(env.couplings, Couplings):
        raise UserError(
            f"couplings of {name} change with the time; run-distributed needs constant ones"
        )
    if env.terminates:
        raise UserError(
            f"episodes of {name} may end early; run-distributed needs episodes of one length"
        )


def check_learner(spec: LearnerSpec, lossy: Lossy) -> None:
    """`UserError` for a learner that is more than what each agent can do by itself."""
    env, settings, layout = spec.env, spec.settings, spec.layout
    is_alone = layout.mix is None and layout.num_terms == layout.num_agents
    if spec.kind is not simultaneous.UPDATE or not is_alone:
        raise UserError(
            "run-distributed trains algorithms with one critic for each agent that all update at "
            "once from a replay; choose mastac, selfish, khop, independent, maddpg or matd3"
        )
    for name in ("share_actors", "share_critics"):
        if getattr(settings, name):
            raise UserError(f"{name} gives agents a common network; leave it at false")
    if env.undeclared:
        name = sorted(env.undeclared)[0]
        raise UserError(
            f"environment '{env.id}' leaves {name} open, which is measured over all agents; "
            f"declare it to train agents apart"
        )
    if env.head.has_choices:
        raise UserError(
            f"actions of '{env.id}' are choices, whose drawn slopes agents cannot share yet; "
            "run-distributed trains continuous actions"
        )
    if settings.n_steps > 1 and lossy.missing == "skip":
        raise UserError("missing=skip goes with n_steps=1; choose missing=hold")


class EpochKeys(NamedTuple):
    """The random keys of an epoch, those of the one-process run; `links` is for losses alone."""

    reset: PRNGKeyArray
    begin: PRNGKeyArray
    actions: Key
    noise: Key
    updates: Key
    links: PRNGKeyArray


def epoch_keys(training: Training, epoch: int) -> EpochKeys:
    """All keys of an epoch of training."""
    horizon, updates = training.play.env.horizon, training.schedule.updates
    return _epoch_keys(jax.random.key(training.seed), epoch, horizon, updates)


def keys_of(key: PRNGKeyArray, epoch: Any, horizon: int, updates: int) -> EpochKeys:
    """All keys of an epoch of so many steps and updates, from that of the seed."""
    episode, update = jax.random.split(jax.random.fold_in(key, epoch))
    reset, steps = jax.random.split(episode)
    pairs = jax.vmap(jax.random.split)(jax.random.split(steps, horizon))
    return EpochKeys(
        reset,
        jax.random.fold_in(episode, 2),
        pairs[:, 0],
        pairs[:, 1],
        jax.vmap(jax.random.split)(jax.random.split(update, updates)),
        jax.random.fold_in(episode, LOSSES),
    )


_epoch_keys = jax.jit(keys_of, static_argnums=(2, 3))


def first_key(key: PRNGKeyArray) -> PRNGKeyArray:
    """What first weights are drawn from, as in the one-process run, from the key of the seed."""
    return jax.random.split(jax.random.fold_in(key, 2**31 - 1))[0]


def evaluation_keys(key: PRNGKeyArray, horizon: int) -> EpochKeys:
    """The keys of an episode of greedy policies, those of an evaluation in one process."""
    reset, steps = jax.random.split(key)
    noise = jax.random.split(steps, horizon)
    return EpochKeys(reset, key, noise, noise, noise, jax.random.fold_in(key, LOSSES))
