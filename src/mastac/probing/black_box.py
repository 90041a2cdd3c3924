"""Probing a simulator by calls alone: paired changes under common random numbers. Imports no JAX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from mastac.errors import UserError
from mastac.probing.effects import Change, change
from mastac.probing.points import Points, Visited, real_entries
from mastac.probing.simulator import Simulator, sees_time


class Outcome(NamedTuple):
    """What one call of the simulator gives: next state and observations as rows, rewards one for each agent."""

    state: np.ndarray
    rewards: np.ndarray
    obs: np.ndarray | None


class BlackBox:
    """A [`Simulator`][] as something that can be probed; every answer is checked."""

    derivatives = False

    def __init__(self, simulator: Simulator) -> None:
        self.simulator, self.name = simulator, simulator.name
        self.agents, self.horizon = simulator.names, int(simulator.horizon)
        state, actions = self._reset(0), self._actions(np.random.default_rng(0))
        self._same(state, self._reset(0), "reset", "seed")
        self.state_sizes = self._sizes("state_sizes", state)
        self.action_sizes = self._sizes("action_sizes", actions)
        first = self._outcome(state, actions, 0, 0)
        self.obs_sizes = None if first.obs is None else self._sizes("obs_sizes", first.obs)
        self.precision = max(_precision(each) for each in first if each is not None)
        self.vary = None if simulator.vary_state is None else self._varied
        self.has_obs = simulator.observe is not None

    def actions(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Valid actions of all agents, and what each agent's are exchanged for, at `count` points."""
        drawn = np.stack([self._actions(random) for _ in range(2 * count)])
        return drawn[:count], drawn[count:]

    def visit(self, times: np.ndarray, random: np.random.Generator) -> Visited:
        """One state of each of as many rollouts as there are times; random actions, fresh or held, by turns."""
        seen: list[tuple[np.ndarray, Outcome]] = []
        for number, last in enumerate(times):
            state, actions = self._reset(int(random.integers(2**31 - 1))), self._actions(random)
            for time in range(last):
                state = self._outcome(
                    state, actions, time, int(random.integers(2**31 - 1)), finite=True
                ).state
                actions = actions if number % 2 else self._actions(random)
            seen.append((state, self._outcome(state, actions, int(last), 0, finite=True)))
        # pyright: ignore[reportCallIssue, reportArgumentType]
        obs = None if not self.has_obs else np.stack([out.obs for _, out in seen])
        return Visited(
            np.stack([state for state, _ in seen]), np.stack([out.rewards for _, out in seen]), obs
        )

    def changes(
        self, points: Points, spread: Visited
    ) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Change]]]:
        """For each point: its number, all agents as sources, and the changes in each graph."""
        everyone = np.arange(len(self.agents))
        with np.errstate(all="ignore"):
            for number in range(len(points.times)):
                yield np.array([number]), everyone, self._changes(points, number, spread)

    def _changes(self, points: Points, number: int, spread: Visited) -> dict[str, Change]:
        state, actions, seed = (
            points.states[number],
            points.actions[number],
            int(points.seeds[number]),
        )
        time = int(points.times[number])
        base = self._outcome(state, actions, time, seed)
        moved: dict[str, list[Outcome]] = {"state": [], "action": []}
        for agent in range(len(self.agents)):
            for kind, rows, others in (
                ("state", state, points.other_states[number]),
                ("action", actions, points.other_actions[number]),
            ):
                changed = rows.copy()
                changed[agent] = others[agent]
                given = (changed, actions) if kind == "state" else (state, changed)
                moved[kind].append(self._outcome(*given, time, seed, observe=kind == "state"))
        again = self._outcome(state, actions, time, seed)
        what = "state, actions, time and seed"
        self._same(base.state, again.state, "step", what)
        self._same(base.rewards, again.rewards, "reward", what)
        found = {
            "state": self._change(
                base.state, [each.state for each in moved["state"]], spread.states, self.state_sizes
            ),
            "action": self._change(
                base.state,
                [each.state for each in moved["action"]],
                spread.states,
                self.state_sizes,
            ),
            "reward": self._paid(base, moved["state"], spread),
            "reward_action": self._paid(base, moved["action"], spread),
        }
        if base.obs is not None and again.obs is not None:
            self._same(base.obs, again.obs, "observe", "state")
            found["observation"] = self._change(
                base.obs, [each.obs for each in moved["state"]], spread.obs, self.obs_sizes
            )
        return found

    def _paid(self, base: Outcome, moved: list[Outcome], spread: Visited) -> Change:
        ones = np.ones(len(self.agents), int)
        rewards = [each.rewards[:, None] for each in moved]
        return self._change(base.rewards[:, None], rewards, spread.rewards[:, None], ones)

    def _change(self, old: np.ndarray, new: list[Any], spread: Any, sizes: Any) -> Change:
        """Rows before, and after the change of each agent, as the changes of one point."""
        after, before = np.stack(new).astype(float), old.astype(float)
        scale = np.maximum(np.maximum(np.abs(after), np.abs(before)), spread)
        found = change(np, np.abs(after - before), scale, real_entries(sizes, before.shape[1]))
        return Change(found.relative[None], found.size[None])

    def _outcome(
        self,
        state: np.ndarray,
        actions: np.ndarray,
        time: int,
        seed: int,
        observe: bool = True,
        finite: bool = False,
    ) -> Outcome:
        simulator = self.simulator
        after = self._call("step", simulator.step, state.copy(), actions.copy(), time, seed)
        if simulator.reward is None:
            if not isinstance(after, tuple) or len(after) != 2:
                raise UserError(
                    f"step of '{self.name}' must give (state, rewards), because '{self.name}' has no function reward"
                )
            after, rewards = after
        else:
            rewards = self._call("reward", simulator.reward, state.copy(), actions.copy(), time)
        obs = None
        if simulator.observe is not None and observe:
            given = (state.copy(), time) if sees_time(simulator.observe) else (state.copy(),)
            obs = self._rows("observe", self._call("observe", simulator.observe, *given))
        found = Outcome(self._rows("step", after, state.shape), self._rewards(rewards), obs)
        for function, rows in zip(("step", "reward", "observe"), found, strict=True):
            if finite and rows is not None and not np.isfinite(rows).all():
                bad = self.agents[int(np.argwhere(~np.isfinite(rows))[0][0])]
                raise UserError(
                    f"{function} of '{self.name}' gives agent '{bad}' a value that is not finite at time {time} of a "
                    "rollout with valid actions; mend the simulator, or sample_actions"
                )
        return found

    def _call(self, name: str, function: Callable[..., Any], *given: Any) -> Any:
        try:
            return function(*given)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"{name} of '{self.name}' raised {type(error).__name__}: {error} (if the state was not valid, give "
                "vary_state, or probe reached states only)"
            ) from error

    def _reset(self, seed: int) -> np.ndarray:
        return self._rows("reset", self._call("reset", self.simulator.reset, seed))

    def _actions(self, random: np.random.Generator) -> np.ndarray:
        return self._rows(
            "sample_actions", self._call("sample_actions", self.simulator.sample_actions, random)
        )

    def _varied(self, row: np.ndarray, agent: int, random: np.random.Generator) -> np.ndarray:
        assert self.simulator.vary_state is not None
        return np.asarray(self._call("vary_state", self.simulator.vary_state, row, agent, random))

    def _rows(self, name: str, given: Any, expected: tuple[int, ...] | None = None) -> np.ndarray:
        rows = self._numbers(name, given)
        if (
            rows.ndim != 2
            or len(rows) != len(self.agents)
            or (expected is not None and rows.shape != expected)
        ):
            wanted = expected or (len(self.agents), "entries")
            raise UserError(
                f"{name} of '{self.name}' gives an array of shape {rows.shape}, expected "
                f"({wanted[0]}, {wanted[1]}): one row for each agent"
            )
        return rows

    def _rewards(self, given: Any) -> np.ndarray:
        rewards = self._numbers("reward", given)
        if rewards.shape != (len(self.agents),):
            raise UserError(
                f"reward of '{self.name}' gives an array of shape {rewards.shape}, expected ({len(self.agents)},): "
                "each agent's own reward"
            )
        return rewards

    def _numbers(self, name: str, given: Any) -> np.ndarray:
        try:
            found = np.array(given)  # a copy: the simulator may go on with its own
        except ValueError:
            found = np.array(None)
        if found.dtype.kind not in "biuf":
            raise UserError(
                f"{name} of '{self.name}' gives {type(given).__name__}, expected an array of numbers"
            )
        return found

    def _sizes(self, name: str, rows: np.ndarray) -> np.ndarray:
        given = getattr(self.simulator, name)
        return np.full(len(rows), rows.shape[1]) if given is None else np.asarray(given, int)

    def _same(self, one: np.ndarray, other: np.ndarray, name: str, given: str) -> None:
        if one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            return
        differs = one.shape != other.shape or (one != other)
        bad = self.agents[int(np.argwhere(np.broadcast_to(differs, one.shape))[0][0])]
        raise UserError(
            f"{name} of '{self.name}' gives agent '{bad}' two different results for the same {given}; draw all random "
            "numbers from np.random.default_rng(seed) and keep no state between calls"
        )


def _precision(rows: np.ndarray) -> float:
    return float(np.finfo(rows.dtype if rows.dtype.kind == "f" else float).eps)
