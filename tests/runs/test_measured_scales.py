"""A run whose scales are measured: stored, resumed and exported, and by its own preset."""

from pathlib import Path

import numpy as np
import pytest

import mastac
from mastac.examples import example
from mastac.runs.execution import Execution
from mastac.runs.presets import STRANGERS, Unscaled, settings_for

KNOBS = {
    "actor_hidden": [4],
    "critic_hidden": [4],
    "batch_size": 8,
    "warmup_epochs": 2,
    "updates_per_epoch": 2,
    "critics_first": 4,
    "progress": False,
    "evaluation_interval": 3,
    "epochs": 12,
    "seeds": [3, 1],
}


class PowerCutError(Exception):
    pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> mastac.runs.Run:
    out = tmp_path_factory.mktemp("runs") / "whole"
    return mastac.train(example("platoon"), out=out, **KNOBS)


def test_resuming_is_bit_for_bit(whole, tmp_path: Path, monkeypatch) -> None:
    advance = Execution.advance

    def until_the_cut(self):
        report = advance(self)
        if self.epoch == 6:
            self.save()
        if self.epoch == 9:
            raise PowerCutError
        return report

    env, out = example("platoon"), tmp_path / "cut"
    with monkeypatch.context() as patch:
        patch.setattr(Execution, "advance", until_the_cut)
        with pytest.raises(PowerCutError):
            mastac.train(env, out=out, **KNOBS)
    resumed = mastac.resume(out, progress=False, env=env)
    for name in ("metrics.csv", "evaluation.csv"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert resumed.summary == whole.summary
    for seed in (3, 1):
        one, other = resumed.policy(seed), whole.policy(seed)
        assert np.array_equal(one.obs_center, other.obs_center)
        assert np.array_equal(one.obs_scale, other.obs_scale)
        for a, b in zip(one.weights, other.weights, strict=True):
            assert np.array_equal(a, b)


def test_every_seed_exports_its_own_scales(whole) -> None:
    one, other = whole.policy(3), whole.policy(1)
    assert not np.allclose(one.obs_center, other.obs_center)
    assert 5.0 < one.obs_center[0, 2] < 40.0, "speeds are about 22 m/s"
    returns = whole.evaluate()
    assert returns["greedy_by_seed"] == pytest.approx(whole.summary["greedy_by_seed"], rel=1e-3)


def test_the_preset_of_strangers_is_theirs_alone() -> None:
    strange, kappa, epochs = settings_for("mastac", "platoon", "default", {}, Unscaled(40))
    assert strange.noise == STRANGERS["noise"] and epochs == 500 and kappa == 2
    assert strange.warmup_epochs == 25 and strange.updates_per_epoch == 60
    assert strange.critics_first == 25 * 60
    short, _, _ = settings_for("mastac", "platoon", "default", {}, Unscaled(40, 8))
    assert (short.warmup_epochs, short.critics_first) == (0, 0)
    declared, _, _ = settings_for("mastac", "platoon", "default", {})
    assert not (declared.noise_cycle or declared.relative_errors or declared.critics_first)
    paper, _, _ = settings_for("mastac", "platoon", "paper", {}, Unscaled(40))
    assert not paper.noise_cycle
    rollouts, _, _ = settings_for("mastac-ppo", "platoon", "default", {}, Unscaled(40))
    assert rollouts.updates_per_epoch == 10 and rollouts.keep == strange.keep == "best"
    assert declared.keep == paper.keep == "last"


def test_scales_of_rollouts_are_measured_with_the_first_update_after_they_are_due(tmp_path):
    """A rollout is three episodes: updates come after episodes 3, 6, 9 …"""
    given = {"actor_hidden": [4], "critic_hidden": [4], "rollout_steps": 120, "keep": "last"}
    found = {}
    for epochs in (3, 6):
        run = mastac.train(
            example("platoon"),
            "mastac-ppo",
            epochs=epochs,
            out=tmp_path / str(epochs),
            progress=False,
            **given,
        )
        found[epochs] = run.policy(0).obs_scale
    assert (found[3] < 1e6).all()
    assert not np.array_equal(found[3], found[6])
