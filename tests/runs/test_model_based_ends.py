"""Runs that learn a model where agents leave, and where observations are given: to what is best."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac.cli.main import main
from runs.small_models import KNOBS

STEPS = 10


def climbers() -> mastac.Environment:
    """Two agents near an edge, who together earn 1 a step, until one of them falls over it.

    Each is pushed half as far again as it is away; its action reaches as far as it may be.
    """

    def step(state, actions, time, key):
        following = 1.5 * state + 0.5 * actions
        return mastac.Transition(following, jnp.full(2, 0.5), (jnp.abs(following) > 1).any())

    return mastac.Environment(
        id="climbers",
        couplings=mastac.Couplings(["one", "other"], state=[], action=[]),
        horizon=STEPS,
        reset=lambda key: jax.random.uniform(key, (2, 1), minval=-0.6, maxval=0.6),
        step=step,
        observe=lambda state: state,
        state_sizes=np.ones(2, int),
        obs_sizes=np.ones(2, int),
        action_sizes=np.ones(2, int),
        action_head="tanh",
    )


def test_an_episode_is_kept_from_ending(tmp_path: Path) -> None:
    """All rewards are the same: the only slope is that of who is still there."""
    run = mastac.train(
        climbers(),
        "mastac-model",
        epochs=40,
        out=tmp_path / "run",
        progress=False,
        evaluation_interval=40,
        evaluation_episodes=2,
        **KNOBS,
    )
    table = np.genfromtxt(run.path / "metrics.csv", delimiter=",", names=True)
    assert table["episode_return"][:10].mean() < 0.7 * STEPS
    assert run.summary["greedy_mean"] > 0.95 * STEPS
    assert run.summary["env_steps"] < 400  # episodes that end are not counted to the horizon
    assert run.summary["model"]["0"]["promised"] == pytest.approx(STEPS, abs=0.05 * STEPS)


def test_a_pettingzoo_simulator_is_learnt_from_the_command_line(tmp_path: Path) -> None:
    """Agents leave one by one, and their observations are known from the simulator alone."""
    knobs = [part for name in KNOBS for part in ("--set", f"{name}={KNOBS[name]}")]
    few = ["--epochs", "40", "--evaluation-interval", "40", "--evaluation-episodes", "2"]
    command = ["train", "host_worlds:Poles", "--algorithm", "mastac-model", "--workers", "1"]
    out = tmp_path / "run"
    assert main([*command, *few, *knobs, "--out", str(out), "--no-progress"]) == 0
    run = mastac.load(out)
    table = np.genfromtxt(run.path / "metrics.csv", delimiter=",", names=True)
    assert table["episode_return"][:10].mean() < 0.8 * 2 * STEPS
    assert run.summary["greedy_mean"] > 0.95 * 2 * STEPS
    # What the right one sees are states, what the left one sees is not.
    assert run.summary["model"]["0"]["observed_states"] == 2
