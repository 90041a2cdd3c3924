"""Logs made by playing a simulator. Imports JAX for environments only."""

from __future__ import annotations

from typing import Any

import numpy as np

from mastac.checks import whole_number
from mastac.discovery.logs import TransitionLog
from mastac.envs.modules import is_environment
from mastac.errors import UserError, unknown
from mastac.probing.black_box import LARGEST_SEED, BlackBox
from mastac.probing.simulator import Simulator

POLICIES = ("random", "held", "simple")


def record(simulator: Any, episodes: int, seed: int = 0, policy: str = "random") -> TransitionLog:
    """A log of episodes.

    **Arguments:**

    - `simulator`: a [`mastac.Environment`][], also one of [`mastac.from_pettingzoo`][], or a
        [`mastac.Simulator`][].
    - `episodes`: how many episodes.
    - `seed`: of everything random.
    - `policy`: "random", actions drawn anew at every step, each agent's for itself, which tells
        most; "held", drawn once for each episode; "simple", the environment's own simple policy,
        whose actions follow from the state, so that a log cannot tell the effect of the one from
        that of the other.

    **Raises:** `UserError` for a policy that the simulator does not have, and as [`mastac.check`][]
    for a simulator that raises an exception, or whose arrays have wrong shapes.
    """
    if policy not in POLICIES:
        raise unknown("policy", policy, POLICIES)
    episodes, seed = whole_number("episodes", episodes, least=1), whole_number("seed", seed)
    if isinstance(simulator, Simulator):
        return _called(simulator, episodes, seed, policy)
    if is_environment(simulator) and simulator.is_host:
        from mastac.discovery.host_recording import played

        return played(simulator, episodes, seed, policy)
    if is_environment(simulator):
        return _compiled(simulator, episodes, seed, policy)
    raise UserError(
        f"a {type(simulator).__name__} cannot be played; give a mastac.Environment or a "
        "mastac.Simulator"
    )


def _called(simulator: Simulator, episodes: int, seed: int, policy: str) -> TransitionLog:
    """By calls, one at a time."""
    if policy == "simple":
        raise UserError(
            f"'{simulator.name}' has no simple policy; record it under random or held actions"
        )
    world, random = BlackBox(simulator), np.random.default_rng(seed)
    played = [_episode(world, random, held=policy == "held") for _ in range(episodes)]
    states, actions, rewards, obs = (list(arrays) for arrays in zip(*played, strict=True))
    sizes = {
        "state_sizes": world.state_sizes,
        "action_sizes": world.action_sizes,
        "obs_sizes": world.obs_sizes,
    }
    return TransitionLog(
        np.stack(states),
        np.stack(actions),
        np.stack(rewards),
        np.stack(obs) if world.has_obs else None,
        world.agents,
        **sizes,
        name=world.name,
    )


def _episode(
    world: BlackBox, random: np.random.Generator, held: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """States, actions, rewards and observations of one episode, the last state included."""
    state = world.first_state(int(random.integers(LARGEST_SEED)))
    actions = world.valid_actions(random)
    states, taken, outcomes = [state], [], []
    for time in range(world.horizon):
        outcome = world.outcome(state, actions, time, int(random.integers(LARGEST_SEED)))
        state = outcome.state
        states.append(state)
        taken.append(actions)
        outcomes.append(outcome)
        actions = actions if held else world.valid_actions(random)
    rewards = np.stack([outcome.rewards for outcome in outcomes])
    observed: list[Any] = [outcome.obs for outcome in outcomes]
    return np.stack(states), np.stack(taken), rewards, np.stack(observed) if world.has_obs else None


def _compiled(env: Any, episodes: int, seed: int, policy: str) -> TransitionLog:
    """All episodes in one compiled call."""
    import jax
    import jax.numpy as jnp

    from mastac.envs.transitions import refuse_early_ends
    from mastac.probing.compiled import Compiled
    from mastac.probing.tracing import naming

    refuse_early_ends(
        env, "a log holds whole ones: record it without terminated, or ask the simulator itself"
    )

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
            after = env.transition(state, actions, time, jax.random.fold_in(step_key, time))
            return after.state, (state, actions, after.rewards, env.observed(state, time))

        last, (states, taken, rewards, obs) = jax.lax.scan(
            one_step, env.reset(reset_key), (jnp.arange(env.horizon), given)
        )
        return jnp.concatenate([states, last[None]]), taken, rewards, obs

    keys = jax.random.split(jax.random.key(int(random.integers(LARGEST_SEED))), episodes)
    with naming(env.id, "in episodes with valid actions"):
        played = [np.asarray(array) for array in jax.jit(jax.vmap(episode))(keys, drawn)]
    states, taken, rewards, obs = played
    sizes = {
        "state_sizes": env.state_sizes,
        "action_sizes": env.action_sizes,
        "obs_sizes": env.obs_sizes,
    }
    return TransitionLog(states, taken, rewards, obs, env.agents, **sizes, name=env.id)
