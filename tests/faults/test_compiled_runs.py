"""A compiled run, killed at random moments and gone on with: only in `make faults`."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = int(os.environ.get("MASTAC_FAULTS", "0")) // 10
OFTEN = """
import sys
from mastac.cli.main import main
from mastac.runs import saving
saving.SECONDS_BETWEEN, saving.LARGEST_SHARE = 0.0, 1.0
sys.exit(main())
"""
RUN = ["lq-3", "--env-set", "horizon=4", "--epochs", "120", "--evaluation-interval", "4"]
RUN += ["--seeds", "0-1", "--no-progress"]
for knob in ("actor_hidden=[4]", "critic_hidden=[4]", "batch_size=8", "updates_per_epoch=1"):
    RUN += ["--set", knob]


def started(out: Path, cache: Path) -> subprocess.Popen:
    """A process that begins the run or goes on with it, and saves after every chunk."""
    is_begun = (out / "config.json").exists()
    words = (
        ["resume", str(out), "--no-progress"] if is_begun else ["train", *RUN, "--out", str(out)]
    )
    variables = {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    with open(said(out), "wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-c", OFTEN, *words],
            env=os.environ | variables,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def said(out: Path) -> Path:
    """The file of what the last process of a run wrote to its standard error."""
    return out.with_name(f"{out.name}.said")


@pytest.mark.faults
@pytest.mark.skipif(not KILLS, reason="takes minutes; 'make faults' does it")
def test_a_killed_run_ends_bit_for_bit_as_one_that_was_not(tmp_path: Path) -> None:
    names = ("metrics.csv", "evaluation.csv", "summary.json")
    cache, whole = tmp_path / "cache", tmp_path / "whole"
    assert started(whole, cache).wait() == 0
    began = time.monotonic()
    assert started(tmp_path / "timed", cache).wait() == 0
    took, chance = time.monotonic() - began, random.Random(0)
    kills = runs = resumes = 0
    while kills < KILLS:
        runs += 1
        out = tmp_path / f"run-{runs}"
        while not (out / "summary.json").exists():
            resumes += (out / "config.json").exists()
            process = started(out, cache)
            try:
                code = process.wait(chance.uniform(took / 3, took) if kills < KILLS else None)
                assert code == 0, said(out).read_text()
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        for name in names:
            assert (out / name).read_bytes() == (whole / name).read_bytes()
    print(f"{kills} kills in {runs} runs, {resumes} resumes")
