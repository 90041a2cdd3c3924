"""Train a small run, and a second one that is cut off half-way; called by `test_devices.py`."""

import sys
from pathlib import Path

import jax

import mastac
from mastac.learning.devices import seed_mesh
from mastac.runs import saving

KNOBS = {
    "actor_hidden": [4],
    "critic_hidden": [4],
    "batch_size": 8,
    "updates_per_epoch": 2,
    "evaluation_interval": 2,
}


class PowerCut(Exception):
    pass


def main(devices: int, out: Path) -> None:
    """Twelve seeds, eight epochs; a run cut off after the fourth epoch is left beside it."""
    assert len(jax.devices()) == devices
    saving.SECONDS_BETWEEN, saving.LARGEST_SHARE = 0.0, 1.0  # after every chunk
    mesh = seed_mesh(12)
    assert (1 if mesh is None else mesh.size) == devices

    def cut(report) -> None:
        if report.epoch == 6:
            raise PowerCut

    for name, progress in (("whole", False), ("cut", cut)):
        try:
            env = mastac.make("lq-3", horizon=4)
            mastac.train(env, epochs=8, seeds=range(12), out=out / name, progress=progress, **KNOBS)
        except PowerCut:
            continue


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
