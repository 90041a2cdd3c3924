"""Episodes played in a pool of simulators, several in flight at the same time. No JAX."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from mastac.envs.host.records import Request, Sizes
from mastac.envs.host.simulator import OBSERVATIONS, Frame, Recipe
from mastac.envs.host.spaces import Wrong
from mastac.envs.host.worker import Host, Inside, Lost, Worker, pickled
from mastac.errors import UserError

MOST_TRIES = 3
"""How often an episode is begun before it is given up."""

Act = Callable[[np.ndarray, int], tuple[np.ndarray, Sequence[np.ndarray]]]
"""`(obs, time) -> (actions, what was drawn)` of a group of simulators, on a leading axis."""


class Job(NamedTuple):
    """An episode to be played.

    - `seed`: what the simulator is reset with.
    - `label`: what reports call it, such as "seed 0 in epoch 12".
    """

    seed: int
    label: str


@dataclass
class Track:
    """What an episode leaves behind; after its end states stay, and the rest is zero.

    - `obs`: `None` where observations are the states.
    - `length`: steps that were played.
    - `drawn`: at each step played, what the policies drew.
    """

    states: Float[np.ndarray, "times agents state"]
    obs: Float[np.ndarray, "times agents obs"] | None
    actions: Float[np.ndarray, "time agents act"]
    rewards: Float[np.ndarray, "time agents"]
    alive: Bool[np.ndarray, "time agents"]
    terminated: Bool[np.ndarray, "time agents"]
    length: int = 0
    drawn: list[Sequence[np.ndarray]] = field(default_factory=list)

    @staticmethod
    def empty(sizes: Sizes, is_state: bool) -> "Track":
        """Before the first frame; `is_state`: whether observations are the states."""
        steps, agents, state, obs, action = sizes
        zeros = lambda *shape: np.zeros(shape, np.float32)  # noqa: E731
        return Track(
            zeros(steps + 1, agents, state),
            None if is_state else zeros(steps + 1, agents, obs),
            zeros(steps, agents, action),
            zeros(steps, agents),
            np.zeros((steps, agents), bool),
            np.zeros((steps, agents), bool),
        )

    def see(self, time: int, frame: Frame) -> bool:
        """Keep the frame at a time; whether the episode goes on."""
        self.states[time:] = frame.states
        if self.obs is not None and frame.obs is not None:
            self.obs[time:] = frame.obs
        if time > 0:
            self.rewards[time - 1], self.terminated[time - 1] = frame.rewards, frame.terminated
        self.length = time
        goes_on = time < len(self.alive) and bool(frame.alive.any())
        if goes_on:
            self.alive[time] = frame.alive
        return goes_on

    def act(self, time: int, actions: np.ndarray, drawn: Sequence[np.ndarray]) -> None:
        """Keep the actions at a time."""
        self.actions[time] = actions
        self.actions[time, ~self.alive[time]] = 0.0
        self.drawn.append(drawn)


class Group:
    """Simulators that act in one call: their slots, and which job each is at."""

    def __init__(self, slots: Sequence[int], size: int) -> None:
        self.slots, self.size = slots, size
        self.jobs: dict[int, int] = {}
        self.act: Act | None = None

    def numbers(self) -> np.ndarray:
        """The job of each place; idle places have one of the others'."""
        known = [self.jobs.get(slot) for slot in self.slots]
        some = next(job for job in known if job is not None)
        known += [None] * (self.size - len(self.slots))
        return np.array([some if job is None else job for job in known])


class Player:
    """Plays episodes in a number of simulators, in this process or in workers.

    With workers, simulators form two groups that take turns: while the ones step, the others'
    actions are computed. Groups have one size, so that an action does not depend on where its
    episode is played.

    **Arguments:**

    - `recipe`, `sizes`: of the simulator.
    - `slots`: how many simulators there are.
    - `workers`: processes that hold them; 0: this one does.
    - `timeout`: seconds that a worker may take for an answer.
    - `say`: told of every failure.
    """

    def __init__(
        self,
        recipe: Recipe,
        sizes: Sizes,
        slots: int,
        workers: int = 0,
        timeout: float = 120.0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.recipe, self.sizes, self.say = recipe, sizes, say
        self.is_state = recipe.local_states == OBSERVATIONS
        self.hosts: list[Host] = [Inside(recipe)]
        if workers:
            stored = pickled(recipe)
            self.hosts = [
                Worker(stored, sizes, self.is_state, timeout) for _ in range(min(workers, slots))
            ]
        self.slots = slots
        every = len(self.hosts) if slots > len(self.hosts) else 1
        turns = [[slot for slot in range(slots) if slot // every % 2 == turn] for turn in (0, 1)]
        self.parts = turns if workers and turns[1] else [list(range(slots))]
        self.size = max(map(len, self.parts))

    def play(self, jobs: Sequence[Job], policies: Callable[[np.ndarray], Act]) -> list[Track]:
        """Play episodes to their ends; those that fail are played again.

        **Arguments:**

        - `policies`: `numbers of jobs -> act`, what plays a group of that many episodes.

        **Raises:**

        - `UserError` where an episode fails three times.
        """
        tracks: dict[int, Track] = {}
        tries = dict.fromkeys(range(len(jobs)), 0)
        pending = list(tries)
        while pending:
            wave, pending = pending[: self.slots], pending[self.slots :]
            failed = self._wave(jobs, wave, tracks, policies)
            for number, reason in failed.items():
                if reason is not None:
                    tries[number] += 1
                    self._report(reason, jobs[number], tries[number])
            pending = [*failed, *pending]
            for host in self.hosts:
                host.restart()
        return [tracks[number] for number in range(len(jobs))]

    def close(self) -> None:
        """Let go of all simulators."""
        for host in self.hosts:
            host.close()

    def _report(self, reason: str, job: Job, tries: int) -> None:
        text = f"the simulator of {job.label} failed {reason}"
        if tries >= MOST_TRIES:
            raise UserError(
                f"{text}, for the {tries}rd time; mend the simulator and resume the run"
            )
        self.say(f"{text}; it is made anew, and the episode is played again")

    def _wave(
        self,
        jobs: Sequence[Job],
        wave: Sequence[int],
        tracks: dict[int, Track],
        policies: Callable[[np.ndarray], Act],
    ) -> dict[int, str | None]:
        """Play one episode in each slot; for those that failed why, `None` where others' fault."""
        failed: dict[int, str | None] = {}
        groups = []
        for part in self.parts:
            group = Group(part, self.size)
            group.jobs = {slot: wave[slot] for slot in part if slot < len(wave)}
            if group.jobs:
                groups.append(group)
            for slot, number in group.jobs.items():
                self._host(slot).ask(Request(slot, seed=jobs[number].seed))
                tracks[number] = Track.empty(self.sizes, self.is_state)
        for group in groups:  # while simulators are reset
            group.act = policies(group.numbers())
        for time in range(self.sizes.horizon + 1):
            for group in groups:
                self._turn(group, time, tracks, failed)
        return failed

    def _turn(
        self, group: Group, time: int, tracks: dict[int, Track], failed: dict[int, str | None]
    ) -> None:
        """Take a group's frames of a time, and answer with its actions."""
        for slot, number in list(group.jobs.items()):
            goes_on = False
            try:
                frame = self._host(slot).answer()
                self._check_length(time, frame)
                goes_on = tracks[number].see(time, frame)
            except Wrong as wrong:
                at = f"at step {time - 1}" if time else "at its reset"
                failed[number] = f"{at}: {wrong}"
            except Lost:
                failed[number] = None
            if not goes_on:
                del group.jobs[slot]
        if not group.jobs:
            return
        assert group.act is not None
        obs = np.zeros((group.size, self.sizes.agents, self.sizes.obs), np.float32)
        for place, slot in enumerate(group.slots):
            if slot in group.jobs:
                track = tracks[group.jobs[slot]]
                obs[place] = (track.states if track.obs is None else track.obs)[time]
        actions, drawn = group.act(obs, time)
        for place, slot in enumerate(group.slots):
            if slot in group.jobs:
                leaves = [leaf[place] for leaf in drawn]
                tracks[group.jobs[slot]].act(time, actions[place], leaves)
                self._host(slot).ask(Request(slot, actions=actions[place]))

    def _check_length(self, time: int, frame: Frame) -> None:
        if self.recipe.fixed_length and time < self.sizes.horizon and not frame.alive.all():
            name = self.recipe.agents[int(np.argmin(frame.alive))]
            raise Wrong(
                f"agent '{name}' left before step {self.sizes.horizon}, and fixed_length promises "
                "that nobody does"
            )

    def _host(self, slot: int) -> Host:
        return self.hosts[slot % len(self.hosts)]
