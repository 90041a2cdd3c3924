"""`mastac graph`: what it answers beyond sizes, and that only playing imports JAX."""

import json
import subprocess
import sys

import pytest

from mastac.analysis import format_report
from mastac.cli.main import main


def asked(capsys, *arguments: str) -> str:
    assert main(["graph", *arguments]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100 or "--json" in arguments
    return text


def test_why(capsys):
    text = asked(
        capsys, "warehouse-40", "--kappa", "1", "--agent", "warehouse-3", "--why", "warehouse-6"
    )
    told = " ".join(text.split())
    assert (
        "'warehouse-6' is not in the set of kappa = 1 of 'warehouse-3'; it enters at kappa = 2: The"
        in told
    )
    answer = json.loads(
        asked(capsys, "warehouse-9", "--agent", "warehouse-5", "--why", "warehouse-1", "--json")
    )["why"]
    assert not answer["member"] and answer["from_kappa"] is None and answer["path"] is None
    assert "'warehouse-1' is in no set of 'warehouse-5', whatever kappa" in answer["text"]


def test_couplings_that_change_are_asked_as_they_are(capsys):
    text = " ".join(asked(capsys, "doors-6", "--agent", "room-1", "--why", "room-4").split())
    assert "The couplings change over 40 steps. Sizes, costs, edges and messages are those" in text
    report = json.loads(asked(capsys, "doors-6", "--agent", "room-1", "--why", "room-4", "--json"))
    # By the union heat would be there after two steps; but it has to wait for doors.
    kappa = report["why"]["from_kappa"]
    assert report["steps"] == 40 and kappa > 2 and "stays with 'room-3' until" in text
    # The table, the answer and the window from which sets are exact say the same.
    assert f"room-4 state and action {kappa} state of room-4 at t -> state of room-3 from" in text
    assert f"and in all from kappa = {kappa} on" in text
    assert report["exact_from"] >= kappa
    assert f"every kappa from {report['exact_from']} on is exact" in text


def test_a_file_may_hold_a_sequence(capsys, tmp_path):
    file = tmp_path / "sequence.json"
    graphs = {"state": [["a", "b"]], "observation": [], "reward": []}
    later = {"state": [], "observation": [["b", "c"]], "reward": [["c", "b"]]}
    file.write_text(json.dumps({"agents": ["a", "b", "c"], "sequence": [graphs, later, 0]}))
    text = " ".join(asked(capsys, str(file)).split())
    assert "The couplings change over 3 steps. Sizes, costs, edges and messages are those" in text
    why = ("--agent", "b", "--why", "c", "--json")
    # The reward reads c at time 1 only, so the value at time 0 waits for it.
    assert json.loads(asked(capsys, str(file), *why))["why"]["from_kappa"] == 1


def test_the_method_for_few_steps_is_named(capsys):
    text = " ".join(asked(capsys, "lq-8").split())
    assert "Or mastac-model: with at most a few thousand environment steps; each local" in text
    advice = json.loads(asked(capsys, "computers-4", "--json"))["advice"]
    assert advice["alternatives"][-1]["method"] == "mastac-model"
    models = advice["graph_summary"]["local_models"]
    # A computer reads its two neighbours; its reward reads nobody else.
    assert (models["largest"], models["mean"], models["wide"]["number"]) == (3, 2, 0)


def test_edges_and_messages(capsys):
    text = asked(capsys, "warehouse-9", "--edges", "--messages")
    # Everyone sees what affects him: no edge of one graph is needed where the other graphs stay,
    # but links are.
    assert "0 of 24 edges would shrink a set" in text and "running only" in text
    assert "warehouse-5 -> warehouse-3   state, observation" in text
    report = json.loads(asked(capsys, "warehouse-9", "--edges", "--messages", "--json"))
    assert (
        report["edges"]["edges"] == 24
        and report["edges"]["total"] == report["links"]["total"] == 35
    )
    assert len(report["links"]["most"]) <= 10 and report["links"]["most"][0]["decrease"] > 0
    assert [row["kappa"] for row in report["messages"]["windows"]] == [
        row["kappa"] for row in report["windows"]
    ]
    plain = json.loads(asked(capsys, "warehouse-9", "--json"))
    assert plain["why"] is plain["edges"] is plain["messages"] is None and "influence" not in plain


def test_influence(capsys):
    report = json.loads(
        asked(capsys, "lq-4", "--influence", "--rollouts", "4", "--json", "--env-set", "horizon=4")
    )
    text = format_report(report)
    found = report["influence"]
    assert found["policy"] == "the simple policy" and found["rollouts"] == 4
    assert [row["kappa"] for row in found["windows"]] == [row["kappa"] for row in report["windows"]]
    assert found["windows"][-1]["states"]["mean"] == 0 < found["windows"][0]["states"]["mean"]
    assert "(4 rollouts of the simple policy; another policy has another influence)" in text


def test_answers_without_playing_need_no_jax():
    arguments = ["graph", "lq-6", "--edges", "--messages", "--agent", "agent-1", "--why", "agent-4"]
    run = f"import sys; from mastac.cli.main import main; code = main({arguments})"
    code = f"{run}; sys.exit(99 if 'jax' in sys.modules else code)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode
        == 0
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["lq-6", "--why", "agent-2"],
            "--why agent-2 asks of the set of an agent; name it with --agent",
        ),
        (
            ["lq-6", "--agent", "agent-1", "--why", "agent-22"],
            "unknown agent 'agent-22'; did you mean 'agent-2'?",
        ),
        (["lq-6", "--rollouts", "4"], "--rollouts goes with --influence"),
        (["lq-6", "--influence", "--rollouts", "1"], "rollouts is 1; it must be at least 2"),
        (["{file}", "--influence"], "holds couplings alone"),
    ],
)
def test_mistakes(arguments, message, tmp_path, capsys):
    file = tmp_path / "couplings.json"
    file.write_text(
        json.dumps({"agents": ["a", "b"], "state": [["a", "b"]], "observation": [], "reward": []})
    )
    assert main(["graph", *(each.replace("{file}", str(file)) for each in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err


def test_files_of_networks_and_what_to_take_for_agents(capsys, tmp_path):
    path = tmp_path / "net.inp"
    path.write_text("[RESERVOIRS]\nlake 0\n[TANKS]\ntop 9\n[PUMPS]\np lake top POWER 5\n")
    report = json.loads(asked(capsys, str(path), "--json"))
    assert report["agents"] == ["top", "p"]
    assert main(["graph", str(path), "--env-set", "agents=tanks", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["agents"] == ["top"]
    assert printed.err.startswith(f"{path}: an agent is a tank; an edge says")
