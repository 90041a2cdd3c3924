"""Three particles that share out three landmarks: `simple_spread_v3` of the package mpe2.

An agent is a particle. Particles push one another, and are paid together for every landmark that
one of them is near, so that all graphs are complete: there is nothing to save here, and the example
shows that the commands work. Needs the extra `mpe`.
"""

import os
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

import mastac
from mastac.examples.outside.team import Actions, Baseline, Team, chance, outside


class Spread(Team):
    """Particles with five discrete actions: rest, left, right, down, up.

    An agent's own state is its velocity and position, and the landmarks' positions.
    """

    def __init__(self, particles: int = 3, horizon: int = 25) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        spread = outside("mpe2.simple_spread_v3", "mpe")
        self.simulator = spread.parallel_env(N=particles, max_cycles=horizon)
        names = list(self.simulator.possible_agents)
        pairs = [(one, other) for one in names for other in names if one != other]
        super().__init__(
            mastac.Couplings(names, state=pairs, observation=pairs, reward=pairs),
            [self.simulator.observation_space(name) for name in names],
            [self.simulator.action_space(name) for name in names],
            horizon,
        )

    @property
    def world(self) -> Any:
        """Particles and landmarks of mpe2."""
        return self.simulator.unwrapped.world

    def begin(self) -> None:
        """Particles and landmarks anywhere."""
        self.simulator.unwrapped.max_cycles = self.max_cycles
        self.seen, _ = self.simulator.reset(seed=int(self.random.integers(2**31)))

    def advance(self, actions: Actions) -> np.ndarray:
        """One step of the simulator."""
        self.seen, rewards, *_ = self.simulator.step(actions)
        return np.array([rewards[agent] for agent in self.agents])

    def observe(self, agent: str) -> np.ndarray:
        """As mpe2: the own velocity and position, landmarks and others from there, messages."""
        return self.seen[agent]

    def local_state(self, agent: str) -> np.ndarray:
        """Velocity and position of the particle, and the positions of the landmarks."""
        own = self.world.agents[self.possible_agents.index(agent)].state
        marks = [mark.state.p_pos for mark in self.world.landmarks]
        return np.concatenate([own.p_vel, own.p_pos, *marks])


def env() -> Spread:
    """Three particles for 25 steps."""
    return Spread()


def nothing(team: Team) -> Actions:
    """Rest."""
    return dict.fromkeys(team.agents, 0)


def assigned(team: Any) -> Actions:
    """Each goes to a landmark of its own, such that the ways are shortest together."""
    particles, marks = team.world.agents, team.world.landmarks
    way = np.array([[m.state.p_pos - p.state.p_pos for m in marks] for p in particles])
    rows, columns = linear_sum_assignment(np.linalg.norm(way, axis=-1))
    chosen = {}
    for row, column in zip(rows, columns, strict=True):
        # A particle keeps three quarters of its speed, and goes on half of that way.
        missing = way[row, column] - 0.4 * particles[row].state.p_vel
        axis = int(np.argmax(np.abs(missing)))
        is_near = abs(missing[axis]) < 0.04
        chosen[team.agents[row]] = 0 if is_near else 1 + 2 * axis + int(missing[axis] > 0)
    return chosen


BASELINES = {
    "random": Baseline(env, chance),
    "rest": Baseline(env, nothing),
    "shortest assignment": Baseline(env, assigned),
}
