"""Centres and scales that an environment leaves open, measured from what has been played.

Networks need numbers around zero and of size one. What the environment declares stays as it is; the
rest is measured before the first update, and again each time the number of episodes has grown by
half, from the newer half of them. Networks keep their functions: their first layers take up the
change, and critics' last layers that of the rewards' scale.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mastac.agents.networks import MLP, read_anew
from mastac.agents.stochastic import StochasticActor
from mastac.envs.base import Environment
from mastac.envs.mixed_heads import mask_of
from mastac.learning.buffer import Episode
from mastac.learning.observing import observations_along
from mastac.learning.presence import Among, present
from mastac.learning.sharing import pooled, read_alike
from mastac.learning.spec import LearnerSpec, LearnerState
from mastac.structure.kinds import Kinds
from mastac.structure.layout import Bucket

# Before anything is measured an observation enters as almost nothing: the first actions are those
# of an actor that sees nothing, not those of a saturated one.
UNSEEN = 1e9
# A scale falls at most by half each time, and never below this share of the spread over all
# episodes: an entry that is still for a while may move again.
SLEW, FLOOR = 0.5, 0.01


class Scales(NamedTuple):
    """In what units critics read states, actions and rewards."""

    state_center: Float[Array, "agents state"]
    state_scale: Float[Array, "agents state"]
    action_center: Float[Array, "agents act"]
    action_scale: Float[Array, "agents act"]
    reward: Float[Array, ""]


def declared_scales(env: Environment) -> Scales:
    """What the environment declares, and what stands for the rest."""

    def rows(value: Any, sizes: np.ndarray) -> Array:
        shape = (env.num_agents, int(sizes.max()))
        return jnp.asarray(np.broadcast_to(value, shape), jnp.float32)

    limit = env.action_limit if env.action_scale is None else env.action_scale
    return Scales(
        rows(env.state_center, env.state_sizes),
        rows(env.state_scale, env.state_sizes),
        rows(env.action_center, env.action_sizes),
        rows(limit, env.action_sizes),
        jnp.float32(env.reward_scale),
    )


def unseeing(spec: LearnerSpec, actors: Any) -> Any:
    """First actors, blind to the observations whose scale is still to be measured."""
    if "obs_scale" not in spec.env.undeclared:
        return actors
    network = actors.mean_network if isinstance(actors, StochasticActor) else actors
    blind = jnp.full_like(network.inverse_scale, 1 / UNSEEN)
    if isinstance(actors, StochasticActor):
        return eqx.tree_at(lambda tree: tree.mean_network.inverse_scale, actors, blind)
    return eqx.tree_at(lambda tree: tree.inverse_scale, actors, blind)


class Measured(NamedTuple):
    """Centre and spread of entries over recent episodes, and their spread over all of them."""

    center: Array
    spread: Array
    overall: Array


def measured(
    values: Float[Array, "episodes time *rest"],
    is_recent: Bool[Array, " episodes"],
    is_there: Bool[Array, " episodes"],
    share: float = 0.5,
    counts: Any = None,
) -> Measured:
    """Medians over recent episodes of mean and mean square: a few wild ones do not count.

    **Arguments:**

    - `share`: below which quantile over episodes the mean square is taken; 0.5: the median.
    - `counts`: `[episodes, time, agents]`, the steps at which an agent was there; `None`: all.
    """
    side = (slice(None), *(None,) * (values.ndim - 2))

    def quantile(by_episode: Array, share: float) -> Array:
        return jnp.nanquantile(jnp.where(is_recent[side], by_episode, jnp.nan), share, axis=0)

    def over_time(values: Array) -> Array:
        if counts is None:
            return values.mean(1)
        weights = counts / jnp.maximum(counts.sum(1, keepdims=True), 1).astype(jnp.float32)
        return (values * weights.reshape(*counts.shape, *[1] * (values.ndim - 3))).sum(1)

    means = over_time(values)
    center = quantile(means, 0.5)
    # Where calm episodes are asked for, each is calm about its own mean.
    about = center[None, None] if share == 0.5 else means[:, None]
    square = over_time((values - about) ** 2)
    overall = jnp.where(is_there[side], square, 0.0).sum(0) / is_there.sum()
    return Measured(center, jnp.sqrt(quantile(square, share)), jnp.sqrt(overall))


def over_kinds(found: Measured, kinds: Kinds) -> Measured:
    """The same over all agents of a kind: `[agents, …]` becomes `[kinds, …]`."""
    center = pooled(kinds, found.center)
    apart = (found.center - center[kinds.of]) ** 2
    spread, overall = (jnp.sqrt(pooled(kinds, part**2 + apart)) for part in found[1:])
    return Measured(center, spread, overall)


def next_scale(found: Measured, old: Array, is_first: Array) -> Array:
    """The scale that follows `old`; an entry that never moved keeps a scale of its size."""
    still = jnp.maximum(jnp.abs(found.center), 1.0)
    spread = jnp.maximum(found.spread, FLOOR * found.overall)
    moves = found.overall > 1e-6 * still
    return jnp.where(
        is_first,
        jnp.where(moves, spread, still),
        jnp.where(moves, jnp.maximum(spread, SLEW * old), old),
    )


def rescaled_critics(bucket: Bucket, critics: MLP, old: Scales, new: Scales) -> MLP:
    """A stack of critics that are the same functions in other units."""

    def read(centers: tuple[Array, Array], scales: tuple[Array, Array], rows: np.ndarray):
        (before, after), (one, two) = centers, scales
        rows = rows[bucket.networks]
        growth = jnp.append((two / one).ravel(), 1.0)[rows]
        shift = jnp.append(((after - before) / one).ravel(), 0.0)[rows]
        return growth, shift

    states = read(
        (old.state_center, new.state_center), (old.state_scale, new.state_scale), bucket.state_rows
    )
    actions = read(
        (old.action_center, new.action_center),
        (old.action_scale, new.action_scale),
        bucket.action_rows,
    )
    times = critics.weights[0].shape[-2] - states[0].shape[1] - actions[0].shape[1]
    number = len(bucket.networks)
    padding = jnp.ones((number, times)), jnp.zeros((number, times))
    growth, shift = (
        jnp.concatenate(parts, axis=1) for parts in zip(states, actions, padding, strict=True)
    )
    if critics.weights[0].ndim == 4:  # twins
        growth, shift = growth[:, None], shift[:, None]
    critics = read_anew(critics, growth, shift)
    factor = old.reward / new.reward
    return eqx.tree_at(
        lambda stack: (stack.weights[-1], stack.biases[-1]),
        critics,
        (critics.weights[-1] * factor, critics.biases[-1] * factor),
    )


class Which(NamedTuple):
    """Which places of the store hold an episode of the newer half, and which hold any."""

    is_recent: Bool[Array, " episodes"]
    is_there: Bool[Array, " episodes"]


def which_episodes(store: Episode, count: Int[Array, ""]) -> Which:
    """Those of a store after so many episodes."""
    capacity = store.rewards.shape[0]
    # Place k holds the last episode whose number leaves k when divided by the capacity.
    age = (count - 1 - jnp.arange(capacity)) % capacity
    return Which(age < (jnp.minimum(count, capacity) + 1) // 2, age < count)


def next_scales(
    spec: LearnerSpec,
    store: Episode,
    which: Which,
    old: Scales,
    is_first: Bool[Array, ""],
    among: Among | None = None,
) -> Scales:
    """What critics read from now on: measured where the environment leaves it open.

    Where critics are shared, agents that are read alike are read in the same units.
    """
    env = spec.env
    mask = mask_of(env.action_head, env.action_sizes) if among is None else among.mask
    choices = env.head.choices(mask)
    mean = jnp.mean if among is None else among.mean

    def kept(old: Array, new: Array) -> Array:
        # Choices are rows of zeros and a one. In units of their spread a rare one would be a giant.
        return jnp.where(choices, old, new) if env.head.has_choices else new

    states = measured(store.states, *which, counts=present(store))
    actions = measured(store.actions, *which, counts=store.alive)
    if spec.settings.share_critics:
        kinds = read_alike(env)
        states, actions = (
            Measured(*(part[kinds.of] for part in over_kinds(found, kinds)))
            for found in (states, actions)
        )
    # Returns of exploring policies may be thousands of times those of good ones. The calmer
    # episodes say what rewards are like where it matters, and this scale may fall faster.
    payments = measured(store.rewards, *which, share=0.25, counts=store.alive)
    paid = Measured(*(jnp.sqrt(mean(part**2)) for part in payments))
    found = (
        ("state_center", states.center),
        ("state_scale", next_scale(states, old.state_scale, is_first)),
        ("action_center", kept(old.action_center, actions.center)),
        ("action_scale", kept(old.action_scale, next_scale(actions, old.action_scale, is_first))),
        ("reward_scale", next_scale(paid, SLEW * old.reward, is_first)),
    )
    return Scales(
        *(
            value if name in env.undeclared else kept
            for kept, (name, value) in zip(old, found, strict=True)
        )
    )


def remeasured(
    spec: LearnerSpec,
    state: LearnerState,
    store: Episode,
    count: Int[Array, ""],
    is_first: Bool[Array, ""],
    among: Among | None = None,
) -> LearnerState:
    """The learner with its scales measured anew.

    **Arguments:**

    - `store`: of the replay or of a rollout, with the last of `count` episodes.
    - `is_first`: before the first update; networks are then taken as they are.
    - `among`: where the learner is that of some agents; `None`: of all.
    """
    env, old, stacks = spec.env, state.scales, len(spec.buckets)
    which = which_episodes(store, count)
    new = next_scales(spec, store, which, old, is_first, among)
    if spec.kind.has_mixer:  # not linear in what it reads: measured once
        new = jax.tree.map(lambda one, other: jnp.where(is_first, other, one), old, new)

    def critics(before: tuple[Any, ...]) -> tuple[Any, ...]:
        after = tuple(
            rescaled_critics(bucket, stack, old, new)
            for bucket, stack in zip(spec.buckets, before[:stacks], strict=True)
        )
        choose = lambda one, other: jnp.where(is_first, one, other)  # noqa: E731
        return (*jax.tree.map(choose, before[:stacks], after), *before[stacks:])

    targets = state.target_critics

    state = state._replace(
        scales=new,
        critics=critics(state.critics),
        target_critics=critics(targets) if targets else (),
    )
    if not {"obs_scale", "obs_center"} & env.undeclared:
        return state
    seen = measured(observations_along(env, store), *which, counts=present(store))
    return with_actors(spec, state, seen, is_first)


def with_actors(
    spec: LearnerSpec, state: LearnerState, seen: Measured, is_first: Array
) -> LearnerState:
    """The learner whose actors, and targets, read observations in the units that were measured."""
    env = spec.env
    if spec.actors.blocks is not None:
        seen = over_kinds(seen, spec.actors.blocks.kinds)

    def after(actors: Any) -> Any:
        network = actors.mean_network if isinstance(actors, StochasticActor) else actors
        center, scale = seen.center, next_scale(seen, 1.0 / network.inverse_scale, is_first)
        center = center if "obs_center" in env.undeclared else network.center
        scale = scale if "obs_scale" in env.undeclared else 1.0 / network.inverse_scale
        if isinstance(actors, StochasticActor):
            return spec.stochastic.rescaled(actors, center, scale, ~is_first)
        return spec.actors.rescaled(actors, center, scale, ~is_first)

    targets = after(state.target_actors) if spec.kind.has_target_actors else ()
    return state._replace(actors=after(state.actors), target_actors=targets)
