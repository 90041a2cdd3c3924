"""Random nonlinear networks in numpy, computed from graphs that are therefore known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mastac.probing import Simulator
from mastac.structure import Couplings
from structure.witnesses import graphs_of

BENDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "shortage": lambda x: np.maximum(0.0, -x),
    "square": lambda x: x * x,
    "sign": lambda x: np.where(x > 0.3, 1.0, 0.0),  # its derivative is zero wherever it has one
    "round": np.round,
}


def network(couplings: Couplings, bend: str, width: int, seed: int, **changes: Any) -> Simulator:
    """A simulator in which exactly the edges of the couplings carry a weighted, bent signal."""
    weight = np.random.default_rng(seed)
    size = couplings.num_agents
    dense = {
        graph: getattr(couplings, graph).toarray() * weight.uniform(0.2, 1.0, (size, size))
        for graph in ("state", "action", "observation", "reward", "reward_action")
    }
    f = BENDS[bend]

    def step(state, actions, time, seed):
        noise = 0.1 * np.random.default_rng(seed).standard_normal(state.shape)
        return 0.5 * np.cos(dense["state"] @ f(state)) + 0.3 * dense["action"] @ f(actions) + noise

    def reward(state, actions, time):
        return (dense["reward"] @ f(state) + dense["reward_action"] @ f(actions)).sum(1)

    given = {
        "horizon": 4,
        "reset": lambda seed: np.random.default_rng(seed).standard_normal((size, width)),
        "step": step,
        "reward": reward,
        "observe": lambda state: dense["observation"] @ f(state),
        "sample_actions": lambda random: random.uniform(-1, 1, (size, width)),
        "couplings": couplings,
        "name": "network",
    }
    return Simulator(**(given | changes))


@st.composite
def networks(draw: Any) -> Simulator:
    """Networks of up to five agents, with graphs of their own for actions."""
    size = draw(st.integers(1, 5))
    couplings = Couplings(size, **draw(graphs_of(size, True)))
    return network(
        couplings,
        draw(st.sampled_from(list(BENDS))),
        draw(st.integers(1, 2)),
        draw(st.integers(0, 99)),
    )


def rare(share: float) -> Simulator:
    """Two agents; 'left' moves 'right' at a `share` of the seeds, and at no other."""

    def step(state, actions, time, seed):
        acts = seed / 2**31 < share
        return state * 0.9 + np.array([[0.0], [state[0, 0] * acts]])

    return Simulator(
        horizon=1,
        reset=lambda seed: np.random.default_rng(seed).standard_normal((2, 1)),
        step=step,
        reward=lambda state, actions, time: -(state[:, 0] ** 2),
        sample_actions=lambda random: np.zeros((2, 1)),
        couplings=Couplings(["left", "right"], state=[("left", "right")], action=[]),
        name="rare",
    )
