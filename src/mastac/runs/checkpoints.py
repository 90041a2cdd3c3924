"""Checkpoints that are whole or absent: orbax writes them, a manifest of checksums seals them.

Orbax's own `CheckpointManager` keeps the newest ones whether they are damaged or not: a crash
between its pruning and our manifest could leave no checkpoint that is known to be whole. So
keeping and pruning go by manifests. A manifest covers every byte of every file as the file system
gives it back; that takes about a fifth of the time that writing takes.
"""

import errno
import importlib
import json
import logging
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from mastac.errors import UserError
from mastac.files import write_text
from mastac.memory import give_back
from mastac.reading import checked, file_text, json_value
from mastac.runs.schemas import Manifest

Tree = TypeVar("Tree")
BLOCK = 4096  # bytes that a file may take beside its content
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


def save_checkpoint(
    folder: Path, epoch: int, tree: Any, about: Mapping[str, Any] | None = None
) -> None:
    """Store `tree` as the checkpoint after `epoch` epochs and drop all but the newest two.

    **Arguments:**

    - `about`: what the manifest says besides, such as which run the checkpoint belongs to.
    """
    import orbax.checkpoint as ocp

    target = folder.resolve() / str(epoch)
    _remove(target)
    _check_room(target)
    with _without_log(), _without_measures(), ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(target, tree)
    manifest = {**(about or {}), "epoch": epoch, "files": _checksums(target)}
    # Only the manifest makes a checkpoint count; it is written last.
    write_text(folder / f"{epoch}.json", json.dumps(manifest))
    for old in saved_epochs(folder)[:-KEEP]:
        drop_checkpoint(folder, old)
    give_back()  # orbax starts threads for every save


def _check_room(target: Path) -> None:
    """`OSError` where a checkpoint could not be written, as far as the last one tells.

    Orbax ends badly then: with the tracebacks of its threads, or with threads that never end.
    """
    target.mkdir()
    target.rmdir()
    saved = saved_epochs(target.parent)
    files = manifest_of(target.parent, saved[-1]).get("files") if saved else None
    needed = sum(size + BLOCK for size, _ in files.values()) if isinstance(files, dict) else 0
    if shutil.disk_usage(target.parent).free < 1.1 * needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))


@contextmanager
def _without_log() -> Iterator[None]:
    """Within, orbax does not log what it raises anyway, which it does for each of its threads."""
    log = logging.getLogger("absl")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


@contextmanager
def _without_measures() -> Iterator[None]:
    """Within, orbax does not ask TensorStore how many bytes it has written.

    It asks twice for each save, to log the answer, and TensorStore never frees the lists of its
    answers: some 20 KiB of every checkpoint would stay in memory.
    """
    name = "orbax.checkpoint._src.serialization.tensorstore_utils"
    try:
        utils: Any = importlib.import_module(name)
        before = utils.get_tensorstore_raw_bytes
    except (ImportError, AttributeError):  # another version of orbax, which may not ask
        yield
        return
    utils.get_tensorstore_raw_bytes = lambda *_, **__: None  # orbax: "not known"
    try:
        yield
    finally:
        utils.get_tensorstore_raw_bytes = before


def drop_checkpoint(folder: Path, epoch: int) -> None:
    """Remove a checkpoint; from the first moment on it does not count."""
    (folder / f"{epoch}.json").unlink()
    _remove(folder / str(epoch))


def clear_leftovers(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote a checkpoint."""
    whole = set(map(str, saved_epochs(folder)))
    for path in folder.iterdir():
        match = re.fullmatch(r"(\d+)(\.orbax-checkpoint-tmp.*)?", path.name)
        if match and (match[2] or match[1] not in whole):
            _remove(path)


def _remove(path: Path) -> None:
    """A folder with all that is in it; of a symbolic link the link alone."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def manifest_of(folder: Path, epoch: int) -> dict[str, Any]:
    """What the manifest of a checkpoint says; `UserError` if it cannot be read."""
    try:
        manifest = json_value(file_text(folder / f"{epoch}.json"))
    except UserError as error:
        raise _damaged(folder, epoch, "its manifest cannot be read") from error
    if not isinstance(manifest, dict):
        raise _damaged(folder, epoch, "its manifest is no JSON object")
    return manifest


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
    target = folder.resolve() / str(epoch)
    manifest = manifest_of(folder, epoch)
    try:
        files = checked(manifest, Manifest)["files"]
    except UserError as error:
        raise _damaged(folder, epoch, f"its manifest lacks checksums: {error}") from error
    try:
        sums = _checksums(target)
    except OSError as error:
        raise _damaged(folder, epoch, "its files cannot be read") from error
    for name, expected in files.items():
        if name not in sums:
            raise _damaged(folder, epoch, f"{name} is missing")
        if sums[name][0] < expected[0]:
            raise _damaged(folder, epoch, f"{name} is truncated")
        if sums[name] != expected:
            raise _damaged(folder, epoch, f"{name} has been altered")
    if not files or sums.keys() - files.keys():
        unlisted = min(sums.keys() - files.keys(), default="any file")
        raise _damaged(folder, epoch, f"its manifest does not list {unlisted}")
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
