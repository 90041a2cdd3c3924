"""Sixteen traffic lights of a grid of roads: `grid4x4` of the package sumo-rl, through libsumo.

An agent is a traffic light, an edge a road from one to the next. Needs the extra `sumo`. A process
holds one simulation of libsumo, that which was reset last.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Discrete

import mastac
from mastac.errors import UserError
from mastac.examples.outside.team import Actions, Baseline, Team, chance, outside
from mastac.structure.readers import read_topology
from mastac.structure.xml_text import parse_xml

YELLOW = 3  # seconds


class Signals(Team):
    """Traffic lights that choose their next green phase every few seconds.

    What an agent sees, and its own state, is for each lane that it controls how many vehicles halt
    there and how many there are, and which phase it shows. It is paid minus the vehicles that halt
    at the end of the step. Where the vehicles are along their lanes is in no state, so that critics
    are not exact.

    **Arguments:**

    - `net`, `routes`: files of SUMO; by default those of grid4x4.
    - `seconds`: of a step, of which the first three are yellow where the phase changes.
    - `horizon`: steps of an episode.
    """

    one_per_process = True
    running: ClassVar["Signals | None"] = None

    def __init__(
        self,
        net: str | Path | None = None,
        routes: str | Path | None = None,
        seconds: int = 10,
        horizon: int = 60,
    ) -> None:
        self.sumo = outside("libsumo", "sumo")
        self.net = _grid("grid4x4.net.xml") if net is None else Path(net)
        self.routes = _grid("grid4x4_1.rou.xml") if routes is None else Path(routes)
        self.seconds = seconds
        couplings, self.said = read_topology(self.net)
        roads = couplings.edges("state")
        # Queues are counted after the step, and others' vehicles have arrived by then.
        couplings = mastac.Couplings(couplings.agents, state=roads, reward=roads)
        self._read_signals(couplings.agents)
        sizes = [2 * len(self.lanes[a]) + len(self.greens[a]) for a in couplings.agents]
        super().__init__(
            couplings,
            [Box(0.0, np.inf, (size,)) for size in sizes],
            [Discrete(len(self.greens[agent])) for agent in couplings.agents],
            horizon,
        )

    def _read_signals(self, agents: tuple[str, ...]) -> None:
        """Green phases, and for every signal of a light the lanes from and to which it leads."""
        root = parse_xml(self.net.read_text("utf-8"), str(self.net), "net", "SUMO network")
        self.greens: dict[str, list[str]] = {}
        for light in root.findall("tlLogic"):
            phases = [phase.get("state", "") for phase in light.findall("phase")]
            green = [state for state in phases if set(state) & set("Gg") and "y" not in state]
            self.greens.setdefault(light.get("id", ""), green)
        self.moves: dict[str, dict[int, tuple[str, str]]] = {agent: {} for agent in agents}
        for turn in root.findall("connection"):
            if turn.get("tl") in self.moves:
                ends = (f"{turn.get(end)}_{turn.get(f'{end}Lane')}" for end in ("from", "to"))
                start, end = ends
                self.moves[turn.get("tl", "")][int(turn.get("linkIndex", 0))] = (start, end)
        self.lanes = {
            agent: list(dict.fromkeys(start for start, _ in moves.values()))
            for agent, moves in self.moves.items()
        }

    def begin(self) -> None:
        """An empty network; the seed decides how people drive."""
        files = ["--net-file", str(self.net), "--route-files", str(self.routes)]
        quiet = ["--no-step-log", "true", "--no-warnings", "true", "--time-to-teleport", "-1"]
        seed = ["--seed", str(self.random.integers(2**31))]
        if Signals.running is not None:
            self.sumo.close()
        self.sumo.start(["sumo", *files, *quiet, *seed])
        Signals.running = self
        self.phase = dict.fromkeys(self.agents, 0)
        self._show(self.phase)
        self._count()

    def advance(self, actions: Actions) -> np.ndarray:
        """Yellow where the phase changes, then the phases that were chosen."""
        if Signals.running is not self:
            raise RuntimeError("libsumo holds one simulation a process: reset this one again")
        chosen = {agent: int(actions[agent]) for agent in self.agents}
        for agent in self.agents:
            if chosen[agent] != self.phase[agent]:
                state = self.greens[agent][self.phase[agent]]
                following = self.greens[agent][chosen[agent]]
                yellow = "".join(
                    "y" if now in "Gg" and then not in "Gg" else now
                    for now, then in zip(state, following, strict=True)
                )
                self.sumo.trafficlight.setRedYellowGreenState(agent, yellow)
        for second in range(self.seconds):
            if second == YELLOW:
                self._show(chosen)
            self.sumo.simulationStep()
        self.phase = chosen
        self._count()
        return np.array([-float(self.halting[agent].sum()) for agent in self.agents])

    def _show(self, phase: dict[str, int]) -> None:
        for agent, number in phase.items():
            self.sumo.trafficlight.setRedYellowGreenState(agent, self.greens[agent][number])

    def _count(self) -> None:
        """How many vehicles halt, and how many there are, on each lane to a traffic light."""
        lane = self.sumo.lane
        self.halting = {
            agent: np.array([lane.getLastStepHaltingNumber(name) for name in lanes])
            for agent, lanes in self.lanes.items()
        }
        self.vehicles = {
            agent: np.array([lane.getLastStepVehicleNumber(name) for name in lanes])
            for agent, lanes in self.lanes.items()
        }

    def observe(self, agent: str) -> np.ndarray:
        """As [`Signals.local_state`][]."""
        return self.local_state(agent)

    def local_state(self, agent: str) -> np.ndarray:
        """Halting vehicles and vehicles on each lane, and the phase as one of several."""
        phase = np.eye(len(self.greens[agent]))[self.phase[agent]]
        return np.concatenate([self.halting[agent], self.vehicles[agent], phase])

    def close(self) -> None:
        """End the simulation, if it is this one that runs."""
        if Signals.running is self:
            self.sumo.close()
            Signals.running = None


def _grid(name: str) -> Path:
    """A file of grid4x4; importing the package is not needed for it."""
    found = find_spec("sumo_rl")
    if found is None or not found.submodule_search_locations:
        raise UserError("this example needs the package 'sumo_rl'; pip install 'mastac[sumo]'")
    return Path(found.submodule_search_locations[0]) / "nets" / "RESCO" / "grid4x4" / name


def env() -> Signals:
    """The traffic lights of grid4x4, for ten minutes."""
    return Signals()


def fixed(team: Any) -> Actions:
    """Every green phase for three steps, one after the other."""
    return {agent: team.time // 3 % len(team.greens[agent]) for agent in team.agents}


def longest_queue(team: Any) -> Actions:
    """The phase that lets most halting vehicles go."""
    return _best(team, lambda start, end: team.sumo.lane.getLastStepHaltingNumber(start))


def max_pressure(team: Any) -> Actions:
    """The phase whose turns have most vehicles before them and fewest behind."""
    count = team.sumo.lane.getLastStepVehicleNumber
    return _best(team, lambda start, end: count(start) - count(end))


def _best(team: Any, weight: Any) -> Actions:
    """The phase with the largest sum of weights over its green turns, the present one if tied."""
    chosen = {}
    for agent in team.agents:
        weights = {index: weight(*ends) for index, ends in team.moves[agent].items()}
        totals = [
            sum(value for index, value in weights.items() if state[index] in "Gg")
            for state in team.greens[agent]
        ]
        present = team.phase[agent]
        chosen[agent] = present if totals[present] == max(totals) else int(np.argmax(totals))
    return chosen


BASELINES = {
    "random": Baseline(env, chance),
    "fixed cycle": Baseline(env, fixed),
    "longest queue": Baseline(env, longest_queue),
    "max-pressure": Baseline(env, max_pressure),
}
