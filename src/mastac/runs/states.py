"""What the state of all seeds says: which failed and why, what was kept, how far they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mastac.envs.base import Environment
from mastac.learning.failures import FAILURES
from mastac.learning.loop import RunState


def failed_epochs(state: RunState) -> np.ndarray:
    """`[seeds]`: the epoch in which each failed, -1 where none did."""
    return np.asarray(state.failed_epoch)


def failures(state: RunState, env: Environment, seeds: Sequence[int]) -> dict[str, dict[str, Any]]:
    """When and where numbers were no longer finite, of each seed that failed."""
    failed = failed_epochs(state)
    return {str(seeds[k]): _failure(state, env, k) for k in np.flatnonzero(failed >= 0).tolist()}


def _failure(state: RunState, env: Environment, k: int) -> dict[str, Any]:
    kind, agent = divmod(int(np.asarray(state.failure)[k]), env.num_agents)
    name = env.agents[agent]
    return {
        "epoch": int(failed_epochs(state)[k]),
        "where": f"{FAILURES[kind]} '{name}'",
        "agent": name,
    }


def by_seed(values: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, dict[str, float]]:
    """Numbers `[seeds]` by name as those of each seed by name; empty where there are none."""
    return {
        str(seed): {name: float(value[k]) for name, value in values.items()}
        for k, seed in enumerate(seeds if values else ())
    }


def kept_epochs(state: RunState, seeds: Sequence[int]) -> dict[str, dict[str, int]]:
    """With `keep=best`, after which epoch each seed had the policies that are kept."""
    if state.kept is None:
        return {}
    epochs = np.asarray(state.kept.epoch)
    return {"kept_epoch": {str(seed): int(epochs[k]) for k, seed in enumerate(seeds)}}


def env_steps(state: RunState, epoch: int, horizon: int) -> int:
    """Steps of the environment that a seed has played; where they differ, the mean."""
    counted = state.env_steps
    return epoch * horizon if counted is None else round(float(np.asarray(counted).mean()))
