"""Warehouses that send shares of their stock to their neighbours (paper, Appendix H)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from mastac.envs.base import Environment, observed_agents
from mastac.envs.family import Options
from mastac.envs.options import counted
from mastac.envs.views import Flow, Quantity, View
from mastac.errors import UserError
from mastac.structure import Couplings


def primes_below(limit: int) -> list[int]:
    """All primes less than `limit`."""
    return [n for n in range(2, limit) if all(n % k for k in range(2, int(n**0.5) + 1))]


def amplitudes(supply: str | Sequence[float], num_agents: int) -> np.ndarray:
    """Amplitude $A_i$ of every warehouse's net supply, from a name or a list of numbers.

    `apart-D`: a source, D - 1 warehouses without supply, a sink, D - 1 without, and so on: what a
    sink lacks comes through warehouses that never run short themselves. On a ring whose size is no
    multiple of 2 D the last pattern is cut off.
    """
    number = np.arange(1, num_agents + 1)
    if isinstance(supply, str):
        if supply == "halves":
            return np.where(number <= num_agents // 2, 1.0, -1.0)
        if supply == "primes":
            return np.where(np.isin(number, primes_below(num_agents + 1)), 1.0, -1.0)
        if length := counted(supply, "runs"):
            return np.where((number - 1) // length % 2 == 0, 1.0, -1.0)
        if distance := counted(supply, "apart"):
            place = (number - 1) % (2 * distance)
            return np.where(place == 0, 1.0, np.where(place == distance, -1.0, 0.0))
        raise UserError(
            f"unknown supply '{supply}'; use halves, primes, runs-5, apart-2, or a list of "
            f"{num_agents} amplitudes"
        )
    return np.asarray(supply, float)


def warehouse(id: str, couplings: Couplings, options: Options) -> Environment:
    r"""Stocks that grow and shrink by net supplies and flow along the state graph.

    Stock $m_i$ grows by $z_i(t) = A_i \sin(\omega_i t + \phi_i) + w_i(t)$. State $(m_i, z_i)$,
    observation: the own $z_i$ and the stocks of the observed warehouses, the own first. Action: the
    share of the stock that goes to each out-neighbour (and, with `share="keep"`, first the share
    that stays). Nothing is sent from a negative stock. Flows are simultaneous and conserve mass
    (eq. 82). The reward at $t$ is $-\min(m_j(t), 0)^2$ summed over the reward set (eq. 83).

    **Arguments:**

    - `id`: what the environment is called.
    - `couplings`: who sends to whom (state graph), who is seen, whose shortage counts.
    - `options`: all options of `warehouse-N`.

    **Raises:**

    - `UserError` if a warehouse that must send on all its stock has nobody to send to.
    """
    warehouses = Warehouses(couplings, options)
    scale = warehouses.scale
    return Environment(
        id=id,
        couplings=couplings,
        horizon=options["horizon"],
        reset=warehouses.reset,
        step=warehouses.step,
        reward=warehouses.reward,
        observe=warehouses.observe,
        state_sizes=np.full(couplings.num_agents, 2),
        obs_sizes=warehouses.obs_sizes,
        action_sizes=warehouses.action_sizes,
        action_head="softmax",
        state_center=0.0,
        state_scale=scale,
        obs_center=0.0,
        obs_scale=np.append(np.tile(scale, couplings.num_agents), 1.0)[warehouses.picks],
        action_center=0.0,
        action_scale=1.0,
        reward_scale=1.0,
        report="sum",
        simple_actions=warehouses.uniform,
        units={
            "state": "units of stock",
            "action": "share of the stock",
            "reward": "(units of stock)²",
        },
        view=warehouses.view(),
        options=options,
    )


class Warehouses:
    """The numbers of all warehouses, and what happens in a step."""

    def __init__(self, couplings: Couplings, options: Options) -> None:
        n = self.num_agents = couplings.num_agents
        self.amplitude, self.noise = amplitudes(options["supply"], n), options["noise"]
        self.frequency, self.phase, self.start = (
            np.broadcast_to(np.asarray(options[name], float), n)
            for name in ("frequency", "phase", "initial_stock")
        )
        receivers = receivers_of(couplings, options["share"] == "keep")
        self.receivers, self.keeps = receivers, options["share"] == "keep"
        self.action_sizes = np.array([len(agents) for agents in receivers])
        self.mask = np.arange(int(self.action_sizes.max())) < self.action_sizes[:, None]
        self.inflow = _inflow(receivers, self.mask.shape[1])
        self.obs_sizes, self.picks = _observed(couplings)
        self.rewarded = couplings.reward.tocoo()

    @property
    def scale(self) -> Float[np.ndarray, "2"]:
        """The order of magnitude of stocks and of supplies."""
        stock, supply = np.abs(self.start).max(), np.abs(self.amplitude).max()
        return np.array([max(1.0, float(stock)), max(1e-6, float(supply))])

    def net_supply(self, time, key):
        """What every stock grows by at a time."""
        clean = self.amplitude * jnp.sin(self.frequency * time + self.phase)
        if not self.noise:
            return clean
        return clean + self.noise * jax.random.normal(key, (self.num_agents,))

    def reset(self, key):
        """First stocks, and the net supplies of the first step."""
        supply = jnp.asarray(self.net_supply(0, key), float)
        return jnp.stack([jnp.asarray(self.start, float), supply], -1)

    def step(self, state, actions, time, key):
        """Stocks are sent and received at once, then grow by the net supply (eq. 82)."""
        stock, supplied = state[:, 0], state[:, 1]
        sent = jnp.maximum(stock, 0.0)[:, None] * jnp.where(self.mask, actions, 0.0)
        # A gather, not a scatter: every warehouse reads the slots (sender, receiver) it receives
        # from, padded with a slot of zero.
        received = jnp.append(sent.ravel(), 0.0)[self.inflow].sum(-1)
        after = jnp.where(stock >= 0, received + stock - sent.sum(-1), stock + received)
        return jnp.stack([after + supplied, self.net_supply(time + 1, key)], -1)

    def reward(self, state, actions, time):
        """Squared shortages (eq. 83)."""
        shortage = -(jnp.minimum(state[:, 0], 0.0) ** 2)
        if self.rewarded.nnz == self.num_agents:  # everybody's own alone
            return shortage
        entries = shortage[self.rewarded.col]
        return jax.ops.segment_sum(entries, self.rewarded.row, self.num_agents)

    def observe(self, state):
        """The own net supply, and the stocks that are seen."""
        return jnp.append(state.ravel(), 0.0)[self.picks]

    def view(self) -> View:
        """Stocks, which are short below 0, and what is sent."""
        slots = [
            (i, k, j)
            for i, agents in enumerate(self.receivers)
            for k, j in enumerate(agents)
            if i != j
        ]
        source, slot, target = np.array(slots, int).reshape(-1, 3).T

        def sent(state: np.ndarray, actions: np.ndarray, time: int) -> np.ndarray:
            return np.maximum(state[source, 0], 0.0) * actions[source, slot]

        unit, kept = "units of stock", Quantity("share that stays", low=0.0, high=1.0)
        return View(
            states=[
                Quantity("stock", unit, low=0.0, red="below"),
                Quantity("net supply", unit, entry=1),
            ],
            actions=[kept] if self.keeps else [],
            flow=Flow("stock sent", np.stack([source, target], 1), sent, unit),
        )

    def uniform(self, state, time):
        """The simple policy: equal shares for all receivers."""
        return jnp.asarray(self.mask / self.action_sizes[:, None], state.dtype)


def receivers_of(couplings: Couplings, keep: bool) -> list[list[int]]:
    """Whom every warehouse sends to: itself first where a share may stay, the others in order."""
    depends = couplings.state.tocoo()
    edges = sorted((int(j), int(i)) for i, j in zip(*depends.coords, strict=True) if i != j)
    receivers: list[list[int]] = [[i] if keep else [] for i in range(couplings.num_agents)]
    for source, target in edges:
        receivers[source].append(target)
    for name, agents in zip(couplings.agents, receivers, strict=True):
        if not agents:
            raise UserError(
                f"warehouse '{name}' has nobody to send to; use share='keep' or add an edge"
            )
    return receivers


def _inflow(receivers: list[list[int]], width: int) -> Int[np.ndarray, "agents senders"]:
    """Slots of the flattened actions that every warehouse receives from, padded."""
    slots: list[list[int]] = [[] for _ in receivers]
    for i, agents in enumerate(receivers):
        for k, target in enumerate(agents):
            slots[target].append(i * width + k)
    most, empty = max(map(len, slots), default=0), len(receivers) * width
    return np.array([row + [empty] * (most - len(row)) for row in slots], dtype=np.int32)


def _observed(
    couplings: Couplings,
) -> tuple[Int[np.ndarray, " agents"], Int[np.ndarray, "agents obs"]]:
    """How much each agent observes, and which entries of the flattened state; padded."""
    observed = observed_agents(couplings)
    sizes = np.array([len(seen) + 1 for seen in observed])
    picks = np.full((len(observed), int(sizes.max())), 2 * len(observed), dtype=np.int32)
    for i, seen in enumerate(observed):
        picks[i, : len(seen) + 1] = [2 * i + 1, *(2 * j for j in seen)]
    return sizes, picks
