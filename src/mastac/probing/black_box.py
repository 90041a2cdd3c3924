"""Probing a simulator by calls alone: paired changes under common random numbers. No JAX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mastac.errors import UserError
from mastac.probing.effects import Change, change
from mastac.probing.points import Points, Readings, real_entries
from mastac.probing.simulator import Simulator

LARGEST_SEED = 2**31 - 1


class Outcome(NamedTuple):
    """What one call gives: next state and observations as rows, rewards one for each agent."""

    state: np.ndarray
    rewards: np.ndarray
    obs: np.ndarray | None


class BlackBox:
    """A [`Simulator`][] as something that can be probed; every answer is checked."""

    derivatives = False

    def __init__(self, simulator: Simulator) -> None:
        self.simulator, self.name = simulator, simulator.name
        self.agents, self.horizon = simulator.names, int(simulator.horizon)
        state, actions = self.first_state(0), self.valid_actions(np.random.default_rng(0))
        self._same(state, self.first_state(0), "reset", "seed")
        self.state_sizes = self._sizes("state_sizes", state)
        self.action_sizes = self._sizes("action_sizes", actions)
        first = self.outcome(state, actions, 0, 0)
        self.obs_sizes = None if first.obs is None else self._sizes("obs_sizes", first.obs)
        self.precision = max(_precision(rows) for rows in first if rows is not None)
        self.vary = None if simulator.vary_state is None else self._varied
        self.has_obs = simulator.observe is not None

    def first_state(self, seed: int) -> np.ndarray:
        """The first state of an episode."""
        return self._rows("reset", self._call("reset", f"seed {seed}", seed))

    def valid_actions(self, random: np.random.Generator) -> np.ndarray:
        """Valid actions of all agents, drawn at random."""
        return self._rows("sample_actions", self._call("sample_actions", "", random))

    def outcome(
        self,
        state: np.ndarray,
        actions: np.ndarray,
        time: int,
        seed: int,
        observe: bool = True,
        at: str = "",
    ) -> Outcome:
        """What a step gives; where an exception is raised, `at` is said beside the time.

        **Raises:** `UserError` if a function raises, or gives what it should not.
        """
        simulator, at = self.simulator, f"time {time}{at}"
        after = self._call("step", at, state.copy(), actions.copy(), time, seed)
        if simulator.reward is None:
            if not isinstance(after, tuple) or len(after) != 2:
                raise UserError(
                    f"step of '{self.name}' must give (state, rewards), because '{self.name}' has "
                    "no function reward"
                )
            after, rewards = after
        else:
            rewards = self._call("reward", at, state.copy(), actions.copy(), time)
        obs = None
        if simulator.observe is not None and observe:
            time_too = (time,) if simulator.observes_time else ()
            obs = self._rows("observe", self._call("observe", at, state.copy(), *time_too))
        return Outcome(self._rows("step", after, state.shape), self._rewards(rewards), obs)

    def actions(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Valid actions at `count` points, and what each agent's are exchanged for."""
        drawn = np.stack([self.valid_actions(random) for _ in range(2 * count)])
        return drawn[:count], drawn[count:]

    def visit(self, times: np.ndarray, random: np.random.Generator) -> Readings:
        """One state of each of as many rollouts as there are times.

        Actions are random: fresh at every step in every second rollout, and held in the others.
        """
        states, outcomes = [], []
        for number, last in enumerate(times.tolist()):
            state = self.first_state(int(random.integers(LARGEST_SEED)))
            actions = self.valid_actions(random)
            for time in range(last):
                seed = int(random.integers(LARGEST_SEED))
                state = self._finite(self.outcome(state, actions, time, seed), time).state
                actions = actions if number % 2 else self.valid_actions(random)
            states.append(state)
            outcomes.append(self._finite(self.outcome(state, actions, last, 0), last))
        observed: list[Any] = [outcome.obs for outcome in outcomes]
        return Readings(
            np.stack(states),
            np.stack([outcome.rewards for outcome in outcomes]),
            np.stack(observed) if self.has_obs else None,
        )

    def changes(
        self, points: Points, scale: Readings
    ) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Change]]]:
        """For each point: its number, all agents as sources, and the changes in each graph."""
        everyone = np.arange(len(self.agents))
        # States that were moved at random may overflow; what is not finite is no evidence.
        with np.errstate(all="ignore"):
            for number in range(len(points.times)):
                yield np.array([number]), everyone, self._changes(points, number, scale)

    def _changes(self, points: Points, number: int, scale: Readings) -> dict[str, Change]:
        state, actions = points.states[number], points.actions[number]
        time, seed = int(points.times[number]), int(points.seeds[number])
        where = f", point {number}"
        if not points.reached[number]:
            where += ", from a state that no rollout reached; say what is valid by vary_state"
        base = self.outcome(state, actions, time, seed, at=where)
        moved: dict[str, list[Outcome]] = {"state": [], "action": []}
        for agent, name in enumerate(self.agents):
            for kind, rows, others in (
                ("state", state, points.other_states[number]),
                ("action", actions, points.other_actions[number]),
            ):
                changed = rows.copy()
                changed[agent] = others[agent]
                given = (changed, actions) if kind == "state" else (state, changed)
                at = f", with another {kind} of agent '{name}'{where}"
                moved[kind].append(self.outcome(*given, time, seed, kind == "state", at))
        self._repeats(base, self.outcome(state, actions, time, seed, at=where))
        return self._by_graph(base, moved["state"], moved["action"], scale)

    def _by_graph(
        self,
        base: Outcome,
        by_state: Sequence[Outcome],
        by_action: Sequence[Outcome],
        scale: Readings,
    ) -> dict[str, Change]:
        """Outcomes before, and after the change of each agent, as changes in each graph."""
        one_each = np.ones(len(self.agents), int)
        changes = {}
        for graph, reward_graph, moved in (
            ("state", "reward", by_state),
            ("action", "reward_action", by_action),
        ):
            states = [outcome.state for outcome in moved]
            rewards = [outcome.rewards[:, None] for outcome in moved]
            changes[graph] = _change(base.state, states, scale.states, self.state_sizes)
            changes[reward_graph] = _change(
                base.rewards[:, None], rewards, scale.rewards[:, None], one_each
            )
        if base.obs is not None:
            observed: list[Any] = [outcome.obs for outcome in by_state]
            changes["observation"] = _change(base.obs, observed, scale.obs, self.obs_sizes)
        return changes

    def _call(self, name: str, at: str, *given: Any) -> Any:
        """What the simulator's function of that name gives."""
        try:
            return getattr(self.simulator, name)(*given)
        except UserError:
            raise
        except Exception as error:
            where = f" ({at})" if at else ""
            raise UserError(
                f"{name} of '{self.name}' raised {type(error).__name__}: {error}{where}"
            ) from error

    def _varied(self, row: np.ndarray, agent: int, random: np.random.Generator) -> np.ndarray:
        at = f"agent '{self.agents[agent]}'"
        return self._numbers("vary_state", self._call("vary_state", at, row, agent, random))

    def _rows(self, name: str, given: Any, expected: tuple[int, ...] | None = None) -> np.ndarray:
        rows = self._numbers(name, given)
        fits = rows.ndim == 2 and len(rows) == len(self.agents)
        if not fits or (expected is not None and rows.shape != expected):
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
                f"reward of '{self.name}' gives an array of shape {rewards.shape}, expected "
                f"({len(self.agents)},): each agent's own reward"
            )
        return rewards

    def _numbers(self, name: str, given: Any) -> np.ndarray:
        try:
            numbers = np.array(given)  # a copy: the simulator may go on with its own
        except Exception as error:  # ragged rows, or an object whose own conversion fails
            raise UserError(
                f"{name} of '{self.name}' gives {type(given).__name__}, expected an array of "
                f"numbers; numpy raised {type(error).__name__}: {error}"
            ) from error
        if numbers.dtype.kind not in "biuf":
            raise UserError(
                f"{name} of '{self.name}' gives {type(given).__name__}, expected an array of "
                "numbers"
            )
        return numbers

    def _sizes(self, name: str, rows: np.ndarray) -> np.ndarray:
        given = getattr(self.simulator, name)
        return np.full(len(rows), rows.shape[1]) if given is None else np.asarray(given, int)

    def _finite(self, outcome: Outcome, time: int) -> Outcome:
        for function, rows in zip(("step", "reward", "observe"), outcome, strict=True):
            if rows is not None and not np.isfinite(rows).all():
                agent = self.agents[int(np.argwhere(~np.isfinite(rows))[0][0])]
                raise UserError(
                    f"{function} of '{self.name}' gives agent '{agent}' a value that is not finite "
                    f"at time {time} of a rollout with valid actions; correct the simulator, or "
                    "sample_actions"
                )
        return outcome

    def _repeats(self, first: Outcome, again: Outcome) -> None:
        given = "state, actions, time and seed"
        self._same(first.state, again.state, "step", given)
        self._same(first.rewards, again.rewards, "reward", given)
        if first.obs is not None and again.obs is not None:
            self._same(first.obs, again.obs, "observe", "state")

    def _same(self, first: np.ndarray, again: np.ndarray, name: str, given: str) -> None:
        has_nan = first.dtype.kind == "f"
        if first.shape == again.shape and np.array_equal(first, again, equal_nan=has_nan):
            return
        differs = first.shape != again.shape or (first != again)
        agent = self.agents[int(np.argwhere(np.broadcast_to(differs, first.shape))[0][0])]
        raise UserError(
            f"{name} of '{self.name}' gives agent '{agent}' two different results for the same "
            f"{given}; draw all random numbers from np.random.default_rng(seed) and keep no state "
            "between calls"
        )


def _change(before: np.ndarray, after: Sequence[Any], scale: Any, sizes: Any) -> Change:
    """Rows before, and after the change of each agent, as the changes of one point."""
    new, old = np.stack(after).astype(float), before.astype(float)
    scale = np.maximum(np.maximum(np.abs(new), np.abs(old)), scale)
    moved = change(np, np.abs(new - old), scale, real_entries(sizes, old.shape[1]))
    return Change(moved.relative[None], moved.size[None])


def _precision(rows: np.ndarray) -> float:
    return float(np.finfo(rows.dtype if rows.dtype.kind == "f" else float).eps)
