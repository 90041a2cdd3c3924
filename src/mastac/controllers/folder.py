"""The folder of an export: its files and their names, written so that a crash leaves no half of it.

`controllers.json` is the index: which file is which agent's. It is written first as incomplete and
last as what it is, so that a folder of which a part is missing is never taken for a whole one.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Required, TypedDict

from mastac.errors import UserError, unknown
from mastac.files import read_json, write_bytes, write_json
from mastac.text import shortened

INDEX, README, READER = "controllers.json", "README.md", "controller.py"
SUFFIXES = {"numpy": ".npz", "onnx": ".onnx"}
FORMATS = tuple(SUFFIXES)
LONGEST_NAME = 80
# Windows keeps these names for devices, whatever follows the point.
DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{k}" for d in ("com", "lpt") for k in range(10))}


class File(TypedDict, total=False):
    """Which file is which agent's; one of an older export has no agent."""

    agent: str
    file: Required[str]


class Index(TypedDict, total=False):
    """What readers need of `controllers.json`."""

    complete: bool
    run: dict[str, Any]
    controllers: list[File]
    skipped: list[str]


def file_names(agents: Sequence[str]) -> dict[str, str]:
    """For each agent the name of its file, without the ending.

    Letters of ASCII, digits, `_`, `.` and `-` stay, everything else becomes `_`. Names are told
    apart also where a file system takes capitals for small letters.

    >>> file_names(["heater", "Heater", "a/b", ".."])
    {'heater': 'heater', 'Heater': 'Heater-2', 'a/b': 'a_b', '..': '_'}
    """
    taken: set[str] = set()
    names = {}
    # Names that can stay as they are come first: no other agent may take them away.
    for agent in sorted(agents, key=lambda agent: _plain(agent) != agent):
        plain, name, number = _plain(agent), _plain(agent), 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.lower())
        names[agent] = name
    return {agent: names[agent] for agent in agents}


def _plain(agent: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", agent)[:LONGEST_NAME]
    name = name.lstrip(".-") or "_"
    return f"{name}_" if name.split(".")[0].lower() in DEVICES else name


def check_target(folder: Path, run: Mapping[str, Any]) -> None:
    """`UserError` unless a run's controllers may be written to this folder.

    That is a folder that does not exist, is empty, or holds an older export of the same run and
    nothing else.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out '{folder}' is a file; name a folder")
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if found:
        if INDEX not in found:
            raise UserError(f"--out '{folder}' is not empty; name a new folder")
        old = read_index(folder)
        if old.get("run", {}).get("config") != run["config"]:
            raise UserError(
                f"--out '{folder}' holds the controllers of another run; name a new folder"
            )
        partial = {f"{name}.partial" for name in _files_of(old)}
        foreign = min(found - _files_of(old) - partial, default=None)
        if foreign is not None:
            raise UserError(
                f"--out '{folder}' holds '{foreign}' beside the older export; move it away or name "
                "a new folder"
            )
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"--out '{folder}' is not writable; name a folder that you may write to")


def write_folder(folder: Path, index: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write all files of an export, and remove those of the one that it replaces.

    **Arguments:**

    - `folder`: which [`check_target`][] has allowed.
    - `index`: the content of `controllers.json`.
    - `files`: contents by name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / INDEX
        before = _files_of(read_index(folder)) if path.exists() else set()
        # Until all is written, the index lists the files of both exports and says so.
        listed = [*index["controllers"], *({"file": name} for name in sorted(before - {INDEX}))]
        write_json(path, {**index, "complete": False, "controllers": listed})
        for name, content in files.items():
            write_bytes(folder / name, content)
        for name in before - files.keys() - {INDEX}:
            (folder / name).unlink(missing_ok=True)
        write_json(path, {**index, "complete": True})
    except OSError as error:
        raise UserError(
            f"--out '{folder}' is not writable ({error.strerror}); name another folder"
        ) from error


def read_index(folder: Path) -> dict[str, Any]:
    """The index of an export; `UserError` if it is damaged."""
    return read_json(folder / INDEX, Index, "export again")


def _files_of(index: Mapping[str, Any]) -> set[str]:
    """The names of all files that an index says belong to its export."""
    listed = {entry["file"] for entry in index.get("controllers", [])}
    # What leads out of the folder is no file of ours, and must not be removed.
    return {name for name in listed if _is_name(name)} | {INDEX, README, READER}


def _is_name(text: str) -> bool:
    """Whether a text names a file within a folder, and leads neither out of it nor to itself."""
    return Path(text).name == text and text not in ("", "..")


def controller_file(folder: Path, agent: str) -> Path:
    """The file of one agent in an export.

    **Raises:** `UserError` if the export is not whole, or has no such agent.
    """
    index = read_index(folder)
    if not index.get("complete"):
        raise UserError(f"the export in '{folder}' was cut off; export again")
    listed = index.get("controllers", [])
    files = {entry["agent"]: entry["file"] for entry in listed if "agent" in entry}
    if agent in index.get("skipped", ()):
        raise UserError(f"agent '{agent}' has no action, and so no controller in '{folder}'")
    if agent not in files:
        raise UserError(f"'{folder}': {unknown('agent', agent, files)}")
    name = files[agent]
    if not _is_name(name):
        raise UserError(
            f"'{folder / INDEX}': the file of agent '{agent}' is '{shortened(name)}', which is no "
            "name of a file; export again"
        )
    return folder / name
