"""What a checkpoint leaves in memory: `python benchmarks/saves.py`.

A process saves a small checkpoint again and again, and looks at the memory that no file stands
behind, and at the lists that Python knows, after the first twenty and at the end. A second process
does the same while orbax asks TensorStore what it has written, which it does by itself and not in
`mastac`. Writes `results/saves.csv`. Linux only: it reads `/proc`.
"""

import contextlib
import gc
import subprocess
import sys
import tempfile
from pathlib import Path

from common import write
from mastac.runs import checkpoints

SAVES, FIRST = 160, 20


def look() -> tuple[int, int]:
    """KiB that no file stands behind, and how many lists there are."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    anonymous = int(status.split("RssAnon:")[1].split()[0])
    return anonymous, sum(type(each) is list for each in gc.get_objects())


def saved(is_asked: bool) -> tuple[float, float]:
    """KiB and lists that a checkpoint leaves, on average."""
    import jax.numpy as jnp

    if is_asked:
        checkpoints._without_measures = contextlib.nullcontext
    tree, before = {"x": jnp.arange(4.0)}, (0, 0)
    with tempfile.TemporaryDirectory() as folder:
        for epoch in range(SAVES):
            if epoch == FIRST:
                before = look()
            checkpoints.save_checkpoint(Path(folder), epoch, tree)
        kib, lists = (now - then for now, then in zip(look(), before, strict=True))
    return kib / (SAVES - FIRST), lists / (SAVES - FIRST)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(*saved(sys.argv[1] == "asked"))
        sys.exit()
    rows = []
    for how in ("asked", "not asked"):
        done = subprocess.run([sys.executable, __file__, how], capture_output=True, check=True)
        rows.append([how, SAVES - FIRST, *map(float, done.stdout.split())])
    write("saves", ["tensorstore", "saves", "kib_a_save", "lists_a_save"], rows)
