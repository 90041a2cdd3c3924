"""Some agents that learn: each from what it was sent, and from nothing else."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mastac.distributed import acting, steps
from mastac.distributed.links import senders_to
from mastac.distributed.messages import LAST, SAMPLE, STEP, Bundle, Message
from mastac.distributed.node import Group, Node, readers_of
from mastac.distributed.own import own_state
from mastac.distributed.plans import Training, epoch_keys, first_key
from mastac.learning.buffer import Episode
from mastac.learning.schedule import exploration_in


class LearningNode(Node):
    """The agents of one process, which own their actors, critics and replays.

    An epoch: `begin_epoch`; at each step `tell` and `act`; then `tell` and `close`. An update:
    `propose` what one would do, `judge` what was proposed, `improve` by what was judged. Each of
    the three hears what the processes said before, and gives what is sent to each of them.
    """

    def __init__(self, training: Training, groups: Sequence[Group], number: int) -> None:
        play, spec = training.play, training.spec
        mine = senders_to(play.links, groups[number])
        self.training, self.learner = (
            training,
            own_state(spec, mine, first_key(jax.random.key(training.seed))),
        )
        super().__init__(play, groups, number, self.learner.actors, spec)
        self.told_to = readers_of(play.links.told, self.agents)
        links = play.links
        self.readers = {
            kind: readers_of(getattr(links, f"{kind}s"), self.agents)
            for kind in ("action", "reward", "target")
        }
        self.readers["policy"] = readers_of(links.policies, self.agents)
        self.advised = {agent: links.slopes[:, [agent]].nonzero()[0] for agent in self.agents}
        self.store: Any = None
        self.keys: Any = None
        self.epoch = 0
        self._compile()

    def _compile(self) -> None:
        spec = self.training.spec
        self._played = jax.jit(lambda *given: acting.played_actors(spec, *given))
        self._explored = jax.jit(lambda *given: acting.explored(spec, *given))
        self._add = jax.jit(self.training.buffer.add)
        self._draw = jax.jit(self.training.buffer.draw)
        self._propose = jax.jit(lambda *given: steps.proposed(spec, *given))
        self._judge = jax.jit(lambda *given: steps.judged(spec, *given))
        self._improve = jax.jit(lambda *given: steps.improved(spec, *given))

    def begin_epoch(self, epoch: int) -> None:
        """Before an episode of exploration."""
        training, own = self.training, self.own
        self.epoch, self.keys = epoch, epoch_keys(training, epoch)
        self.begin(np.asarray(jax.random.key_data(self.keys.links)), training.packets)
        self.actions, self.rewards = np.array(own.action_center), np.zeros(own.sources.shape)
        self.exploration = exploration_in(training.spec.settings, epoch, training.epochs)
        given = (self.learner.actors, self.exploration[0], self.keys.begin)
        self.weights = self._played(own, *given)
        self.observations: list[Any] = []
        self.past: list[tuple[np.ndarray, np.ndarray]] = []

    def tell(self, time: int, states: np.ndarray, rewards: np.ndarray) -> Sequence[Bundle]:
        """Own states go to whoever is told them, with the last step's actions and rewards."""
        self.time, self.states[:, 0] = time, states
        self.rewards[:, 0] = rewards
        bundles = self.bundles()
        phase = LAST if time == self.play.env.horizon else STEP
        for place, agent in enumerate(self.agents):
            contents: dict[int, dict[str, np.ndarray]] = {}
            told = {"state": states[place], "action": self.actions[place, 0]}
            for kind, readers in (("state", self.told_to), ("action", self.readers["action"])):
                if kind == "state" or time:
                    for reader in readers[agent]:
                        content = contents.setdefault(reader, {})
                        content[kind] = self.unpadded(kind, agent, told[kind])
            for reader in self.readers["reward"][agent] if time else ():
                reward = np.array([rewards[place]], np.float32)
                contents.setdefault(reader, {})["reward"] = reward
            for reader, content in contents.items():
                self.send(bundles, Message(agent, reader, phase, time, time, content))
        return bundles

    def act(self, *bundles: Bundle) -> np.ndarray:
        """The exploring policies' actions, after what was sent here has been heard."""
        self._hear_step(bundles)
        seen = self.see()
        self.observations.append(seen)
        given = (self.weights, seen, *self.exploration, self.keys.actions[self.time])
        self.actions[:, 0] = np.asarray(self._explored(self.own, *given))
        return self.actions[:, 0].copy()

    def close(self, *bundles: Bundle) -> None:
        """The end of an episode: what was heard of it goes to the replay."""
        horizon = self.play.env.horizon
        self._hear_step(bundles)
        self.observations.append(self.see())
        rewards = np.stack([rewards for _, rewards in self.past])
        shape = (horizon, len(self.agents))
        episode = Episode(
            states=jnp.asarray(np.stack(self.history).reshape(horizon + 1, shape[1], -1)),
            actions=jnp.asarray(np.stack([a for a, _ in self.past]).reshape(*shape, -1)),
            rewards=jnp.asarray((rewards * self.own.reward_weights).sum(2), jnp.float32),
            observations=jnp.stack(self.observations),
            alive=acting.complete(self.own, jnp.asarray(self.arrives), horizon, self.play.lossy),
        )
        if episode.alive is not None:
            episode = episode._replace(terminated=jnp.zeros(shape, bool))
        if self.store is None:
            self.store = self.training.buffer.init(episode)
        self.store = self._add(self.store, episode, self.epoch)

    def propose(self, update: int) -> Sequence[Bundle]:
        """A batch is drawn, the same for all; what the own policies do in it is sent."""
        draw_key, key = self.keys.updates[update]
        # Two keys in one row: the draw, and the noise on the targets' actions.
        self.update, count = update, self.training.schedule.updates_before(self.epoch) + update
        self.count = np.int32(count)
        self.batch = self._draw(self.store, self.epoch + 1, draw_key)
        found = self._propose(self.own, self.learner, self.batch, key)
        own = {"target": np.asarray(found[0]), "policy": np.asarray(found[1])}
        self.stored = np.array(steps.stored_actions(self.own, self.batch))
        self.targets, self.policies = self.stored.copy(), self.stored.copy()
        self.targets[:, 0], self.policies[:, 0] = own["target"], own["policy"]
        self.is_heard = ~self.own.hears.targets
        bundles, packet = self.bundles(), self.play.env.horizon + 1 + 2 * update
        for place, agent in enumerate(self.agents):
            contents: dict[int, dict[str, np.ndarray]] = {}
            for kind, actions in own.items():
                for reader in self.readers[kind][agent]:
                    content = contents.setdefault(reader, {})
                    content[kind] = self.unpadded("action", agent, actions[place])
            for reader, content in contents.items():
                self.send(bundles, Message(agent, reader, SAMPLE, update, packet, content))
        return bundles

    def judge(self, *bundles: Bundle) -> Sequence[Bundle]:
        """Own critics take their step, and what they say of the actions of others is sent."""
        self.hear(bundles)
        is_void = ~self.is_heard.all(1) & (self.play.lossy.missing == "skip")
        heard = (self.targets, self.policies, is_void, self.count)
        result = self._judge(self.own, self.learner, self.batch, *heard)
        self.learner, slopes = result.state, np.asarray(result.slopes)
        self.slopes = np.zeros_like(self.stored)
        self.slopes[:, 0] = slopes[:, 0]
        bundles_out, packet = self.bundles(), self.play.env.horizon + 2 + 2 * self.update
        for place, agent in enumerate(self.agents):
            for reader in self.advised[agent]:
                slope = self.unpadded("action", reader, slopes[place, self.slots[place][reader]])
                content = {"slope": slope}
                message = Message(agent, int(reader), SAMPLE, self.update, packet, content)
                self.send(bundles_out, message)
        return bundles_out

    def improve(self, *bundles: Bundle) -> np.ndarray:
        """Own actors take their step; the norms of their gradients."""
        self.hear(bundles)
        slopes = self.slopes.sum(1)
        given = (self.own, self.learner, self.batch, slopes, self.count)
        self.learner, norms = self._improve(*given)
        return np.asarray(norms)

    def take(self, place: int, slot: int, message: Message) -> None:
        """Keep what has arrived."""
        into = {
            "state": lambda: self.states,
            "action": lambda: self.actions,
            "target": lambda: self.targets,
            "policy": lambda: self.policies,
            "slope": lambda: self.slopes,
        }
        for kind, array in message.content.items():
            if kind == "reward":
                self.rewards[place, slot] = array[0]
            else:
                into[kind]()[place, slot, : len(array)] = array
            if kind == "target":
                self.is_heard[place, slot] = True

    def trained(self) -> Any:
        """The weights of the own actors."""
        return jax.device_get(self.learner.actors)

    def _hear_step(self, bundles: Sequence[Bundle]) -> None:
        """What is heard at a step: states of now, actions and rewards of the step before."""
        self.hear(bundles)
        self.history.append(self.states.copy())
        if self.time:
            self.past.append((self.actions.copy(), self.rewards.copy()))
