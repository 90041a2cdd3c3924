"""Runs with simulators outside JAX: trained, resumed, opened again, and held to compiled ones."""

import json
import os
import signal
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from host_worlds import Faulty, Tanks, Twin, Works
from mastac.controllers.serving import load_controller
from mastac.runs.checkpoints import saved_epochs

KNOBS: dict[str, Any] = {"actor_hidden": [4], "critic_hidden": [4], "batch_size": 4}
KNOBS |= {"updates_per_epoch": 1, "epochs": 8, "evaluation_interval": 4, "evaluation_episodes": 2}


def rows(run: mastac.Run) -> np.ndarray:
    """`metrics.csv` as numbers."""
    return np.genfromtxt(run.path / "metrics.csv", delimiter=",", skip_header=1)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> mastac.Run:
    """Two seeds, played in this process, named by their module."""
    out = tmp_path_factory.mktemp("host") / "named"
    return mastac.train("host_worlds:Tanks", seeds=[3, 1], out=out, progress=False, **KNOBS)


def watched_tanks() -> mastac.Environment:
    """The tank in the middle is always too full, and pumps of the lower one should stay below 0."""
    levels = mastac.Quantity("level", high=[99.0, -99.0, 99.0])
    pumps = mastac.Quantity("pump", high=[2.0, 2.0, -0.1])
    return mastac.from_pettingzoo(Tanks, view=mastac.View([levels], [pumps]))


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> mastac.Run:
    """One seed, played by a worker."""
    out = tmp_path_factory.mktemp("host") / "apart"
    return mastac.train(watched_tanks(), workers=1, out=out, progress=False, **KNOBS)


def test_a_run_counts_the_steps_and_learns(named: mastac.Run) -> None:
    table = rows(named)
    assert len(table) == 16 and named.summary["env_steps"] == 8 * 5
    assert np.isfinite(table[-1]).all()
    one, other = (named.policy(seed).weights[0] for seed in (3, 1))
    assert not np.allclose(one, other)
    assert named.config.final_episodes == 20 and named.config.workers == 0


def test_a_named_run_opens_again(named: mastac.Run) -> None:
    again = mastac.load(named.path)
    found = again.evaluate()
    assert found["greedy_by_seed"] == pytest.approx(named.summary["greedy_by_seed"], rel=1e-4)
    stored = json.loads((named.path / "environment.json").read_text())
    assert stored["spaces"]["lower"] == [
        "Box(-inf, inf, (3,), float32)",
        "Box(0.0, 2.0, (1,), float32)",
    ]


def test_actions_of_a_policy_are_the_simulators(named: mastac.Run) -> None:
    policy = named.policy(3)
    actions = policy.act({"upper": [0, 0], "middle": [0], "lower": [0, 0, 0]})
    world = Tanks()
    for agent, action in actions.items():
        assert world.action_space(agent).contains(np.float32(action))
    far = policy.act({"upper": [9, 9], "middle": [99], "lower": [-9, 9, 9]})
    assert not np.allclose(far["middle"], actions["middle"])


class Shorter(Tanks):
    """Other spaces than those of the run."""

    sizes = MappingProxyType({"upper": 2, "middle": 1, "lower": 1})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Shorter, r"its obs_sizes is \[2, 1, 1\]"),
        (partial(Tanks, horizon=7), "its horizon is 7, not 5"),
    ],
)
def test_another_simulator_is_refused(named: mastac.Run, other: Any, message: str) -> None:
    with pytest.raises(mastac.UserError, match=message):
        mastac.load(named.path, env=mastac.from_pettingzoo(other))


def test_other_couplings_are_refused(named: mastac.Run) -> None:
    other = mastac.from_pettingzoo(Tanks, [("upper", "middle")])
    with pytest.raises(mastac.UserError, match=r"its couplings differ"):
        mastac.load(named.path, env=other)


def test_a_run_that_was_stopped_goes_on_exactly(apart: mastac.Run, tmp_path: Path) -> None:
    def stop(report: Any) -> None:
        if report.epoch == 4:
            os.kill(os.getpid(), signal.SIGINT)

    env, out = watched_tanks(), tmp_path / "stopped"
    with pytest.raises(mastac.Stopped):
        mastac.train(env, workers=1, out=out, progress=stop, **KNOBS)
    assert saved_epochs(out / "checkpoints") == [4]
    run = mastac.resume(out, progress=False, env=env)
    for name in ("metrics.csv", "evaluation.csv"):
        assert (out / name).read_text() == (apart.path / name).read_text()
    assert run.summary == apart.summary
    # The last agent acts in units of the simulator, from 0 to 2, while it is there.
    assert run.summary["violation_by_agent"] == {"upper": 0.0, "middle": 1.0, "lower": 1.0}


def test_a_worker_that_dies_changes_nothing(apart: mastac.Run, tmp_path: Path) -> None:
    env = mastac.from_pettingzoo(partial(Faulty, "dies", str(tmp_path / "once")))
    run = mastac.train(env, workers=1, out=tmp_path / "run", progress=False, **KNOBS)
    assert (run.path / "metrics.csv").read_text() == (apart.path / "metrics.csv").read_text()
    (line,) = (run.path / "failures.log").read_text().splitlines()
    assert "the simulator of seed 0 in epoch 0 failed at step 1: its process ended" in line


def test_what_is_given_up_can_be_resumed(
    apart: mastac.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env, out = mastac.from_pettingzoo(partial(Faulty, "raises")), tmp_path / "run"
    with pytest.raises(mastac.UserError, match=r"seed 0 in epoch 0 failed at step 1.*resume"):
        mastac.train(env, workers=1, out=out, progress=False, **KNOBS)
    monkeypatch.setenv("HOST_WORLDS_CALM", "yes")
    run = mastac.resume(out, progress=False, env=env)
    assert (run.path / "metrics.csv").read_text() == (apart.path / "metrics.csv").read_text()


def test_the_host_program_does_what_the_compiled_one_does(tmp_path: Path) -> None:
    def step(state: Any, actions: Any, time: Any, key: Any) -> Any:
        return 0.9 * state + 0.1 * state.sum(0)[None] + 0.5 * actions

    graphs = mastac.Couplings(["a", "b"], state=[(0, 1), (1, 0)])
    compiled = mastac.Environment(
        id="Twin",
        couplings=graphs,
        horizon=5,
        reset=lambda key: jnp.array([[1.0], [-0.5]]),
        step=step,
        reward=lambda state, actions, time: -(state[:, 0] ** 2) - 0.1 * actions[:, 0] ** 2,
        observe=lambda state: state,
        state_sizes=np.array([1, 1]),
        obs_sizes=np.array([1, 1]),
        action_sizes=np.array([1, 1]),
        action_head="tanh",
    )
    outside = mastac.from_pettingzoo(Twin, graphs, 5, "observations", fixed_length=True)
    runs = [
        mastac.train(env, seeds=[0, 4], out=tmp_path / str(k), progress=False, **KNOBS)
        for k, env in enumerate((compiled, outside))
    ]
    one, other = map(rows, runs)
    assert np.isfinite(one[-1]).all() and one[:, 5].max() > 0
    np.testing.assert_allclose(other, one, rtol=2e-3, atol=1e-5)
    assert runs[1].summary["greedy_by_seed"] == pytest.approx(
        runs[0].summary["greedy_by_seed"], rel=1e-3
    )


@pytest.mark.parametrize("algorithm", ["mastac-ppo", "zeroth-order"])
def test_learners_from_rollouts(algorithm: str, tmp_path: Path) -> None:
    knobs = {name: KNOBS[name] for name in KNOBS if name not in ("batch_size", "critic_hidden")}
    env = mastac.from_pettingzoo(Tanks)
    run = mastac.train(
        env, algorithm, out=tmp_path / "run", progress=False, rollout_steps=10, **knobs
    )
    assert rows(run)[-1, 3] == 4  # updates: one after every second episode


def test_no_simulator_outside_jax_is_climbed_itself(tmp_path: Path) -> None:
    with pytest.raises(mastac.UserError, match="cannot use its true dynamics"):
        mastac.train(
            mastac.from_pettingzoo(Tanks), "mastac-model", out=tmp_path / "run", dynamics="true"
        )


def test_boxes_and_choices_side_by_side(tmp_path: Path) -> None:
    """Trained, opened again, and exported for each agent with the head of its own."""
    env = mastac.from_pettingzoo(Works)
    run = mastac.train(env, out=tmp_path / "run", progress=False, **KNOBS)
    assert np.isfinite(rows(run)[-1, 5])
    policy = mastac.load(run.path, env=mastac.from_pettingzoo(Works)).policy(0)
    inside = policy.act({"pump": [0.3], "valve": [-1.0, 1.0], "gates": [0.2, 1.0]})
    assert abs(inside["pump"] - [1, 6]).max() <= 1
    assert all(sorted(inside[agent])[-2:] == [0, 1] for agent in ("valve", "gates"))
    run.export(tmp_path / "out")
    for agent, seen in {"pump": [0.3], "valve": [-1.0, 1.0], "gates": [0.2, 1.0]}.items():
        controller = load_controller(tmp_path / "out", agent)
        np.testing.assert_allclose(
            controller.act(np.array(seen, np.float32)), inside[agent], atol=1e-6
        )


def test_workers_are_for_simulators_outside_jax(tmp_path: Path) -> None:
    with pytest.raises(mastac.UserError, match="'lq-3' is compiled"):
        mastac.train("lq-3", workers=2, out=tmp_path / "run")
