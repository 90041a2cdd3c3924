"""Checkpoints that are whole or absent: orbax writes them, a manifest of checksums seals them.

Orbax's own `CheckpointManager` keeps the newest ones whether they are damaged or not: a crash
between its pruning and our manifest could leave no checkpoint that is known to be whole. So
keeping and pruning go by manifests. A manifest covers every byte of every file as the file system
gives it back; that takes about a fifth of the time that writing takes.
"""

import json
import re
import shutil
import zlib
from pathlib import Path
from typing import Any, TypeVar

from mastac.errors import UserError
from mastac.files import read_json, write_text
from mastac.runs.schemas import Manifest

Tree = TypeVar("Tree")
KEEP = 2  # the newest, and the one before in case the newest is damaged later


def _checksums(folder: Path) -> dict[str, list[int]]:
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            sums[path.relative_to(folder).as_posix()] = [path.stat().st_size, _checksum(path)]
    return sums


def _checksum(path: Path) -> int:
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(2**22):
            checksum = zlib.crc32(block, checksum)
    return checksum


def save_checkpoint(folder: Path, epoch: int, tree: Any) -> None:
    """Store `tree` as the checkpoint after `epoch` epochs and drop all but the newest two."""
    import orbax.checkpoint as ocp

    target = (folder / str(epoch)).resolve()
    shutil.rmtree(target, ignore_errors=True)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(target, tree)
    # Only the manifest makes a checkpoint count; it is written last.
    write_text(folder / f"{epoch}.json", json.dumps({"epoch": epoch, "files": _checksums(target)}))
    for old in saved_epochs(folder)[:-KEEP]:
        (folder / f"{old}.json").unlink()
        shutil.rmtree(folder / str(old), ignore_errors=True)


def saved_epochs(folder: Path) -> list[int]:
    """Epochs of the checkpoints that were written to the end, in order."""
    names = (path.stem for path in folder.glob("*.json"))
    return sorted(int(name) for name in names if re.fullmatch("[0-9]{1,15}", name))


def load_checkpoint(folder: Path, epoch: int, like: Tree) -> Tree:
    """The checkpoint after `epoch` epochs, with the shapes of `like`.

    **Raises:**

    - `UserError` if a file is missing, truncated or altered, or if the checkpoint holds another
      configuration's arrays.
    """
    target = (folder / str(epoch)).resolve()
    try:
        manifest = read_json(folder / f"{epoch}.json", Manifest)["files"]
        sums = _checksums(target)
    except (OSError, UserError) as error:
        raise _damaged(folder, epoch, "its manifest cannot be read") from error
    for name, expected in manifest.items():
        if name not in sums:
            raise _damaged(folder, epoch, f"{name} is missing")
        if sums[name][0] < expected[0]:
            raise _damaged(folder, epoch, f"{name} is truncated")
        if sums[name] != expected:
            raise _damaged(folder, epoch, f"{name} has been altered")
    import jax
    import orbax.checkpoint as ocp
    from jax.tree_util import tree_leaves_with_path

    with ocp.StandardCheckpointer() as checkpointer:
        stored = tree_leaves_with_path(checkpointer.metadata(target).item_metadata.tree)
        held = {_plain(path): tuple(leaf.shape) for path, leaf in stored}
        wanted = {_plain(path): tuple(leaf.shape) for path, leaf in tree_leaves_with_path(like)}
        if held != wanted:
            raise UserError(
                f"checkpoint {epoch} in '{folder}' belongs to another configuration than its "
                "config.json; restore the original config.json or start a new run"
            )
        return checkpointer.restore(target, jax.tree.map(_here, like))


def _here(leaf: Any) -> Any:
    """A leaf to restore on the first device: the one that it was saved from may not exist."""
    import jax

    if not isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    return jax.ShapeDtypeStruct(
        leaf.shape, leaf.dtype, sharding=jax.sharding.SingleDeviceSharding(jax.devices()[0])
    )


def _plain(path: tuple[Any, ...]) -> tuple[str, ...]:
    """A leaf's place by names alone: orbax gives back tuples as dictionaries of numbers."""
    return tuple(
        str(getattr(step, "key", getattr(step, "idx", getattr(step, "name", step))))
        for step in path
    )


def _damaged(folder: Path, epoch: int, what: str) -> UserError:
    older = [saved for saved in saved_epochs(folder) if saved < epoch]
    fix = (
        f"delete '{epoch}.json' to fall back to epoch {older[-1]}"
        if older
        else "start the run anew"
    )
    return UserError(f"checkpoint {epoch} in '{folder}' is damaged ({what}); {fix}")
