"""What defines a run, kept in each of its checkpoints, so that no other run goes on from them.

A checkpoint's arrays fit every run of the same shapes: one with another learning rate would go on
from it and end with other weights. So each checkpoint's manifest holds what its run was: every
choice in `config.json`, the graphs, the description of the environment, and the versions that
numbers depend on. Before a run goes on, that is compared with the files of its folder, and with
what is installed. Imports no JAX.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import read_json
from mastac.runs.checkpoints import manifest_of, saved_epochs
from mastac.runs.folder import RunFolder
from mastac.version import __version__

LONGEST = 80
"""Characters of a value that is kept as it stands; of a longer one there is a digest."""
PACKAGES = ("jax", "optax", "equinox")
"""Packages whose numbers may change from one minor version to the next."""
NOT_COMPARED = ("versions", "git_revision")
"""Entries of `config.json` that tell of the past; what is installed now is asked instead."""

Identity = Mapping[str, Mapping[str, Any]]


def identity_of(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """What a run is, by file: the name of each entry -> its value, or a digest of a long one.

    Under `versions` it is what is installed now, to the minor version.
    """
    config = folder.read_config()
    entries = {name: value for name, value in config.items() if name not in NOT_COMPARED}
    if isinstance(origin := entries.get("origin"), Mapping):
        # The module may have moved; that it does the same is checked with `environment.json`.
        entries["origin"] = {k: value for k, value in origin.items() if k != "directory"}
    installed = {name: metadata.version(name) for name in PACKAGES}
    return {
        folder.config.name: dict(_flat(entries)),
        folder.couplings.name: _parts(folder.couplings),
        folder.environment.name: _parts(folder.environment),
        "versions": {k: _minor(v) for k, v in {"mastac": __version__, **installed}.items()},
    }


def check_identity(folder: RunFolder) -> None:
    """`UserError` where a checkpoint belongs to another run than the folder, naming what differs.

    Checkpoints of earlier versions do not say what they belong to. They are refused: that nothing
    differs could not be known, and the version that wrote them can finish the run.
    """
    epochs = saved_epochs(folder.checkpoints)
    for epoch in reversed(epochs):
        stored = manifest_of(folder.checkpoints, epoch).get("identity")
        name = f"checkpoint {epoch} in '{folder.checkpoints}'"
        if not isinstance(stored, Mapping):
            raise UserError(
                f"{name} does not say which run it belongs to; finish the run with the version of "
                "mastac that wrote it, or train a new run"
            )
        difference = next(differences(stored, identity_of(folder)), None)
        if difference is None:
            continue
        if difference.startswith("versions"):
            raise UserError(
                f"{name} was written with {difference.removeprefix('versions ')}; install that "
                "version to go on, or train a new run"
            )
        older = [saved for saved in epochs if saved < epoch]
        back = f"delete '{epoch}.json' to go on from epoch {older[-1]}" if older else ""
        raise UserError(
            f"{name} belongs to another configuration: {difference}; restore that file, "
            f"{back or 'or train a new run'}"
        )


def differences(stored: Identity, here: Identity) -> Iterator[str]:
    """What differs between a checkpoint's run and a folder's, in words."""
    for file, entries in here.items():
        kept = stored.get(file)
        kept = kept if isinstance(kept, Mapping) else {}
        for name in [*entries, *(kept.keys() - entries.keys())]:
            one, other = kept.get(name), entries.get(name)
            if one == other:
                continue
            if file == "versions":
                yield f"versions {name} {one}, and this is {name} {other}"
            elif _is_digest(one) or _is_digest(other):
                yield f"{name} in {file} is not what it was"
            else:
                yield f"{name} in {file} is {_text(other)}, and was {_text(one)}"


def _flat(entries: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The entries of nested mappings, by their names with dots between."""
    for name, value in entries.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _short(value)


def _parts(path: Path) -> dict[str, Any]:
    """The entries of a JSON file; none where there is no such file."""
    entries = read_json(path) if path.is_file() else {}
    return {name: _short(value) for name, value in entries.items()}


def _short(value: Any) -> Any:
    text = json.dumps(value, sort_keys=True)
    return value if len(text) <= LONGEST else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("sha256:")


def _text(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
