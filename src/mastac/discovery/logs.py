"""Logs of transitions: what was seen of a system that can no longer be asked. Imports no JAX."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mastac.archives import read_arrays
from mastac.checks import whole_number
from mastac.errors import UserError
from mastac.files import write_bytes
from mastac.structure.edges import agent_names
from mastac.text import printable

ARRAYS = ("states", "actions", "rewards", "observations")
SIZES = {"states": "state_sizes", "actions": "action_sizes", "observations": "obs_sizes"}
FORMAT = 1


@dataclass(frozen=True, eq=False)
class TransitionLog:
    """Episodes of equal length: all agents' states, actions, rewards and, maybe, observations.

    Rows are agents. Where agents differ in size, rows are padded on the right and the `…_sizes` say
    how many entries are real. What the log is to tell of actions has to be varied in it: see
    [`mastac.record`][].

    **Arguments:**

    - `states`: [episodes, steps + 1, agents, entries]; the last is the state that the last step led
        to.
    - `actions`: [episodes, steps, agents, entries]. `rewards`: [episodes, steps, agents].
    - `observations`: [episodes, steps or steps + 1, agents, entries], of the states; may be left
        out.
    - `agents`: their names, or how many; as many as rows, unless given.
    - `state_sizes`, `action_sizes`, `obs_sizes`: real entries of each agent's rows; all of them
        unless given.
    - `name`: stands in reports.

    **Raises:** `UserError` naming the array, and the agent, if shapes do not fit or a value is not
    finite.
    """

    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    observations: np.ndarray | None = None
    agents: Sequence[str] | int | None = None
    state_sizes: Sequence[int] | np.ndarray | None = None
    action_sizes: Sequence[int] | np.ndarray | None = None
    obs_sizes: Sequence[int] | np.ndarray | None = None
    name: str = "log"

    def __post_init__(self) -> None:
        for array in ARRAYS:
            if getattr(self, array) is not None or array != "observations":
                object.__setattr__(self, array, self._numbers(array, getattr(self, array)))
        self._check_shapes()
        agents = self.rewards.shape[2] if self.agents is None else self.agents
        names = agent_names(agents).names
        if len(names) != self.rewards.shape[2]:
            raise UserError(
                f"'{self.name}' names {len(names)} agents, and its rewards are of "
                f"{self.rewards.shape[2]}"
            )
        object.__setattr__(self, "agents", names)
        for array, sizes in SIZES.items():
            if getattr(self, array) is not None:
                object.__setattr__(self, sizes, self._sizes(sizes, getattr(self, array).shape[-1]))
        self._check_finite()

    @property
    def names(self) -> tuple[str, ...]:
        """The agents' names."""
        return self.agents  # pyright: ignore[reportReturnType]

    @property
    def episodes(self) -> int:
        """The number of episodes, which are the independent units."""
        return self.rewards.shape[0]

    @property
    def steps(self) -> int:
        """Steps of each episode."""
        return self.rewards.shape[1]

    def first(self, episodes: int) -> TransitionLog:
        """The log of the first episodes alone.

        **Raises:** `UserError` if there are not so many.
        """
        episodes = whole_number(f"episodes of '{self.name}'", episodes, 1, self.episodes)
        obs = None if self.observations is None else self.observations[:episodes]
        arrays = self.states[:episodes], self.actions[:episodes], self.rewards[:episodes], obs
        return TransitionLog(
            *arrays, self.names, self.state_sizes, self.action_sizes, self.obs_sizes, name=self.name
        )

    def save(self, path: str | Path) -> Path:
        """Write the log as `.npz`, whole or not at all; [`mastac.read_log`][] reads it.

        **Raises:** `UserError` for another suffix, or a file that cannot be written.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise UserError(f"{path}: a log is written to a file that ends in .npz")
        arrays = {
            key: getattr(self, key)
            for key in (*ARRAYS, *SIZES.values())
            if getattr(self, key) is not None
        }
        content = io.BytesIO()
        np.savez_compressed(
            content, format=FORMAT, agents=np.array(self.names), name=self.name, **arrays
        )
        try:
            write_bytes(path, content.getvalue())
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror})") from error
        return path

    def _numbers(self, array: str, given: Any) -> np.ndarray:
        try:
            numbers = np.asarray(given)
        except ValueError:  # rows of several lengths
            numbers = np.array(None)
        dimensions = 3 if array == "rewards" else 4
        if numbers.dtype.kind not in "biuf" or numbers.ndim != dimensions:
            axes = "[episodes, steps, agents" + ("]" if dimensions == 3 else ", entries]")
            raise UserError(
                f"{array} of '{self.name}' must be an array of numbers {axes}, "
                f"got shape {numbers.shape}"
            )
        return numbers.astype(float)

    def _check_shapes(self) -> None:
        episodes, steps, agents = self.rewards.shape
        if not episodes or not steps or not agents:
            raise UserError(f"rewards of '{self.name}' are empty: shape {self.rewards.shape}")
        for array, lengths in (("states", (1,)), ("actions", (0,)), ("observations", (0, 1))):
            rows = getattr(self, array)
            if rows is None:
                continue
            allowed = {(episodes, steps + more, agents) for more in lengths}
            if rows.shape[:3] not in allowed or not rows.shape[3]:
                raise UserError(
                    f"{array} of '{self.name}' have shape {rows.shape}; with rewards of shape "
                    f"{self.rewards.shape} they must be "
                    f"({episodes}, {steps + lengths[-1]}, {agents}, entries)"
                )

    def _sizes(self, name: str, width: int) -> np.ndarray:
        given = getattr(self, name)
        sizes = np.full(len(self.names), width) if given is None else np.asarray(given)
        if sizes.shape != (len(self.names),) or sizes.dtype.kind not in "iu":
            raise UserError(
                f"{name} of '{self.name}' must give one whole number for each of "
                f"{len(self.names)} agents"
            )
        wrong = np.flatnonzero((sizes < 0) | (sizes > width))
        if len(wrong):
            agent = self.names[wrong[0]]
            raise UserError(
                f"{name} of '{self.name}' gives agent '{agent}' {sizes[wrong[0]]} of {width} "
                "entries"
            )
        return sizes.astype(int)

    def _check_finite(self) -> None:
        for array in ARRAYS:
            values = getattr(self, array)
            if values is None:
                continue
            real = np.isfinite(values)
            if array in SIZES:
                real |= np.arange(values.shape[-1]) >= getattr(self, SIZES[array])[:, None]
            if not real.all():
                episode, time, agent = np.argwhere(~real)[0][:3]
                raise UserError(
                    f"{array} of '{self.name}' hold a value of agent '{self.names[agent]}' that is "
                    f"not finite (episode {episode}, time {time}); leave that episode out"
                )


def _agents(names: np.ndarray) -> list[str]:
    if names.ndim != 1 or names.dtype.kind not in "iuU":
        raise UserError("the array 'agents' must be a list of names")
    return [str(name) for name in names]


def read_log(path: str | Path) -> TransitionLog:
    """The log in a file.

    [`TransitionLog.save`][] writes such files; any `.npz` that has the arrays by their names will
    do.

    **Raises:** `UserError` naming the file, if it is not there, cannot be read, or does not hold
    what it should.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: there is no such file")
    try:
        data = read_arrays(path)
        agents = _agents(data["agents"]) if "agents" in data else None
        name = str(data["name"]) if "name" in data else path.stem
    except UserError as error:
        raise UserError(
            f"{path}: this is no log (.npz with states, actions and rewards): {error}"
        ) from error
    except ValueError as error:  # numbers that are no letters
        raise UserError(f"{path}: the name of the log is no text") from error
    missing = [array for array in ARRAYS[:3] if array not in data]
    if missing:
        raise UserError(
            f"{path}: the array '{missing[0]}' is missing; a log has states, actions and rewards"
        )
    given = {key: data[key] for key in (*ARRAYS, *SIZES.values()) if key in data}
    try:
        return TransitionLog(**given, agents=agents, name=printable(name))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
