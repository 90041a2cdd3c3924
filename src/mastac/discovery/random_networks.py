"""Random nonlinear networks with graphs that are known."""

from __future__ import annotations

import numpy as np

from mastac.probing.simulator import Simulator
from mastac.structure import Couplings

DENSITY = {"state": 1.0, "observation": 1.0, "reward": 0.5, "action": 0.5, "reward_action": 0.25}
"""Edges of each graph as a share of those of the state graph."""


def random_network(
    num_agents: int, seed: int = 0, degree: float = 2.0, noise: float = 0.2, horizon: int = 20
) -> Simulator:
    """Agents of one number each that affect `degree` others on average.

    An agent's next number is $0.5 tanh(x_i) + 0.5 u_i$, what others add, and normal noise.
    Another's number or action $y$ adds, times a weight of 0.4 to 1 of either sign, one of three
    functions, drawn for each edge: one that saturates, $tanh(1.5 y)$, a product with the own
    number, $0.7 x_i y / (1 + 0.3 |x_i y|)$, or a shortage, $1.5 max(0, -y)$. Rewards are squares of
    the own and others' numbers and saturate in others' actions, without noise; an observation is
    the own number and a weighted sum of others'. Actions are uniform in ±1.

    **Arguments:**

    - `num_agents`: how many agents.
    - `seed`: of the graphs, the functions and the weights.
    - `degree`: sources of an agent's state, on average; the other graphs have fewer.
    - `noise`: standard deviation of the noise in each next number.
    - `horizon`: steps of an episode.

    **Returns:**

    A simulator that declares its graphs.
    """
    random = np.random.default_rng(seed)
    shape, own = (num_agents, num_agents), np.eye(num_agents, dtype=bool)
    chance = min(1.0, degree / max(num_agents - 1, 1))
    depends = {
        graph: (random.random(shape) < chance * share) & ~own for graph, share in DENSITY.items()
    }
    kind = random.integers(0, 3, shape)
    weights = {
        graph: edges * random.uniform(0.4, 1.0, shape) * random.choice([-1.0, 1.0], shape)
        for graph, edges in depends.items()
    }
    # Of many sources each weighs less, so that nothing grows without bound.
    weights["state"] = weights["state"] / np.sqrt(
        np.maximum(1, depends["state"].sum(1, keepdims=True))
    )

    def added(weight: np.ndarray, mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        product = mine[:, None] * theirs
        kinds = (np.tanh(1.5 * theirs) + 0 * product, 0.7 * product / (1 + 0.3 * np.abs(product)))
        bent = np.choose(kind, (*kinds, 1.5 * np.maximum(0, -theirs) + 0 * product))
        return (weight * bent).sum(1)

    def step(state: np.ndarray, actions: np.ndarray, time: int, seed: int) -> np.ndarray:
        x, u = state[:, 0], actions[:, 0]
        inflow = added(weights["state"], x, x) + added(weights["action"], x, u)
        shock = noise * np.random.default_rng(seed).standard_normal(num_agents)
        return (0.5 * np.tanh(x) + 0.5 * u + inflow + shock)[:, None]

    def reward(state: np.ndarray, actions: np.ndarray, time: int) -> np.ndarray:
        x, u = state[:, 0], actions[:, 0]
        return (
            -((x - 0.5) ** 2)
            - 0.1 * u**2
            + weights["reward"] @ x**2
            + weights["reward_action"] @ np.tanh(u)
        )

    return Simulator(
        horizon=horizon,
        reset=lambda seed: np.random.default_rng(seed).standard_normal((num_agents, 1)),
        step=step,
        reward=reward,
        observe=lambda state: np.stack([state[:, 0], weights["observation"] @ state[:, 0]], -1),
        sample_actions=lambda random: random.uniform(-1, 1, (num_agents, 1)),
        couplings=Couplings(num_agents, **{graph: edges.T for graph, edges in depends.items()}),
        name=f"random-{num_agents}",
    )
