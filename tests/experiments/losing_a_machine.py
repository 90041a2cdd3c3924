"""`tiny_reproduction.py` on a Ray cluster of two machines, one of which is killed when both are at work.

A program of its own because Ray leaves files open, which is an error in our tests.
"""

import subprocess
import sys
from pathlib import Path

from tiny_reproduction import NAMES, wait_for


def main(arguments: list[str]) -> int:
    """The exit code of the command."""
    from ray.cluster_utils import Cluster

    cells = Path(arguments[-1]) / "cells" / "warehouse-9"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        script = Path(__file__).with_name("tiny_reproduction.py")
        process = subprocess.Popen([sys.executable, str(script), *arguments, "--ray", str(cluster.address)])
        for name in NAMES:
            wait_for(cells / name / "config.json", process)
        wait_for(cells / NAMES[0] / "policies" / "seed-0.npz", process)
        # With two cells at work and room for one on each machine, either machine has one of them.
        assert not any((cells / name / "summary.json").exists() for name in NAMES)
        cluster.remove_node(nodes[0], allow_graceful=False)
        return process.wait(timeout=120)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
