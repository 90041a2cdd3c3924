"""What one step of an environment gives, and which agents are still there."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from mastac.errors import UserError

Alive = Bool[Array, " agents"] | None
"""Which agents are there; `None` where nobody ever leaves."""


class Transition(NamedTuple):
    """What the `step` of an environment may return in place of the next state alone.

    - `state`: `[agents, state]`, at `time + 1`.
    - `rewards`: `[agents]`, each agent's own reward at `time`, which may depend on the next state
        and the noise; `None` where the environment has a function `reward`.
    - `terminated`: `[agents]` or one flag for the team: for whom this was the last step of the
        episode. `None` where episodes end at the horizon alone.
    """

    state: Any
    rewards: Any = None
    terminated: Any = None


def stepped(env: Any, state: Any, actions: Any, time: Any, key: PRNGKeyArray) -> Transition:
    """What the function `step` of an environment itself gives."""
    after = env.step(state, actions, time, key)
    return after if isinstance(after, Transition) else Transition(after)


def transition_of(
    env: Any, state: Any, actions: Any, time: Any, key: PRNGKeyArray, alive: Alive = None
) -> Transition:
    """[`Environment.transition`][mastac.envs.base.Environment.transition]."""
    rewards = None if env.reward is None else env.reward(state, actions, time)
    after = stepped(env, state, actions, time, key)
    if rewards is None:
        rewards = after.rewards
    elif after.rewards is not None:
        raise UserError(
            f"both reward and step of environment '{env.id}' give rewards; "
            "leave reward out, or return mastac.Transition without rewards"
        )
    if rewards is None:
        raise UserError(
            f"environment '{env.id}' gives no rewards; give it a function reward, or let step "
            "return mastac.Transition(state, rewards)"
        )
    if after.terminated is None:
        return Transition(after.state, rewards)
    terminated = jnp.broadcast_to(jnp.asarray(after.terminated), (env.num_agents,))
    if alive is None:
        return Transition(after.state, rewards, terminated)
    # Chosen, not multiplied: what `step` makes of agents that left may be no number.
    return Transition(
        jnp.where(alive[:, None], after.state, state),
        jnp.where(alive, rewards, 0.0),
        alive & terminated,
    )


def everyone(env: Any) -> Alive:
    """Who is there when an episode begins; `None` where nobody ever leaves."""
    return jnp.ones(env.num_agents, bool) if env.terminates else None


def remaining(alive: Alive, after: Transition) -> Alive:
    """Who is there at the next step."""
    return None if alive is None else alive & ~after.terminated


def only_alive(rows: Float[Array, "... agents entries"], alive: Any) -> Array:
    """Rows of the agents that are there, zeros for the others; all rows where nobody leaves."""
    return rows if alive is None else jnp.where(alive[..., None], rows, 0.0)


def refuse_early_ends(env: Any, what: str) -> None:
    """`UserError` where episodes may end before the horizon.

    `what`: the sentence that says what cannot be done, without a full stop.
    """
    if env.terminates:
        raise UserError(f"episodes of environment '{env.id}' may end early; {what}")
