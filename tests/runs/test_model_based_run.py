"""Runs that learn a model of the dynamics: trained, cut off, resumed."""

import csv
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac import UserError
from mastac.learning.model_based.rounds import after_rounds, last_episodes
from mastac.learning.settings import Settings
from mastac.runs.checkpoints import saved_epochs
from mastac.runs.execution import Execution
from mastac.text import number
from runs.small_models import KNOBS

EVALUATED = {"evaluation_interval": 4, "evaluation_episodes": 4, "progress": False}
EPOCHS, CUT = 24, 20  # a round after every episode from the sixteenth on


def tanks() -> mastac.Environment:
    """Three tanks in a row, levels of hundreds, and nothing said of scales.

    Each keeps its level at 300 by its outflow, which enters the next tank.
    """
    flows = [("upper", "middle"), ("middle", "lower")]

    def step(state, actions, time, key):
        outflow = actions[:, 0] + 50.0
        inflow = jnp.concatenate([jnp.full(1, 50.0), outflow[:-1]])
        return state + (inflow - outflow)[:, None]

    return mastac.Environment(
        id="tanks",
        couplings=mastac.Couplings(["upper", "middle", "lower"], state=[], action=flows),
        horizon=8,
        reset=lambda key: jax.random.uniform(key, (3, 1), minval=100.0, maxval=500.0),
        step=step,
        reward=lambda state, actions, time: -(((state[:, 0] - 300.0) / 100.0) ** 2),
        observe=lambda state: state,
        state_sizes=np.ones(3, int),
        obs_sizes=np.ones(3, int),
        action_sizes=np.ones(3, int),
        action_head="tanh",
        action_limit=50.0,
        simple_actions=lambda state, time: jnp.zeros((3, 1)),
    )


def regulator() -> mastac.Environment:
    return mastac.make("lq-3", horizon=8)


def train(env, out, **changed):
    chosen = {"algorithm": "mastac-model", "epochs": EPOCHS, **EVALUATED, **KNOBS, **changed}
    return mastac.train(env, out=out, **chosen)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[mastac.Run, Path]:
    """A run, and its folder as it was after its second round."""
    folder = tmp_path_factory.mktemp("runs")
    whole, cut = folder / "whole", folder / "cut"
    advance = Execution.advance

    def advance_and_copy(self):
        report = advance(self)
        if self.epoch == CUT:
            self.save()
            shutil.copytree(whole, cut)
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Execution, "advance", advance_and_copy)
        return train(tanks(), whole, seeds=[5, 2]), cut


def rows(run: mastac.Run, name: str) -> list[dict[str, str]]:
    with open(run.path / name) as file:
        return list(csv.DictReader(file))


def test_rounds_are_in_steps_and_the_last_episodes_only_measure():
    schedule = after_rounds(regulator(), Settings(warmup_epochs=0))
    assert (schedule.first, schedule.period) == (16, 1)  # 128 and 8 steps
    later = after_rounds(regulator(), Settings(warmup_epochs=40))
    assert (later.first, later.period) == (40, 1)
    assert last_episodes(EPOCHS, 4) == 4 and last_episodes(1000, 4) == 50


def rollout(seed: int) -> float:
    """The return of the tanks without control: levels stay what they are."""
    level = tanks().reset(jax.random.key(seed))[:, 0]
    return -8.0 * float((((level - 300.0) / 100.0) ** 2).sum())


def test_two_seeds_side_by_side_end_with_a_summary_and_a_score(runs):
    whole, _ = runs
    assert whole.is_finished and "obs_scale" in tanks().undeclared
    returns = whole.summary["greedy_by_seed"]
    assert set(returns) == {"5", "2"} and returns["5"] != returns["2"]
    uncontrolled = np.mean([rollout(seed) for seed in range(50)])
    assert all(value > 0.6 * uncontrolled for value in returns.values())  # of a cost
    metrics = rows(whole, "metrics.csv")
    for seed in ("5", "2"):
        epochs = [int(row["epoch"]) for row in metrics if row["seed"] == seed]
        assert epochs == [*range(EPOCHS)]


def test_resuming_gives_the_uninterrupted_run_bit_for_bit(runs):
    whole, cut = runs
    assert saved_epochs(cut / "checkpoints")[-1] == CUT
    resumed = mastac.resume(cut, progress=False, env=tanks())
    for name in ("metrics.csv", "evaluation.csv"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert resumed.summary == whole.summary
    for seed in (5, 2):
        for a, b in zip(resumed.policy(seed).weights, whole.policy(seed).weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_through_the_simulator_itself_actors_climb(tmp_path):
    reports = []
    changed = {"dynamics": "true", "climbing_steps": 40, "progress": reports.append}
    run = train(regulator(), tmp_path / "true", **changed)
    assert run.summary["score"] > 0.3
    # Progress says what is promised, from the first round on.
    assert reports[0].promised is None and "promised" not in reports[0].line()
    promised = run.summary["model"]["0"]["promised"]
    assert reports[-1].promised == pytest.approx(promised, rel=1e-6)
    assert f"promised {number(promised)}" in reports[-1].line()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dynamics": "real"}, "dynamics.*learnt.*true"),
        ({"model_reads": "nobody"}, "model_reads.*neighbours.*all"),
        ({"model_member": 3}, "model_member.*model_members"),
        ({"model_units": 1}, "model_units.*from 2"),
        ({"critic_hidden": [4]}, "critic_hidden.*mastac-model"),
        ({"algorithm": "mastac"}, "model_members|model_units|model_steps"),
    ],
)
def test_wrong_knobs_are_refused_by_name_before_anything_is_written(changed, message, tmp_path):
    with pytest.raises(UserError, match=message):
        train(regulator(), tmp_path / "run", **changed)
    assert not (tmp_path / "run").exists()
