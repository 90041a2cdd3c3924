"""How long a run takes from its start to its first update, cold and with a compilation cache.

    taskset --cpu-list 1 python benchmarks/start.py [ENV/ALGORITHM …]

Every start is a process of its own: the first and the second with a new cache folder, and one
without a cache. It ends when the first chunk of epochs with an update is over. Processor seconds
are beside those by the clock, for machines with other work. Writes `results/start.csv`.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import write

CASES = [
    f"{env}/{algorithm}"
    for env, algorithm in itertools.product(
        ("warehouse-9", "thermal-40", "lq-8"), ("mastac", "mastac-model")
    )
]
STARTS = (("without cache", "off"), ("first", ""), ("second", ""))
HEADER = ("env", "algorithm", "start", "seconds", "processor_seconds", "metrics_digest")


def start(env: str, algorithm: str, out: str) -> None:
    """Train until the first update, and print what it took."""
    import hashlib
    import time

    import mastac
    from mastac.runs.config import resolve
    from mastac.runs.plan import plan_run

    built = mastac.make(env)
    first = plan_run(built, resolve(env, {}, algorithm=algorithm)).schedule.first

    def report(now: Any) -> None:
        if now.epoch >= first:
            raise KeyboardInterrupt

    try:
        mastac.train(env, algorithm, out=out, progress=report, evaluation_interval=first)
    except KeyboardInterrupt:
        seconds = time.time() - float(os.environ["BEGAN"])
        digest = hashlib.sha256((Path(out) / "metrics.csv").read_bytes()).hexdigest()[:16]
        print(json.dumps([seconds, time.process_time(), digest]))


def main() -> None:
    """Measure every case and write the table."""
    import time

    if sys.argv[1:2] == ["start"]:
        return start(*sys.argv[2:])
    rows = []
    for case in sys.argv[1:] or CASES:
        env, algorithm = case.split("/")
        with tempfile.TemporaryDirectory() as folder:
            for name, cache in STARTS:
                command = [sys.executable, __file__, "start", env, algorithm, f"{folder}/{name}"]
                environ = {"MASTAC_CACHE": cache or f"{folder}/cache", "BEGAN": str(time.time())}
                done = subprocess.run(
                    command, env=os.environ | environ, stdout=subprocess.PIPE, check=True
                )
                rows.append([env, algorithm, name, *json.loads(done.stdout.splitlines()[-1])])
                print(*rows[-1], file=sys.stderr, flush=True)
    return write("start", HEADER, rows)


if __name__ == "__main__":
    main()
