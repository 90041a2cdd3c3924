r"""Local models: what each agent's next state and reward depend on, and nothing else.

The model of agent $i$'s next state reads the states of its in-neighbours in the state graph and
the actions of those in the action graph; that of its reward reads those of the two reward graphs
(Definition 3.1). Where agents may leave, one more reads what the next state's reads, and the next
state itself: with it comes the end. Where observations are no known function of the states, one
more reads the states of the in-neighbours in the observation graph.

Several members, which differ by their first weights and by what they are trained on, show by their
disagreement what is not known.

Time is an input, too. Couplings that change with the time are read as their union.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from mastac.agents.gated import GatedNetwork, gated_networks, rescaled
from mastac.agents.model_inputs import (
    WIDE,
    Actions,
    Numbers,
    States,
    Times,
    Units,
    input_units,
    reading,
    width_of,
)
from mastac.envs.base import Environment
from mastac.structure.layout import Bucket
from mastac.structure.layouts import dynamics_layout, observation_layout, reward_layout


class Networks(NamedTuple):
    """One stack `[members, terms, ...]` for each bucket of agents with similarly many inputs."""

    dynamics: tuple[GatedNetwork, ...]
    rewards: tuple[GatedNetwork, ...]
    ends: tuple[GatedNetwork, ...] = ()
    observations: tuple[GatedNetwork, ...] = ()


@dataclass(frozen=True, eq=False)
class LocalModels:
    """How to make and apply the local models of one environment.

    - `members`: how many of each.
    - `units`: hidden units of each network.
    - `dynamics`, `rewards`: what each network reads.
    - `mask`: which entries of the states are real.
    - `ends`: what the networks read that say when agents leave; none where nobody does.
    - `observations`: what those read that predict observations; none where these are known.
    - `obs_mask`: which entries of the observations are real.

    Where agents may leave, functions take `there`: for each agent the probability that it is still
    there, 1 or 0 where it is known. What an agent reads of another one that left is zero; in
    between, it counts by the probability that the other one is there if the agent itself is. One of
    the inputs says so.
    """

    members: int
    units: int
    horizon: int
    dynamics: tuple[Bucket, ...]
    rewards: tuple[Bucket, ...]
    mask: Bool[Array, "agents state"]
    ends: tuple[Bucket, ...]
    observations: tuple[Bucket, ...]
    obs_mask: Bool[Array, "agents obs"]

    def init(self, key: PRNGKeyArray) -> Networks:
        """First weights of all members."""

        def stacks(key: PRNGKeyArray, buckets: tuple[Bucket, ...], outputs: int, more: int = 0):
            return tuple(
                gated_networks(
                    jax.random.fold_in(key, number),
                    (self.members, len(bucket.terms)),
                    bucket.fan_in + 1 + more,
                    (width_of(bucket) + more, self.units, outputs),
                )
                for number, bucket in enumerate(buckets)
            )

        dynamics_key, reward_key = jax.random.split(key)
        return Networks(
            stacks(dynamics_key, self.dynamics, self.mask.shape[1]),
            stacks(reward_key, self.rewards, 1),
            stacks(jax.random.fold_in(key, 2), self.ends, 1, more=self.mask.shape[1]),
            stacks(jax.random.fold_in(key, 3), self.observations, self.obs_mask.shape[1]),
        )

    def predict(
        self,
        networks: Networks,
        units: Units,
        states: States,
        actions: Actions,
        time: Times,
        there: Numbers | None = None,
    ) -> tuple[States, Numbers]:
        """The change of every state, and every reward, in their own units.

        **Arguments:**

        - `states`, `actions`: in the environment's units.
        - `time`: steps since the beginning of the episode.
        """
        read = self._reading(units, states, actions, time, there)
        change = _outputs(networks.dynamics, self.dynamics, read)
        reward = _outputs(networks.rewards, self.rewards, read)[:, :, 0]
        return jnp.where(self.mask[WIDE], change, 0.0), reward

    def step(
        self,
        networks: Networks,
        units: Units,
        states: States,
        actions: Actions,
        time: Times,
        there: Numbers | None = None,
    ) -> tuple[States, Numbers]:
        """The next states and the rewards, in the environment's units."""
        change, reward = self.predict(networks, units, states, actions, time, there)
        change = change * units.change_scale[WIDE] + units.change_center[WIDE]
        column = (None, slice(None), None)
        reward = reward * units.reward_scale[column] + units.reward_center[column]
        return states + jnp.where(self.mask[WIDE], change, 0.0), reward

    def log_staying(
        self,
        networks: Networks,
        units: Units,
        states: States,
        actions: Actions,
        time: Times,
        following: States,
        there: Numbers,
        together: Bool[Array, ""],
    ) -> Numbers:
        """Logarithms of the probabilities that agents who are there are so after the step.

        **Arguments:**

        - `following`: the next states.
        - `together`: whether all leave at once: then they stay if nobody has a reason to leave.
        """
        read = self._reading(units, states, actions, time, there)
        own = (following - units.state_center[WIDE]) / units.state_scale[WIDE]

        def read_more(bucket: Bucket) -> Array:
            return jnp.concatenate([read(bucket), own[:, np.asarray(bucket.terms)]], axis=2)

        logits = _outputs(networks.ends, self.ends, read_more)[:, :, 0]
        # Networks begin near zero: at first one end is expected in an episode of the team.
        stays = -jax.nn.softplus(logits - np.log(self.horizon * len(self.mask)).astype(np.float32))
        return jnp.where(together, stays.sum(1, keepdims=True), stays)

    def observe(
        self,
        networks: Networks,
        units: Units,
        states: States,
        time: Times,
        there: Numbers | None = None,
    ) -> Float[Array, "members agents obs batch"]:
        """What agents observe, in units of observations."""
        nothing = jnp.zeros((*states.shape[:2], *units.action_center.shape[1:], states.shape[-1]))
        read = self._reading(units, states, nothing, time, there)
        seen = _outputs(networks.observations, self.observations, read)
        return jnp.where(self.obs_mask[WIDE], seen, 0.0)

    def _reading(self, *arguments: Any) -> Callable[[Bucket], Array]:
        units, states, actions, time, there = arguments
        return reading(units, states, actions, time, self.horizon, bool(self.ends), there)

    def in_units(self, networks: Networks, old: Units, new: Units) -> Networks:
        """The same models of inputs and outputs in new units.

        An input's scale that grows more than twofold was that of a constant, of which nothing has
        been learnt: its weights grow twofold and no more, and where it was, predictions stay.
        """
        says_who = bool(self.ends)

        def moved(
            stack: GatedNetwork, bucket: Bucket, out: tuple[Array, Array], and_own: bool = False
        ) -> GatedNetwork:
            center, scale = input_units(old, bucket, says_who, and_own)
            new_center, new_scale = input_units(new, bucket, says_who, and_own)
            terms = np.asarray(bucket.terms)
            stretch = jnp.minimum(new_scale / scale, 2.0)
            return rescaled(
                stack,
                stretch[None],
                (stretch * (new_center - center) / new_scale)[None],
                out[0][terms][None],
                out[1][terms][None],
            )

        def output_units(name: str) -> tuple[Array, Array]:
            center, scale = (getattr(old, f"{name}_{what}") for what in ("center", "scale"))
            new_center, new_scale = (getattr(new, f"{name}_{what}") for what in ("center", "scale"))
            return scale / new_scale, (center - new_center) / new_scale

        def all_moved(
            stacks: tuple[GatedNetwork, ...],
            buckets: tuple[Bucket, ...],
            out: tuple[Array, Array],
            and_own: bool = False,
        ) -> tuple[GatedNetwork, ...]:
            return tuple(
                moved(stack, bucket, out, and_own)
                for stack, bucket in zip(stacks, buckets, strict=True)
            )

        stretch, shift = output_units("reward")
        one = jnp.ones_like(stretch)[:, None]
        return Networks(
            all_moved(networks.dynamics, self.dynamics, output_units("change")),
            all_moved(networks.rewards, self.rewards, (stretch[:, None], shift[:, None])),
            all_moved(networks.ends, self.ends, (one, 0.0 * one), and_own=True),
            all_moved(networks.observations, self.observations, output_units("obs"))
            if self.observations
            else (),
        )


def local_models(env: Environment, members: int, units: int, read_all: bool = False) -> LocalModels:
    """The local models of an environment.

    **Arguments:**

    - `members`, `units`: of [`LocalModels`][mastac.agents.local_models.LocalModels].
    - `read_all`: every model reads all agents, as if there were no graphs.
    """
    says_who = int(env.terminates)

    def buckets(layout) -> tuple[Bucket, ...]:
        return layout.buckets(env.state_sizes + says_who, env.action_sizes, max_waste=0.25)

    def mask(sizes: np.ndarray) -> Array:
        return jnp.asarray(np.arange(int(sizes.max())) < sizes[:, None])

    dynamics = buckets(dynamics_layout(env.couplings, read_all))
    observations = ()
    if env.stores_observations:
        observations = buckets(observation_layout(env.couplings, read_all))
    return LocalModels(
        members=members,
        units=units,
        horizon=env.horizon,
        dynamics=dynamics,
        rewards=buckets(reward_layout(env.couplings, read_all)),
        mask=mask(env.state_sizes),
        ends=dynamics if env.terminates else (),
        observations=observations,
        obs_mask=mask(env.obs_sizes),
    )


def _outputs(
    stacks: tuple[GatedNetwork, ...],
    buckets: tuple[Bucket, ...],
    read: Callable[[Bucket], Array],
) -> Float[Array, "members agents outputs batch"]:
    """What the networks of all agents give, in the agents' order."""
    results = [
        jax.vmap(jax.vmap(lambda network, x: network(x)))(stack, read(bucket))
        for stack, bucket in zip(stacks, buckets, strict=True)
    ]
    order = np.argsort(np.concatenate([bucket.terms for bucket in buckets]))
    return jnp.concatenate(results, axis=1)[:, order]
