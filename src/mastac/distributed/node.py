"""Some agents that act: what they hear, what they tell, and what they do with it."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mastac.distributed import acting
from mastac.distributed.links import senders_to
from mastac.distributed.losses import arrivals
from mastac.distributed.messages import RUNNING, Bundle, Doors, Entry, Ledger, Message
from mastac.distributed.own import own_of
from mastac.distributed.plans import Play

Group = Sequence[int]


class Node:
    """The agents of one process, acting by their trained policies.

    Between `begin` and the end of an episode, at every step: `tell` gives what is sent to each
    process, and `act` hears what was sent here and gives the actions. What a link loses does not
    get in; what arrives late gets in late.

    **Arguments:**

    - `play`: what all processes know.
    - `groups`: the agents of every process; `number`: which of them this one is.
    - `weights`: of the actors of its agents.
    """

    def __init__(
        self, play: Play, groups: Sequence[Group], number: int, weights: Any, spec: Any = None
    ) -> None:
        env = play.env
        self.play, self.num_groups, self.weights = play, len(groups), weights
        self.group_of = {agent: k for k, group in enumerate(groups) for agent in group}
        self.agents = list(groups[number])
        self.senders = senders_to(play.links, self.agents)
        self.slots = self.senders.slots()
        self.place_of = {agent: place for place, agent in enumerate(self.agents)}
        self.own = own_of(env, play.actors, play.links, self.senders, spec)
        self.doors = Doors(play.links, self.agents, env.agents)
        self.ledger = Ledger()
        self.sizes = {"state": env.state_sizes, "action": env.action_sizes}
        self.seen_by = readers_of(play.links.seen, self.agents)
        self._observe = jax.jit(lambda *given: acting.observed(env, *given))
        self._greedy = jax.jit(lambda *given: acting.greedy(play.actors, *given))
        self.arrives = np.ones((*self.senders.sources.shape, 0), bool)

    def begin(self, link_key: np.ndarray, packets: int) -> None:
        """Before an episode.

        **Arguments:**

        - `link_key`: the data of the key that losses are drawn from.
        - `packets`: the most messages that a link will carry.
        """
        own, lossy, key = self.own, self.play.lossy, jax.random.wrap_key_data(jnp.asarray(link_key))
        links = jnp.asarray(own.agents), jnp.asarray(own.sources)
        self.arrives = np.asarray(arrivals(key, *links, packets, lossy))
        # Before anything has arrived, the middle of a state's range stands in for it.
        self.states = np.array(own.state_center)
        self.history: list[np.ndarray] = []

    def tell(self, time: int, states: np.ndarray, rewards: np.ndarray) -> Sequence[Bundle]:
        """The own states go to whoever sees them; a bundle for each process."""
        self.time, self.states[:, 0] = time, states
        bundles = self.bundles()
        for place, agent in enumerate(self.agents):
            for reader in self.seen_by[agent]:
                content = {"state": self.unpadded("state", agent, states[place])}
                self.send(bundles, Message(agent, reader, RUNNING, time, time, content))
        return bundles

    def act(self, *bundles: Bundle) -> np.ndarray:
        """The actions, after what was sent here has been heard."""
        self.hear(bundles)
        self.history.append(self.states.copy())
        return np.asarray(self._greedy(self.own, self.weights, self.see()))

    def see(self) -> Any:
        """What the agents observe, of what has arrived by now."""
        late = self.time - self.play.lossy.delay
        heard = self.history[late].copy() if late >= 0 else np.array(self.own.state_center)
        heard[:, 0] = self.states[:, 0]
        return self._observe(self.own, heard, np.int32(self.time))

    def report(self) -> dict[tuple[str, int, int], Entry]:
        """What was sent from here, and what was lost on the way here."""
        return dict(self.ledger.entries)

    def bundles(self) -> list[list[Message]]:
        """Empty ones, for each process."""
        return [[] for _ in range(self.num_groups)]

    def send(self, bundles: list[list[Message]], message: Message) -> None:
        """Put a message on its way, and note it."""
        self.ledger.send(message)
        bundles[self.group_of[message.receiver]].append(message)

    def hear(self, bundles: Sequence[Bundle]) -> None:
        """Take in what was sent here, unless it is lost.

        **Raises:** [`OutsideOfSets`][mastac.distributed.messages.OutsideOfSets] for what its
            receiver may not be sent.
        """
        for bundle in bundles:
            for message in bundle:
                self.doors.check(message)
                place = self.place_of[message.receiver]
                slot = self.slots[place][message.sender]
                if self.arrives[place, slot, message.packet]:
                    self.take(place, slot, message)
                else:
                    self.ledger.lose(message)

    def take(self, place: int, slot: int, message: Message) -> None:
        """Keep what has arrived."""
        state = message.content["state"]
        self.states[place, slot, : len(state)] = state

    def unpadded(self, kind: str, agent: int, row: np.ndarray) -> np.ndarray:
        """A row without its padding; a copy, as what is sent must not change on the way."""
        return np.array(row[: self.sizes[kind][agent]], np.float32)


def readers_of(matrix: Any, agents: Group) -> dict[int, list[int]]:
    """For each of some agents, who has it in its row."""
    columns = matrix.tocsc()
    starts, rows = columns.indptr, columns.indices
    return {agent: rows[starts[agent] : starts[agent + 1]].tolist() for agent in agents}
