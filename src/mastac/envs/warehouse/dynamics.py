"""Warehouses that send shares of their stock to their neighbours (paper, Appendix H)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from mastac.envs.base import Environment, observed_agents
from mastac.envs.options import counted
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
            f"unknown supply '{supply}'; use halves, primes, runs-5, apart-2, or a list of {num_agents} amplitudes"
        )
    values = np.asarray(supply, float)
    if values.shape != (num_agents,):
        raise UserError(
            f"supply has {values.size} amplitudes for {num_agents} warehouses; give one for each"
        )
    return values


def warehouse(
    couplings: Couplings,
    supply: str | Sequence[float] = "halves",
    share: str = "keep",
    frequency: float | Sequence[float] = 1.0,
    phase: float | Sequence[float] = 0.0,
    noise: float = 0.0,
    initial_stock: float | Sequence[float] = 1.0,
    horizon: int = 8,
    id: str = "warehouse",
    options: dict | None = None,
) -> Environment:
    r"""Stocks $m_i$ that grow by $z_i(t) = A_i \sin(\omega_i t + \phi_i) + w_i(t)$ and flow along the state graph.

    State $(m_i, z_i)$, observation: the stocks of the observed warehouses and the own $z_i$,
    action: the share of the stock that goes to each out-neighbour (and, with `share="keep"`, the
    share that stays). Nothing is sent from a negative stock. Flows are simultaneous and conserve
    mass (eq. 82). The reward at $t$ is $-\min(m_j(t), 0)^2$ summed over the reward set (eq. 83).
    """
    if share not in ("keep", "send"):
        raise UserError(
            f"unknown share '{share}'; use 'keep' (a share may stay) or 'send' (all is sent on)"
        )
    num_agents = couplings.num_agents
    amplitude = amplitudes(supply, num_agents)
    omega = np.broadcast_to(np.asarray(frequency, float), num_agents)
    phi = np.broadcast_to(np.asarray(phase, float), num_agents)
    start = np.broadcast_to(np.asarray(initial_stock, float), num_agents)
    keep = share == "keep"
    depends = couplings.state.tocoo()
    edges = sorted(
        (int(j), int(i)) for i, j in zip(*depends.coords, strict=True) if i != j
    )  # (source, target)
    targets: list[list[int]] = [[i] if keep else [] for i in range(num_agents)]
    for source, target in edges:
        targets[source].append(target)
    for i, out in enumerate(targets):
        if not out:
            raise UserError(
                f"warehouse '{couplings.agents[i]}' has nobody to send to; use share='keep' or add an edge"
            )
    action_sizes = np.array([len(out) for out in targets])
    # Slot (i, k) sends to `receiver`; every target lists the slots it receives from: gathers both
    # ways.
    inflows: list[list[int]] = [[] for _ in range(num_agents)]
    width = int(action_sizes.max())
    for i, out in enumerate(targets):
        for k, target in enumerate(out):
            inflows[target].append(i * width + k)
    most = max(map(len, inflows), default=0)
    empty = num_agents * width
    inflow = np.array([slots + [empty] * (most - len(slots)) for slots in inflows], dtype=np.int32)
    mask = np.arange(width) < action_sizes[:, None]

    observed = observed_agents(couplings)
    obs_sizes = np.array([len(seen) + 1 for seen in observed])
    most_seen = int(obs_sizes.max())
    # Observation row: own z, own stock, the other stocks seen; index into the flattened state, last
    # entry is zero.
    picks = np.full((num_agents, most_seen), 2 * num_agents, dtype=np.int32)
    for i, seen in enumerate(observed):
        picks[i, : len(seen) + 1] = [2 * i + 1, *(2 * j for j in seen)]
    rewarded = couplings.reward
    local_reward = rewarded.nnz == num_agents
    reward_graph = rewarded.tocoo()

    def net_supply(time, key):
        clean = amplitude * jnp.sin(omega * time + phi)
        return clean + noise * jax.random.normal(key, (num_agents,)) if noise else clean

    def reset(key):
        return jnp.stack([jnp.asarray(start, float), jnp.asarray(net_supply(0, key), float)], -1)

    def step(state, actions, time, key):
        stock, supplied = state[:, 0], state[:, 1]
        sent = jnp.maximum(stock, 0.0)[:, None] * jnp.where(mask, actions, 0.0)
        slots = jnp.append(sent.ravel(), 0.0)
        kept_or_received = slots[inflow].sum(-1)
        after = jnp.where(
            stock >= 0, kept_or_received + stock - sent.sum(-1), stock + kept_or_received
        )
        return jnp.stack([after + supplied, net_supply(time + 1, key)], -1)

    def reward(state, actions, time):
        shortage = -(jnp.minimum(state[:, 0], 0.0) ** 2)
        if local_reward:
            return shortage
        return jax.ops.segment_sum(shortage[reward_graph.col], reward_graph.row, num_agents)

    def observe(state):
        return jnp.append(state.ravel(), 0.0)[picks]

    def uniform(state, time):
        return jnp.asarray(mask / action_sizes[:, None], state.dtype)

    scale = np.array(
        [max(1.0, float(np.abs(start).max())), max(1e-6, float(np.abs(amplitude).max()))]
    )
    flat_scale = np.append(np.tile(scale, num_agents), 1.0)
    return Environment(
        id=id,
        couplings=couplings,
        horizon=horizon,
        reset=reset,
        step=step,
        reward=reward,
        observe=observe,
        state_sizes=np.full(num_agents, 2),
        obs_sizes=obs_sizes,
        action_sizes=action_sizes,
        action_head="softmax",
        state_scale=scale,
        obs_scale=flat_scale[picks],
        report="sum",
        simple_actions=uniform,
        units={
            "state": "units of stock",
            "action": "share of the stock",
            "reward": "(units of stock)²",
        },
        options=options or {},
    )
