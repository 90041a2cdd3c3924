"""Of a run that has ended, nothing that its results are made of may be another one than then."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from begun_runs import begun_run

from mastac import UserError
from mastac.runs.ending import is_policy_sealed, is_whole, write_summary
from mastac.runs.folder import EVALUATION, METRICS, RunFolder
from mastac.runs.identity import identity_of
from mastac.runs.results import read_results
from mastac.runs.seal import RESULTS, SealedTables

SUMMARY = {"env": "lq-3", "seeds": [0], "greedy_mean": -1.0, "greedy_by_seed": {"0": 0.1 + 0.2}}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which nothing was computed, and which ended."""
    folder = begun_run(tmp_path_factory.mktemp("runs") / "run", "lq-3").folder
    tables = SealedTables(folder)
    tables.begin(None)
    tables.append(folder.metrics, [[0, 0, 4, 1, -1.0, 0.5, 0.5, 0.5][: len(METRICS)]])
    tables.append(folder.evaluation, [[0, 1, -1.0][: len(EVALUATION)]])
    folder.policies.mkdir(exist_ok=True)
    folder.policy(0).write_bytes(b"weights")
    write_summary(folder, SUMMARY, tables.checked_seals(RESULTS), identity_of(folder))
    return folder.path


@pytest.fixture
def ended(original: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(shutil.copytree(original, tmp_path / "run"))


def edit(path: Path, changed: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(path.read_text())
    changed(data)
    path.write_text(json.dumps(data))


def test_a_run_is_read_as_it_ended_whatever_the_form_of_its_files(ended: RunFolder) -> None:
    edit(ended.summary, lambda data: None)
    edit(ended.config, lambda data: data.update(git_revision="another"))
    assert read_results(ended.path).summary["greedy_by_seed"] == SUMMARY["greedy_by_seed"]
    assert is_policy_sealed(ended, 0, json.loads(ended.summary.read_text()))


@pytest.mark.parametrize(
    ("file", "changed", "says"),
    [
        ("summary.json", lambda data: data.update(greedy_mean=-0.5), "delete it, and write it"),
        ("summary.json", lambda data: data.pop("greedy_mean"), "delete it, and write it again"),
        (
            "summary.json",
            lambda data: data["sealed"]["policies"].update({"0": "0"}),
            "has been altered since the run ended",
        ),
        (
            "config.json",
            lambda data: data["knobs"].update(tau=0.5),
            r"since it ended: knobs.tau in config.json is 0.5, and was 0.0\d; restore that file",
        ),
        ("config.json", lambda data: data.update(algorithm="maddpg"), 'algorithm .* is "maddpg"'),
        ("couplings.json", lambda data: data["agents"].reverse(), "agents in couplings.json"),
        ("environment.json", lambda data: data.update(horizon=2), "horizon in environment.json"),
    ],
)
def test_what_was_edited_since_is_named(ended: RunFolder, file: str, changed, says: str) -> None:
    edit(ended.path / file, changed)
    with pytest.raises(UserError, match=says):
        read_results(ended.path)
    with pytest.raises(UserError, match=says):
        is_whole(ended, 1)


def test_what_was_left_behind_is_not_asked_for(ended: RunFolder) -> None:
    for path in (ended.couplings, ended.environment):
        path.unlink()
    assert read_results(ended.path).is_finished


def test_policies_of_another_run_are_to_be_written_again(ended: RunFolder) -> None:
    ended.policy(0).write_bytes(b"other weights")
    assert is_whole(ended, 7), "without the last checkpoint the run would begin again"
    (ended.checkpoints / "7.json").touch()
    assert not is_whole(ended, 7)
    ended.policy(0).unlink()
    assert not is_whole(ended, 7)
    ended.policy(0).write_bytes(b"weights")
    assert is_whole(ended, 7)


def test_an_earlier_version_sealed_less(ended: RunFolder) -> None:
    def forget(data: dict[str, Any]) -> None:
        for name in ("identity", "policies", "summary"):
            del data["sealed"][name]

    edit(ended.summary, forget)
    edit(ended.config, lambda data: data["knobs"].update(tau=0.5))
    assert is_whole(ended, 7)
    assert read_results(ended.path).is_finished
