r"""How much agents beyond a window influence a value, measured by rollouts.

The graphs say which agents can matter. $Q_i(s, a)$ depends on the states and actions of the agents
in its set. Under a given policy, the influence of the state of agent j is

$$w_{ij} = E\,\Bigl|\sum_{k \ge t} \gamma^{k-t}
    \bigl(r_i(k)[s(t) + \delta_j, a(t)] - r_i(k)[s(t), a(t)]\bigr)\Bigr|,$$

where $\delta_j$ moves $s_j(t)$ alone, the noise is the same in both (common random numbers), $a(t)$
is kept, and the policy acts again from $t + 1$ on. The influence of an action is the same with
$a_j(t)$ moved instead. The curve gives, for each kappa, the share of $\sum_j w_{ij}$ that comes
from agents outside the set of that kappa.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from mastac.analysis.influence_shares import Influence, beside_own, shares_beyond
from mastac.checks import whole_number
from mastac.envs.base import Actions, Environment, Obs, State, Time
from mastac.envs.transitions import everyone, only_alive, remaining
from mastac.errors import UserError
from mastac.structure import Couplings

Acting = Callable[[Obs, State, Time], Actions]

ROLLOUTS = 64
MOST_WORK, MOST_ENTRIES = 10**10, 10**8
"""Steps of single agents, some minutes, and changes to hold; more is refused at the start."""
TOWARDS = 0.1
"""How far an action is moved towards a random one."""


def influence(
    env: Environment,
    acting: Acting | None = None,
    rollouts: int = ROLLOUTS,
    discount: float = 0.95,
    seed: int = 0,
) -> Influence:
    r"""How much each agent's discounted return changes when one agent's state or action is moved.

    Each rollout moves one agent at a time, at one random step of the first half of the episode, and
    goes on to its end. A state moves by one standard deviation of each of its entries over steps
    and rollouts, up or down at random; where an entry does not vary, by `state_scale`. An action
    moves a tenth of the way to a random action, so that it stays an action: uniform within its
    limits or among shares, normal where it has no limits. A discrete action is replaced.

    **Arguments:**

    - `env`: the environment.
    - `acting`: `(obs, state, time) -> actions`; by default the environment's simple policy.
    - `rollouts`: how many episodes, at least 2.
    - `discount`: $\gamma$ of the returns.
    - `seed`: of the rollouts.

    **Returns:** the changes, in units of the reward.

    **Raises:**

    - [`mastac.errors.UserError`][] if there is no policy to play, fewer than two rollouts are asked
        for, the rollouts would take more steps or more memory than they may, or returns are not
        finite.
    """
    acting = _simple(env) if acting is None else acting
    rollouts = _checked_rollouts(env, rollouts)
    scale_key, time_key, run_key = jax.random.split(jax.random.key(seed), 3)
    scale = _state_scale(env, acting, jax.random.split(scale_key, rollouts))
    times = jax.random.randint(time_key, (rollouts,), 0, (env.horizon + 1) // 2)
    play = jax.jit(jax.vmap(partial(_rewards, env, acting, scale), in_axes=(0, 0, None)))
    keys, n = jax.random.split(run_key, rollouts), env.num_agents
    # One program plays both with and without the move, so that rewards which a move does not reach
    # are equal bit by bit.
    unmoved = np.asarray(play(keys, times, 2 * n), float)
    since = np.arange(env.horizon) - np.asarray(times)[:, None]
    weights = np.where(since >= 0, discount ** np.maximum(since, 0), 0.0)
    changes = np.empty((rollouts, n, 2 * n), np.float32)
    for move in range(2 * n):
        moved = np.asarray(play(keys, times, move), float) - unmoved
        changes[:, :, move] = np.abs(np.einsum("rt,rti->ri", weights, moved))
    if not np.isfinite(changes).all():
        raise UserError(
            f"returns of environment '{env.id}' are not finite under this policy, moved or not"
        )
    return Influence(changes[:, :, :n], changes[:, :, n:], np.asarray(times))


def _simple(env: Environment) -> Acting:
    """The environment's simple policy."""
    simple = env.simple_actions
    if simple is None:
        raise UserError(
            f"environment '{env.id}' has no simple policy; train one and ask of its run folder"
        )
    return lambda obs, state, time: simple(state, time)


def _checked_rollouts(env: Environment, rollouts: int) -> int:
    """The number of rollouts, if they take no more work and memory than they may."""
    rollouts = whole_number("rollouts", rollouts, least=2)
    entries = 2 * env.num_agents**2
    most = min(MOST_WORK // (entries * env.horizon), MOST_ENTRIES // entries)
    if rollouts > most:
        fix = f"ask for at most {most} rollouts" if most > 1 else "ask of fewer agents"
        raise UserError(
            f"the influence among {env.num_agents} agents over {rollouts} rollouts would take "
            f"{entries * env.horizon * rollouts:.1e} steps of agents and {entries * rollouts:.1e} "
            f"numbers, too much; {fix}"
        )
    return rollouts


def _state_scale(
    env: Environment, acting: Acting, keys: Key[Array, " rollouts"]
) -> Float[Array, "agents state"]:
    """Standard deviation of each entry of the state over steps and rollouts."""

    def states(key: PRNGKeyArray) -> Float[Array, "time agents state"]:
        reset_key, step_key = jax.random.split(key)

        def one_step(carry, at):
            (state, alive), (time, noise_key) = carry, at
            actions = acting(only_alive(env.observed(state, time), alive), state, time)
            after = env.transition(state, only_alive(actions, alive), time, noise_key, alive)
            return (after.state, remaining(alive, after)), state

        steps = (jnp.arange(env.horizon), jax.random.split(step_key, env.horizon))
        return jax.lax.scan(one_step, (env.reset(reset_key), everyone(env)), steps)[1]

    visited = jax.jit(jax.vmap(states))(keys)
    std = visited.std((0, 1))
    real = np.arange(std.shape[1]) < env.state_sizes[:, None]
    fallback = jnp.broadcast_to(jnp.asarray(env.state_scale, std.dtype), std.shape)
    # A constant entry varies by rounding.
    varies = std > 1e-6 * (1 + jnp.abs(visited).max((0, 1)))
    return jnp.where(real, jnp.where(varies, std, fallback), 0.0)


def _rewards(
    env: Environment, acting: Acting, scale: Array, key: PRNGKeyArray, moved_at: Array, move: Array
) -> Float[Array, "time agents"]:
    """Rewards of an episode in which one state or action is moved once.

    `move` below $N$: the state of that agent; from $N$ on: the action of agent `move` - $N$;
    $2 N$: nothing.
    """
    reset_key, step_key, sign_key, action_key = jax.random.split(key, 4)
    owner = jnp.arange(env.num_agents)[:, None]
    state_move = jnp.where(
        owner == move, jax.random.rademacher(sign_key, scale.shape, scale.dtype) * scale, 0.0
    )

    def one_step(carry, at):
        (state, alive), (time, noise_key) = carry, at
        now = time == moved_at
        actions = acting(only_alive(env.observed(state, time), alive), state, time)
        towards = _random_actions(env, action_key, actions.shape, actions.dtype)
        moved = now & (owner + env.num_agents == move)
        # There is nothing between two discrete actions.
        share = 1.0 if env.head.is_discrete else TOWARDS
        actions = jnp.where(moved, actions + share * (towards - actions), actions)
        # The state is moved after the actions were chosen: they are kept.
        state = jnp.where(now, state + state_move, state)
        after = env.transition(state, only_alive(actions, alive), time, noise_key, alive)
        return (after.state, remaining(alive, after)), after.rewards

    steps = (jnp.arange(env.horizon), jax.random.split(step_key, env.horizon))
    return jax.lax.scan(one_step, (env.reset(reset_key), everyone(env)), steps)[1]


def _random_actions(
    env: Environment, key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any
) -> Array:
    """A random action of each agent, over all actions that it has."""
    real = np.arange(shape[1]) < env.action_sizes[:, None]
    limit = jnp.broadcast_to(jnp.asarray(env.action_limit, dtype), shape)
    if not env.head.is_bounded:
        return jnp.where(real, limit * jax.random.normal(key, shape, dtype), 0.0)
    return env.head.from_uniform(jax.random.uniform(key, shape, dtype), limit, real)


def influence_curve(
    env: Environment,
    acting: Acting | None = None,
    kappas: Sequence[int] | None = None,
    rollouts: int = ROLLOUTS,
    discount: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """For each kappa the share of the influence on a value that comes from agents beyond it.

    **Arguments:**

    - `env`: the environment, with couplings that are the same at all times.
    - `acting`: whose rollouts, `(obs, state, time) -> actions`; by default those of the
        environment's simple policy.
    - `kappas`: by default those of the table of `mastac graph`.
    - `rollouts`, `discount`, `seed`: as in [`influence`][].

    **Returns:** ready for JSON, `rollouts`, `discount`, `windows` ([`shares_beyond`][]), and what
    [`beside_own`][] says.

    **Raises:** as [`influence`][], and for couplings that change with the time.
    """
    if not isinstance(env.couplings, Couplings):
        raise UserError(
            f"the couplings of '{env.id}' change with the time; influence is measured for those "
            "that do not"
        )
    changes = influence(env, acting, rollouts, discount, seed)
    return {
        "rollouts": int(rollouts),
        "discount": discount,
        "windows": shares_beyond(changes, env.couplings, kappas),
        **beside_own(changes, env.couplings),
    }
