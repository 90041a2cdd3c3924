"""What a GPU does with the library, in one prepared run of under nine minutes.

    python benchmarks/gpu.py [--out FOLDER] [--seconds S] [--tiny] [--parts update loop check cells]

- `update`: an update at 40 to 100,000 agents with 1, 15 and 128 seeds, against its bare matrix
  products and the card's rates: `gpu-update.csv`, `gpu-card.csv`.
- `loop`: an epoch of training, its episode, and how many kernels they start: `gpu-loop.csv`.
- `check`: the update of several algorithms on the GPU against the CPU's, in two precisions:
  `gpu-check.csv`.
- `cells`: cells of the paper's first table with all seeds and epochs: `gpu-cells.csv`, and their
  raw data in `raw/`.

The parts are processes of their own, so that none takes memory from another, or others with it.
Every row is written when it is measured; one that could not be measured says why in its last column
but one. `update` and `loop` have the card to themselves; `check` and several cells share it, since
a cell alone does not fill it. Nothing is begun that is known not to end within `--seconds`.

`--tiny` does the same with little of everything, on any machine.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from common import RESULTS

PARTS = ("update", "loop", "check", "cells")
# Of the time: when a part that has the card to itself has to be done.
ENDS = {"update": 0.42, "loop": 0.52}
GRACE = 15.0  # seconds after which a part that does not end is ended
LAST = 0.97
MEMORY = "0.92"  # share of the GPU that a part takes which has it to itself


def begin(part: str, out: Path, until: float, tiny: bool, *more: str) -> subprocess.Popen[bytes]:
    """Start a part that is to be done at the time `until`."""
    alone = part in ENDS
    environ = {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "true" if alone else "false",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": MEMORY,
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    script = Path(__file__).with_name(f"gpu_{part}.py")
    command = [sys.executable, str(script), "--out", str(out), "--until", str(until), *more]
    print(f"{time.strftime('%H:%M:%S')} {part} {' '.join(more)}".rstrip(), flush=True)
    return subprocess.Popen(
        command + ["--tiny"] * tiny, env={**environ, **os.environ}, cwd=Path(__file__).parents[1]
    )


def end(process: subprocess.Popen[bytes], until: float) -> None:
    """Wait for a part until that time and a little longer, then end it."""
    try:
        process.wait(max(0.0, until + GRACE - time.time()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        print(f"{process.args[1]} did not end in time", flush=True)  # type: ignore[index]


def main(out: Path, seconds: float, tiny: bool, parts: list[str]) -> int:
    """Run the parts; 1 if one of them failed."""
    began = time.time()
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    codes = []
    for part in ENDS:
        if part in parts:
            until = began + seconds * ENDS[part]
            process = begin(part, out, until, tiny)
            end(process, until)
            codes.append(process.returncode)
    until = began + seconds * LAST - GRACE
    shared = [begin(part, out, until, tiny) for part in ("check", "cells") if part in parts]
    for process in shared:
        end(process, until)
        codes.append(process.returncode)
    print(f"{time.time() - began:.0f} s; exit codes {codes}; results in {out}", flush=True)
    return int(any(codes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--seconds", type=float, default=520)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    sys.exit(main(args.out, args.seconds, args.tiny, args.parts))
