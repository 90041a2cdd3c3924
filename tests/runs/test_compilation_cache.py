"""Compiled programs are kept, found again, and never in the way."""

from pathlib import Path

import jax
import pytest
from begun_runs import begun_run

from mastac.cli.main import main
from mastac.runs.compilation_cache import FOLDER, SWITCH, VARIABLE, cache_folder, compilation_cache

pytestmark = pytest.mark.usefixtures("nothing_kept")


def read_at(folder: Path) -> dict[str, bytes]:
    """For each kept program when it was written or read last."""
    return {path.name: path.read_bytes() for path in folder.glob("*-atime")}


def test_what_is_read_back_gives_the_same_bits(tmp_path, monkeypatch) -> None:
    run = begun_run(tmp_path / "run", "lq-3", horizon=4)

    def evaluated() -> dict:
        jax.clear_caches()
        return run.evaluate(episodes=3)

    anew = evaluated()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    folder = cache_folder()
    assert folder is not None
    assert evaluated() == anew
    written = read_at(folder)
    assert any(name.startswith("jit_returns") for name in written)
    assert evaluated() == anew
    read = read_at(folder)
    assert read.keys() >= written.keys()
    assert "jit_returns" in {name.split("-")[0] for name in written if read[name] != written[name]}
    assert getattr(jax.config, FOLDER) is None


def test_a_folder_that_cannot_be_written_costs_one_warning(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    match = f"programs are not kept.*{VARIABLE}"
    with pytest.warns(RuntimeWarning, match=match) as told, compilation_cache():
        assert getattr(jax.config, FOLDER) is None
    assert len(told) == 1


def test_the_users_own_settings_of_jax_stay(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ours"))
    for name, value in (
        (FOLDER, str(tmp_path / "users")),
        (SWITCH, False),
    ):
        before = getattr(jax.config, name)
        jax.config.update(name, value)
        try:
            with compilation_cache():
                assert getattr(jax.config, name) == value
        finally:
            jax.config.update(name, before)
    assert not (tmp_path / "ours").exists()


def test_what_a_killed_process_left_is_removed(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    folder = cache_folder()
    assert folder is not None
    folder.mkdir()
    for name in ("whole-cache", "whole-atime", "half-cache"):
        (folder / name).write_bytes(b"\0" * 8)
    with compilation_cache():
        assert getattr(jax.config, FOLDER) == str(folder)
    assert {path.name for path in folder.glob("*-*")} == {"whole-cache", "whole-atime"}


def test_where_programs_are_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder()
    assert folder is not None
    assert folder.parent == tmp_path / "mastac"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = cache_folder()
    assert folder is not None
    assert folder.parent == tmp_path / "home" / ".cache" / "mastac"
    # Another kind of processor, or another compiler: another folder.
    monkeypatch.setattr("mastac.runs.compilation_cache._processor", lambda: "another")
    assert cache_folder() != folder
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.9.2")
    assert cache_folder() is None


def test_no_cache_turns_it_off_for_a_command(monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, "somewhere")
    assert main(["resume", "no-such-folder", "--no-cache"]) == 2
    assert cache_folder() is None
