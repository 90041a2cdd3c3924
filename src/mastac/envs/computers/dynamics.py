"""Computers that infect their neighbours, fail, and can be restarted: a network game with choices as actions."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mastac.envs.base import Environment, observed_agents
from mastac.envs.computers.exact import CONDITIONS, FAILED, INFECTED, WORKING
from mastac.structure import Couplings

LEAVE, RESTART = range(2)


def computers(
    couplings: Couplings,
    spread: float = 0.6,
    outbreak: float = 0.15,
    failure: float = 0.2,
    start_infected: float = 0.3,
    infected_earnings: float = 0.8,
    restart_cost: float = 3.0,
    horizon: int = 20,
    id: str = "computers",
    options: Mapping[str, Any] | None = None,
) -> Environment:
    r"""Computers that work, are infected or have failed; each agent leaves its computer alone or restarts it.

    The state is the condition as a one-hot row (working, infected, failed), the action a one-hot
    row (leave, restart). In a step a working computer that is left alone is infected with
    probability $1 - (1 - \text{outbreak})(1 - \text{spread})^k$, where $k$ counts the infected
    sources of its state edges that are not restarted in the same step: whatever is restarted is out
    of service, infects nobody, and works afterwards. An infected computer that is left alone fails
    with probability `failure`; a failed one stays so.

    In a step a working computer earns 1, an infected one `infected_earnings`, a failed one nothing;
    whichever is restarted earns nothing and pays `restart_cost`. An infected computer may thus be
    worth little to its owner to clean, and much to its neighbours.

    Observed are the conditions of the observed computers, the own first, and the share of the
    episode that is over: what is best depends on how much time is left. At the start a computer is
    infected with probability `start_infected`, and works otherwise. Returns are summed over
    computers, in steps' earnings of a working one.
    """
    n = couplings.num_agents
    infects = couplings.state.tocoo()
    other = infects.row != infects.col
    target, source = infects.row[other], infects.col[other]
    observed = observed_agents(couplings)
    obs_sizes = np.array([CONDITIONS * len(seen) + 1 for seen in observed])
    over, nothing = CONDITIONS * n, CONDITIONS * n + 1  # places behind those of the conditions
    picks = np.full((n, int(obs_sizes.max())), nothing, np.int32)
    for row, seen in zip(picks, observed, strict=True):
        places = [
            CONDITIONS * agent + condition for agent in seen for condition in range(CONDITIONS)
        ]
        row[: len(places) + 1] = [*places, over]

    def reset(key):
        infected = jax.random.uniform(key, (n,)) < start_infected
        return jax.nn.one_hot(jnp.where(infected, INFECTED, WORKING), CONDITIONS)

    def step(state, actions, time, key):
        is_restarted = actions[:, RESTART] > 0.5
        is_infected, has_failed = state[:, INFECTED] > 0.5, state[:, FAILED] > 0.5
        infectious = (is_infected & ~is_restarted).astype(state.dtype)
        around = jax.ops.segment_sum(infectious[source], target, n)
        caught = 1 - (1 - outbreak) * (1 - spread) ** around
        chance = jax.random.uniform(
            key, (n,)
        )  # one number each decides, whatever condition it is in
        ill = jnp.where(chance < failure, FAILED, INFECTED)
        well = jnp.where(chance < caught, INFECTED, WORKING)
        left = jnp.where(has_failed, FAILED, jnp.where(is_infected, ill, well))
        return jax.nn.one_hot(jnp.where(is_restarted, WORKING, left), CONDITIONS, dtype=state.dtype)

    def reward(state, actions, time):
        earned = state[:, WORKING] + infected_earnings * state[:, INFECTED]
        return jnp.where(actions[:, RESTART] > 0.5, -restart_cost, earned)

    def observe(state, time):
        share = jnp.asarray(time, state.dtype) / horizon
        return jnp.concatenate([state.ravel(), share[None], jnp.zeros(1, state.dtype)])[picks]

    def restart_failed(state, time):
        return jax.nn.one_hot(
            jnp.where(state[:, FAILED] > 0.5, RESTART, LEAVE), 2, dtype=state.dtype
        )

    return Environment(
        id=id,
        couplings=couplings,
        horizon=horizon,
        reset=reset,
        step=step,
        reward=reward,
        observe=observe,
        state_sizes=np.full(n, CONDITIONS),
        obs_sizes=obs_sizes,
        action_sizes=np.full(n, 2),
        action_head="discrete",
        report="sum",
        simple_actions=restart_failed,
        units={
            "state": "condition",
            "action": "choice",
            "reward": "earnings of a working computer in a step",
        },
        options=options or {},
    )
