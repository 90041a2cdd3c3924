"""Rollouts written by hand, so that pictures of them are tested without a simulator."""

import numpy as np

from mastac.envs.rollouts import Episode, Rollout
from mastac.envs.views import Flow, Quantity, View
from mastac.structure import Couplings, ring

LEVEL = Quantity("level", "m", target=0.0, low=-1.0, high=1.0)


def played(
    couplings: Couplings, view: View | None = None, steps: int = 4, scale: float = 2.0
) -> Rollout:
    """Levels that are spread evenly from -scale to scale over agents, and shrink with the time.

    Under the simple policy they are half as large. The last agent has no action.
    """
    agents = couplings.num_agents
    spread = scale * np.linspace(-1, 1, agents) if agents > 1 else np.array([scale])
    shrinks = 0.8 ** np.arange(steps + 1)
    sizes = np.ones(agents, int)
    return Rollout(
        env_id="tanks",
        couplings=couplings,
        view=view or View([LEVEL], [Quantity("valve", "m/s", low=-1.0, high=1.0)]),
        state_sizes=sizes,
        action_sizes=np.where(np.arange(agents) < agents - 1, 1, 0),
        report="sum",
        reward_unit="m²",
        episodes=[
            Episode(
                policy,
                label,
                states := (share * shrinks[:, None] * spread).astype(np.float32)[:, :, None],
                -0.2 * states[:-1],
                -(states[:-1, :, 0] ** 2),
                np.ones((steps, agents), bool),
            )
            for policy, label, share in (
                ("trained", "trained policy, seed 0", 1.0),
                ("simple", "simple policy", 0.5),
            )
        ],
    )


def with_flow(agents: int = 5) -> Rollout:
    """Water along a ring, as much as levels differ: some of it against the edges."""
    couplings = ring(agents)
    edges = [(k, (k + 1) % agents) for k in range(agents)]
    flow = Flow("water", edges, lambda state, _, time: state[:, 0] - np.roll(state[:, 0], -1), "l")
    return played(couplings, View([LEVEL], flow=flow))
