"""Logs made by playing a simulator. Imports JAX for environments only."""

from __future__ import annotations

from typing import Any

import numpy as np

from mastac.discovery.logs import TransitionLog
from mastac.errors import UserError, unknown
from mastac.probing.probes import is_environment
from mastac.probing.simulator import Simulator

POLICIES = ("random", "held", "simple")


def record(simulator: Any, episodes: int, seed: int = 0, policy: str = "random") -> TransitionLog:
    """A log of episodes.

    **Arguments:**

    - `simulator`: a [`mastac.Environment`][] or a [`mastac.Simulator`][].
    - `policy`: "random", actions drawn anew at every step, each agent's for itself, which tells
        most; "held", drawn once for each episode; "simple", the environment's own simple policy,
        whose actions follow from the state, so that a log cannot tell the effect of the one from
        that of the other.
    - `seed`: of everything random.

    **Raises:** `UserError` for a policy that the simulator does not have, and as [`mastac.check`][]
    for a simulator whose arrays have wrong shapes.
    """
    if policy not in POLICIES:
        raise unknown("policy", policy, POLICIES)
    if isinstance(episodes, bool) or not isinstance(episodes, int | np.integer) or episodes < 1:
        raise UserError(f"episodes is {episodes!r}; a log needs at least one")
    if isinstance(simulator, Simulator):
        return _called(simulator, int(episodes), seed, policy)
    if is_environment(simulator):
        return _compiled(simulator, int(episodes), seed, policy)
    raise UserError(
        f"a {type(simulator).__name__} cannot be played; give a mastac.Environment or a mastac.Simulator"
    )


def _called(simulator: Simulator, episodes: int, seed: int, policy: str) -> TransitionLog:
    """By calls, one at a time."""
    from mastac.probing.black_box import BlackBox

    if policy == "simple":
        raise UserError(
            f"'{simulator.name}' has no simple policy; record it under random or held actions"
        )
    world, random = (
        BlackBox(simulator),
        np.random.default_rng(seed),
    )  # which checks what the functions give
    length, has_obs = world.horizon, simulator.observe is not None
    rows: dict[str, list[Any]] = {"states": [], "actions": [], "rewards": [], "observations": []}
    for _ in range(episodes):
        state = np.asarray(simulator.reset(int(random.integers(2**31 - 1))))
        actions = np.asarray(simulator.sample_actions(random))
        for time in range(length):
            after = simulator.step(
                state.copy(), actions.copy(), time, int(random.integers(2**31 - 1))
            )
            after, paid = (
                after
                if simulator.reward is None
                else (after, simulator.reward(state, actions, time))
            )
            seen = simulator.observed(state, time) if has_obs else None
            for row, each in zip(rows.values(), (state, actions, paid, seen), strict=True):
                row.append(each)
            state = np.asarray(after)
            actions = actions if policy == "held" else np.asarray(simulator.sample_actions(random))
        rows["states"].append(state)
    agents = len(world.agents)
    lengths = {"states": length + 1, "actions": length, "rewards": length, "observations": length}
    stacked = {
        array: np.stack(row).reshape(episodes, lengths[array], agents, -1)
        for array, row in rows.items()
        if array != "observations" or has_obs
    }
    stacked["rewards"] = stacked["rewards"][..., 0]
    sizes = {
        "state_sizes": world.state_sizes,
        "action_sizes": world.action_sizes,
        "obs_sizes": world.obs_sizes,
    }
    return TransitionLog(**stacked, agents=world.agents, **sizes, name=world.name)


def _compiled(env: Any, episodes: int, seed: int, policy: str) -> TransitionLog:
    """All episodes in one compiled call."""
    import jax
    import jax.numpy as jnp

    from mastac.probing.compiled import Compiled

    if policy == "simple" and env.simple_actions is None:
        raise UserError(
            f"environment '{env.id}' has no simple policy; record it under random or held actions"
        )
    world, random = Compiled(env), np.random.default_rng(seed)
    draws = 1 if policy == "held" else env.horizon
    drawn = world.actions(episodes * draws, random)[0].reshape(episodes, draws, len(env.agents), -1)
    drawn = np.broadcast_to(drawn, (episodes, env.horizon, *drawn.shape[2:]))

    def episode(key, given):
        reset_key, step_key = jax.random.split(key)

        def one_step(state, at):
            time, actions = at
            if policy == "simple":
                actions = env.simple_actions(state, time)
            after = env.step(state, actions, time, jax.random.fold_in(step_key, time))
            return after, (
                state,
                actions,
                env.reward(state, actions, time),
                env.observed(state, time),
            )

        last, (states, taken, rewards, obs) = jax.lax.scan(
            one_step, env.reset(reset_key), (jnp.arange(env.horizon), given)
        )
        return jnp.concatenate([states, last[None]]), taken, rewards, obs

    keys = jax.random.split(jax.random.key(int(random.integers(2**31 - 1))), episodes)
    states, taken, rewards, obs = (
        np.asarray(each) for each in jax.jit(jax.vmap(episode))(keys, drawn)
    )
    sizes = {
        "state_sizes": env.state_sizes,
        "action_sizes": env.action_sizes,
        "obs_sizes": env.obs_sizes,
    }
    return TransitionLog(states, taken, rewards, obs, env.agents, **sizes, name=env.id)
