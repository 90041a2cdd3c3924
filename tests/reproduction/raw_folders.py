"""Raw data of cells written by hand, so that tables and figures are tested without training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

REFERENCES = {
    "warehouse-9": {
        "simple": -9.14,
        "best_known": -0.0,
        "bound": 0.0,
        "policies": {"no transfer": -6.89},
    },
    "warehouse-40": {
        "simple": -24.83,
        "best_known": -11.02,
        "bound": -11.02,
        "policies": {"no transfer": -27.55},
    },
    "thermal-40": {"simple": -160.09, "best_known": -146.59, "bound": -145.41, "policies": {}},
}
PAPER_EPOCHS = {"warehouse-9": 3500, "warehouse-40": 6000, "thermal-40": 5000}
STEPS = {"warehouse-9": 8, "warehouse-40": 8, "thermal-40": 40}


def write_raw(
    raw: Path,
    env: str,
    cell: str,
    ends: Sequence[float | None],
    *,
    epochs: int | None = None,
    start: float = -30.0,
    rate: float = 0.1,
    exploration: float = 0.5,
    seconds: float | None = 600.0,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """One cell whose seeds rise from `start` to `ends` (`None`: it stops half-way)."""
    folder, seeds = raw / env / cell, range(len(ends))
    epochs = PAPER_EPOCHS[env] if epochs is None else epochs
    folder.mkdir(parents=True)
    windows, points = np.arange(1, 101) * epochs // 100, np.arange(1, 51) * epochs // 50
    curve, greedy, final = (
        ["seed,epoch,env_steps,episode_return"],
        ["seed,epoch,episode_return"],
        {},
    )
    for seed, end in enumerate(ends):
        reached = -5.0 if end is None else end
        noise = np.random.default_rng(seed)

        def at(
            points: np.ndarray, reached: float = reached, noise: np.random.Generator = noise
        ) -> np.ndarray:
            wiggle = 0.02 * abs(reached) * noise.normal(size=len(points)) * np.exp(-points / epochs)
            return reached + (start - reached) * np.exp(-points / (rate * epochs)) + wiggle

        last = epochs / 2 if end is None else epochs
        training = at(windows) - exploration
        curve += [
            f"{seed},{e},{e * STEPS[env]},{v:.6g}"
            for e, v in zip(windows, training, strict=True)
            if e <= last
        ]
        greedy += [
            f"{seed},{e},{v:.6g}" for e, v in zip(points, at(points), strict=True) if e <= last
        ]
        final[str(seed)] = None if end is None else float(training[-20:].mean())
    stopped = {str(seed): {"epoch": epochs // 2} for seed, end in enumerate(ends) if end is None}
    about = {
        "env": env,
        "env_options": {},
        "preset": "default",
        "epochs": epochs,
        "seeds": list(seeds),
    }
    summary = {
        "env": env,
        "algorithm": cell,
        "env_steps": epochs * STEPS[env],
        "seeds": list(seeds),
        "greedy_by_seed": {str(seed): end for seed, end in enumerate(ends)},
        "reference": REFERENCES[env],
        "failed": stopped,
        "final20_by_seed": final,
    }
    (folder / "config.json").write_text(json.dumps(about | dict(config or {})))
    (folder / "curve.csv").write_text("\n".join(curve) + "\n")
    (folder / "greedy.csv").write_text("\n".join(greedy) + "\n")
    (folder / "timing.json").write_text(json.dumps({"seconds": seconds}))
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder
