"""Computers on a network that infect their neighbours: a game of choices, small enough to be solved exactly."""

import jax
import jax.numpy as jnp
import numpy as np

from mastac.envs.base import Environment, observed_agents
from mastac.structure import Couplings

CHOICES = 2  # leave, clean


def computers(
    couplings: Couplings,
    outbreak: float = 0.04,
    spread: float = 0.7,
    failure: float = 0.05,
    earning: float = 0.7,
    cost: float = 0.5,
    horizon: int = 25,
    id: str = "computers",
    options: dict | None = None,
) -> Environment:
    r"""Computers that work, are infected, or have failed; each may be cleaned, which costs a step's work and a fee.

    State (infected, failed), each 0 or 1; choice: leave or clean. A computer that is left catches an infection from
    outside with probability `outbreak` and from each infected one that affects it with `spread`, fails with `failure`
    while infected, and stays failed. A cleaned one works at the next step. Reward: 1 while working, `earning` while
    infected, 0 after failure; $-$`cost` for a step of cleaning. All work at the start. Whoever earns while infected
    has little reason to clean itself; those that it infects have.

    Observations: both entries of every observed computer, itself first, and the share of the episode that is over.
    """
    num_agents = couplings.num_agents
    others = couplings.state.toarray() & ~np.eye(num_agents, dtype=bool)
    affects = jnp.asarray(others, jnp.float32)
    observed = observed_agents(couplings)
    obs_sizes = np.array([2 * len(seen) + 1 for seen in observed])
    # Observation row: the time, then both entries of each computer seen; index into the state, the last entry is zero.
    picks = np.full((num_agents, int(obs_sizes.max()) - 1), 2 * num_agents, dtype=np.int32)
    for i, seen in enumerate(observed):
        picks[i, : 2 * len(seen)] = [2 * j + entry for j in seen for entry in range(2)]

    def conditions(state):
        failed = state[:, 1] > 0.5
        return (state[:, 0] > 0.5) & ~failed, failed

    def step(state, actions, time, key):
        infected, failed = conditions(state)
        cleaned = actions[:, 1] > 0.5
        threats = affects @ infected.astype(jnp.float32)
        caught = 1 - (1 - outbreak) * (1 - spread) ** threats
        luck = jax.random.uniform(key, (num_agents,))
        fails = failed | (infected & (luck < failure))
        ill = ~fails & (infected | (luck < caught))
        return jnp.stack([ill & ~cleaned, fails & ~cleaned], -1).astype(jnp.float32)

    def reward(state, actions, time):
        infected, failed = conditions(state)
        earns = jnp.where(failed, 0.0, jnp.where(infected, earning, 1.0))
        return jnp.where(actions[:, 1] > 0.5, -cost, earns)

    def observe(state, time):
        over = jnp.full((num_agents, 1), time / horizon, jnp.float32)
        return jnp.concatenate([over, jnp.append(state.ravel(), 0.0)[picks]], axis=1)

    def restart(state, time):
        failed = conditions(state)[1].astype(jnp.float32)
        return jnp.stack([1 - failed, failed], -1)

    return Environment(
        id=id,
        couplings=couplings,
        horizon=horizon,
        reset=lambda key: jnp.zeros((num_agents, 2), jnp.float32),
        step=step,
        reward=reward,
        observe=observe,
        state_sizes=np.full(num_agents, 2),
        obs_sizes=obs_sizes,
        action_sizes=np.full(num_agents, CHOICES),
        action_head="discrete",
        action_center=0.5,
        action_scale=0.5,
        report="sum",
        simple_actions=restart,
        units={"state": "0 or 1", "action": "choice: leave, clean", "reward": "a step's work"},
        options=options or {},
    )
