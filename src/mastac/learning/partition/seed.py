"""The loop of one seed on one device of a mesh: its own agents learn, all of them are played.

An environment is one function of all agents, so each device plays whole episodes of it, and the
actions of all agents are gathered at every step. That is the simulator's traffic, not the
learner's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Int, PRNGKeyArray

from mastac.envs.base import Environment
from mastac.learning.buffer import Buffer, Episode, replay_of
from mastac.learning.failures import failure_of_learner
from mastac.learning.learner import initial_state, learner_of, update_schedule
from mastac.learning.loop import OneSeed
from mastac.learning.partition.local import AGENTS, Local, remeasured_here, split_update
from mastac.learning.partition.tables import Tables
from mastac.learning.partition.wholes import own_episode, own_part
from mastac.learning.spec import Learner, LearnerState, Metrics


@dataclass(frozen=True, eq=False)
class OneDevice(OneSeed):
    """[`OneSeed`][mastac.learning.loop.OneSeed] with the learner and the store of one device.

    - `everyone`: what each device has for its own agents, `[own, …]`, as rows of all agents.
    """

    everyone: Callable[[Array], Array]

    def _updated(
        self, learner_state: Any, store: Episode, key: PRNGKeyArray, epoch: Int[Array, ""]
    ) -> tuple[Any, Metrics, Int[Array, ""]]:
        """As on one device; what was measured is gathered, and a failure anywhere is one of all."""
        learner_state = self._measured(learner_state, store, epoch)
        updated, own = self._updates(learner_state, store, key, epoch)
        loss, value, norm = jax.tree.map(self.everyone, own[:3])
        metrics = Metrics(loss, value, norm, own.actors_moved)
        failure = failure_of_learner(self.env, metrics, updated)
        return updated, metrics, jax.lax.pmax(failure, AGENTS)


def one_device(local: Local, place: Int[Array, " agents"], epochs: int) -> OneDevice:
    """The loop of one seed on this device.

    **Arguments:**

    - `place`: where each agent stands among those of all devices.
    - `epochs`: of the whole run.
    """
    env, settings = local.spec.env, local.spec.settings

    def everyone(own: Array) -> Array:
        return jax.lax.all_gather(own, AGENTS, tiled=True)[place]

    return OneDevice(
        env,
        _learner(local, everyone),
        _buffer(env, replay_of(env, settings, epochs), local.tables),
        settings,
        update_schedule(env, settings),
        epochs,
        everyone,
    )


def _learner(local: Local, everyone: Callable[[Array], Array]) -> Learner:
    """The functions that the loop calls: it plays all agents, and updates those of the device."""
    spec, agents = local.spec, local.tables.agents
    own = learner_of(spec)

    def explore(state: LearnerState, obs: Array, *others: Any) -> tuple[Array, None]:
        actions, _ = own.explore(state, obs[agents], *others)
        return everyone(actions), None

    return own._replace(
        init=lambda key: own_part(initial_state(local.split.spec, key), local.tables),
        act=lambda state, obs: everyone(own.act(state, obs[agents])),
        explore=explore,
        update=lambda state, batch, key, count=0: split_update(local, state, batch, key, count),
        measure=None
        if own.measure is None
        else lambda state, *others: remeasured_here(local, state, *others),
    )


def _buffer(env: Environment, replay: Buffer, tables: Tables) -> Buffer:
    """The replay of what a device keeps."""

    def kept(episode: Episode) -> Episode:
        return own_episode(env, episode, tables)

    return replay._replace(
        init=lambda episode: replay.init(jax.eval_shape(kept, episode)),
        add=lambda store, episode, count: replay.add(store, kept(episode), count),
    )
