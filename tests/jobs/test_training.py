"""Jobs of training travel to other machines."""

import pickle
from pathlib import Path

import pytest

from mastac.envs.naming import ImportedEnvironment, environment_from
from mastac.envs.registry import NamedEnvironment
from mastac.jobs import TrainingJob

MODULE = """from mastac.examples.tanks import env as tanks

def made(number=1):
    return tanks
"""


def again(job: TrainingJob) -> TrainingJob:
    return pickle.loads(pickle.dumps(job))


def test_an_environment_of_the_table_is_resolved_anew(tmp_path: Path) -> None:
    job = TrainingJob("a", tmp_path, environment_from("lq-3", {"horizon": 4}), {"seeds": [0]})
    other = again(job)
    assert isinstance(other.env, NamedEnvironment) and other.env.id == "lq-3"
    assert other.env.options == job.env.options and other.env.family is job.env.family
    assert (other.name, other.path, other.choices) == (job.name, job.path, job.choices)


def test_an_imported_one_is_imported_anew_from_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "travelling.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    job = TrainingJob("a", tmp_path, environment_from("travelling:made", {"number": 2}), {})
    packed = pickle.dumps(job)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    other = pickle.loads(packed)
    assert isinstance(other.env, ImportedEnvironment)
    assert other.env.origin == job.env.origin and other.env.origin.options == {"number": 2}
    assert other.env.origin.directory == str(tmp_path)
