"""Compiled programs, kept between processes in the user's cache folder.

JAX writes, finds and removes them (its persistent compilation cache). Here it is only told where,
and only for as long as a run is at work.
"""

import hashlib
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

VARIABLE = "MASTAC_CACHE"
OFF = ("", "0", "no", "off", "false")
FOLDER, SWITCH = "jax_compilation_cache_dir", "jax_enable_compilation_cache"
"""JAX's settings that a user may have made."""
MOST_BYTES = 2**30
"""What all programs take together; JAX removes those that were not used for longest."""
LEAST_SECONDS = 0.1
"""Programs that compile faster are not worth a file."""
FIRST_ON_MACOS = (0, 10)
"""Earlier versions of jaxlib crash there when they read a large program back."""


def cache_folder() -> Path | None:
    """The folder of compiled programs of machines like this one; `None` where none are kept.

    The variable `MASTAC_CACHE` names another folder, or turns it off ("off").
    """
    named = os.environ.get(VARIABLE)
    if named is not None and named.strip().lower() in OFF:
        return None
    jaxlib = metadata.version("jaxlib")
    if sys.platform == "darwin" and tuple(map(int, jaxlib.split(".")[:2])) < FIRST_ON_MACOS:
        return None
    try:
        folder = users_cache() / "mastac" if named is None else Path(named).expanduser()
    except RuntimeError:  # the user has no home
        return None
    # Programs are made for one kind of processor, and a home may be shared by several kinds.
    kind = hashlib.sha256(f"{_processor()} {jaxlib}".encode()).hexdigest()[:12]
    return folder.absolute() / f"programs-{kind}"


def users_cache() -> Path:
    """Where programs of this user keep what can be made again."""
    home = Path.home
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return home() / "Library" / "Caches"
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return Path(chosen) if Path(chosen).is_absolute() else home() / ".cache"


def _processor() -> str:
    """What the processor is and can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    said = {line.split(":")[0].strip(): line for line in reversed(lines)}  # of the first core
    names = ("model name", "flags", "Features")
    return " ".join([platform.machine(), *(said[name] for name in names if name in said)])


@contextmanager
def compilation_cache() -> Iterator[None]:
    """Within, JAX keeps what it compiles and finds what was compiled before.

    Nothing happens where the user has set or turned off JAX's cache
    (`jax_compilation_cache_dir`, `jax_enable_compilation_cache`), or turned off ours
    (`MASTAC_CACHE=off`). What is set is put back at the end.

    A folder that cannot be written to costs a warning; what JAX could not keep, or read back, it
    compiles.
    """
    import jax

    is_users = getattr(jax.config, FOLDER) or not getattr(jax.config, SWITCH)
    folder = None if is_users else cache_folder()
    if folder is None or not _is_usable(folder):
        yield
        return
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    chosen = {
        FOLDER: str(folder),
        "jax_compilation_cache_max_size": MOST_BYTES,
        "jax_persistent_cache_min_compile_time_secs": LEAST_SECONDS,
    }
    before = {name: getattr(jax.config, name) for name in chosen}
    try:
        for name, value in chosen.items():
            jax.config.update(name, value)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation")
            yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        reset_cache()  # JAX would go on with the folder that it has opened


def _is_usable(folder: Path) -> bool:
    """Whether files can be written to the folder, which is made; a warning if not."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(folder / ".lockfile", timeout=0):  # JAX's own
            _remove_halves(folder)
    except Timeout:  # another process writes at this moment
        return True
    except OSError as error:
        warnings.warn(
            f"compiled programs are not kept: '{folder}' is not writable ({error.strerror}); "
            f"name another folder in the variable {VARIABLE}, or set it to off",
            RuntimeWarning,
            stacklevel=4,
        )
        return False
    return True


def _remove_halves(folder: Path) -> None:
    """Remove programs whose writer was killed: JAX would neither read nor replace them."""
    for path in folder.glob("*-cache"):
        if not path.with_name(f"{path.name.removesuffix('-cache')}-atime").exists():
            path.unlink(missing_ok=True)
