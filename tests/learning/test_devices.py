"""Seeds on several devices give what one device gives, also from each other's checkpoints."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import many_devices
import numpy as np
import pytest

import mastac
from mastac.learning.devices import seed_mesh
from mastac.runs.checkpoints import saved_epochs
from mastac.runs.results import read_results


class RunOn:
    """Runs Python with so many devices; processes with as many share a compilation cache."""

    def __init__(self, compiled: Path) -> None:
        self.environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": str(compiled),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }

    def __call__(self, devices: int, *arguments: str) -> None:
        flag = f" --xla_force_host_platform_device_count={devices}"
        environment = self.environment | {"XLA_FLAGS": os.environ.get("XLA_FLAGS", "") + flag}
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def run_on(tmp_path_factory) -> RunOn:
    return RunOn(tmp_path_factory.mktemp("compiled"))


@pytest.fixture(scope="module")
def four(run_on: RunOn, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("four")
    run_on(4, many_devices.__file__, "4", str(out))
    return out


@pytest.fixture(scope="module")
def one(run_on: RunOn, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("one")
    run_on(1, many_devices.__file__, "1", str(out))
    return out


def assert_same(run: Path, other: Path) -> None:
    for greedy in (False, True):
        (at, returns), (other_at, others) = (
            read_results(run).curve(greedy),
            read_results(other).curve(greedy),
        )
        np.testing.assert_array_equal(at, other_at)
        assert returns.shape == (12, 4 if greedy else 8)
        np.testing.assert_allclose(returns, others, rtol=1e-4, atol=1e-5)
    for seed in (0, 5, 11):
        weights = [mastac.load(each).policy(seed).weights for each in (run, other)]
        for mine, theirs in zip(*weights, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_four_devices_give_what_one_gives(four: Path, one: Path) -> None:
    assert_same(four / "whole", one / "whole")


@pytest.mark.slow
def test_checkpoints_go_from_four_devices_to_one_and_back(
    run_on: RunOn, four: Path, one: Path
) -> None:
    for out in (four, one):
        assert saved_epochs(out / "cut" / "checkpoints")[-1] == 4
    for devices, out in ((1, four), (4, one)):
        run_on(devices, "-c", f"import mastac; mastac.resume({str(out / 'cut')!r}, progress=False)")
    assert_same(four / "cut", one / "whole")
    assert_same(one / "cut", one / "whole")


@pytest.mark.parametrize(
    ("devices", "seeds", "used"),
    [(4, 12, 4), (4, 6, 3), (4, 5, 1), (4, 2, 2), (1, 7, 1), (8, 7, 7)],
)
def test_as_many_devices_as_divide_the_seeds(
    devices: int, seeds: int, used: int, monkeypatch
) -> None:
    monkeypatch.setattr(jax, "devices", lambda: list(range(devices)))
    meshes = []
    monkeypatch.setattr(
        "mastac.learning.devices.Mesh", lambda devices, axes: meshes.append(devices)
    )
    seed_mesh(seeds)
    assert [len(devices) for devices in meshes] == ([used] if used > 1 else [])
