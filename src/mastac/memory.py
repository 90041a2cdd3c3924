"""How much memory there is, and numbers of bytes in words. Imports nothing heavy."""

import os
from contextlib import suppress
from pathlib import Path

from mastac.errors import UserError

GROUPS = Path("/sys/fs/cgroup")
PROCESS = Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")


def size_in_words(size: float) -> str:
    """A number of bytes in units that are read easily.

    >>> size_in_words(0), size_in_words(12_345), size_in_words(5.8e12)
    ('0 bytes', '12.3 kB', '5.8 TB')
    """
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"


def total_memory() -> int | None:
    """Bytes of the machine, or of the control group that it is shared out to; `None`: not known."""
    known = [limit for limit, _ in _groups()]
    if hasattr(os, "sysconf"):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(known, default=None)


def free_memory() -> int | None:
    """Bytes that this process may still take; `None` where the system does not say."""
    known = [limit - used for limit, used in _groups()]
    try:
        lines = MEMORY.read_text().splitlines()
        known += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):  # no Linux
        pass
    return max(0, min(known)) if known else total_memory()


def check_free(what: str, size: float, fix: str) -> None:
    """Refuse what is larger than the memory that is free, before it is asked for.

    **Arguments:**

    - `what`: what would take it, as the message is to call it, in the plural.
    - `size`: in bytes.
    - `fix`: what to do instead.

    **Raises:** `UserError` with the size, what is free, and the fix.
    """
    free = free_memory()
    if free is not None and size > free:
        raise UserError(
            f"{what} take {size_in_words(size)} of memory, and {size_in_words(free)} are free; "
            f"{fix}"
        )


def give_back() -> None:
    """Give freed memory back to the system, which glibc keeps for threads that have ended."""
    import ctypes

    with suppress(OSError, AttributeError, TypeError):  # other systems have no such call
        ctypes.CDLL(None).malloc_trim(0)


def _groups() -> list[tuple[int, int]]:
    """Limit and use of every control group around this process that has a limit."""
    try:
        entries = [line.split(":", 2) for line in PROCESS.read_text().splitlines()]
    except OSError:
        return []
    found = []
    for _, controllers, name in (entry for entry in entries if len(entry) == 3):
        if controllers == "":  # version 2
            root, names = GROUPS, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = GROUPS / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = root / name.strip("/")
        # Within a container, its own group is mounted as the root, whatever its name outside.
        for folder in {root, *(part for part in (group, *group.parents) if root in part.parents)}:
            limit, used = _number(folder / names[0]), _number(folder / names[1])
            if limit is not None and limit < 2**60:  # version 1 writes "no limit" as a number
                found.append((limit, max(0, (used or 0) - _inactive(folder, names[2]))))
    return found


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # "max": no limit
        return None


def _inactive(folder: Path, name: str) -> int:
    """Bytes of files that were read and are given back when memory is asked for."""
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.split()[:1] == [name])
