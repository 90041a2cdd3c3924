"""Thirteen pumps and thirteen tanks of a water network: `ky10` of WNTR, through EPANET.

An agent is a pump or a tank, an edge says that pressure passes from one to the other within an
hour, past pumps, valves and tanks: nearly all are coupled. Needs the
extra `water`.
"""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from gymnasium.spaces import Box, Discrete

import mastac
from mastac.errors import UserError
from mastac.examples.outside.team import Actions, Baseline, Team, chance, outside
from mastac.structure.readers import read_topology

HOUR = 3600
ENOUGH = 0.4  # of the water between the lowest and the highest level
COST_SHORT, COST_POWER = 100.0, 0.1  # of an hour with an empty tank, and of a kWh


class Pumps(Team):
    """Pumps that are switched every hour; tanks have one action, which does nothing.

    A tank pays for what it lacks after the hour, a pump for its energy. Levels are shares of what
    lies between the tank's limits; an episode begins with any between 0.3 and 0.9. An agent's own
    state is its level, if it is a tank, and the time of day. A pump sees the levels of the tanks
    that pipes join with it, past no third agent.

    **Arguments:**

    - `network`: a file of EPANET with tanks and pumps; by default ky10.
    - `horizon`: hours of an episode.
    - `edges`: `network`, or `pipes` for neighbours alone, which is less than what is coupled.
    - `own_controls`: whether the controls of the file switch the pumps, and actions do nothing.
    """

    def __init__(
        self,
        network: str | Path | None = None,
        horizon: int = 48,
        edges: str = "network",
        own_controls: bool = False,
    ) -> None:
        toolkit = outside("wntr.epanet.toolkit", "water")
        self.code = outside("wntr.epanet.util", "water").EN
        logging.getLogger("wntr.epanet.toolkit").setLevel(logging.ERROR)  # low pressures warn
        library = Path(outside("wntr", "water").__file__).parent / "library" / "networks"
        path = library / "ky10.inp" if network is None else Path(network)
        self.edges, self.own_controls, self.is_open = edges, own_controls, False
        self.folder = TemporaryDirectory()
        self.epanet = toolkit.ENepanet(version=2.2)
        self.epanet.ENopen(str(path), f"{self.folder.name}/report", f"{self.folder.name}/binary")
        couplings = self._couplings(path)
        self._index()
        if not own_controls:
            self._without_controls(path)
        seen = couplings.edges("observation")
        self.seen = {
            agent: [tank for tank, other in seen if other == agent] for agent in self.pumps
        }
        self.seen |= {tank: [tank] for tank in self.tanks}
        super().__init__(
            couplings,
            [Box(-2.0, 2.0, (2 + len(self.seen[agent]),)) for agent in couplings.agents],
            [Discrete(1 if agent in self.tanks else 2) for agent in couplings.agents],
            horizon,
        )

    def _couplings(self, path: Path) -> mastac.Couplings:
        """Who is joined by pressure, and which tanks a pump sees."""
        tanks, _ = read_topology(path, agents="tanks")
        couplings, self.said = read_topology(path, agents="pumps-and-tanks", edges=self.edges)
        near, _ = read_topology(path, agents="pumps-and-tanks")
        # Tanks are the first agents of the two.
        self.tanks = list(couplings.agents[: tanks.num_agents])
        self.pumps = list(couplings.agents[tanks.num_agents :])
        pressure, is_tank = couplings.edges("state"), set(self.tanks)
        return mastac.Couplings(
            couplings.agents,
            # Only tanks have a state that others move.
            state=[(one, other) for one, other in pressure if other in is_tank],
            observation=[
                (one, other)
                for one, other in near.edges("state")
                if one in is_tank and other not in is_tank
            ],
            reward=pressure,
        )

    def _index(self) -> None:
        """The numbers by which EPANET knows the agents, and the limits of the tanks."""
        node, link = self.epanet.ENgetnodeindex, self.epanet.ENgetlinkindex
        # A name is an identifier, with the kind before it where a tank and a pump share one.
        self.nodes = [node(tank.split()[-1]) for tank in self.tanks]
        self.links = [link(pump.split()[-1]) for pump in self.pumps]
        self.lowest = self._of_nodes(self.code.MINLEVEL)
        self.span = self._of_nodes(self.code.MAXLEVEL) - self.lowest
        self.bottom = self._of_nodes(self.code.ELEVATION) + self.lowest

    def _of_nodes(self, code: int) -> np.ndarray:
        return np.array([self.epanet.ENgetnodevalue(node, code) for node in self.nodes])

    def _without_controls(self, path: Path) -> None:
        lines = path.read_text("latin-1").splitlines()
        if any(line.strip().upper().startswith("RULE ") for line in lines):
            raise UserError(f"{path}: its rules would switch pumps too; take [RULES] out")
        for control in range(self.epanet.ENgetcount(self.code.CONTROLCOUNT), 0, -1):
            self.epanet.ENdeletecontrol(control)

    def begin(self) -> None:
        """Midnight, with any levels."""
        self.epanet.ENsettimeparam(self.code.DURATION, (self.max_cycles + 1) * HOUR)
        first = self.random.uniform(0.3, 0.9, len(self.nodes))
        for node, level in zip(self.nodes, self.lowest + first * self.span, strict=True):
            self.epanet.ENsetnodevalue(node, self.code.TANKLEVEL, float(level))
        if not self.is_open:
            self.epanet.ENopenH()
            self.is_open = True
        self.epanet.ENinitH(self.code.INITFLOW)
        self.level = first

    def advance(self, actions: Actions) -> np.ndarray:
        """An hour; EPANET divides it where a tank is full or empty."""
        if not self.own_controls:
            for pump, link in zip(self.pumps, self.links, strict=True):
                self.epanet.ENsetlinkvalue(link, self.code.STATUS, float(actions[pump]))
        energy, end = np.zeros(len(self.links)), (self.time + 1) * HOUR
        now = self.time * HOUR
        while now < end:
            now = self.epanet.ENrunH()
            power = [self.epanet.ENgetlinkvalue(link, self.code.ENERGY) for link in self.links]
            step = self.epanet.ENnextH()
            energy += np.array(power) * step / HOUR
            now += step
        self.epanet.errcodelist.clear()
        self.level = (self._of_nodes(self.code.HEAD) - self.bottom) / self.span
        short = np.maximum(ENOUGH - self.level, 0.0) / ENOUGH
        return np.concatenate([-COST_SHORT * short, -COST_POWER * energy])

    def observe(self, agent: str) -> np.ndarray:
        """The time of day, and the levels of the tanks that the agent sees."""
        angle = 2 * np.pi * self.time / 24
        levels = [self.level[self.tanks.index(tank)] for tank in self.seen[agent]]
        return np.array([np.sin(angle), np.cos(angle), *levels])

    def local_state(self, agent: str) -> np.ndarray:
        """The time of day, and the level of a tank."""
        return self.observe(agent)[: 3 if agent in self.tanks else 2]

    def close(self) -> None:
        """Close the network and delete EPANET's files."""
        if self.is_open:
            self.epanet.ENcloseH()
        if self.epanet.isOpen():
            self.epanet.ENclose()
        self.is_open = False
        self.folder.cleanup()


def env() -> Pumps:
    """The pumps of ky10, for two days."""
    return Pumps()


def controlled() -> Pumps:
    """The same network, in which the file's own controls switch the pumps."""
    return Pumps(own_controls=True)


def off(team: Team) -> Actions:
    """No pump runs."""
    return dict.fromkeys(team.agents, 0)


def on(team: Team) -> Actions:
    """All pumps run."""
    return {agent: int(team.action_spaces[agent].n) - 1 for agent in team.agents}  # type: ignore


BASELINES = {
    "random": Baseline(env, chance),
    "all off": Baseline(env, off),
    "all on": Baseline(env, on),
    "the file's level controls": Baseline(controlled, off),
}
