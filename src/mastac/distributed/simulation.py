"""All agents in one compiled program, with links that lose and delay: the numbers of the nodes.

Nodes exchange messages step by step, which takes a while. Here the same pure functions are compiled
as one program over all epochs, for several seeds and shares of losses side by side. What the nodes
do with messages is done with arrays: a sender is looked up by its slot, and what does not arrive
leaves what was there. Tests compare the two.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from mastac.distributed import acting, steps
from mastac.distributed.links import senders_to
from mastac.distributed.losses import arrivals
from mastac.distributed.lossy import Lossy
from mastac.distributed.own import Own, own_of, own_state
from mastac.distributed.plans import EpochKeys, Training, evaluation_keys, first_key, keys_of
from mastac.envs.base import Environment
from mastac.learning.buffer import Batch, Episode
from mastac.learning.schedule import exploration_in
from mastac.learning.spec import LearnerState


class Known(NamedTuple):
    """States, and the actions and rewards of the step before: of all agents, or by who hears them.

    In the second case there is an axis of slots behind that of the agents.
    """

    states: Float[Array, "agents *slots state"]
    actions: Float[Array, "agents *slots act"]
    rewards: Float[Array, "agents *slots"]


class Heard(NamedTuple):
    """What agents heard last, by slot, and what they knew of the states up to `delay` steps ago."""

    known: Known
    earlier: Float[Array, "late agents slots state"]


class Simulation:
    """A distributed training as a compiled program.

    **Arguments:**

    - `training`: what agents know; the loss and the burst of its links may be given anew.
    """

    def __init__(self, training: Training) -> None:
        self.training, self.env = training, training.play.env
        self.spec, self.lossy = training.spec, training.play.lossy
        self.senders = senders_to(training.play.links, range(self.env.num_agents))
        play = training.play
        self.own: Own = own_of(self.env, play.actors, play.links, self.senders, self.spec)
        self.links = jnp.asarray(self.own.agents), jnp.asarray(self.own.sources)

    def train(
        self, seed: Int[Array, ""] | int, loss: Any = None
    ) -> tuple[Any, Float[Array, " epochs"]]:
        """The actors after all epochs, and the returns of their episodes.

        It can be compiled, and mapped over seeds and losses.

        **Arguments:**

        - `loss`: the share of messages that is lost; `None`: that of the training.
        """
        lossy = self.lossy if loss is None else self.lossy._replace(loss=loss)
        key = jax.random.key(seed)
        state = own_state(self.spec, self.senders, first_key(key))
        training = self.training
        shape = jax.eval_shape(lambda: self._episode(state, self._keys(key, 0), 0, lossy)[0])
        store = training.buffer.init(shape)

        def one_epoch(at: Any, epoch: Array) -> Any:
            state, store = at
            keys = self._keys(key, epoch)
            episode, arrived, reported = self._episode(state, keys, epoch, lossy)
            store = training.buffer.add(store, episode, epoch)
            state = jax.lax.cond(
                training.schedule.is_due(epoch),
                lambda state: self._updates(state, store, keys, arrived, epoch),
                lambda state: state,
                state,
            )
            return (state, store), reported

        epochs = jnp.arange(training.epochs)
        (state, _), returns = jax.lax.scan(one_epoch, (state, store), epochs)
        return state.actors, returns

    def evaluate(self, weights: Any, keys: Any, lossy: Lossy) -> Float[Array, " episodes"]:
        """Returns of greedy policies that see what others send them, an episode for each key."""
        horizon, own = self.env.horizon, self.own
        lossy = lossy._replace(missing="hold")  # nobody learns from these episodes

        def one(key: PRNGKeyArray) -> Array:
            chosen = evaluation_keys(key, horizon)
            arrived = arrivals(chosen.links, *self.links, horizon, lossy)

            def policy(obs: Array, time: Array) -> Array:
                return acting.greedy(self.training.play.actors, own, weights, obs)

            return self._played(chosen, arrived, policy, lossy)[1]

        return jax.vmap(one)(keys)

    def _keys(self, key: PRNGKeyArray, epoch: Any) -> EpochKeys:
        return keys_of(key, epoch, self.env.horizon, self.training.schedule.updates)

    def _episode(
        self, state: LearnerState, keys: EpochKeys, epoch: Any, lossy: Lossy
    ) -> tuple[Episode, Bool[Array, "agents slots packets"], Float[Array, ""]]:
        """What agents hold of an episode, which messages of the epoch arrive, and the return."""
        training, own = self.training, self.own
        arrived = arrivals(keys.links, *self.links, training.packets, lossy)
        exploration = exploration_in(self.spec.settings, epoch, training.epochs)
        given = (state.actors, exploration[0], keys.begin)
        weights = acting.played_actors(self.spec, own, *given)

        def policy(obs: Array, time: Array) -> Array:
            return acting.explored(self.spec, own, weights, obs, *exploration, keys.actions[time])

        episode, reported = self._played(keys, arrived, policy, lossy)
        return episode, arrived, reported

    def _played(
        self, keys: EpochKeys, arrived: Array, policy: Any, lossy: Lossy
    ) -> tuple[Episode, Float[Array, ""]]:
        """What agents hold of an episode that they play by a policy, and its return."""
        env, own, horizon = self.env, self.own, self.env.horizon

        def one_step(at: Any, now: Any) -> Any:
            (sent, heard), (time, noise_key) = at, now
            heard = _hear(own, arrived, heard, sent, time)
            heard, obs = _see(env, own, heard, sent.states, time)
            actions = policy(obs, time)
            after = env.transition(sent.states, actions, time, noise_key)
            row = (heard.known, obs, after.rewards)
            return (Known(after.state, actions, after.rewards), heard), row

        start = self._beginning(keys.reset, lossy)
        steps_and_keys = (jnp.arange(horizon), keys.noise)
        (sent, heard), (known, obs, earned) = jax.lax.scan(one_step, start, steps_and_keys)
        end = jnp.asarray(horizon)
        heard = _hear(own, arrived, heard, sent, end)
        heard, last_obs = _see(env, own, heard, sent.states, end)
        # One message more than steps: what is known of a step's actions and rewards came with the
        # next one, and there is a state more than actions.
        along = jax.tree.map(lambda rows, last: jnp.append(rows, last[None], 0), known, heard.known)
        weighted = along.rewards[1:] * jnp.asarray(own.reward_weights)[None]
        alive = acting.complete(own, arrived, horizon, lossy)
        return Episode(
            states=along.states.reshape(horizon + 1, env.num_agents, -1),
            actions=along.actions[1:].reshape(horizon, env.num_agents, -1),
            rewards=weighted.sum(2),
            observations=jnp.concatenate([obs, last_obs[None]]),
            alive=alive,
            terminated=None if alive is None else jnp.zeros_like(alive),
        ), env.reported(earned.sum(0))

    def _beginning(self, key: PRNGKeyArray, lossy: Lossy) -> tuple["Known", "Heard"]:
        """The first states, and what agents suppose of them before anything has arrived."""
        env, own = self.env, self.own
        size, center = env.num_agents, jnp.asarray(own.state_center)
        nothing = jnp.zeros((size, own.action_center.shape[2])), jnp.zeros(size)
        first = Known(env.reset(key).astype(jnp.float32), *nothing)
        supposed = Known(center, jnp.asarray(own.action_center), jnp.zeros(own.sources.shape))
        return first, Heard(supposed, jnp.broadcast_to(center, (lossy.delay, *center.shape)))

    def _updates(
        self, state: LearnerState, store: Episode, keys: EpochKeys, arrived: Array, epoch: Array
    ) -> LearnerState:
        """All updates at the end of an epoch, one after the other."""
        schedule, first = self.training.schedule, self.env.horizon + 1
        before = schedule.updates_before(epoch)

        def one(state: LearnerState, turn: Any) -> tuple[LearnerState, None]:
            update, (draw_key, key) = turn
            batch = self.training.buffer.draw(store, epoch + 1, draw_key)
            came = arrived[:, :, first + 2 * update], arrived[:, :, first + 2 * update + 1]
            return self._updated(state, batch, key, before + update, *came), None

        turns = (jnp.arange(schedule.updates), (keys.updates[:, 0], keys.updates[:, 1]))
        return jax.lax.scan(one, state, turns)[0]

    def _updated(
        self,
        state: LearnerState,
        batch: Batch,
        key: PRNGKeyArray,
        count: Array,
        came: Bool[Array, "agents slots"],
        came_back: Bool[Array, "agents slots"],
    ) -> LearnerState:
        spec, own, hears = self.spec, self.own, self.own.hears
        mine = np.zeros(own.sources.shape, bool)
        mine[:, 0] = True
        targets, policies = steps.proposed(spec, own, state, batch, key)
        stored = steps.stored_actions(own, batch)
        heard_targets = _heard(came & (hears.targets | mine), _sent(targets, own), stored)
        heard_policies = _heard(came & (hears.policies | mine), _sent(policies, own), stored)
        is_heard = (came | ~hears.targets).all(1)
        is_void = ~is_heard & (self.lossy.missing == "skip")
        given = (state, batch, heard_targets, heard_policies, is_void, count)
        result = steps.judged(spec, own, *given)
        total = self._sent_back(result.slopes, came_back)
        return steps.improved(spec, own, result.state, batch, total, count)[0]

    def _sent_back(
        self, slopes: Float[Array, "agents slots act batch"], came: Bool[Array, "agents slots"]
    ) -> Float[Array, "agents act batch"]:
        """The sum of the slopes in each agent's action that arrived."""
        own, size = self.own, self.env.num_agents
        receiver, slot = np.nonzero(own.hears.slopes)
        critic = own.sources[receiver, slot]
        # In which slot the critic's agent hears the receiver.
        slots = self.senders.slots()
        places = [slots[c][r] for c, r in zip(critic.tolist(), receiver.tolist(), strict=True)]
        found = slopes[critic, np.array(places, int)]
        found = jnp.where(came[receiver, slot][:, None, None], found, 0.0)
        return slopes[:, 0] + jax.ops.segment_sum(found, receiver, size)


def _sent(rows: Float[Array, "agents *rest"], own: Own) -> Float[Array, "agents slots *rest"]:
    """What is sent in every slot; nothing in those that are padding."""
    padded = jnp.concatenate([rows, jnp.zeros_like(rows[:1])])
    return padded[own.sources]


def _heard(came: Bool[Array, "agents slots"], sent: Array, before: Array) -> Array:
    """What is known after a message, or its loss."""
    return jnp.where(came.reshape(*came.shape, *[1] * (sent.ndim - 2)), sent, before)


def _hear(own: Own, arrived: Array, heard: Heard, sent: Known, time: Array) -> Heard:
    """What is known after the messages of a step."""
    came = arrived[:, :, jnp.minimum(time, arrived.shape[2] - 1)]
    came_after = came & (time > 0)  # the first ones have no step before
    known = Known(
        _heard(came, _sent(sent.states, own), heard.known.states),
        _heard(came_after, _sent(sent.actions, own), heard.known.actions),
        _heard(came_after, _sent(sent.rewards, own), heard.known.rewards),
    )
    return Heard(known, jnp.append(heard.earlier, known.states[None], 0))


def _see(
    env: Environment, own: Own, heard: Heard, states: Array, time: Array
) -> tuple[Heard, Array]:
    """What agents observe: their own states now, and of others what arrived by now."""
    late = heard.earlier[0].at[:, 0].set(states)
    obs = acting.observed(env, own, late, time)
    return heard._replace(earlier=heard.earlier[1:]), obs
