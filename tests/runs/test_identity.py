"""A checkpoint goes on with the run that it was made by, and with no other."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from begun_runs import begun_run

from mastac import UserError
from mastac.runs import identity
from mastac.runs.folder import RunFolder
from mastac.runs.identity import check_identity, identity_of


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> RunFolder:
    """A run with the manifests of two checkpoints."""
    folder = begun_run(tmp_path_factory.mktemp("runs") / "run", "lq-3").folder
    for epoch in (4, 8):
        manifest = {"epoch": epoch, "files": {}, "identity": identity_of(folder)}
        (folder.checkpoints / f"{epoch}.json").write_text(json.dumps(manifest))
    check_identity(folder)
    return folder


@pytest.fixture
def edit(begun) -> Iterator[Callable[[str, Callable[[dict], Any]], None]]:
    """Edits a file of the run for one test."""
    kept: dict[Path, bytes] = {}

    def change(name: str, changed: Callable[[dict], Any]) -> None:
        path = begun.path / name
        kept.setdefault(path, path.read_bytes())
        data = json.loads(path.read_text())
        changed(data)
        path.write_text(json.dumps(data))

    yield change
    for path, content in kept.items():
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "changed", "named"),
    [
        ("config.json", lambda data: data["knobs"].update(tau=0.5), "knobs.tau in config.json is"),
        ("config.json", lambda data: data["knobs"].pop("tau"), "knobs.tau .* is not set, and was"),
        ("config.json", lambda data: data.update(epochs=9), "epochs in config.json is 9"),
        ("config.json", lambda data: data.update(more=1), "more .* is 1, and was not set"),
        ("config.json", lambda data: data.update(seeds=list(range(99))), "seeds in config.json"),
        ("couplings.json", lambda data: data["agents"].reverse(), "agents in couplings.json"),
        ("environment.json", lambda data: data.update(reference=None), "reference in environment"),
        ("environment.json", lambda data: data.update(horizon=2), "horizon in environment.json"),
    ],
)
def test_whatever_defines_the_run_is_named_where_it_differs(begun, edit, file, changed, named):
    edit(file, changed)
    with pytest.raises(UserError, match=f"checkpoint 8 .* another configuration: {named}"):
        check_identity(begun)


def test_a_checkpoint_that_was_copied_in_says_how_to_go_on_without_it(begun, edit):
    edit("checkpoints/8.json", lambda data: data["identity"]["config.json"].update(kappa=7))
    with pytest.raises(UserError, match=r"kappa .* was 7; .*delete '8.json' to go on from epoch 4"):
        check_identity(begun)


def test_what_changes_no_result_is_not_held_against_a_checkpoint(begun, edit):
    edit("config.json", lambda data: data.update(git_revision="another", versions={"numpy": "9"}))
    (begun.path / "config.json").write_text(
        json.dumps(json.loads((begun.path / "config.json").read_text()), indent=7)
    )
    check_identity(begun)


def test_another_minor_version_is_refused_and_another_patch_is_not(begun, monkeypatch):
    here = identity_of(begun)["versions"]
    monkeypatch.setattr(identity.metadata, "version", lambda package: f"{here[package]}.99")
    monkeypatch.setattr(identity, "__version__", f"{here['mastac']}.99")
    check_identity(begun)
    monkeypatch.setattr(identity, "__version__", "77.1.2")
    with pytest.raises(UserError, match=r"with mastac .*, and this is mastac 77\.1; install"):
        check_identity(begun)
    monkeypatch.setattr(identity, "__version__", f"{here['mastac']}.0")
    monkeypatch.setattr(identity.metadata, "version", lambda package: "99.5.1")
    with pytest.raises(UserError, match=r"with jax .*, and this is jax 99\.5; install"):
        check_identity(begun)


def test_checkpoints_of_earlier_versions_are_refused(begun, edit):
    edit("checkpoints/8.json", lambda data: data.pop("identity"))
    with pytest.raises(UserError, match=r"does not say which run .* the version of mastac that"):
        check_identity(begun)
