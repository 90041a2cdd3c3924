"""What some agents own: their rows of everything, with the others only as they are heard.

What an agent hears comes in slots (`links.Senders`). A critic's inputs are rows of what its agent
hears, in the order in which the one-process learner reads them, so that the numbers are the same.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from mastac.agents.actors import Actors, Constants
from mastac.distributed.links import Links, Senders
from mastac.envs.base import Environment
from mastac.learning.critic_inputs import action_units
from mastac.learning.learner import initial_state
from mastac.learning.spec import LearnerSpec, LearnerState, input_scale
from mastac.structure.layout import Bucket


class OwnCritics(NamedTuple):
    """The critics of one stack that some agents own.

    - `places`: whose they are, by the agents' places.
    - `bucket`: rows count what the owner hears: `slots` times the width of a state or an action.
    - `scale`: of [`input_scale`][mastac.learning.spec.input_scale].
    """

    places: Int[np.ndarray, " critics"]
    bucket: Bucket
    scale: Any


class Hears(NamedTuple):
    """In which slots an agent hears what; its own slot counts wherever it needs its own.

    - `seen`: states that its policy reads.
    - `learns_from`: where a sample needs the message of its own step.
    - `learns_after`: where it needs that of the next step, with the action and the reward.
    - `targets`, `policies`, `slopes`: as in [`Links`][mastac.distributed.links.Links].
    """

    seen: Bool[np.ndarray, "own slots"]
    learns_from: Bool[np.ndarray, "own slots"]
    learns_after: Bool[np.ndarray, "own slots"]
    targets: Bool[np.ndarray, "own slots"]
    policies: Bool[np.ndarray, "own slots"]
    slopes: Bool[np.ndarray, "own slots"]


class Own(NamedTuple):
    """Some agents' rows of what does not change; arrays are given to compiled programs.

    - `agents`, `sources`: of [`Senders`][mastac.distributed.links.Senders].
    - `state_center`, `state_scale`: `[own, slots, state]`; `action_center`, `action_scale`
        likewise: the units in which critics read what is heard.
    - `reward_weights`: of each reward that is heard in what the critic predicts.
    - `constants`: of the actors.
    """

    agents: Int[np.ndarray, " own"]
    sources: Int[np.ndarray, "own slots"]
    hears: Hears
    state_center: Float[np.ndarray, "own slots state"]
    state_scale: Float[np.ndarray, "own slots state"]
    action_center: Float[np.ndarray, "own slots act"]
    action_scale: Float[np.ndarray, "own slots act"]
    reward_weights: Float[np.ndarray, "own slots"]
    constants: Constants
    critics: tuple[OwnCritics, ...]


def some_actors(actors: Actors, own: Own) -> Actors:
    """The actors of the agents that `own` is of, of all."""
    team, rows = len(actors.obs_sizes), jnp.asarray(own.agents)
    # First weights are drawn elsewhere, for all; what they are drawn with only has to fit here.
    some = slice(0, len(rows))
    return replace(
        actors,
        constants=own.constants,
        obs_center=actors.obs_center[some],
        obs_inverse_scale=actors.obs_inverse_scale[some],
        obs_sizes=actors.obs_sizes[some],
        among=(team, rows),
    )


def own_of(
    env: Environment,
    actors: Actors,
    links: Links,
    senders: Senders,
    spec: LearnerSpec | None = None,
) -> Own:
    """What the agents in `senders` own.

    **Arguments:**

    - `actors`: of all agents.
    - `spec`: what their learner is made of; `None`: they only act.
    """
    width = int(env.state_sizes.max()), int(env.action_sizes.max())

    def heard(unit: Any, size: int, padding: float) -> np.ndarray:
        rows = np.broadcast_to(unit, (env.num_agents, size))
        padded = np.concatenate([rows, np.full((1, size), padding)])
        return padded[senders.sources].astype(np.float32)

    centers, scales = map(np.asarray, action_units(env))
    return Own(
        agents=senders.agents,
        sources=senders.sources,
        hears=_hears(links, senders),
        state_center=heard(env.state_center, width[0], 0.0),
        state_scale=heard(env.state_scale, width[0], 1.0),
        action_center=heard(centers, width[1], 0.0),
        action_scale=heard(scales, width[1], 1.0),
        reward_weights=_reward_weights(spec, senders),
        constants=Constants(*(rows[senders.agents] for rows in actors.constants)),
        critics=() if spec is None else tuple(_critics_of(spec, senders, *width)),
    )


def _hears(links: Links, senders: Senders) -> Hears:
    own_slot = np.zeros(senders.sources.shape, bool)
    own_slot[:, 0] = True
    after = links.states + links.actions + links.rewards
    return Hears(
        seen=senders.marked(links.seen) | own_slot,
        learns_from=senders.marked(links.states),
        learns_after=senders.marked(after),
        targets=senders.marked(links.targets),
        policies=senders.marked(links.policies),
        slopes=senders.marked(links.slopes),
    )


def _reward_weights(spec: LearnerSpec | None, senders: Senders) -> np.ndarray:
    weights = np.zeros(senders.sources.shape, np.float32)
    if spec is None:
        return weights
    rewards = spec.layout.rewards
    one_row = len(rewards.indptr) == 2
    for place, (agent, slots) in enumerate(zip(senders.agents, senders.slots(), strict=True)):
        row = rewards[[0 if one_row else agent]]
        for source, weight in zip(row.indices, row.data, strict=True):
            weights[place, slots[int(source)]] = weight
    return weights


def _critics_of(spec: LearnerSpec, senders: Senders, state: int, act: int) -> Iterator[OwnCritics]:
    """Of each stack that holds some of the agents' critics what they own of it."""
    place_of = {int(agent): place for place, agent in enumerate(senders.agents)}
    for bucket, stacked in zip(spec.buckets, owned_terms(spec, senders), strict=True):
        if not len(stacked):
            continue
        places = np.array([place_of[int(term)] for term in bucket.terms[stacked]], np.int32)
        scale = input_scale(bucket, spec.settings)
        heard = _Heard(senders, places, spec.env.num_agents)
        yield OwnCritics(
            places,
            bucket._replace(
                terms=places,
                state_rows=heard.rows(bucket.state_rows[stacked], state),
                action_rows=heard.rows(bucket.action_rows[stacked], act),
                credit=bucket.credit[stacked],
                slot_agents=bucket.slot_agents[stacked],
                slot_columns=bucket.slot_columns[stacked],
                slot_rows=heard.rows(bucket.slot_rows[stacked], act),
                slot_credit=bucket.slot_credit[stacked],
                fan_in=bucket.fan_in[stacked],
                distance=None,
            ),
            None if scale is None else np.asarray(scale)[stacked],
        )


def owned_terms(spec: LearnerSpec, senders: Senders) -> list[np.ndarray]:
    """For each stack of critics the places in it that the agents own."""
    return [np.flatnonzero(np.isin(bucket.terms, senders.agents)) for bucket in spec.buckets]


class _Heard:
    """Rows of the features of all agents as rows of what the owners of some critics hear."""

    def __init__(self, senders: Senders, places: np.ndarray, num_agents: int) -> None:
        self.num_agents, self.num_slots = num_agents, senders.sources.shape[1]
        self.sources = senders.sources[places]

    def rows(self, rows: np.ndarray, width: int) -> np.ndarray:
        """The same features, in slots; what was padding stays padding."""
        found = np.full(rows.shape, self.num_slots * width, np.int32)
        for k, sources in enumerate(self.sources):
            real = rows[k] < self.num_agents * width
            order = np.argsort(sources, kind="stable")
            agents, entries = np.divmod(rows[k][real], width)
            slots = order[np.searchsorted(sources, agents, sorter=order)]
            found[k][real] = slots * width + entries
        return found


def own_state(spec: LearnerSpec, senders: Senders, key: PRNGKeyArray) -> LearnerState:
    """What the agents own of a learner's first state.

    Everyone draws the first weights of all from the shared key, and keeps its own.
    """
    state = jax.jit(lambda key: initial_state(spec, key))(key)
    agents = senders.agents
    terms = owned_terms(spec, senders)

    def of_agents(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[agents], tree)

    def of_critics(stacks: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            jax.tree.map(lambda leaf, mine=mine: leaf[mine], stack)
            for stack, mine in zip(stacks, terms, strict=True)
            if len(mine)
        )

    return LearnerState(
        actors=of_agents(state.actors),
        critics=of_critics(state.critics),
        target_actors=of_agents(state.target_actors),
        target_critics=of_critics(state.target_critics),
        actor_optimizer=of_agents(state.actor_optimizer),
        critic_optimizers=of_critics(state.critic_optimizers),
    )
