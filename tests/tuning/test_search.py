"""A search goes on where it stopped, refuses what is wrong, and says what it found."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import mastac.tuning.search as search
from mastac.errors import UserError
from mastac.jobs import Job
from mastac.runs.config import configuration_of
from mastac.runs.interruption import Stopped
from mastac.runs.progress import Report
from mastac.tuning.findings import Findings, Fresh, Tried
from mastac.tuning.folder import TuningFolder
from mastac.tuning.trials import Trainer

CHOSEN: dict[str, Any] = {
    "knobs": ["actor_lr", "batch_size", "critic_hidden"],
    "epochs": 10,
    "progress": False,
}


@dataclass(frozen=True)
class PretendedJob(Job):
    """A training whose returns are a function of the knobs; it leaves a file of them."""

    knobs: Mapping[str, Any]
    seeds: Sequence[int]

    @property
    def is_done(self) -> bool:
        return self.path.exists()

    def work(self, progress: Any) -> None:
        Pretended.begun.append(self.path.name)
        value = -abs(math.log10(self.knobs.get("actor_lr", 1e-3)) + 4)
        for epoch in range(1, 11):
            if progress is not False:
                progress(Report(epoch, 10, epoch, value, value, None, 1.0, None))
            if len(Pretended.begun) == Pretended.stop_at and epoch == 1:
                Pretended.stop_at = math.inf
                raise Stopped("stopped after epoch 1 of 10; go on with: mastac resume")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(self.path, value + 0.001 * np.array(self.seeds))


class Pretended(Trainer):
    """A trainer that pretends; `stop_at` ends one of its jobs as Ctrl-C does."""

    stop_at = math.inf
    begun: ClassVar[list[str]] = []

    def job(self, name: str, path: Path, knobs, **changed: Any) -> Job:
        return PretendedJob(name, path, knobs, changed.get("seeds", self.choices["seeds"]))

    def returns(self, path: Path) -> np.ndarray:
        return np.loadtxt(path)

    def command(self, path: Path) -> str:
        return f"mastac train, as in {path.name}"


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Findings]:
    def tuned(out: Path, stop_at: float = math.inf, **changed: Any) -> Findings:
        Pretended.stop_at, Pretended.begun = stop_at, []
        monkeypatch.setattr(search, "Trainer", Pretended)
        asked: dict[str, Any] = CHOSEN | {"trials": 8} | changed
        return search.tune("lq-3", out=out, **asked)

    return tuned


def test_a_stopped_search_goes_on_as_if_it_had_not_been(tmp_path: Path, pretended) -> None:
    whole = pretended(tmp_path / "whole")
    with pytest.raises(Stopped, match="after epoch 1 of 10; go on with the same command"):
        pretended(tmp_path / "stopped", stop_at=4)
    journal = tmp_path / "stopped" / "study.log"
    with open(journal, "ab") as file:  # as a crash leaves it
        file.write(b'{"op_code":')
    again = pretended(tmp_path / "stopped")
    assert Pretended.begun[0] == "3"
    assert again.trials == whole.trials and again.importance == whole.importance
    files = [(tmp_path / name / "best.json").read_text() for name in ("whole", "stopped")]
    assert files[0] == files[1]


def test_the_first_trial_is_the_preset_and_the_best_is_better(tmp_path: Path, pretended) -> None:
    found = pretended(tmp_path / "tuned")
    first, best = found.trials[0], found.best
    assert first.knobs == {} and first.state == "finished" and best is not None
    assert first.value is not None and best.value > first.value
    assert {trial.state for trial in found.trials} == {"finished", "stopped early"}
    assert found.fresh is not None and found.fresh.seeds == tuple(range(2, 12))
    stored = json.loads((tmp_path / "tuned" / "best.json").read_text())
    assert stored["knobs"]["actor_lr"] == best.knobs["actor_lr"]
    assert stored["fresh"]["difference_interval"][0] > 0
    assert "the best is better than the preset" in found.text()
    assert stored["command"] == f"mastac train, as in {best.number}"
    table = (tmp_path / "tuned" / "trials.csv").read_text().splitlines()
    head = "trial,state,epochs,greedy_mean,actor_lr,batch_size,critic_hidden"
    assert len(table) == 9 and table[0] == head


def test_more_trials_are_added_and_other_questions_refused(tmp_path: Path, pretended) -> None:
    before = pretended(tmp_path / "tuned", trials=2, fresh_seeds=0)
    more = pretended(tmp_path / "tuned", trials=3, fresh_seeds=0)
    assert Pretended.begun == ["2"] and list(more.trials[:2]) == list(before.trials)
    assert pretended(tmp_path / "tuned", trials=9, timeout=0, fresh_seeds=0).trials == more.trials
    for changed, message in (
        ({"epochs": 11}, "has epochs 10, not 11; use the same command, or another --out"),
        ({"fixed": {"tau": 0.5}}, r"has settings.tau|has knobs.tau"),
        ({"knobs": ["critic_lr"]}, "has searched"),
        ({"pruner": "none"}, 'has pruner "median", not "none"'),
    ):
        with pytest.raises(UserError, match=message):
            pretended(tmp_path / "tuned", **changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [*lines[:3], lines[3][:20] + b"\n", *lines[4:]],
        lambda lines: [b"[" * 3000 + b"\n", *lines],
        lambda lines: [*lines[:2], b'{"op_code":99}\n', *lines[2:]],
        lambda lines: [*lines[:2], b"3\n", *lines[2:]],
        lambda lines: [b"\xff\xfe\n", *lines],
    ],
)
def test_a_damaged_journal_is_refused_by_name(tmp_path: Path, pretended, damage) -> None:
    pretended(tmp_path / "tuned", trials=2, fresh_seeds=0)
    journal = tmp_path / "tuned" / "study.log"
    journal.write_bytes(b"".join(damage(journal.read_bytes().splitlines(keepends=True))))
    with pytest.raises(UserError, match=r"read its journal '.*study.log' \(.*\); restore it, or"):
        pretended(tmp_path / "tuned", trials=2, fresh_seeds=0)


def test_two_searches_do_not_share_a_folder(tmp_path: Path, pretended) -> None:
    other = pytest.raises(UserError, match="another process tunes in")
    with TuningFolder(tmp_path / "tuned").writing(), other:
        pretended(tmp_path / "tuned")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(UserError, match="is not empty and holds no search"):
        pretended(tmp_path / "other")


def test_without_optuna_it_is_said_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'mastac\[tune\]'"):
        search.tune("lq-3", out=tmp_path / "tuned")
    assert not (tmp_path / "tuned").exists()


def test_what_overflowed_or_was_luck_is_said(tmp_path: Path) -> None:
    config = configuration_of(search.environment_from("lq-3"))
    tried = [Tried(0, {}, "finished", 5, -1.0, -1.0), Tried(1, {"tau": 0.1}, "failed", 5, None, 0)]
    found = Findings(TuningFolder(tmp_path), config, {"tau": 0.02}, tried)
    assert found.best is tried[0]
    assert "The preset is the best" in found.text() and "Too few trials" in found.text()
    luck = Fresh((2, 3, 4), [1.0, 1.1, 1.2], [0.0, 0.1, math.nan])
    assert "its lead was luck" in luck.text() and "1 seeds overflowed" in luck.text()
    assert luck.to_dict()["probability_of_improvement"] == 0
    json.dumps(luck.to_dict(), allow_nan=False)
