"""What `mastac discover` finds behind a log of a power grid, beside the edges of the grid itself.

    pip install pandapower 'mastac[discover]'
    python benchmarks/power_grid.py [--episodes N]

The grid is CIGRE's medium-voltage benchmark with distributed generation, of pandapower. An agent is
a bus with a generator; its state is the voltage there, its action the reactive power. Actions and
loads are drawn anew for every step, and a power flow gives the voltages after it. The edges that
the log shows are compared with those that `mastac graph` reads from the file of the net. Writes
`results/power-grid.csv`.
"""

import argparse
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import mastac
from common import RESULTS, machine
from mastac.files import as_csv, write_text
from mastac.structure.readers import read_topology

STEPS = 20
LARGEST = 0.3  # MVAr, either way
SPREAD = 0.1  # of a load around its usual value, as a share of it


def main() -> None:
    """Play, discover, and write one line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--episodes", type=int, default=40)
    args = parser.parse_args()
    pandapower: Any = import_module("pandapower")
    net = import_module("pandapower.networks").create_cigre_network_mv(with_der="pv_wind")
    with tempfile.TemporaryDirectory() as folder:
        pandapower.to_json(net, f"{folder}/net.json")
        grid, said = read_topology(Path(folder) / "net.json", agents="units")
    print(said)
    log = _log(net, grid.agents, args.episodes, pandapower.runpp)
    found = mastac.discover(log)
    print(found)
    edges = set(found.couplings().edges("action"))
    neighbours = set(grid.edges("state"))
    print("only in the grid:", sorted(neighbours - edges))
    print("no edge:", sorted(_pairs(grid.agents) - edges))
    number = len(grid.agents)
    columns = ("agents", "pairs", "edges_of_the_grid", "found", "of_the_grid_found", "machine")
    row = (number, number * (number - 1), len(neighbours), len(edges), len(neighbours & edges))
    write_text(RESULTS / "power-grid.csv", as_csv([columns, (*row, machine())]))


def _pairs(agents: tuple[str, ...]) -> set[tuple[str, str]]:
    return {(one, other) for one in agents for other in agents if one != other}


def _log(net: Any, agents: tuple[str, ...], episodes: int, run: Any) -> mastac.TransitionLog:
    """Voltages, reactive powers, and as a reward minus the deviation from the nominal voltage."""
    random = np.random.default_rng(0)
    buses = [int(net.bus.index[net.bus.name == agent][0]) for agent in agents]
    usual = net.load.p_mw.to_numpy().copy()
    units = [net.sgen.index[net.sgen.bus == bus] for bus in buses]
    actions = random.uniform(-LARGEST, LARGEST, (episodes, STEPS, len(agents), 1))
    states = np.ones((episodes, STEPS + 1, len(agents), 1))
    for episode in range(episodes):
        for step in range(STEPS):
            net.load.p_mw = usual * random.normal(1.0, SPREAD, len(usual))
            for unit, power in zip(units, actions[episode, step, :, 0], strict=True):
                net.sgen.loc[unit, "q_mvar"] = power / len(unit)
            run(net, numba=False)
            states[episode, step + 1, :, 0] = net.res_bus.vm_pu.loc[buses]
    rewards = -np.abs(states[:, :-1, :, 0] - 1.0)
    return mastac.TransitionLog(states, actions, rewards, agents=list(agents))


if __name__ == "__main__":
    main()
