"""Run folders with policies of random weights: what reads policies is tested without training."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import mastac
from mastac.runs.config import resolve
from mastac.runs.folder import RunFolder
from mastac.runs.plan import plan_run
from mastac.runs.policy import Policy


def random_policy(env: mastac.Environment, hidden: tuple[int, ...] = (5,), seed: int = 0) -> Policy:
    """A policy that fits the environment; its padding is not zero."""
    random = np.random.default_rng(seed)
    agents, inputs = env.num_agents, int(env.obs_sizes.max())
    widths = [inputs, *hidden, int(env.action_sizes.max())]

    def normal(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    return Policy(
        agents=env.agents,
        obs_sizes=env.obs_sizes,
        action_sizes=env.action_sizes,
        action_head=env.action_head,
        obs_center=22.0 + normal(agents, inputs),
        obs_scale=1.0 + normal(agents, inputs) ** 2,
        action_limit=1.0 + normal(agents, widths[-1]) ** 2,
        weights=tuple(normal(agents, a, b) for a, b in pairwise(widths)),
        biases=tuple(normal(agents, b) for b in widths[1:]),
    )


def begun_run(folder: Path, name: str = "thermal-4", **options: Any) -> mastac.Run:
    """A run of a built-in environment as it is before its first epoch, and a policy."""
    env = mastac.make(name, **options)
    config = resolve(env.id, env.options, epochs=100, batch_size=8)
    run_folder = RunFolder(folder)
    run_folder.begin(config.to_dict(), env.couplings, plan_run(env, config).description())
    random_policy(env).save(run_folder.policy(0))
    return mastac.load(folder)
