"""Exported controllers: they act as the policy does, say what they are, and stand alone."""

import io
import json
import os
import re
import subprocess
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
from begun_runs import begun_run, random_policy

import mastac
from mastac import UserError
from mastac.controllers import Controller
from mastac.controllers.folder import file_names
from mastac.controllers.numpy_file import numpy_bytes
from mastac.controllers.onnx_file import onnx_bytes
from mastac.controllers.serving import load_controller
from mastac.envs.base import observed_agents
from mastac.envs.heads import HEADS
from mastac.examples import platoon
from mastac.runs import exporting
from mastac.runs.exporting import check_file, probes_of
from mastac.runs.inputs import input_sources
from mastac.runs.policy import Policy
from mastac.runs.stand_alone import StandAlone, network_of

COOLERS: dict[str, Any] = {"coolers": "every-2", "limit_kw": 30.0, "horizon": 6}
STEPS = [[20.0, None], [None, 23.0], [None, None], [None, None], [25.0, None], [None, 24.0]]


def unequal(head: str) -> mastac.Environment:
    """Agents of unequal sizes; one sees nothing, and one has no action where the head allows it."""
    least = 0 if HEADS[head].may_lack_action else 1
    return mastac.Environment(
        id="unequal",
        couplings=mastac.Couplings(["a", "b", "c"]),
        horizon=3,
        reset=lambda key: jnp.zeros((3, 1)),
        step=lambda state, actions, time, key: state,
        reward=lambda state, actions, time: state[:, 0],
        observe=lambda state: jnp.zeros((3, 4)),
        state_sizes=np.array([1, 1, 1]),
        obs_sizes=np.array([4, 2, 0]),
        action_sizes=np.array([least, 2, 3]),
        action_head=head,
    )


def said(policy: Policy, i: int) -> dict[str, Any]:
    inputs = [{"name": f"obs[{k}]", "unit": ""} for k in range(policy.obs_sizes[i])]
    outputs = [{"name": f"action[{k}]", "unit": ""} for k in range(policy.action_sizes[i])]
    return {
        "agent": policy.agents[i],
        "environment": "unequal",
        "inputs": inputs,
        "outputs": outputs,
        "action_head": policy.action_head,
        "stale": {"hold_steps": None, "default": [0.0] * len(inputs)},
        "mastac": mastac.__version__,
    }


@pytest.mark.parametrize("hidden", [(), (5,), (6, 3)], ids=str)
@pytest.mark.parametrize("head", HEADS)
def test_files_act_as_the_policy(head, hidden):
    """Against `Policy.act`, in onnxruntime and in numpy, one at a time and many at once."""
    policy = random_policy(unequal(head), hidden)
    seen = 22.0 + 3.0 * np.random.default_rng(1).standard_normal((7, 3, 4)).astype(np.float32)
    expected = [
        policy.act({a: row[i, : policy.obs_sizes[i]] for i, a in enumerate(policy.agents)})
        for row in seen
    ]
    for i, agent in enumerate(policy.agents):
        if not policy.action_sizes[i]:
            continue
        rows = seen[:, i, : policy.obs_sizes[i]]
        wanted = np.stack([actions[agent] for actions in expected])
        network = network_of(policy, i)
        session = onnxruntime.InferenceSession(onnx_bytes(said(policy, i), network))
        given = session.get_inputs()[0]
        assert (given.name, given.shape) == ("observation", ["batch", policy.obs_sizes[i]])
        assert session.get_outputs()[0].shape == ["batch", policy.action_sizes[i]]
        for batch in (rows, rows[:1]):
            results: Any = session.run(None, {"observation": batch})
            np.testing.assert_allclose(results[0], wanted[: len(batch)], rtol=1e-5, atol=1e-6)
            if head == "discrete":
                assert results[1].tolist() == wanted[: len(batch)].argmax(1).tolist()
        controller = Controller.load(io.BytesIO(numpy_bytes(said(policy, i), network)))
        np.testing.assert_allclose(controller.actions(rows), wanted, rtol=1e-5, atol=1e-6)
        assert controller.act(rows[0]).shape == (policy.action_sizes[i],)


def test_actions_about_a_middle_that_is_not_zero():
    policy = random_policy(unequal("tanh"))
    network, rows = network_of(policy, 2), np.zeros((3, 0), np.float32)
    about_zero = network(rows)
    network.offset = np.array([100.0, 0.0, -7.0], np.float32)
    session = onnxruntime.InferenceSession(onnx_bytes(said(policy, 2), network))
    loaded = Controller.load(io.BytesIO(numpy_bytes(said(policy, 2), network)))
    given: Any = session.run(["action"], {"observation": rows})
    for actions in (given[0], loaded.actions(rows)):
        np.testing.assert_allclose(actions, about_zero + network.offset, rtol=1e-6)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("form", ["numpy", "onnx"])
def test_a_file_with_a_mistake_is_not_written(form, head):
    policy = random_policy(unequal(head))
    (probe,) = probes_of(policy, [1])
    write = numpy_bytes if form == "numpy" else onnx_bytes
    network = network_of(policy, 1)
    check_file(policy, 1, write(said(policy, 1), network), form, probe)
    network.biases[0] = network.biases[0] + 0.3 * (1 + np.arange(5, dtype=np.float32))
    with pytest.raises(UserError, match=r"of agent 'b' would not act as its policy"):
        check_file(policy, 1, write(said(policy, 1), network), form, probe)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> mastac.Run:
    return begun_run(tmp_path_factory.mktemp("runs") / "house", **COOLERS)


def test_what_a_folder_says(run, tmp_path):
    index = run.export(tmp_path / "out", format="onnx")
    names = ["README.md", "controllers.json", "zone-1.onnx", "zone-2.onnx"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert index["skipped"] == ["zone-3", "zone-4"]
    stored = json.loads((tmp_path / "out" / "controllers.json").read_text())
    assert stored == {**index, "complete": True}
    session = onnxruntime.InferenceSession(tmp_path / "out" / "zone-2.onnx")
    texts = session.get_modelmeta().custom_metadata_map
    about = {name: json.loads(text) for name, text in texts.items()}
    assert about["agent"] == "zone-2" and about["environment"] == "thermal-4"
    assert about["mastac"] == mastac.__version__ and about["run"]["name"] == "house"
    assert about["run"]["seed"] == 0 and about["run"]["algorithm"] == run.config.algorithm
    sources = [(entry["name"], entry["agent"], entry["entry"]) for entry in about["inputs"]]
    seen = [run.env.agents[j] for j in observed_agents(run.env.couplings)[1]]
    assert sources == [(f"{name}.state", name, 0) for name in seen]
    assert about["units"] == {"inputs": ["°C", "°C"], "outputs": ["kW"]}
    limit = float(run.policy().action_limit[1, 0])
    ranges = {"low": -limit, "high": limit}
    assert about["outputs"] == [{"name": "action", "unit": "kW", **ranges}]
    center = run.policy().obs_center[1, :2].tolist()
    assert about["stale"] == {"hold_steps": None, "default": center}


def test_entries_of_observations_are_found():
    """Copies of states by whose and which; times, differences and sums are nobody's."""
    linear = mastac.make("lq-3", horizon=4, graph=[[0, 1], [1, 2]])
    width = int(linear.state_sizes[0])
    own, before = [[(i, m) for m in range(width)] for i in (1, 0)]
    assert input_sources(linear)[1] == [*own, *before]
    assert input_sources(platoon.env())[1] == [None, None, (1, 1), (1, 2), (0, 2)]
    computers = mastac.make("computers-3", horizon=4)
    assert input_sources(computers)[0][-1] is None, "the share of the episode that is over"
    assert None not in input_sources(computers)[0][:-1]


def test_an_older_export_of_the_same_run_is_replaced(run, tmp_path):
    out = tmp_path / "out"
    run.export(out)
    run.export(out, format="onnx", agents="zone-1")
    names = ["README.md", "controllers.json", "zone-1.onnx"]
    assert sorted(path.name for path in out.iterdir()) == names
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds 'notes.txt' beside the older export"):
        run.export(out)
    assert (out / "notes.txt").read_text() == "mine"


def test_other_folders_are_left_alone(run, tmp_path):
    other = begun_run(tmp_path / "other", **{**COOLERS, "limit_kw": 20.0})
    run.export(tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for target, message in (
        ("out", "the controllers of another run"),
        ("full", "is not empty"),
        ("full/letter.txt", "is a file"),
        ("full/letter.txt/below", "not writable"),
    ):
        with pytest.raises(UserError, match=message):
            other.export(tmp_path / target)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_mistakes_are_named_before_anything_is_written(run, tmp_path, monkeypatch):
    for choices, message in (
        ({"format": "onxx"}, "unknown format 'onxx'; did you mean 'onnx'"),
        ({"agents": ["zone-7"]}, "unknown agent 'zone-7'"),
        ({"agents": "zone-3"}, r"no agent with an action to export \(zone-3\)"),
        ({"agents": []}, "none were named"),
        ({"seed": 3}, "no seed 3; it has 0"),
        ({"hold_steps": -1}, "hold_steps must be a whole number"),
        ({"defaults": np.nan}, "default must be a number"),
        ({"defaults": {"zone-1": [1.0]}}, "agent 'zone-1' has 2 inputs, got 1 defaults"),
        ({"defaults": {"zone-9": [1.0]}}, "unknown agent 'zone-9'"),
    ):
        with pytest.raises(UserError, match=message):
            run.export(tmp_path / "out", **choices)
    monkeypatch.setattr(exporting, "numpy_bytes", lambda about, network: spoilt(about, network))
    with pytest.raises(UserError, match="would not act as its policy does; nothing was written"):
        run.export(tmp_path / "out")
    for name in ("onnx", "onnx.reference"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=r"pip install 'mastac\[export\]'"):
        run.export(tmp_path / "out", format="onnx")
    assert not (tmp_path / "out").exists()


def spoilt(about, network) -> bytes:
    network.limit = network.limit * 1.001
    return numpy_bytes(about, network)


def test_an_export_that_was_cut_off_is_not_used(run, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run.export(out)

    def cut(path, content):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("mastac.controllers.folder.write_bytes", cut)
        with pytest.raises(KeyboardInterrupt):
            run.export(out)
    with pytest.raises(UserError, match="was cut off; export again"):
        load_controller(out, "zone-1")
    run.export(out)
    assert load_controller(out, "zone-1").about["agent"] == "zone-1"


def test_names_that_are_no_file_names():
    agents = ["car 1", "car_1", "a/b", "a\\b", "..", "", "CON", "Küche", "küche", "x" * 300]
    names = file_names(agents)
    assert list(names) == agents
    assert names["car_1"] == "car_1", "a name that can stay stays"
    assert len({name.lower() for name in names.values()}) == len(agents)
    for name in names.values():
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,90}", name)
    assert names["CON"] != "CON"


class Attack:
    """Pickled, it makes a folder when it is read."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["about", "weight_0", "head"])
def test_loading_executes_nothing(name, run, tmp_path):
    harm = tmp_path / "harm"
    attack = np.array([Attack(str(harm))], dtype=object)
    path = tmp_path / "attack.npz"
    stored = run.policy()
    stored.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    network = network_of(stored, 0)
    arrays |= {**network.arrays(), "about": np.array(json.dumps(said(stored, 0)))}
    np.savez(path, allow_pickle=True, **(arrays | {name: attack}))
    with pytest.raises(UserError, match="holds Python objects, which are never read"):
        Policy.load(path)
    if name != "head":
        with pytest.raises(ValueError, match=r"no controller.*allow_pickle=False"):
            Controller.load(path)
    with open(path, "wb") as file:
        np.save(file, attack, allow_pickle=True)
    for load, says in ((Policy.load, "no archive"), (Controller.load, "allow_pickle=False")):
        with pytest.raises(ValueError, match=says):
            load(path)
    assert not harm.exists()
    np.load(path, allow_pickle=True)
    assert harm.exists(), "the attack is one"


def controller(hold_steps: int | None) -> Controller:
    """Echoes what it takes its inputs to be."""
    names = [{"name": name} for name in "ab"]
    stale = {"hold_steps": hold_steps, "default": [10.0, 20.0]}
    return Controller({"inputs": names, "stale": stale}, lambda rows: rows)


def test_missing_inputs_are_held():
    held = controller(None)
    steps = [([None, 2], [10, 2]), ([1, None], [1, 2]), *[([None, None], [1, 2])] * 50]
    for seen, taken in steps:
        assert held.act(seen).tolist() == taken
    held.reset()
    assert held.act([None, None]).tolist() == [10, 20]


def test_after_some_steps_they_are_the_default():
    held = controller(2)
    steps = [
        ([1, 2], [1, 2]),
        ([None, 3], [1, 3]),
        ([None, 4], [1, 4]),
        ([None, None], [10, 4]),
        ([None, None], [10, 4]),
        ([5, None], [5, 20]),
        ([None, 6], [5, 6]),
    ]
    for seen, taken in steps:
        assert held.act(seen).tolist() == taken
    never = controller(0)
    assert [never.act(seen).tolist() for seen in ([1, 2], [None, 3])] == [[1, 2], [10, 3]]


def test_a_refused_step_does_not_count():
    held = controller(1)
    held.act([1, 2])
    for wrong in ([1], [1, 2, 3], [np.nan, 2], ["3", 2], [True, 2], [[1], 2], [10**400, 2], 7):
        with pytest.raises(
            ValueError, match=r"input 'a' must be a finite number|list of 2 numbers"
        ):
            held.act(wrong)
    assert held.act([None, None]).tolist() == [1, 2]


@pytest.mark.parametrize("form", ["numpy", "onnx"])
def test_the_readme_runs_without_mastac(form, run, tmp_path):
    """Its example too follows the rule for missing inputs."""
    choices: dict[str, Any] = {"hold_steps": 1, "defaults": {"zone-1": [21.5, 22.5]}}
    run.export(tmp_path / "out", format=form, **choices)
    text = (tmp_path / "out" / "README.md").read_text()
    assert max(map(len, text.splitlines())) <= 100
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    act = "controller.act" if form == "numpy" else "act"
    code += "import json, sys\nassert not {'mastac', 'jax'} & set(sys.modules)\n"
    code += f"print(json.dumps([{act}(seen).tolist() for seen in {STEPS}]))"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path / "out", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    inside = StandAlone(run, **choices).controller("zone-1")
    expected = [inside.act(seen).tolist() for seen in ([21.5, 22.5], *STEPS)][1:]
    given = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(given, expected, rtol=1e-6)
    assert expected[3] == inside.actions([[21.5, 22.5]])[0].tolist(), "defaults after one step"
