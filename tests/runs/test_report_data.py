"""What a report gathers, the command that repeats a run, and the layout of marl-eval."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from run_folders import REFERENCE, rising, write_run

import mastac
from mastac.cli import train
from mastac.cli.arguments import parse_assignments
from mastac.cli.main import build_parser, main
from mastac.envs.naming import Origin
from mastac.envs.registry import named
from mastac.errors import UserError
from mastac.runs.config import resolve
from mastac.runs.evaluation import greedy_summary
from mastac.runs.marl_eval import marl_eval
from mastac.runs.repeat import repeat_command
from mastac.runs.report import agent_figures, report_data
from mastac.runs.report_settings import setting_rows
from mastac.runs.results import Results, read_results


def configured(config) -> Results:
    """A run that has nothing but a configuration, as it is read from a file."""
    return Results(Path("runs/a"), config=json.loads(json.dumps(config.to_dict())), metrics={})


def chosen_by(command: str):
    """The configuration that a command would train."""
    parser, _ = build_parser()
    args = parser.parse_args(shlex.split(command.replace("\\\n", " "))[1:])
    env = named(args.env, parse_assignments("--env-set", args.env_set))
    chosen = train.knobs_of(args) | train.choices_of(args)
    del chosen["out"]
    return resolve(env.id, env.options, **chosen)


@pytest.mark.parametrize(
    ("env", "options", "choices"),
    [
        ("warehouse-9", {}, {"kappa": 2, "seeds": [3, 4, 5, 9]}),
        ("warehouse-40", {"supply": "primes"}, {"algorithm": "maddpg", "rewards": "own"}),
        ("lq-3", {}, {"kappa": None, "tau": 0.125, "critic_hidden": [8, 8], "epochs": 7}),
        ("thermal-40", {"limit_kw": 30.0}, {"preset": "paper", "evaluation_interval": 3}),
        ("computers-3", {}, {"algorithm": "mastac-ppo", "rollout_steps": 64}),
        ("lq-3", {}, {"algorithm": "mastac-model", "imagined_episodes": 3, "noise": 0.25}),
        ("lq-3", {}, {"twin_critics": True, "others_actions": "replay"}),
    ],
)
def test_the_command_repeats_the_configuration(env, options, choices) -> None:
    config = resolve(env, named(env, options).options, **choices)
    command = repeat_command(configured(config))
    assert chosen_by(command) == config
    assert all(len(line) <= 100 for line in command.splitlines())


def test_only_choices_of_the_user_stand_in_the_command() -> None:
    config = resolve("warehouse-9", named("warehouse-9", {}).options, kappa=2, epochs=9)
    wanted = "mastac train warehouse-9 --algorithm mastac --kappa 2 --epochs 9 --seeds 0"
    assert repeat_command(configured(config)) == wanted


def test_environments_of_ones_own_are_named_or_passed() -> None:
    origin = Origin("plant:make", "/somewhere", {"tanks": 3})
    config = resolve("plant", {}, custom=True, origin=origin, epochs=5)
    command = repeat_command(configured(config))
    assert command.startswith("mastac train plant:make --env-set tanks=3 ")
    assert "/somewhere" not in command
    passed = resolve("plant", {}, custom=True, epochs=5, tau=0.125)
    text = repeat_command(configured(passed))
    assert "env,  # your environment 'plant'" in text and "    tau=0.125," in text
    compile(text, "call", "exec")


def test_a_configuration_that_this_version_cannot_have_is_refused(tmp_path: Path) -> None:
    config = resolve("lq-3", named("lq-3", {}).options, algorithm="maddpg")
    stored = configured(config).config
    strange = {**stored, "knobs": {**stored["knobs"], "mixer": "sum"}}
    with pytest.raises(UserError, match="mixer=sum"):
        repeat_command(Results(Path("runs/a"), config=strange, metrics={}))
    data = report_data([read_results(write_run(tmp_path / "a", rising()))])
    [run] = data["runs"]
    assert run["command"] is None and "config.json lacks" in run["why_no_command"]


def test_what_differs_between_configurations() -> None:
    options = named("lq-3", {}).options
    runs = [
        configured(resolve("lq-3", options, kappa=1, tau=0.125)),
        configured(resolve("lq-3", options, algorithm="ippo")),
    ]
    rows = {row["name"]: row for row in setting_rows(runs)}
    assert rows["algorithm"]["values"] == ["mastac", "ippo"] and rows["algorithm"]["differs"]
    assert rows["kappa"]["values"] == ["1", "not used"] and not rows["kappa"]["differs"]
    assert rows["tau"]["values"] == ["0.125", "not used"] and not rows["tau"]["differs"]
    assert rows["seeds"]["values"] == ["0", "0"] and not rows["seeds"]["differs"]
    assert rows["environment: horizon"]["values"][0] == str(options["horizon"])


def test_what_a_report_gathers(tmp_path: Path) -> None:
    returns = rising(seeds=3, epochs=700)
    returns[1, 650:] = np.nan
    good = read_results(write_run(tmp_path / "a", returns, reference=REFERENCE, kappa=2))
    bad = read_results(
        write_run(tmp_path / "b", rising(seeds=3, end=-8.0), algorithm="maddpg", finished=False)
    )
    data = report_data([good, bad])
    json.dumps(data, allow_nan=False)
    assert [run["run"] for run in data["runs"]] == ["mastac κ=2", "maddpg"]
    # 6 of the 9 pairs are won: the seed that stopped loses to all.
    assert data["improvement"][0][1]["p"] == pytest.approx(6 / 9)
    assert data["improvement"][1][0]["p"] == pytest.approx(3 / 9)
    assert data["improvement"][0][0] is None
    curve = next(c for c in data["curves"] if c["run"] == 0 and c["kind"] == "training")
    assert curve["window"] == 2 and len(curve["mean"]) == 350
    assert curve["mean"][0] == pytest.approx(returns[:, :2].mean(), rel=1e-5)
    assert curve["low"][0] < curve["mean"][0] < curve["high"][0]
    assert curve["env_steps"][0] == pytest.approx(1.5 * 8)
    greedy = next(c for c in data["curves"] if c["run"] == 1 and c["kind"] == "greedy")
    assert greedy["epoch"] == [*range(5, 41, 5)]
    assert greedy["env_steps"] == [8 * epoch for epoch in greedy["epoch"]]
    texts = [f"{note['run']}: {note['text']}" for note in data["notes"]]
    assert any(text.startswith("maddpg: not finished: 40 epochs") for text in texts)
    assert any("figures of single agents are missing" in text for text in texts)
    assert any("different lengths: 40 to 700 epochs" in text for text in texts)


def test_returns_above_the_bound_are_explained(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", np.full((2, 10), -1.4), reference=REFERENCE)
    texts = [note["text"] for note in report_data([read_results(folder)])["notes"]]
    assert any(text.startswith("above the bound: ") and "by chance" in text for text in texts)


def test_figures_of_agents(tmp_path: Path) -> None:
    runs = []
    for name, more in (
        (
            "a",
            {
                "greedy_by_agent": {"x": -1.0, "y": None},
                "greedy_std_by_agent": {"x": 0.5},
                "violation_by_agent": {"y": 0.25},
            },
        ),
        ("b", {}),
        ("c", {"greedy_by_agent": {"y": -2.0}}),
    ):
        folder = write_run(tmp_path / name, rising())
        summary = json.loads((folder / "summary.json").read_text())
        (folder / "summary.json").write_text(json.dumps(summary | more))
        runs.append(read_results(folder))
    found = agent_figures(runs)
    assert found is not None and found["names"] == ["x", "y"]
    assert found["runs"][0] == {
        "mean": [-1.0, None],
        "std": [0.5, None],
        "violation": [None, 0.25],
        "gradient_norm": [None, None],
    }
    assert found["runs"][1] is None
    assert found["runs"][2]["mean"] == [None, -2.0] and found["runs"][2]["std"] == [None, None]
    assert agent_figures(runs[1:2]) is None


def test_a_report_refuses_what_cannot_be_compared(tmp_path: Path, capsys) -> None:
    one = write_run(tmp_path / "a", rising())
    other = write_run(tmp_path / "b", rising(), env="lq-3")
    page = tmp_path / "page.html"
    for words, told in (
        ([one, other], "a run on warehouse-9 and"),
        ([one, one], "is named twice"),
        ([one, "--out", tmp_path], "is a folder; name a file"),
        ([one, "--out", tmp_path / "no" / "x.html"], "there is no folder"),
        ([tmp_path / "c"], "there is no run folder"),
    ):
        command = ["report", "--out", page, *words]
        assert main([str(word) for word in command]) == 2
        assert told in capsys.readouterr().err and not page.exists()


def test_the_layout_of_marl_eval(tmp_path: Path, capsys) -> None:
    folders = []
    for name, algorithm in (("a", "mastac"), ("b", "maddpg")):
        folder = write_run(tmp_path / name, rising(seeds=2, epochs=10), algorithm=algorithm)
        (folder / "timing.csv").write_text("epoch,seconds\n5,1.5\n10,2.0\n")
        folders.append(str(folder))
    out = tmp_path / "marl-eval.json"
    assert main(["compare", *folders, "--marl-eval", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    stored = json.loads(out.read_text())
    assert list(stored) == ["mastac"] and list(stored["mastac"]) == ["warehouse-9"]
    task = stored["mastac"]["warehouse-9"]
    assert set(task) == {"mastac", "maddpg"} and set(task["mastac"]) == {"seed_0", "seed_1"}
    greedy = read_results(folders[0]).curve(greedy=True)[1]
    assert task["mastac"]["seed_1"] == {
        "step_0": {
            "step_count": 5 * 8,
            "elapsed_time": 0.0,
            "return": [pytest.approx(greedy[1, 0])],
        },
        "step_1": {
            "step_count": 10 * 8,
            "elapsed_time": 2.0,
            "return": [pytest.approx(greedy[1, 1])],
        },
        "absolute_metrics": {"return": [pytest.approx(greedy[1, 1])]},
    }


def test_marl_eval_needs_whole_runs_of_one_size(tmp_path: Path) -> None:
    def run(name: str, **more) -> Results:
        returns = rising(seeds=more.pop("seeds", 2), epochs=more.pop("epochs", 10))
        return read_results(write_run(tmp_path / name, returns, **more))

    whole = run("whole")
    for other, told in (
        (run("open", finished=False), "has not ended"),
        (run("few", algorithm="maddpg", seeds=1), "'mastac' has 2 seeds and 'maddpg' 1"),
        (run("long", algorithm="maddpg", epochs=20), "2 evaluations and 'maddpg' 4"),
        (run("lq", env="lq-3"), "compare runs of one environment"),
    ):
        with pytest.raises(UserError, match=told):
            marl_eval([whole, other])


def test_a_summary_has_the_mean_and_the_deviation_of_each_agent() -> None:
    env = mastac.make("lq-3")
    # Two episodes of each seed; one agent's returns differ between seeds, one's within them.
    returns = {
        0: np.array([[-1.0, -4.0, 0.0], [-1.0, -2.0, 0.0]]),
        4: np.array([[-3.0, -3.0, 0.0], [-3.0, -3.0, np.inf]]),
    }
    summary = greedy_summary(env, returns, None, [0, 4])
    assert list(summary["greedy_by_agent"].values()) == [-2.0, -3.0, None]
    assert list(summary["greedy_std_by_agent"].values()) == [1.0, 0.0, None]
    assert tuple(summary["greedy_by_agent"]) == env.agents
    assert greedy_summary(env, {}, None, [0])["greedy_std_by_agent"] == {}
