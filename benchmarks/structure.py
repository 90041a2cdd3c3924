"""Time and peak memory of dependency sets, up to a million agents.

    python benchmarks/structure.py [MOST_AGENTS]

Each row is computed in a process of its own, and so is its baseline: for few agents d-separation on
the unrolled network by networkx, for many the same formula in plain scipy. Seconds are processor
time, which other work on the machine disturbs least; the `wall` columns have the time by the clock.
`build_s` is for reading the edge matrices and naming the agents.
"""

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
from scipy.sparse import csr_array, eye_array
from scipy.sparse.csgraph import connected_components

KAPPA = 2
CASES = [
    ("ring", KAPPA, (10, 20, 1000, 10_000, 100_000, 1_000_000)),
    ("grid", KAPPA, (9, 16, 1024, 10_000, 99_856, 1_000_000)),
    ("random", KAPPA, (10, 20, 1000, 10_000, 100_000)),
    ("random", None, (10, 20, 1000, 10_000, 100_000, 1_000_000)),
]
FEW = 20


def edges(graph: str, agents: int) -> csr_array:
    """The matrix [source, target] of the state and the observation graph, without the diagonal."""
    own = np.arange(agents)
    if graph == "ring":
        first, second = own, (own + 1) % agents
    elif graph == "grid":
        side = round(agents**0.5)
        square = own.reshape(side, side)
        first = np.concatenate([square[:, :-1].ravel(), square[:-1].ravel()])
        second = np.concatenate([square[:, 1:].ravel(), square[1:].ravel()])
    else:  # each agent is affected by four others on average
        first, second = np.random.default_rng(0).integers(0, agents, (2, 4 * agents))
    rows, columns = first, second
    if graph != "random":  # both directions
        rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    matrix = csr_array((np.ones(len(rows), bool), (rows, columns)), shape=(agents, agents))
    matrix.setdiag(False)
    matrix.eliminate_zeros()
    return matrix


def ours(graph: str, agents: int, kappa: int | None) -> dict[str, Any]:
    """`mastac.value_dependency`."""
    from mastac.structure import Couplings, value_dependency

    matrix = edges(graph, agents)
    began = time.process_time()
    couplings = Couplings(agents, state=matrix, observation=matrix)
    built = time.process_time() - began

    def work() -> float:
        sets = value_dependency(couplings, kappa)
        if kappa is None:
            sets.members(0)
            return int(sets.sizes().sum())
        return sets.states.nnz

    return timed(work) | {"build_s": built}


def plain(graph: str, agents: int, kappa: int | None) -> dict[str, Any]:
    """The formulas with scipy's operators: R O (S O)^(kappa - 1) S, or the components of S O."""
    both: Any = csr_array(edges(graph, agents).T + eye_array(agents, dtype=bool, format="csr"))

    def work() -> float:
        if kappa is None:
            number, labels = connected_components(both @ both, connection="strong")
            assert len(labels) == agents
            return number
        sets: Any = both
        for _ in range(kappa - 1):
            sets = (sets @ both) @ both
        sets = sets @ both
        sets.sort_indices()
        return sets.nnz

    return timed(work)


def brute(graph: str, agents: int, kappa: int | None) -> dict[str, Any]:
    """States and actions that are not d-separated from each agent's rewards, one by one."""
    import networkx as nx

    from mastac.structure import Couplings, bayesian_network

    matrix = edges(graph, agents)
    couplings = Couplings(agents, state=matrix, observation=matrix)

    def work() -> float:
        last = agents if kappa is None else kappa
        network = bayesian_network(couplings, last)
        first = {(kind, name, 0) for kind in "sa" for name in couplings.agents}
        count = 0
        for name in couplings.agents:
            rewards = {("z", name, t) for t in range(last + 1)}
            for member in couplings.agents:
                ends = ({("s", member, 0)}, {("a", member, 0)})
                count += any(
                    not nx.is_d_separator(network, end, rewards, first - end) for end in ends
                )
        return count

    return timed(work)


def timed(work: Any) -> dict[str, Any]:
    """Time and memory of a call that returns how many entries the sets have."""
    wall, processor = time.perf_counter(), time.process_time()
    entries = work()
    seconds = time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall_seconds = time.perf_counter() - wall
    return {"entries": entries, "s": seconds, "wall_s": wall_seconds, "peak_mib": peak}


def in_own_process(way: str, graph: str, agents: int, kappa: int | None) -> dict[str, Any]:
    """The figures of one way, from a process of its own."""
    words = [sys.executable, __file__, way, graph, str(agents), json.dumps(kappa)]
    return json.loads(
        subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    )


def main(most: int) -> None:
    from common import write

    rows = []
    for graph, kappa, sizes in CASES:
        for agents in (size for size in sizes if size <= most):
            baseline = "brute" if agents <= FEW else "plain"
            mine, base = (in_own_process(way, graph, agents, kappa) for way in ("ours", baseline))
            if baseline == "brute" or kappa is not None:
                assert mine["entries"] == base["entries"]
            window = "exact" if kappa is None else kappa
            figures = [mine[key] for key in ("entries", "build_s", "s", "wall_s", "peak_mib")]
            beside = [base[key] for key in ("s", "wall_s", "peak_mib")]
            ratio = base["s"] / max(mine["s"], 1e-9)
            rows.append([graph, window, agents, *figures, baseline, *beside, ratio])
            print(rows[-1], flush=True)
    mine = ["entries", "build_s", "s", "wall_s", "peak_mib"]
    beside = ["baseline", "baseline_s", "baseline_wall_s", "baseline_peak_mib", "times_quicker"]
    write("structure", ["graph", "kappa", "agents", *mine, *beside], rows)


if __name__ == "__main__":
    if len(sys.argv) == 5:
        ways = {"ours": ours, "plain": plain, "brute": brute}
        print(json.dumps(ways[sys.argv[1]](sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
