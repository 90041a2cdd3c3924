"""What crosses between devices when agents are spread over them: counted, and a million on paper.

    python benchmarks/partition.py [cuts] [counted] [million]

`cuts`: halos and numbers sent with three ways to cut, of rings, grids and random networks, κ = 2,
on eight devices. `counted`: the bytes that the compiled update sends on eight virtual devices of
the CPU, beside those that the sets say, and the time of an update of all agents on one. `million`:
the halos of a grid of a million agents, and what they mean for links and memory. Without an
argument all three.
"""

import csv
import os
import sys
import time
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from common import RESULTS, median_seconds, write
from mastac import Couplings, value_dependency
from mastac.structure import topologies
from mastac.structure.halos import Halos, exchange_of, filled, halos_of, numbers_sent
from mastac.structure.layouts import structured
from mastac.structure.partition import CUTS, partitioned

KAPPA, DEVICES, BATCH = 2, 8, 128
SIZES = (64, 160, 640, 2560)
NETWORKS = {"actor_hidden": [64] * 3, "critic_hidden": [64] * 3, "batch_size": BATCH}
STEPS_KEPT = 10_000
LINKS = {"10_gbit": 1.25e9, "100_gbit": 12.5e9}
"""Bytes per second each way."""
MESSAGE = 10e-6
"""Seconds that a message takes however short it is."""
MILLION = (8, 64, 512, 4096)


def couplings_of(graph: str, agents: int) -> Couplings:
    """A ring, a grid, or the four nearest of each of points in a square, numbered at random."""
    if graph == "ring":
        return topologies.ring(agents)
    if graph == "grid":
        rows = max(k for k in range(1, int(agents**0.5) + 1) if agents % k == 0)
        return topologies.grid(rows, agents // rows)
    points = np.random.default_rng(agents).uniform(size=(agents, 2))
    near = np.asarray(KDTree(points).query(points, 5)[1])
    pairs = [(int(j), i) for i, row in enumerate(near) for j in row[1:]]
    return Couplings(agents, state=[*pairs, *((i, j) for j, i in pairs)])


def busiest(halos: Halos, devices: int, owner: np.ndarray) -> int:
    """Numbers that one device sends and receives for a sample, at most, one for each action."""
    load = np.zeros(devices, np.int64)
    for device in range(devices):
        for agents, times in ((halos.actions[device], 2), (halos.credited[device], 1)):
            load[device] += times * len(agents)
            load += times * np.bincount(owner[agents], minlength=devices)
    return int(load.max())


def cuts() -> None:
    """Write `partition-cuts.csv`."""
    rows = []
    for graph in ("ring", "grid", "random"):
        for agents in SIZES:
            couplings = couplings_of(graph, agents)
            layout = structured(value_dependency(couplings, KAPPA))
            ones = np.ones(agents, np.int64)
            for cut in CUTS:
                began = time.perf_counter()
                parts = partitioned(layout, DEVICES, cut)
                seconds = time.perf_counter() - began
                halos = halos_of(layout, parts)
                place = np.zeros(agents, np.int64)
                exchange = exchange_of(parts.owner, place, filled(halos.actions))
                sizes = [len(row) for row in halos.actions]
                sent = numbers_sent(halos, ones, ones)
                all_read = 3 * (layout.actions.nnz - agents)
                row = [graph, agents, cut, parts.sizes.max(), max(sizes), sent.sample]
                rows.append([*row, all_read, len(exchange.slices), seconds])
    header = ["graph", "agents", "cut", "most_agents", "largest_halo", "numbers_per_sample"]
    header += ["numbers_with_a_device_each", "messages", "cut_s"]
    write("partition-cuts", header, rows)


def spec_of(agents: int):
    """A learner on a grid, with networks of three layers of 64."""
    import mastac
    from mastac.runs import plan_run, resolve

    state = couplings_of("grid", agents).state.tocoo()
    edges = [[int(j), int(i)] for i, j in zip(state.row, state.col, strict=True) if i != j]
    env = mastac.make(f"lq-{agents}", graph=edges)
    settings: dict[str, Any] = {**NETWORKS, "buffer_size": STEPS_KEPT}
    config = resolve(env.id, env.options, kappa=KAPPA, epochs=1000, **settings)
    return plan_run(env, config).spec


def timed(split: Any, devices: int, seconds: list[float]) -> tuple[Any, tuple[Any, ...]]:
    """An update on so many devices, compiled, and its arguments; adds the seconds that it took."""
    from mastac.learning.partition import agent_mesh, lowered_update

    lowered, given = lowered_update(split, agent_mesh(devices, 1), 1)
    began = time.perf_counter()
    compiled = lowered.compile()
    seconds.append(time.perf_counter() - began)
    return compiled, given


def counted() -> None:
    """Write `partition-counted.csv`."""
    import jax

    from mastac.learning.partition import bytes_between_devices, split_over

    rows = []
    for agents in SIZES:
        spec = spec_of(agents)
        timings = []
        split = split_over(spec, partitioned(spec.layout, DEVICES))
        compiled, _ = timed(split, DEVICES, timings)
        found = bytes_between_devices(compiled.as_text())
        sent = numbers_sent(split.halos, spec.env.state_sizes, spec.env.action_sizes)
        own, held = split.tables.agents.shape[1], split.tables.actions.shape[1]
        compiled, given = timed(split_over(spec, partitioned(spec.layout, 1)), 1, timings)
        state = given[2]
        kept = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
        zeros = jax.tree.map(lambda leaf: jax.numpy.zeros(leaf.shape, leaf.dtype), state)
        arrays = (*given[:2], zeros, *given[3:])
        seconds = median_seconds(lambda run=compiled, at=arrays: run(*at), 3)
        row = [agents, own, held - own, sum(found.values()), 4 * BATCH * sent.sample]
        rows.append([*row, 4 * sent.step, kept / agents, 1e3 * seconds, *timings])
        assert set(found) == {"collective-permute"} and rows[-1][3] == rows[-1][4]
    header = ["agents", "agents_of_a_device", "halo", "bytes_counted", "bytes_of_sets"]
    header += ["bytes_of_a_step", "bytes_kept_per_agent", "update_on_one_ms"]
    write("partition-counted", [*header, "compile_8_s", "compile_1_s"], rows)


def million() -> None:
    """Write `partition-million.csv`: nothing but the cut is measured, the rest is arithmetic."""
    with open(RESULTS / "partition-counted.csv", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    cpu = float(last["update_on_one_ms"]) / 1e3 / int(last["agents"])
    memory = float(last["bytes_kept_per_agent"])
    with open(RESULTS / "gpu-update.csv", encoding="utf-8") as file:
        card = next(csv.DictReader(file))
    gpu = float(card["update_ms"]) / 1e3 / (int(card["agents"]) * int(card["seeds"]))
    side = 1000
    couplings = topologies.grid(side, side)
    layout = structured(value_dependency(couplings, KAPPA))
    rows = []
    for devices in MILLION:
        began = time.perf_counter()
        parts = partitioned(layout, devices)
        seconds = time.perf_counter() - began
        halos = halos_of(layout, parts)
        place = np.zeros(side * side, np.int64)
        exchange = exchange_of(parts.owner, place, filled(halos.actions))
        # A device sends and receives at the same time; its busiest direction is at most this.
        load = 4 * BATCH * busiest(halos, devices, parts.owner) / 2
        most = int(parts.sizes.max())
        halo = max(len(row) for row in halos.actions)
        partners = max(
            sum(1 for part in exchange.slices if any(d in pair for pair in part.pairs))
            for d in range(min(devices, 64))
        )
        latency = 3 * partners * MESSAGE
        links = [1e3 * (load / speed + latency) for speed in LINKS.values()]
        row = [devices, most, halo, load / 1e6, *links, 1e3 * cpu * most, 1e3 * gpu * most]
        rows.append([*row, memory * most / 1e9, seconds])
    header = ["devices", "agents_of_a_device", "halo", "mb_of_an_update"]
    header += [f"exchange_ms_{name}" for name in LINKS]
    write(
        "partition-million",
        [*header, "update_ms_cpu", "update_ms_h100", "gb_of_a_device", "cut_s"],
        rows,
    )


def main() -> None:
    """The parts that are named, or all."""
    # Before JAX is imported, which `write` does.
    flag = f"--xla_force_host_platform_device_count={DEVICES}"
    os.environ |= {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flag}
    for part in (cuts, counted, million):
        if len(sys.argv) == 1 or part.__name__ in sys.argv[1:]:
            part()


if __name__ == "__main__":
    main()
