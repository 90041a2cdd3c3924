"""A run folder through its life: trained, damaged, resumed, evaluated."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac import UserError
from mastac.runs.agent_figures import figures_by_agent
from mastac.runs.checkpoints import saved_epochs
from mastac.runs.execution import Execution
from mastac.runs.folder import RunFolder
from mastac.runs.plan import plan_run
from mastac.runs.policy import Policy

KNOBS = {
    "actor_hidden": [4],
    "critic_hidden": [4],
    "batch_size": 8,
    "updates_per_epoch": 1,
    "evaluation_interval": 2,
}


class PowerCut(Exception):
    pass


def small_env():
    return mastac.make("lq-3", horizon=4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> mastac.Run:
    out = tmp_path_factory.mktemp("runs") / "whole"
    return mastac.train(small_env(), epochs=8, seeds=[5, 2], out=out, progress=False, **KNOBS)


@pytest.fixture(scope="module")
def cut(tmp_path_factory) -> Path:
    """The same run, cut off after six epochs: last checkpoint at four, and half a row too many."""
    out = tmp_path_factory.mktemp("runs") / "cut"
    original = Execution.save

    def cut_power(report) -> None:
        if report.epoch == 6:
            raise PowerCut

    class Saving(Execution):
        def advance(self):
            report = super().advance()
            if self.epoch <= 4:
                original(self)
            return report

    from mastac.runs import execution

    execution.Execution, kept = Saving, execution.Execution
    try:
        with pytest.raises(PowerCut):
            mastac.train(small_env(), epochs=8, seeds=[5, 2], out=out, progress=cut_power, **KNOBS)
    finally:
        execution.Execution = kept
    with open(out / "metrics.csv", "a") as file:
        file.write("5,6,2")
    assert saved_epochs(out / "checkpoints") == [2, 4]
    return out


def copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


def test_resuming_gives_the_uninterrupted_run_bit_for_bit(whole, cut, tmp_path):
    resumed = mastac.resume(copy(cut, tmp_path), progress=False)
    for name in ("metrics.csv", "evaluation.csv"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert resumed.summary == whole.summary
    shown: list[str] = []
    whole._repr_pretty_(SimpleNamespace(text=shown.append), False)
    assert shown == [str(whole)], "a notebook shows the table"
    norms = whole.summary["gradient_norm_by_agent"]
    assert norms in figures_by_agent(whole.path).values(), "a page colours agents by them"
    assert list(norms) == list(small_env().agents) and min(norms.values()) > 0
    last = np.genfromtxt(whole.path / "metrics.csv", delimiter=",", names=True)[-4:]
    assert np.mean(list(norms.values())) == pytest.approx(last["gradient_norm"].mean(), rel=1e-5)
    for seed in (5, 2):
        for a, b in zip(resumed.policy(seed).weights, whole.policy(seed).weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_run_without_a_checkpoint_begins_again(whole, cut, tmp_path):
    folder = copy(cut, tmp_path)
    shutil.rmtree(folder / "checkpoints")
    resumed = mastac.resume(folder, progress=False)
    assert (resumed.path / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()


def test_rows_that_an_older_checkpoint_can_compute_again_are(whole, cut, tmp_path, capsys):
    folder = copy(cut, tmp_path)
    lines = (folder / "metrics.csv").read_text().splitlines(keepends=True)
    (folder / "metrics.csv").write_text("".join(lines[:6]))  # to epoch 2, with half of the next
    resumed = mastac.resume(folder)
    assert (
        "metrics.csv' has been cut to 5 of 8 rows; what follows epoch 2" in capsys.readouterr().err
    )
    assert (folder / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()
    assert resumed.summary == whole.summary


def test_damaged_checkpoints_are_refused_by_name(cut, tmp_path):
    folder = copy(cut, tmp_path)
    largest = max(
        (folder / "checkpoints" / "4").rglob("*"),
        key=lambda path: path.stat().st_size * path.is_file(),
    )
    content = largest.read_bytes()
    largest.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        UserError, match=r"checkpoint 4 .* truncated.* delete '4.json' to fall back to epoch 2"
    ):
        mastac.resume(folder, progress=False)
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 1
    largest.write_bytes(bytes(flipped))
    with pytest.raises(UserError, match="altered"):
        mastac.resume(folder, progress=False)
    largest.unlink()
    with pytest.raises(UserError, match="missing"):
        mastac.resume(folder, progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"knobs": {"critic_hidden": [5]}}, r"knobs.critic_hidden in config.json is \[5\]"),
        ({"knobs": {"critic_lr": 0.5}}, "knobs.critic_lr in config.json is 0.5, and was 0.0"),
        ({"seeds": [5, 3]}, r"seeds in config.json is \[5, 3\], and was \[5, 2\]"),
        ({"env_options": {"horizon": 5}}, "env_options.horizon in config.json is 5, and was 4"),
    ],
)
def test_checkpoints_of_another_configuration_are_refused(cut, tmp_path, change, message):
    folder = copy(cut, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    for name, value in change.items():
        config[name] = config[name] | value if isinstance(value, dict) else value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=f"belongs to another configuration: {message}"):
        mastac.resume(folder, progress=False)


def test_policies_on_numpy_act_as_the_learner_does(whole):
    env = small_env()
    run = mastac.load(whole.path)
    execution = Execution(RunFolder(whole.path), plan_run(env, run.config), lambda text: None)
    execution.start()
    learner_act = jax.jit(execution.plan.spec.actors.apply)
    for place, seed in enumerate(run.config.seeds):
        weights = jax.tree.map(
            lambda leaf, place=place: leaf[place], execution.state.learner.actors
        )
        obs = np.asarray(env.observe(env.reset(jax.random.key(seed))), np.float32)
        expected = learner_act(weights, jnp.asarray(obs)[:, :, None])[:, :, 0]
        policy = run.policy(seed)
        np.testing.assert_allclose(policy.act(obs), expected, rtol=1e-4, atol=1e-6)
        by_name = policy.act(
            {name: obs[i, : env.obs_sizes[i]] for i, name in enumerate(env.agents)}
        )
        np.testing.assert_allclose(
            by_name[env.agents[1]], expected[1, : env.action_sizes[1]], rtol=1e-4, atol=1e-6
        )
        with pytest.raises(UserError, match=env.agents[0]):
            policy.act({name: obs[i] for i, name in enumerate(env.agents) if i})


def test_evaluation_repeats_and_scores(whole):
    run = mastac.load(whole.path)
    found = run.evaluate(episodes=6)
    assert found == run.evaluate(episodes=6)
    assert found["greedy_mean"] == pytest.approx(np.mean(list(found["greedy_by_seed"].values())))
    reference = small_env().reference()
    assert reference is not None
    assert found["score"] == pytest.approx(reference.score(found["greedy_mean"]))
    assert run.evaluate()["greedy_mean"] == pytest.approx(run.summary["greedy_mean"], rel=1e-4)
    with pytest.raises(UserError, match="no seed 9"):
        run.policy(9)


def test_a_custom_environment_must_be_brought_again(tmp_path):
    from dataclasses import replace

    env = replace(small_env(), id="mine", options={}, reference=lambda: None)
    run = mastac.train(env, epochs=2, seeds=0, out=tmp_path / "mine", progress=False, **KNOBS)
    assert run.summary["score"] is None
    with pytest.raises(UserError, match="of your own"):
        mastac.load(run.path).evaluate(2)
    assert mastac.load(run.path, env=env).evaluate(2)["greedy_mean"] < 0


def test_every_seed_failing_says_so_and_keeps_the_run(tmp_path):
    from dataclasses import replace

    env = small_env()
    broken = replace(
        env, id="broken", options={}, reward=lambda s, a, t: env.reward(s, a, t) * jnp.nan
    )
    run = mastac.train(
        broken, epochs=4, seeds=[0, 1], out=tmp_path / "broken", progress=False, **KNOBS
    )
    assert set(run.summary["failed"]) == {"0", "1"}
    assert run.summary["greedy_by_seed"] == {"0": None, "1": None}
    assert "environment" in run.summary["failed"]["0"]["where"]
    assert (tmp_path / "broken" / "metrics.csv").read_text().count("\n") == 1, (
        "no epoch was good, so no row"
    )
    assert np.isfinite(run.policy(0).weights[0]).all()


def test_what_is_undefined_is_null_in_the_summary():
    from mastac.runs.evaluation import greedy_summary

    env = small_env()
    returns = {0: np.full((2, 3), -1.0), 1: np.full((2, 3), -np.inf)}
    same = mastac.Reference(simple=-1.0, best_known=-1.0)
    found = greedy_summary(env, returns, same, [0, 1, 2])
    assert found["score"] is None
    assert found["greedy_by_seed"] == {"0": -1.0, "1": None, "2": None}
    json.dumps(found, allow_nan=False)


def test_a_policy_whose_arrays_do_not_fit_together_is_refused(whole, tmp_path):
    path = whole.path / "policies" / "seed-5.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for name, array in arrays.items():
        if name == "head":
            continue
        np.savez(tmp_path / "policy.npz", **arrays | {name: array[:-1]})
        with pytest.raises(UserError, match="is damaged"):
            Policy.load(tmp_path / "policy.npz")
    content = path.read_bytes()
    (tmp_path / "policy.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="is damaged"):
        Policy.load(tmp_path / "policy.npz")


def test_a_mistake_of_ours_is_not_called_damage(whole, monkeypatch):
    def fail(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr("mastac.runs.policy.read_arrays", fail)
    with pytest.raises(ZeroDivisionError):
        whole.policy(5)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", {"kappa": float("-inf")}),
        ("config.json", {"seeds": float("inf")}),
        ("config.json", {"epochs": "many"}),
        ("config.json", {"env_options": 3}),
        ("environment.json", {"behaviour": 3}),
    ],
)
def test_a_damaged_description_is_refused(cut, tmp_path, name, content):
    path = copy(cut, tmp_path) / name
    path.write_text(json.dumps(json.loads(path.read_text()) | content))
    with pytest.raises(UserError):
        mastac.resume(path.parent, progress=False)
