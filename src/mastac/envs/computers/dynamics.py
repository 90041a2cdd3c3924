"""Computers that infect their neighbours, fail, and can be restarted: actions are choices."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from mastac.envs.base import ORDER_ONE, Environment, observed_agents
from mastac.envs.computers.exact import CONDITIONS, FAILED, INFECTED, WORKING
from mastac.envs.family import Options
from mastac.envs.views import Quantity, View
from mastac.structure import Couplings

LEAVE, RESTART = range(2)


def computers(id: str, couplings: Couplings, options: Options) -> Environment:
    r"""Computers that work, are infected or have failed, and are left alone or restarted.

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

    **Arguments:**

    - `id`: what the environment is called.
    - `couplings`: who may infect whom (state graph), and who is seen.
    - `options`: all options of `computers-N`.
    """
    game = Computers(couplings, options)
    return Environment(
        id=id,
        couplings=couplings,
        horizon=options["horizon"],
        reset=game.reset,
        step=game.step,
        reward=game.reward,
        observe=game.observe,
        state_sizes=np.full(couplings.num_agents, CONDITIONS),
        obs_sizes=game.obs_sizes,
        action_sizes=np.full(couplings.num_agents, 2),
        action_head="discrete",
        **ORDER_ONE,
        report="sum",
        simple_actions=game.restart_failed,
        units={
            "state": "condition",
            "action": "choice",
            "reward": "earnings of a working computer in a step",
        },
        view=View(
            [Quantity("condition", levels=("working", "infected", "failed"))],
            [Quantity("choice", levels=("leave", "restart"))],
        ),
        options=options,
    )


class Computers:
    """Who may infect and observe whom, and what happens in a step."""

    def __init__(self, couplings: Couplings, options: Options) -> None:
        self.num_agents, self.options = couplings.num_agents, options
        infects = couplings.state.tocoo()
        off = infects.row != infects.col
        self.target, self.source = infects.row[off], infects.col[off]
        self.obs_sizes, self.picks = _observed(couplings)

    def reset(self, key):
        """Every computer infected or working, independently."""
        infected = jax.random.uniform(key, (self.num_agents,)) < self.options["start_infected"]
        return jax.nn.one_hot(jnp.where(infected, INFECTED, WORKING), CONDITIONS)

    def step(self, state, actions, time, key):
        """Infections, failures and restarts, all at once."""
        outbreak, spread = self.options["outbreak"], self.options["spread"]
        is_restarted = actions[:, RESTART] > 0.5
        is_infected, has_failed = state[:, INFECTED] > 0.5, state[:, FAILED] > 0.5
        infectious = (is_infected & ~is_restarted).astype(state.dtype)
        around = jax.ops.segment_sum(infectious[self.source], self.target, self.num_agents)
        caught = 1 - (1 - outbreak) * (1 - spread) ** around
        # One number for each computer decides, whatever condition it is in.
        chance = jax.random.uniform(key, (self.num_agents,))
        ill = jnp.where(chance < self.options["failure"], FAILED, INFECTED)
        well = jnp.where(chance < caught, INFECTED, WORKING)
        left = jnp.where(has_failed, FAILED, jnp.where(is_infected, ill, well))
        return jax.nn.one_hot(jnp.where(is_restarted, WORKING, left), CONDITIONS, dtype=state.dtype)

    def reward(self, state, actions, time):
        """What every computer earns, or pays for a restart."""
        earned = state[:, WORKING] + self.options["infected_earnings"] * state[:, INFECTED]
        return jnp.where(actions[:, RESTART] > 0.5, -self.options["restart_cost"], earned)

    def observe(self, state, time):
        """The conditions that are seen, and the share of the episode that is over."""
        share = jnp.asarray(time, state.dtype) / self.options["horizon"]
        return jnp.concatenate([state.ravel(), share[None], jnp.zeros(1, state.dtype)])[self.picks]

    def restart_failed(self, state, time):
        """The simple policy."""
        choice = jnp.where(state[:, FAILED] > 0.5, RESTART, LEAVE)
        return jax.nn.one_hot(choice, 2, dtype=state.dtype)


def _observed(
    couplings: Couplings,
) -> tuple[Int[np.ndarray, " agents"], Int[np.ndarray, "agents obs"]]:
    """How much each agent observes, and which places of the conditions, the time and a zero."""
    observed = observed_agents(couplings)
    over = CONDITIONS * len(observed)
    nothing = over + 1
    sizes = np.array([CONDITIONS * len(seen) + 1 for seen in observed])
    picks = np.full((len(observed), int(sizes.max())), nothing, np.int32)
    for row, seen in zip(picks, observed, strict=True):
        places = [CONDITIONS * agent + k for agent in seen for k in range(CONDITIONS)]
        row[: len(places) + 1] = [*places, over]
    return sizes, picks
