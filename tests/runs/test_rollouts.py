"""One episode of a run: the same as evaluations play, in JAX and outside, saved and refused."""

import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from begun_runs import begun_run, random_policy

import mastac
from host_worlds import Tanks
from mastac.cli.main import main
from mastac.envs.rollouts import Rollout
from mastac.envs.views import view_of
from mastac.runs.config import resolve
from mastac.runs.evaluation import policy_returns
from mastac.runs.folder import RunFolder
from mastac.runs.plan import plan_run
from mastac.runs.rollout_files import rollout_table, save


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> mastac.Run:
    return begun_run(tmp_path_factory.mktemp("runs") / "run", "warehouse-9")


@pytest.fixture(scope="module")
def rollout(run) -> Rollout:
    return run.rollout(episode_seed=3)


def own_run(folder: Path, env: mastac.Environment) -> mastac.Run:
    """A run of an environment of one's own, as it is before its first epoch."""
    config = resolve(env.id, env.options, custom=True, epochs=100, batch_size=8)
    run_folder = RunFolder(folder)
    run_folder.begin(config.to_dict(), env.couplings, plan_run(env, config).description())
    random_policy(env).save(run_folder.policy(0))
    return mastac.load(folder, env)


def test_it_is_the_episode_of_an_evaluation(run, rollout) -> None:
    trained, simple = rollout.episodes
    returns = policy_returns(run.env, run.policy(0), episodes=1, seed=3)[0]
    assert repr(rollout).startswith("Rollout('warehouse-9', 8 steps; returns: trained policy, ")
    assert repr(run.env) == "Environment('warehouse-9', 9 agents, 8 steps)"
    assert repr(run.policy(0)) == "Policy(9 agents, layers of [5, 4], head 'softmax')"
    assert repr(trained) == "Episode('trained policy, seed 0', 8 steps of 9 agents)"
    np.testing.assert_allclose(trained.returns, returns, rtol=1e-5)
    # Without noise the simple policy returns what is known of it.
    assert rollout.reported(simple.returns) == pytest.approx(run.env.reference().simple, rel=1e-4)
    np.testing.assert_array_equal(trained.states[0], simple.states[0])
    np.testing.assert_allclose(
        simple.actions.sum(-1), 1.0, rtol=1e-6, err_msg="equal shares are shares"
    )
    first = np.asarray(run.env.observe(jnp.asarray(trained.states[0])))
    np.testing.assert_allclose(trained.actions[0], run.policy(0).act(first), atol=1e-5)


def test_the_flow_of_warehouses_is_what_moves_their_stocks(rollout) -> None:
    flow = rollout.view.flow
    source, target = np.array([[int(a), int(b)] for a, b in flow.edges]).T
    assert len(source) == 12
    for episode in rollout.episodes:
        for time in range(episode.steps):
            amounts = rollout.flows(episode, time)
            change = np.bincount(target, amounts, 9) - np.bincount(source, amounts, 9)
            before, after = episode.states[time], episode.states[time + 1]
            np.testing.assert_allclose(after[:, 0], before.sum(1) + change, atol=1e-5)


def test_all_of_it_is_saved_by_name(rollout, tmp_path: Path) -> None:
    save(rollout, tmp_path / "new" / "episode.csv")
    lines = (tmp_path / "new" / "episode.csv").read_text().splitlines()
    head, rows = lines[0].split(","), [line.split(",") for line in lines[1:]]
    assert head[:4] == ["policy", "time", "agent", "stock [units of stock]"]
    assert head[-1] == "reward [(units of stock)²]" and len(rows) == 2 * 9 * 9
    row = next(row for row in rows if row[:3] == ["simple", "7", "warehouse-5"])
    simple = rollout.episodes[1]
    assert float(row[3]) == pytest.approx(simple.states[7, 4, 0], abs=1e-6)
    assert float(row[-1]) == pytest.approx(simple.rewards[7, 4], abs=1e-6)
    assert row[5:-1] == ["0.25"] * 4  # itself and three others
    last = next(row for row in rows if row[:3] == ["trained", "8", "warehouse-1"])
    assert last[3] and set(last[5:]) == {""}
    save(rollout, tmp_path / "episode.npz")
    with np.load(tmp_path / "episode.npz") as stored:
        np.testing.assert_array_equal(stored["trained_states"], rollout.episodes[0].states)
        assert stored["state_names"].tolist() == head[3:5]
        assert stored["agents"][8] == "warehouse-9"
    with pytest.raises(mastac.UserError, match=r"must end in \.csv or \.npz"):
        save(rollout, tmp_path / "episode.txt")


def test_an_environment_of_ones_own_is_drawn_by_its_places(tmp_path: Path) -> None:
    env = mastac.Environment(
        id="own",
        couplings=mastac.Couplings(["a", "b"], state=[("a", "b")]),
        horizon=4,
        reset=lambda key: jnp.array([[1.0, 1.0], [1.0, 0.0]]),
        step=lambda state, actions, time, key: mastac.Transition(
            state.at[:, 0].add(actions[:, 0]), jnp.zeros(2), jnp.array([True, False])
        ),
        observe=lambda state: state,
        state_sizes=np.array([2, 1]),
        obs_sizes=np.array([2, 1]),
        action_sizes=np.array([1, 1]),
        action_head="tanh",
        action_limit=np.array([[3.0], [2.0]]),
        units={"state": "m, m/s", "action": "N"},
    )
    rollout = own_run(tmp_path / "run", env).rollout()
    states, actions = rollout.view.states, rollout.view.actions
    assert [quantity.title for quantity in states] == ["state 0 [m]", "state 1 [m/s]"]
    assert [quantity.title for quantity in actions] == ["action [N]"]
    assert np.asarray(actions[0].high).tolist() == [3.0, 2.0]
    trained, idle = rollout.episodes
    assert idle.label == "no control" and not idle.actions.any()
    assert idle.alive.tolist() == [[True, True], *[[False, True]] * 3]
    shown = rollout.states(idle, states[0])
    assert np.isfinite(shown[:2, 0]).all() and np.isnan(shown[2:, 0]).all()
    assert np.isnan(rollout.states(trained, states[1])[:, 1]).all()
    assert "no control" in rollout_table(rollout) and "all, summed" in rollout_table(rollout)


def test_a_simulator_outside_jax_plays_both(tmp_path: Path) -> None:
    env = mastac.from_pettingzoo(Tanks)
    rollout = own_run(tmp_path / "run", env).rollout()
    trained, idle = rollout.episodes
    assert (trained.steps, idle.steps) == (5, 5)
    np.testing.assert_array_equal(trained.states[0], idle.states[0])
    assert idle.label == "middle of the range"
    assert (idle.actions[idle.alive][:, 0] == 1.0).all()  # amid 0 and 2
    assert idle.alive[2].all() and idle.alive[3].tolist() == [True, True, False]
    low, high = rollout.view.actions[0].low, rollout.view.actions[0].high
    assert np.asarray(low).tolist() == [0.0] * 3 and np.asarray(high).tolist() == [2.0] * 3


WRONG: Any = ["x"]


def nothing(state: np.ndarray, actions: np.ndarray, time: int) -> np.ndarray:
    return np.zeros(1)


@pytest.mark.parametrize(
    ("view", "says"),
    [
        ("temperature", "must be a mastac.View"),
        (mastac.View([]), "at least one quantity"),
        (mastac.View([mastac.Quantity("x", entry=1)]), "'x' in states .* has entries 0 to 0"),
        (mastac.View([mastac.Quantity("x", target=[1.0, 2.0])]), "one for each of the 3 agents"),
        (mastac.View([mastac.Quantity("x", red="left")]), "use 'above' or 'below'"),
        (mastac.View(WRONG), "must be mastac.Quantity"),
        (
            mastac.View([mastac.Quantity("x")], flow=mastac.Flow("y", [("upper", "low")], nothing)),
            "unknown agent 'low'; did you mean 'lower'",
        ),
        (
            mastac.View([mastac.Quantity("x")], flow=mastac.Flow("y", np.array([[0, 3]]), nothing)),
            "there is no agent number 3",
        ),
    ],
)
def test_a_view_that_does_not_fit_is_refused(view: Any, says) -> None:
    from dataclasses import replace

    from mastac.examples.tanks import env

    with pytest.raises(mastac.UserError, match=says):
        replace(env, view=view)
    assert view_of(env).states[0].name == "state"


def test_the_command_plays_prints_and_writes(
    run, rollout, tmp_path: Path, capsys, monkeypatch
) -> None:
    asked = {}
    monkeypatch.setattr(
        "mastac.runs.rollouts.play", lambda run, **how: asked.update(how) or rollout
    )
    names = {"animate": "a.gif", "strip": "b.png", "series": "c.svg", "out": "d.csv"}
    files = {name: tmp_path / file for name, file in names.items()}
    words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    words += ["--seed", "0", "--episode-seed", "3", "--fps", "1", "--moments", "2"]
    assert main(["rollout", str(run.path), "--json", *words]) == 0
    assert asked == {"seed": 0, "episode_seed": 3}
    said = json.loads(capsys.readouterr().out)
    assert set(said["policies"]) == {"trained", "simple"} and said["env"] == "warehouse-9"
    assert said["policies"]["simple"]["return"] == pytest.approx(-9.142, abs=1e-3)
    assert said["files"] == {name: str(path) for name, path in files.items()}
    assert all(path.stat().st_size > 1000 for path in files.values())
    assert main(["rollout", str(run.path)]) == 0
    printed = capsys.readouterr().out
    assert "warehouse-9: returns of one episode of 8 steps, in (units of stock)²" in printed
    assert "The run has not ended: these are the policies of its last checkpoint." in printed


MISTAKES = [
    (["nowhere"], "there is no run folder 'nowhere'"),
    (["{run}", "--seed", "7"], "the run has no seed 7"),
    (["{run}", "--animate", "x.avi"], "--animate 'x.avi' must end in .gif or .mp4"),
    (["{run}", "--strip", "x.gif"], "--strip 'x.gif' must end in .png or .svg or .pdf"),
    (["{run}", "--series", "{run}/policies/x"], "must end in .png"),
    (["{run}", "--out", "{tmp}/x.csv"], "'x.csv' is a folder; name a file in it"),
    (["{run}", "--out", "{run}/config.json/x.csv"], "which is a file; name a folder"),
    (["{run}", "--out", "x.csv", "--strip", "x.png", "--moments", "1"], "at least 2"),
    (["{run}", "--fps", "3"], "--fps goes with --animate"),
    (["{run}", "--strip", "x.png", "--series", "x.png"], "two options name the same file"),
    (["{empty}"], "train or resume the run first"),
]


@pytest.mark.parametrize(("words", "says"), MISTAKES, ids=[says for _, says in MISTAKES])
def test_mistakes_are_told_in_one_sentence(run, words, says, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").mkdir()
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.json").write_text((run.path / "config.json").read_text())
    places = {"run": run.path, "tmp": ".", "empty": empty}
    assert main(["rollout", *(word.format(**places) for word in words)]) == 2
    captured = capsys.readouterr()
    assert says in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "x.csv"]
