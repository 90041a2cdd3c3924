"""A mistake on the command line is one short sentence and exit code 2, without JAX."""

import shlex
from pathlib import Path

import pytest

from cli.without_jax import without_jax
from mastac.cli.main import main

MISTAKES = {
    # mistake: words that the answer must hold
    "trian warehouse-9": "did you mean 'train'",
    "train": "ENV",
    "train warehous-9": "unknown environment 'warehous-9'; did you mean 'warehouse-9'?",
    "train tanks": "one of your own is named module:name",
    "train warehouse-1": "at least 2 agents",
    "train warehouse-9 --algorithm mastak": "unknown algorithm 'mastak'; did you mean 'mastac'?",
    "train warehouse-9 --set batchsize=3": "unknown knob 'batchsize'; did you mean 'batch_size'?",
    "train warehouse-9 --set batch_size": "--set name=value",
    "train lq-3 --set critic_hidden=[]": "at least one layer",
    "train warehouse-9 --set batch_size=many": "batch_size",
    "train warehouse-9 --set batch_size=-4": "batch_size",
    "train warehouse-9 --set tau=NaN": "tau",
    "train warehouse-9 --set tau=0.1 --set tau=0.2": "twice",
    "train warehouse-9 --set epochs=4": "--epochs 4",
    "train warehouse-9 --set env=x": "env",
    "train warehouse-9 --set progress=x": "progress",
    "train warehouse-9 --set env_options=3": "env_options",
    "train warehouse-9 --preset papr": "did you mean 'paper'",
    "train warehouse-9 --kappa -1": "kappa",
    "train warehouse-9 --kappa 1.5": "kappa '1.5'",
    "train warehouse-9 --epochs 0": "epochs",
    "train warehouse-9 --epochs ten": "epochs 'ten'",
    "train warehouse-9 --epochs 99999999999999999999": "epochs",
    "train warehouse-9 --seeds a-b": "seeds 'a-b'",
    "train warehouse-9 --seeds 4-0": "0-4",
    "train warehouse-9 --seeds 0,1,0": "seed 0",
    "train warehouse-9 --seeds 0-3,2": "seed 2",
    "train warehouse-9 --seeds 0,": "seeds '0,'",
    "train warehouse-9 --seeds ''": "seeds ''",
    "train warehouse-9 --seeds 0-999999999999": "seed",
    "train warehouse-9 --seeds -5": "seeds",
    "train warehouse-9 --env-set suply=primes": "did you mean 'supply'",
    "train warehouse-9 --env-set supply=prime": "did you mean 'primes'",
    'train warehouse-9 --env-set \'graph=[["warehouse-1","warehouse-77"]]\'': "warehouse-77",
    "train thermal-40 --env-set limit_kw=-1": "limit_kw",
    "train warehouse-9 --out {file}": "is a file",
    "train warehouse-9 --out {run}": "mastac resume {run}",
    "train warehouse-9 --out {full}": "not empty",
    "train warehouse-9 --out {file}/below": "not writable",
    "train warehouse-9 --kapa 3": "did you mean '--kappa'",
    "train warehouse-9 --evaluation-episodes 0": "evaluation_episodes is 0; it must be at least 1",
    "train warehouse-9 --evaluation-interval x": "evaluation_interval 'x'",
    "train warehouse-9 --set evaluation_episodes=3": "write --evaluation-episodes 3",
    "train warehouse-9 --set origin=x": "origin",
    "train platoon.py": "as in platoon:env",
    "train warehouse-9 again": "again",
    "resume {tmp}/none": "none",
    "resume {full}": "config.json",
    "evaluate {tmp}/none": "none",
    "evaluate {run} --episodes 0": "episodes",
    "evaluate {run} --episodes x": "episodes",
    "certify {tmp}/none": "none",
    "certify {run} --episodes 1": "episodes is 1; it must be at least 2",
    "certify {run} --steps x": "steps 'x'",
    "certify {run} --seeds 3-1": "1-3",
    "certify {run} --dynamics lernt": "did you mean 'learnt'",
    "certify {run} --fitting-episodes 9": "--fitting-episodes goes with --dynamics learnt",
    "export {tmp}/none": "none",
    "export {run} --format onxx": "did you mean 'onnx'",
    "export {run} --seed x": "seed 'x'",
    "export {run} --hold-steps -1": "hold_steps is -1",
    "export {run} --default warm": "default 'warm'",
    "serve {run}": "--agent",
    "serve {tmp}/none --agent a": "none",
    "serve {run} --agent a --port 70000": "the largest is 65535",
    "serve {run} --agent a --port 1 --socket {tmp}/s": "--socket",
    "plot {tmp}/none": "none",
    "plot {run} --out {tmp}/x.docx": ".docx",
    "plot {run} --x time": "time",
    "plot {run} {other}": "one environment",
    "compare {full}": "config.json",
    "compare {run} {other}": "one on lq-8; compare runs of one environment at a time",
    "compare {run} --marl-eval {tmp}": "--marl-eval '{tmp}' is a folder; name a file",
    "report {run} {other}": "one on lq-8; compare runs of one environment at a time",
    "report {run} --out {tmp}/none/x.html": "--out: there is no folder '{tmp}/none'",
    "graph warehous-9": "did you mean 'warehouse-9'",
    "graph warehouse-9 --kappa -2": "kappa",
    "graph warehouse-9 --agent warehouse-99": "warehouse-99",
    "graph {tmp}/none.json": "none.json",
    "graph {broken}": "broken.json",
    "graph {stranger}": "'c'",
    "graph {file}": "file",
    "graph {couplings} --env-set a=1": "takes no option 'a'",
    "graph warehouse-9 --why warehouse-2": "name it with --agent",
    "graph warehouse-9 --agent warehouse-1 --why warehouse-10": "warehouse-10",
    "graph warehouse-9 --rollouts 8": "--rollouts goes with --influence",
    "graph {couplings} --influence": "holds couplings alone",
    "check warehous-9": "did you mean 'warehouse-9'",
    "check nowhere:simulator": "no module 'nowhere'",
    "check warehouse-9 --points 1": "points",
    "check warehouse-9 --tolerance 2": "--tolerance '2' is no number from 0 up to 1",
    "check warehouse-9 --couplings {stranger}": "'c'",
    "discover log.npz --env-set a=1": "'log.npz' is a log",
    "envs warehous-9": "did you mean 'warehouse-9'",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_by_one_sentence(
    mistake: str, places: dict[str, str], tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code = main(shlex.split(fill(mistake, places)))
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("mastac: ")
    assert err.count("\n") == 1
    assert fill(MISTAKES[mistake], places) in err
    assert sorted(tmp_path.rglob("*")) == before, "a mistake leaves nothing behind"


def fill(text: str, places: dict[str, str]) -> str:
    for name, path in places.items():
        text = text.replace(f"{{{name}}}", path)
    return text


LONG = "9" * 400


@pytest.mark.parametrize(
    "mistake",
    [
        f"{LONG}",
        f"train {LONG}",
        f"train lq-3 --{LONG}",
        f"train lq-3 --epochs {LONG}",
        f"train lq-3 --seeds {LONG}",
        f"train lq-3 --seeds {LONG * 20}",
        f"train lq-3 --kappa -{LONG}",
        f"train lq-3 --algorithm {LONG}",
        f"train lq-3 --set {LONG}",
        f"train lq-3 --set {LONG}=1",
        f"train lq-3 --set batch_size=x{LONG}",
        f"train lq-3 --env-set {LONG}=1",
        f"plot {LONG}",
        f"graph {LONG}",
        f"variance lq-3 --discount {LONG}",
        "train lq-3 --algorithm '" + "a few words and " * 40 + "'",
    ],
    ids=lambda mistake: mistake[:40],
)
def test_a_long_value_is_cut(mistake: str, capsys) -> None:
    assert main(shlex.split(mistake)) == 2
    assert len(capsys.readouterr().err) < 700


@pytest.mark.parametrize(
    "mistake", [["\x1b[31mtrain"], ["train", "lq-3\x1b]0;x\x07"], ["graph", "a\u202eb.json"]]
)
def test_control_characters_are_shown_as_escapes(mistake: list[str], capsys) -> None:
    assert main(mistake) == 2
    err = capsys.readouterr().err
    assert err.removesuffix("\n").isprintable()
    assert "\\x1b" in err or "\\u202e" in err


@pytest.mark.parametrize(
    "mistake",
    [
        "train warehouse-9 --seeds a-b",
        "train warehouse-9 --set knob=1",
        "train warehouse-9 --algorithm x",
        "train thermal-40 --env-set limit_kw=-1",
        "train nowhere:env",
        "certify none",
        "export none",
        "serve none --agent a",
        "graph none.json",
        "graph warehouse-9 --agent warehouse-1 --why warehouse-10",
        "check warehouse-9 --tolerance 2",
        "check thermal-4 --env-set limit_kw=-1",
    ],
)
def test_mistakes_are_heard_without_jax(mistake: str, tmp_path: Path) -> None:
    done = without_jax(shlex.split(mistake), tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
