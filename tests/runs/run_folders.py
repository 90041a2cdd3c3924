"""Run folders written by hand, so that readers are tested without training."""

import json
from pathlib import Path

import numpy as np

REFERENCE = {
    "simple": -9.0,
    "best_known": -1.0,
    "bound": -0.5,
    "policies": {"nothing": -7.0},
    "notes": "",
}


def write_run(
    folder: Path,
    returns: np.ndarray,
    *,
    env: str = "warehouse-9",
    algorithm: str = "mastac",
    kappa: int | None = None,
    steps: int = 8,
    every: int = 5,
    finished: bool = True,
    reference: dict | None = None,
) -> Path:
    """A folder with `returns` [seeds, epochs]; NaN: no such row. Greedy returns are 1 better."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(
        json.dumps({"env": {"id": env}, "algorithm": algorithm, "kappa": kappa})
    )
    metrics, evaluation = (
        ["seed,epoch,env_steps,updates,episode_return,critic_loss"],
        ["seed,epoch,episode_return"],
    )
    for seed, row in enumerate(returns):
        for k, value in enumerate(row):
            if np.isnan(value):
                continue
            epoch = k + 1
            metrics.append(
                f"{seed},{epoch},{epoch * steps},{k},{float(value)},{'' if k == 0 else 0.5}"
            )
            if epoch % every == 0:
                evaluation.append(f"{seed},{epoch},{float(value) + 1}")
    (folder / "metrics.csv").write_text("\n".join(metrics) + "\n")
    (folder / "evaluation.csv").write_text("\n".join(evaluation) + "\n")
    if finished:
        last = [None if np.isnan(row[-1]) else float(row[-1]) + 1 for row in returns]
        summary = {
            "env": env,
            "algorithm": algorithm,
            "epochs": returns.shape[1],
            "env_steps": returns.shape[1] * steps,
            "seeds": list(range(len(returns))),
            "greedy_by_seed": {str(seed): value for seed, value in enumerate(last)},
            "reference": reference,
        }
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def rising(
    seeds: int = 3, epochs: int = 40, end: float = -2.0, start: float = -30.0, rate: float = 5.0
) -> np.ndarray:
    """Returns that climb from `start` to `end`, a little different for each seed."""
    at = np.arange(epochs)
    offset = np.linspace(-0.2, 0.2, seeds)[:, None] if seeds > 1 else np.zeros((1, 1))
    return end + (start - end) * np.exp(-at / rate) + offset
