r"""Local models: what each agent's next state and reward depend on, and nothing else.

The model of agent $i$'s next state reads the states of its in-neighbours in the state graph and
the actions of those in the action graph; that of its reward reads those of the two reward graphs
(Definition 3.1). Several members, which differ by their first weights and by what they are
trained on, show by their disagreement what is not known.

Time is an input, too. Couplings that change with the time are read as their union.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from mastac.agents.gated import GatedNetwork, gated_networks, rescaled
from mastac.envs.base import Environment
from mastac.structure.layout import Bucket
from mastac.structure.layouts import dynamics_layout, reward_layout

States = Float[Array, "members agents state batch"]
Actions = Float[Array, "members agents act batch"]
Times = Float[Array, "members batch"]


class Units(NamedTuple):
    """Centre and scale of all that local models read and predict, by agent."""

    state_center: Float[Array, "agents state"]
    state_scale: Float[Array, "agents state"]
    action_center: Float[Array, "agents act"]
    action_scale: Float[Array, "agents act"]
    change_center: Float[Array, "agents state"]
    change_scale: Float[Array, "agents state"]
    reward_center: Float[Array, " agents"]
    reward_scale: Float[Array, " agents"]


class Networks(NamedTuple):
    """One stack `[members, terms, ...]` for each bucket of agents with similarly many inputs."""

    dynamics: tuple[GatedNetwork, ...]
    rewards: tuple[GatedNetwork, ...]


@dataclass(frozen=True, eq=False)
class LocalModels:
    """How to make and apply the local models of one environment.

    - `members`: how many of each.
    - `units`: hidden units of each network.
    - `dynamics`, `rewards`: what each network reads.
    - `mask`: which entries of the states are real.
    """

    members: int
    units: int
    horizon: int
    dynamics: tuple[Bucket, ...]
    rewards: tuple[Bucket, ...]
    mask: Bool[Array, "agents state"]

    def init(self, key: PRNGKeyArray) -> Networks:
        """First weights of all members."""

        def stacks(key: PRNGKeyArray, buckets: tuple[Bucket, ...], outputs: int):
            return tuple(
                gated_networks(
                    jax.random.fold_in(key, number),
                    (self.members, len(bucket.terms)),
                    bucket.fan_in + 1,
                    (_width(bucket), self.units, outputs),
                )
                for number, bucket in enumerate(buckets)
            )

        dynamics_key, reward_key = jax.random.split(key)
        return Networks(
            stacks(dynamics_key, self.dynamics, self.mask.shape[1]),
            stacks(reward_key, self.rewards, 1),
        )

    def predict(
        self, networks: Networks, units: Units, states: States, actions: Actions, time: Times
    ) -> tuple[States, Float[Array, "members agents batch"]]:
        """The change of every state, and every reward, in their own units.

        **Arguments:**

        - `states`, `actions`: in the environment's units.
        - `time`: steps since the beginning of the episode.
        """
        wide = (None, slice(None), slice(None), None)
        flat_states = _flat((states - units.state_center[wide]) / units.state_scale[wide])
        flat_actions = _flat((actions - units.action_center[wide]) / units.action_scale[wide])
        clock = (2.0 * time / self.horizon - 1.0)[:, None, None, :]

        def outputs(stacks: tuple[GatedNetwork, ...], buckets: tuple[Bucket, ...]) -> Array:
            results = []
            for stack, bucket in zip(stacks, buckets, strict=True):
                size = (self.members, len(bucket.terms), 1, clock.shape[-1])
                x = jnp.concatenate(
                    [
                        flat_states[:, bucket.state_rows],
                        flat_actions[:, bucket.action_rows],
                        jnp.broadcast_to(clock, size),
                    ],
                    axis=2,
                )
                results.append(jax.vmap(jax.vmap(lambda network, x: network(x)))(stack, x))
            order = np.argsort(np.concatenate([bucket.terms for bucket in buckets]))
            return jnp.concatenate(results, axis=1)[:, order]

        change = outputs(networks.dynamics, self.dynamics)
        return (
            jnp.where(self.mask[wide], change, 0.0),
            outputs(networks.rewards, self.rewards)[:, :, 0],
        )

    def step(
        self, networks: Networks, units: Units, states: States, actions: Actions, time: Times
    ) -> tuple[States, Float[Array, "members agents batch"]]:
        """The next states and the rewards, in the environment's units."""
        change, reward = self.predict(networks, units, states, actions, time)
        wide = (None, slice(None), slice(None), None)
        change = change * units.change_scale[wide] + units.change_center[wide]
        column = (None, slice(None), None)
        reward = reward * units.reward_scale[column] + units.reward_center[column]
        return states + jnp.where(self.mask[wide], change, 0.0), reward

    def in_units(self, networks: Networks, old: Units, new: Units) -> Networks:
        """The same models of inputs and outputs in new units.

        An input's scale that grows more than twofold was that of a constant, of which nothing has
        been learnt: its weights grow twofold and no more, and where it was, predictions stay.
        """

        def moved(stack: GatedNetwork, bucket: Bucket, out: tuple[Array, Array]) -> GatedNetwork:
            center, scale = _input_units(old, bucket)
            new_center, new_scale = _input_units(new, bucket)
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

        change = output_units("change")
        stretch, shift = output_units("reward")
        reward = (stretch[:, None], shift[:, None])
        return Networks(
            tuple(map(moved, networks.dynamics, self.dynamics, [change] * len(self.dynamics))),
            tuple(map(moved, networks.rewards, self.rewards, [reward] * len(self.rewards))),
        )


def local_models(env: Environment, members: int, units: int, read_all: bool = False) -> LocalModels:
    """The local models of an environment.

    **Arguments:**

    - `members`, `units`: of [`LocalModels`][mastac.agents.local_models.LocalModels].
    - `read_all`: every model reads all agents, as if there were no graphs.
    """

    def buckets(layout) -> tuple[Bucket, ...]:
        return layout.buckets(env.state_sizes, env.action_sizes, max_waste=0.25)

    mask = np.arange(int(env.state_sizes.max())) < env.state_sizes[:, None]
    return LocalModels(
        members=members,
        units=units,
        horizon=env.horizon,
        dynamics=buckets(dynamics_layout(env.couplings, read_all)),
        rewards=buckets(reward_layout(env.couplings, read_all)),
        mask=jnp.asarray(mask),
    )


def _width(bucket: Bucket) -> int:
    """Inputs of the networks of a bucket: states, actions, and the time."""
    return bucket.state_rows.shape[1] + bucket.action_rows.shape[1] + 1


def _flat(features: Array) -> Float[Array, "members features batch"]:
    """All agents' features in one axis, and a row of zeros, which padded places read."""
    flat = features.reshape(features.shape[0], -1, features.shape[-1])
    return jnp.concatenate([flat, jnp.zeros_like(flat[:, :1])], axis=1)


def _input_units(units: Units, bucket: Bucket) -> tuple[Array, Array]:
    """Centre and scale of every input of the networks of a bucket, `[terms, inputs]`."""

    def gathered(states: Array, actions: Array, fill: float) -> Array:
        padded = [jnp.append(numbers.ravel(), fill) for numbers in (states, actions)]
        clock = jnp.full((len(bucket.terms), 1), fill)
        return jnp.concatenate(
            [padded[0][bucket.state_rows], padded[1][bucket.action_rows], clock], axis=1
        )

    center = gathered(units.state_center, units.action_center, 0.0)
    return center, gathered(units.state_scale, units.action_scale, 1.0)
