"""Imagined transitions: short branches of the present policies from replayed states.

Janner et al., "When to Trust Your Model: Model-Based Policy Optimization" (NeurIPS 2019). Nothing
of them is stored: every update imagines its own.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from mastac.envs.transitions import only_alive
from mastac.learning.buffer import Batch, replay_buffer
from mastac.learning.model_based.imagined import Dynamics, Observing
from mastac.learning.model_based.rounds import Stored
from mastac.learning.spec import LearnerSpec


class Place(NamedTuple):
    """Where imagined transitions begin.

    - `obs`: what is observed there; `None` where it is a known function of the state.
    - `alive`: who is there; `None` where nobody ever leaves.
    """

    state: Float[Array, "*batch agents state"]
    time: Int[Array, "*batch"]
    obs: Float[Array, "*batch agents obs"] | None
    alive: Bool[Array, "*batch agents"] | None


def imagined_transitions(
    spec: LearnerSpec,
    actors: Any,
    dynamics: Dynamics,
    observing: Observing | None,
    stored: Stored,
    number: int,
    exploration: tuple[Array, Array],
    key: PRNGKeyArray,
    together: Bool[Array, ""] | bool = False,
) -> Batch:
    """So many transitions of the policies with exploration, from replayed states at their times.

    A branch whose episode ends goes on from another replayed state.

    **Arguments:**

    - `dynamics`, `observing`: of [`believed`][mastac.learning.model_based.known.believed].
    - `exploration`: the noise and the share of random actions.
    - `together`: whether all agents leave at once, where some may.
    """
    env, steps, members = spec.env, spec.settings.branch_steps, spec.settings.model_members
    branches = members * -(-number // (steps * members))  # every member imagines as many
    draw_key, play_key = jax.random.split(key)
    store, total = stored
    replayed = replay_buffer(len(store.rewards), steps * branches).draw(store, total, draw_key)
    starts = jax.tree.map(
        lambda leaf: leaf.reshape(steps, branches, *leaf.shape[1:]),
        Place(replayed.state, replayed.time, replayed.obs, replayed.alive),
    )

    def one_step(carry: tuple[Place, Array], at: tuple[Place, PRNGKeyArray]):
        (place, is_over), (start, key) = carry, at
        here = jax.tree.map(
            lambda new, old: jnp.where(is_over.reshape(-1, *[1] * (old.ndim - 1)), new, old),
            start,
            place,
        )
        after = _transition(spec, actors, dynamics, observing, here, exploration, key, together)
        over = after.next_time >= env.horizon
        if after.remains is not None:
            over = over | ~after.remains.any(1)
        there = Place(after.next_state, after.next_time, after.next_obs, after.remains)
        return (there, over), after

    first = jax.tree.map(lambda leaf: leaf[0], starts), jnp.ones(branches, bool)
    _, rows = jax.lax.scan(one_step, first, (starts, jax.random.split(play_key, steps)))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:number], rows)


def _transition(
    spec: LearnerSpec,
    actors: Any,
    dynamics: Dynamics,
    observing: Observing | None,
    here: Place,
    exploration: tuple[Array, Array],
    key: PRNGKeyArray,
    together: Bool[Array, ""] | bool,
) -> Batch:
    """One imagined step from each place. Who leaves is drawn; who has left stays as it was."""
    state, time, seen, alive = here
    act_key, step_key, leave_key, obs_key = jax.random.split(key, 4)
    obs = only_alive(jax.vmap(spec.env.observed)(state, time) if seen is None else seen, alive)
    explored = spec.actors.explore(
        actors, jnp.moveaxis(obs, 0, -1), *exploration, act_key, draws=True
    )
    actions = only_alive(jnp.moveaxis(explored, -1, 0), alive)
    there = None if alive is None else alive.astype(jnp.float32)
    following, rewards, stays = dynamics(state, actions, time, step_key, there)
    remains = None
    if alive is not None and stays is not None:
        following = jnp.where(alive[:, :, None], following, state)
        rewards = jnp.where(alive, rewards, 0.0)
        luck = jax.random.uniform(leave_key, alive.shape)
        remains = alive & (jnp.where(together, luck[:, :1], luck) < stays)
        if observing is None:  # who could see nothing is where nobody ever was
            remains &= jnp.isfinite(jax.vmap(spec.env.observed)(following, time + 1)).all(2)
        there = remains.astype(jnp.float32)
    next_obs = None if observing is None else observing(following, time + 1, obs_key, there)
    return Batch(
        state=state,
        actions=actions,
        rewards=rewards,
        next_state=following,
        time=time,
        obs=seen,
        next_obs=next_obs,
        alive=alive,
        remains=remains,
    )
