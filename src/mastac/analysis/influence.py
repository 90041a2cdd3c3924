r"""How much a value still changes with agents beyond a window: the graph says who can matter, rollouts say how much.

$Q_i(s, a)$ depends on the states and actions of agents in its set. Under a given policy, the
influence of the state of agent j is

$$w_{ij} = E\,\Bigl|\sum_{k \ge t} \gamma^{k-t} \bigl(r_i(k)[s(t) + \delta_j, a(t)] - r_i(k)[s(t), a(t)]\bigr)\Bigr|,$$

where $\delta_j$ moves $s_j(t)$ alone, the noise is the same in both (common random numbers), $a(t)$
is kept, and the policy acts again from $t + 1$ on; that of an action likewise, with $a_j(t)$ moved
instead. The tail at kappa is the share of $\sum_j w_{ij}$ that comes from agents outside the set of
that kappa. It is a curve: how much of it may be given up is not for a program to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.analysis.graph_summary import some_of
from mastac.analysis.window_sums import kappa_schedule
from mastac.envs.base import Actions, Environment, Obs, State, Time
from mastac.errors import UserError
from mastac.runs.policy import Policy
from mastac.structure import Couplings
from mastac.structure.windows import first_windows

Acting = Callable[[Obs, State, Time], Actions]

ROLLOUTS = 64
MOST_WORK, MOST_ENTRIES = 10**10, 10**8
"""Steps of single agents, some minutes, and changes to hold; where more would be needed, nothing is begun."""
RESAMPLES = 1000
TOWARDS = 0.1
"""How far an action is moved towards a random one."""


class Influence(NamedTuple):
    """Changes of discounted returns, one entry for each rollout: row `i` by what column `j` did otherwise.

    `times`: when, in each rollout.
    """

    states: Float[np.ndarray, "rollouts agents agents"]
    actions: Float[np.ndarray, "rollouts agents agents"]
    times: np.ndarray


def influence(
    env: Environment,
    acting: Acting | None = None,
    rollouts: int = ROLLOUTS,
    discount: float = 0.95,
    seed: int = 0,
) -> Influence:
    """Absolute changes of every agent's discounted return after every agent's state, or action, has been moved.

    Each rollout moves one agent at a time, at one random step of the first half of the episode, and
    goes on to its end. A state moves by one standard deviation of each of its entries over steps
    and rollouts, up or down at random; where an entry does not vary, by `state_scale`. An action
    moves a tenth of the way to a random one, so that it stays one: uniform within its limits or
    among shares, normal where it has no limits.

    **Arguments:**

    - `acting`: `(obs, state, time) -> actions`; by default the environment's simple policy.

    **Raises:**

    - [`mastac.errors.UserError`][] if there is no policy to play, fewer than two rollouts are asked
        for, or the rollouts would take more steps, or more memory, than they may.
    """
    if acting is None:
        simple = env.simple_actions
        if simple is None:
            raise UserError(
                f"environment '{env.id}' has no simple policy; train one and ask of its run folder"
            )
        acting = lambda obs, state, time: simple(state, time)  # noqa: E731
    _check_work(env, rollouts)
    scale_key, time_key, run_key = jax.random.split(jax.random.key(seed), 3)
    scale = _spread(env, acting, jax.random.split(scale_key, rollouts))
    times = jax.random.randint(time_key, (rollouts,), 0, (env.horizon + 1) // 2)
    play = jax.jit(
        jax.vmap(lambda *each: _rewards(env, acting, scale, *each), in_axes=(0, 0, None))
    )
    keys, n = jax.random.split(run_key, rollouts), env.num_agents
    # One program plays what is moved and what is not, so that rewards which a move does not reach
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


def _check_work(env: Environment, rollouts: int) -> None:
    if rollouts < 2:
        raise UserError(f"influence needs at least 2 rollouts, got {rollouts}")
    entries = 2 * env.num_agents**2
    most = min(MOST_WORK // (entries * env.horizon), MOST_ENTRIES // entries)
    if rollouts > most:
        can = (
            f"ask for at most {most} rollouts"
            if most > 1
            else "that is too much; ask of fewer agents"
        )
        raise UserError(
            f"the influence among {env.num_agents} agents over {rollouts} rollouts would take "
            f"{entries * env.horizon * rollouts:.1e} steps of agents and {entries * rollouts:.1e} numbers; {can}"
        )


def _spread(env: Environment, acting: Acting, keys: PRNGKeyArray) -> Float[Array, "agents state"]:
    """Standard deviation of each entry of the state over steps and rollouts."""

    def states(key: PRNGKeyArray) -> Float[Array, "time agents state"]:
        reset_key, step_key = jax.random.split(key)

        def one_step(state, at):
            time, noise_key = at
            return env.step(
                state, acting(env.observed(state, time), state, time), time, noise_key
            ), state

        noise_keys = jax.random.split(step_key, env.horizon)
        return jax.lax.scan(one_step, env.reset(reset_key), (jnp.arange(env.horizon), noise_keys))[
            1
        ]

    found = jax.jit(jax.vmap(states))(keys)
    sd = found.std((0, 1))
    real = jnp.arange(sd.shape[1]) < jnp.asarray(env.state_sizes)[:, None]
    fallback = jnp.broadcast_to(jnp.asarray(env.state_scale, sd.dtype), sd.shape)
    # What should be constant varies by rounding.
    varies = sd > 1e-6 * (1 + jnp.abs(found).max((0, 1)))
    return jnp.where(real, jnp.where(varies, sd, fallback), 0.0)


def _rewards(
    env: Environment, acting: Acting, scale: Array, key: PRNGKeyArray, moved_at: Array, move: Array
) -> Float[Array, "time agents"]:
    """Rewards of an episode in which the state of agent `move` is moved once, or the action of agent `move - N`.

    With `move = 2 N` nothing is.
    """
    reset_key, step_key, sign_key, action_key = jax.random.split(key, 4)
    owner = jnp.arange(env.num_agents)[:, None]
    state_move = jnp.where(
        owner == move, jax.random.rademacher(sign_key, scale.shape, scale.dtype) * scale, 0.0
    )

    def one_step(state, at):
        time, noise_key = at
        now = time == moved_at
        actions = acting(env.observed(state, time), state, time)
        towards = _random_actions(env, action_key, actions.shape, actions.dtype)
        moved = now & (owner + env.num_agents == move)
        share = (
            1.0 if env.action_head == "discrete" else TOWARDS
        )  # there is nothing between two choices
        actions = jnp.where(moved, actions + share * (towards - actions), actions)
        state = jnp.where(
            now, state + state_move, state
        )  # after the actions were chosen, which are held
        return env.step(state, actions, time, noise_key), env.reward(state, actions, time)

    times = jnp.arange(env.horizon)
    return jax.lax.scan(
        one_step, env.reset(reset_key), (times, jax.random.split(step_key, env.horizon))
    )[1]


def _random_actions(
    env: Environment, key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any
) -> Array:
    """An action of each agent, drawn over all that it may do."""
    real = jnp.arange(shape[1]) < jnp.asarray(env.action_sizes)[:, None]
    if env.action_head == "softmax":
        parts = jnp.where(real, jax.random.exponential(key, shape, dtype), 0.0)
        return parts / parts.sum(1, keepdims=True)
    if env.action_head == "discrete":
        chosen = jnp.where(real, jax.random.uniform(key, shape, dtype), -1.0).argmax(1)
        return jax.nn.one_hot(chosen, shape[1], dtype=dtype)
    limit = jnp.broadcast_to(jnp.asarray(env.action_limit, dtype), shape)
    if env.action_head == "linear":
        return jnp.where(real, limit * jax.random.normal(key, shape, dtype), 0.0)
    return jnp.where(real, limit * jax.random.uniform(key, shape, dtype, -1.0, 1.0), 0.0)


def influence_curve(
    env: Environment,
    policy: Policy | None = None,
    kappas: Sequence[int] | None = None,
    rollouts: int = ROLLOUTS,
    discount: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """For each kappa the share of all influence on a value that comes from agents beyond it, ready for JSON.

    **Arguments:**

    - `policy`: whose rollouts; by default the environment's simple policy's.
    - `kappas`: by default those of the table of `mastac graph`.

    **Returns:** `rollouts`, `discount`, `windows` ([`windows_of`][]), and what [`beside_own`][]
    says.

    **Raises:** as [`influence`][], and for couplings that change with the time.
    """
    if not isinstance(env.couplings, Couplings):
        raise UserError(
            f"the couplings of '{env.id}' change with the time; influence is told for those that do not"
        )
    found = influence(
        env, None if policy is None else _acting(env, policy), rollouts, discount, seed
    )
    windows = windows_of(found, env.couplings, kappas)
    return {
        "rollouts": rollouts,
        "discount": discount,
        "windows": windows,
        **beside_own(found, env.couplings),
    }


def beside_own(found: Influence, couplings: Couplings) -> dict[str, Any]:
    """How much of the influence on a value is other agents', and whose actions do not pay themselves.

    - `others`: the shares for `states` and `actions`, as in [`windows_of`][], whatever the sets.
    - `no_own`: agents whose action changes others' returns and never their own; `no_effect`: agents
        whose action changes no return. Of both the `number`, the first names (`agents`) and how
        many `more`. No graph could show these, since in every graph an agent affects itself.
    """
    own = np.eye(couplings.num_agents, dtype=bool)
    states, actions = (
        _curve(each, np.where(own, 0, 1), [0], couplings.agents)[0] for each in found[:2]
    )
    done = found.actions.sum(0)
    on_others = np.where(own, 0, done).sum(0) > 0
    unpaid = done.diagonal() == 0
    return {
        "others": {"states": states, "actions": actions},
        "no_own": some_of(couplings, unpaid & on_others),
        "no_effect": some_of(couplings, unpaid & ~on_others),
    }


def windows_of(
    found: Influence, couplings: Couplings, kappas: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """For each kappa: `kappa`, `exact`, and for `states` and `actions` the shares of influence that lie beyond it.

    Of these `mean` is over the agents (those that anybody has an influence on), `low` and `high`
    its 95 % interval (bootstrap over rollouts), `worst` and `worst_agent` the largest; all `None`
    where there is no influence at all.
    """
    levels = [each.toarray().astype(int) - 1 for each in _from_one(first_windows(couplings))]
    last = max(int(each.max()) for each in levels)
    kappas = kappa_schedule(last) if kappas is None else kappas
    curves = [
        _curve(*each, kappas, couplings.agents)
        for each in zip((found.states, found.actions), levels, strict=True)
    ]
    return [
        {"kappa": kappa, "exact": kappa >= last, "states": states, "actions": actions}
        for kappa, states, actions in zip(kappas, *curves, strict=True)
    ]


def _from_one(levels: tuple[Any, Any]) -> list[Any]:
    """Levels counted from 1, so that a dense matrix tells the first window from none."""
    raised = [each.copy() for each in levels]
    for each in raised:
        each.data = each.data + 1
    return raised


def _curve(
    changes: Float[np.ndarray, "rollouts agents agents"],
    levels: np.ndarray,
    kappas: Sequence[int],
    agents: Sequence[str],
) -> list[dict[str, Any]]:
    """The shares of one kind of influence beyond each kappa; `levels` is -1 where no kappa is large enough."""
    beyond = np.stack(
        [(changes * ((levels > kappa) | (levels < 0))).sum(2) for kappa in kappas], axis=2
    )
    total = changes.sum(2)
    moved = total.sum(0) > 0
    if not moved.any():
        return [dict.fromkeys(("mean", "low", "high", "worst", "worst_agent"))] * len(kappas)
    beyond, total, names = (
        beyond[:, moved],
        total[:, moved],
        [agents[i] for i in np.flatnonzero(moved).tolist()],
    )
    shares = beyond.sum(0) / total.sum(0)[:, None]
    random = np.random.default_rng(0)
    weights = random.multinomial(len(total), np.full(len(total), 1 / len(total)), RESAMPLES)
    with np.errstate(invalid="ignore"):
        again = np.tensordot(weights, beyond, 1) / (weights @ total)[:, :, None]
    low, high = np.quantile(np.nanmean(again, axis=1), (0.025, 0.975), axis=0)
    worst = shares.argmax(0)
    return [
        {
            "mean": float(shares[:, place].mean()),
            "low": float(low[place]),
            "high": float(high[place]),
            "worst": float(shares[worst[place], place]),
            "worst_agent": names[int(worst[place])],
        }
        for place in range(len(kappas))
    ]


def _acting(env: Environment, policy: Policy) -> Acting:
    from mastac.agents.actors import actors
    from mastac.agents.networks import MLP

    apply = actors(env, [weight.shape[2] for weight in policy.weights[:-1]]).apply
    weights = MLP(tuple(map(jnp.asarray, policy.weights)), tuple(map(jnp.asarray, policy.biases)))
    return lambda obs, state, time: apply(weights, obs[:, :, None])[:, :, 0]
