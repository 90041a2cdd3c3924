"""Seconds and memory of MADDPG of BenchMARL beside `maddpg` and `mastac`, in one run.

    python benchmarks/peers/compare.py [--agents N …] [--threads 1 2] [--cycles C]
        [--only ours|peers] [--again]

A cycle is eight environment steps and one update of all agents. Every measurement is a process of
its own, on as many cores as it has threads. BenchMARL and PyTorch are installed from the package
index into an environment of their own, `build/peers`. Before anything is timed, an episode of the
two environments is compared. Rows that `results/peers.csv` has from this machine are not measured
again, unless asked for. At the end the ratios are printed.
"""

import argparse
import csv
import itertools
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from common import RESULTS, machine, rounded  # noqa: E402

PEERS = ROOT / "build" / "peers"
PYTHON = PEERS / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
CONSTRAINTS = HERE / "constraints.txt"
TABLE = RESULTS / "peers.csv"
CYCLES = {9: 40, 40: 30, 160: 12, 640: 3}
"""Measured cycles by the number of agents; the largest one that is not above it counts."""
WARM_UP = 2
ROWS = (("peers", "benchmarl-maddpg"), ("ours", "maddpg"), ("ours", "mastac"))
KEY = ("algorithm", "agents", "threads")
FIGURES = ("cycle_s", "cycle_cpu_s", "peak_mib", "first_update_s", "first_update_cpu_s")
HEADER: tuple[str, ...] = (
    *KEY,
    "cycles",
    *FIGURES,
    "kept_first_update_s",
    "actor_weights",
    "critic_weights",
)
HEADER += ("versions", "message", "machine")
Row = dict[str, Any]


def set_up() -> None:
    """Make the environment of BenchMARL, unless it is there with these versions."""
    asked = CONSTRAINTS.read_text(encoding="utf-8")
    stamp = PEERS / "constraints.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == asked:
        return
    print(f"installing BenchMARL and PyTorch into {PEERS.relative_to(ROOT)}", flush=True)
    venv.create(PEERS, with_pip=True, clear=True)
    packages = asked.split()
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *packages], check=True)
    stamp.write_text(asked, encoding="utf-8")


def same_dynamics(agents: int = 9) -> None:
    """Refuse to compare if an episode is not the same on both sides."""
    draw = random.Random(0)
    logits = [[[draw.gauss(0, 1) for _ in range(3)] for _ in range(agents)] for _ in range(8)]
    told = []
    for command in ([PYTHON, HERE / "theirs.py"], [sys.executable, HERE / "ours.py"]):
        output = subprocess.run(
            [*command, "episode", str(agents)],
            input=json.dumps(logits),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout
        told.append(numbers(json.loads(output.splitlines()[-1])))
    apart = max(abs(one - other) for one, other in zip(*told, strict=True))
    if apart > 1e-4:
        raise SystemExit(
            f"the environments differ by {apart:.2g}: correct benchmarks/peers/ring.py"
        )
    print(f"an episode is the same on both sides, to {apart:.1g}", flush=True)


def numbers(tree: Any) -> list[float]:
    """All numbers in nested lists."""
    return [x for part in tree for x in numbers(part)] if isinstance(tree, list) else [tree]


def measured(algorithm: str, agents: int, threads: int, cycles: int, cache: str) -> Row:
    """What a process of its own tells of one measurement; without cycles, of its start alone."""
    total = 1 + WARM_UP + cycles if cycles else 1
    with tempfile.TemporaryDirectory() as folder:
        if algorithm.startswith("benchmarl"):
            command = [PYTHON, HERE / "theirs.py", "measure", agents, threads, total, folder]
        else:
            command = [sys.executable, HERE / "ours.py", "measure", algorithm, agents, total]
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        chosen = dict.fromkeys(names, str(threads)) | {"MASTAC_CACHE": cache}
        done = subprocess.run(
            ["taskset", "--cpu-list", cores(threads), *map(str, command)],
            env=os.environ | chosen | {"JAX_PLATFORMS": "cpu", "BEGAN": str(time.time())},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return {"message": f"exit code {done.returncode}: {last}"[:200]}
    told = json.loads(done.stdout.splitlines()[-1])
    return figures(told["ends"]) | {
        "cycles": cycles,
        "peak_mib": told["peak_mib"],
        "actor_weights": told["weights"]["loss_actor"],
        "critic_weights": told["weights"]["loss_value"],
    }


def figures(ends: Sequence[Sequence[float]]) -> Row:
    """Seconds until the first update, and the medians of the cycles after the warm-up."""
    found: Row = {"first_update_s": ends[0][0], "first_update_cpu_s": ends[0][1]}
    cycles = list(itertools.pairwise(ends[WARM_UP:]))
    for k, name in enumerate(("cycle_s", "cycle_cpu_s") if cycles else ()):
        found[name] = statistics.median(after[k] - before[k] for before, after in cycles)
    return found


def cores(threads: int) -> str:
    """The first cores that this process may use."""
    return ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))


def rows_of(path: Path) -> list[Row]:
    """The rows that were measured before."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(rows: Sequence[Row]) -> None:
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HEADER, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def key_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in KEY)


def ratios(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each of our rows: how many times as much BenchMARL takes."""
    theirs = {key_of(row)[1:]: row for row in rows if row["algorithm"] == ROWS[0][1]}
    yield "| agents | threads | BenchMARL takes … times | " + " | ".join(FIGURES) + " |"
    yield "|" + "---|" * (3 + len(FIGURES))
    for row in rows:
        peer = theirs.get(key_of(row)[1:])
        if peer is None or row is peer or row["message"] or peer["message"]:
            continue
        times = [f"{float(peer[name]) / float(row[name]):.2f}" for name in FIGURES]
        first = [row["agents"], row["threads"], row["algorithm"], *times]
        yield "| " + " | ".join(map(str, first)) + " |"


def row_for(algorithm: str, agents: int, threads: int, cycles: int) -> Row:
    """A measurement, and for ours the start of a second process that finds programs compiled."""
    with tempfile.TemporaryDirectory() as cache:
        row = measured(algorithm, agents, threads, cycles, cache)
        if algorithm.startswith("benchmarl"):
            versions = CONSTRAINTS.read_text(encoding="utf-8").split()
        else:
            versions = [f"{name}=={metadata.version(name)}" for name in ("mastac", "jax")]
            again = measured(algorithm, agents, threads, 0, cache)
            row["kept_first_update_s"] = again.get("first_update_s", "")
    row |= {"algorithm": algorithm, "agents": agents, "threads": threads}
    return row | {"versions": " ".join(versions), "message": row.get("message", "")}


def cycles_for(agents: int) -> int:
    return CYCLES[max((size for size in CYCLES if size <= agents), default=min(CYCLES))]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, nargs="+", default=list(CYCLES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cycles", type=int, help="measured cycles; fewer for more agents")
    parser.add_argument("--only", choices=("ours", "peers"))
    parser.add_argument("--again", action="store_true", help="measure anew what is known")
    args = parser.parse_args()
    if shutil.which("taskset") is None:
        parser.error("taskset holds processes to their cores; run this on Linux with util-linux")
    if min(args.agents) < 3:
        parser.error("--agents must be at least 3: a ring has two neighbours")
    if args.cycles is not None and args.cycles < 1:
        parser.error("--cycles must be at least 1")
    if not 1 <= min(args.threads) <= max(args.threads) <= len(os.sched_getaffinity(0)):
        parser.error(f"--threads must be from 1 to {len(os.sched_getaffinity(0))}, the cores here")
    return args


def main() -> None:
    """Measure what is missing, write every row at once, and print the ratios."""
    args = arguments()
    if args.only != "ours":
        set_up()
        same_dynamics()
    here, rows = machine(), rows_of(TABLE)
    for agents in args.agents:
        for threads in args.threads:
            for side, algorithm in ROWS:
                key = (algorithm, str(agents), str(threads))
                old = [row for row in rows if key_of(row) == key]
                is_known = any(row["machine"] == here and not row["message"] for row in old)
                if args.only not in (None, side) or (is_known and not args.again):
                    continue
                row = row_for(algorithm, agents, threads, args.cycles or cycles_for(agents))
                row = {name: rounded(value) for name, value in row.items()} | {"machine": here}
                rows = [kept for kept in rows if key_of(kept) != key] + [row]
                write_rows(rows)
                told = (row.get(name, "") for name in HEADER[:-2])
                print(*told, row["message"], flush=True)
    print(*ratios(rows), sep="\n")


if __name__ == "__main__":
    main()
