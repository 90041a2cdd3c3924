"""Train for a long time and look at the process: does anything grow that should not?

    python benchmarks/soak.py [--seconds S] [--name NAME] [--env ENV] [--often] [OPTION OF TRAIN …]

A run trains in a process of its own, with checkpoints, until Ctrl-C after so many seconds (3,600).
Every ten seconds a row goes to `results/NAME.csv` (`soak`): resident memory and the part of it that
no file stands behind, open handles, threads, epochs a second, and the bytes of the run folder apart
from its tables, which have to grow. At the end it prints the slope of memory after the first ten
minutes. `--often` saves after every chunk, to see what saving alone leaves behind. Linux only: it
reads `/proc`.
"""

import argparse
import csv
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from common import RESULTS, machine

EVERY, WARM_UP = 10.0, 600.0
COMMAND = ["--seeds", "0-1", "--epochs", "1000000", "--evaluation-interval", "10"]
OFTEN = """
import sys
from mastac.cli.main import main
from mastac.runs import saving
saving.SECONDS_BETWEEN, saving.LARGEST_SHARE = 0.0, 1.0
sys.exit(main())
"""
HEADER = ["seconds", "resident_mib", "anonymous_mib", "handles", "threads", "epochs"]
HEADER += ["epochs_per_second", "tables_mib", "rest_mib", "files"]


def look(process: int, folder: Path) -> list[float]:
    """Memory in MiB, handles, threads, epochs, and the folder's MiB and number of files."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines()
    )
    resident, anonymous = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))
    handles = sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())
    sizes: dict[Path, int] = {}
    for path in folder.rglob("*"):
        try:
            sizes[path] = path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # an old checkpoint is being removed
            continue
    tables = sum(size for path, size in sizes.items() if path.suffix == ".csv")
    rest = sum(sizes.values()) - tables
    threads = int(status["Threads"])
    mib = 2**20
    return [resident, anonymous, handles, threads, epochs_of(folder), tables / mib, rest / mib,
            len(sizes)]  # fmt: skip


def epochs_of(folder: Path) -> int:
    """Epochs that are finished."""
    timing = folder / "timing.csv"
    if not timing.exists():
        return 0
    with timing.open("rb") as file:
        file.seek(max(0, timing.stat().st_size - 200))
        lines = file.read().decode().splitlines()[:-1]  # the last one may be cut off
    last = lines[-1].split(",")[0] if lines else ""
    return int(last) if last.isdigit() else 0


def slope(seconds: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Least-squares slope an hour, and the change from the first tenth to the last one."""
    tenth = max(1, len(values) // 10)
    steepness = np.polyfit(seconds / 3600, values, 1)[0]
    return float(steepness), float(values[-tenth:].mean() - values[:tenth].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--name", default="soak")
    parser.add_argument("--env", default="warehouse-9")
    parser.add_argument("--often", action="store_true")
    args, options = parser.parse_known_args()
    how = ["-c", OFTEN] if args.often else ["-m", "mastac"]
    rows: list[list[float]] = []
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, open(RESULTS / f"{args.name}.csv", "w") as file:
        folder, table = Path(place) / "run", csv.writer(file, lineterminator="\n")
        table.writerow([*HEADER, "machine"])
        words = [sys.executable, *how, "train", args.env, *COMMAND, *options]
        words += ["--out", str(folder), "--no-progress"]
        process, began = subprocess.Popen(words), time.monotonic()
        on = machine()
        while process.poll() is None and (gone := time.monotonic() - began) < args.seconds:
            values = look(process.pid, folder)
            before = rows[-1] if rows else [0.0] * len(HEADER)
            speed = (values[4] - before[5]) / max(gone - before[0], 1e-9)
            rows.append([gone, *values[:5], speed, *values[5:]])
            table.writerow([*(f"{value:.6g}" for value in rows[-1]), on])
            file.flush()
            time.sleep(EVERY)
        assert process.poll() is None, "training ended by itself"
        process.send_signal(signal.SIGINT)
        code = process.wait()
    report(np.array(rows), code)


def report(rows: np.ndarray, code: int) -> None:
    """What there is to say about the rows."""
    warm = rows[rows[:, 0] > min(WARM_UP, rows[-1, 0] / 2)]
    column = {name: warm[:, k] for k, name in enumerate(HEADER)}
    print(f"{rows[-1, 0]:.0f} s, {rows[-1, 5]:.0f} epochs, ended by Ctrl-C with exit code {code}")
    print(f"after the first {warm[0, 0]:.0f} s:")
    for name, unit in (("resident_mib", "MiB"), ("anonymous_mib", "MiB"), ("rest_mib", "MiB"),
                       ("handles", ""), ("threads", ""), ("epochs_per_second", "")):  # fmt: skip
        values = column[name]
        steepness, change = slope(column["seconds"], values)
        print(
            f"{name}: {steepness:+.2f} {unit} an hour; {values.min():.1f} to {values.max():.1f}, "
            f"last tenth less first {change:+.2f}"
        )


if __name__ == "__main__":
    main()
