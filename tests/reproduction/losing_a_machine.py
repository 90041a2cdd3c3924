"""`tiny_reproduction.py` on a Ray cluster of two machines, one of which is killed half-way.

A program of its own because Ray leaves files open, which is an error in our tests.
"""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tiny_reproduction import NAMES, wait_for


def worker_of(node: Any) -> int:
    """The process that is at a cell there."""
    psutil = importlib.import_module("psutil")  # comes with Ray, which has been imported
    parent = psutil.Process(node.all_processes["raylet"][0].process.pid)
    (pid,) = (
        each.pid
        for each in parent.children()
        if any("ray::run_job" in word for word in each.cmdline())
    )
    return pid


def main(arguments: list[str]) -> int:
    """The exit code of the command."""
    from ray.cluster_utils import Cluster

    cells = Path(arguments[-1]) / "cells" / "warehouse-9"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    try:
        dying = cluster.add_node(num_cpus=1)
        script = Path(__file__).with_name("tiny_reproduction.py")
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments, "--ray", str(cluster.address)]
        )
        first, second = (cells / name for name in NAMES)
        wait_for(first / "policies" / "seed-0.npz", process)
        # Held still where it is, or it might be finished by the time that the other machine has
        # begun.
        os.kill(worker_of(dying), signal.SIGSTOP)
        assert not (first / "summary.json").exists()
        cluster.add_node(num_cpus=1)
        wait_for(second / "config.json", process)
        cluster.remove_node(dying, allow_graceful=False)
        return process.wait(timeout=400)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
