"""Probing a JAX environment: derivatives and paired changes in one compiled function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mastac.envs.base import Environment
from mastac.envs.transitions import stepped
from mastac.errors import UserError
from mastac.probing.effects import Change, change
from mastac.probing.points import Points, Readings, VaryState, real_entries
from mastac.probing.tracing import can_be_traced, naming, traced_shape

BLOCK_BYTES = 64_000_000
"""Memory of the pairs (point, agent) that are worked on at once, roughly."""
POOL = 64
"""Actions that rollouts draw from."""


class Compiled:
    """An [`mastac.Environment`][] as something that can be probed."""

    vary: VaryState | None = None
    has_obs = True

    def __init__(self, env: Environment) -> None:
        self.env, self.name = env, env.id
        self.agents, self.horizon = env.agents, env.horizon
        self.discrete = env.head.is_discrete
        self.state_sizes, self.action_sizes, self.obs_sizes = (
            env.state_sizes,
            env.action_sizes,
            env.obs_sizes,
        )
        key, self.act_width = jax.random.key(0), int(env.action_sizes.max())
        self.state_shape = self._shape("reset", env.reset, key)
        actions = jax.ShapeDtypeStruct((len(self.agents), self.act_width), jnp.float32)
        given = (self.state_shape, actions, 0)
        after = self._shape("step", lambda *of: stepped(env, *of).state, *given, key)
        self._check("step", after.shape, self.state_shape.shape)
        one_each, pays = (len(self.agents),), env.reward is None
        if env.reward is not None:
            self._check("reward", self._shape("reward", env.reward, *given).shape, one_each)
        what = "rewards from step" if pays else "step"
        rewards = self._shape(what, lambda *of: env.transition(*of).rewards, *given, key)
        self._check(what, rewards.shape, one_each)
        self.obs_shape = self._shape("observe", env.observed, self.state_shape, 0)
        for name, shape in (("reset", self.state_shape.shape), ("observe", self.obs_shape.shape)):
            if len(shape) != 2 or shape[0] != len(self.agents):
                self._check(name, shape, (len(self.agents), "entries"))
        if env.simple_actions is not None:
            self._shape("simple_actions", env.simple_actions, self.state_shape, 0)
        self.precision = float(jnp.finfo(jnp.float32).eps)
        self.derivatives = self._has_derivatives(key, actions)

    def actions(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Actions that the head can give, and what each agent's are exchanged for.

        Near ones and far ones; of discrete actions another choice.
        """
        base = self._drawn(count, random)
        if self.discrete:
            return base, self._switched(base, random)
        other = self._drawn(count, random)
        near = random.choice((0.1, 1.0), (count, len(self.agents), 1))
        return base, (base + near * (other - base)).astype(np.float32)  # all but choices are convex

    def _drawn(self, count: int, random: np.random.Generator) -> np.ndarray:
        real = real_entries(self.env.action_sizes, self.act_width)
        drawn = self.env.head.probes(random, np.asarray(self.env.action_limit), real, count)
        return drawn.astype(np.float32)

    def _switched(self, actions: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Another choice of every agent, drawn among all others; the same where there is none."""
        sizes = self.env.action_sizes
        steps = random.integers(1, np.maximum(sizes, 2), actions.shape[:2])
        chosen = (actions.argmax(-1) + steps) % sizes
        return np.eye(self.act_width, dtype=np.float32)[chosen]

    def visit(self, times: np.ndarray, random: np.random.Generator) -> Readings:
        """One state of each of as many rollouts as there are times.

        Rollouts take turns: random actions that are fresh at every step, random actions that are
        held, and the simple policy.
        """
        env, agents = self.env, np.arange(len(self.agents))
        pool = jnp.asarray(self._drawn(POOL, random))

        def rollout(seed, number, last, picks):
            reset_key, step_key = jax.random.split(jax.random.key(seed))
            held = pool[picks[0], agents]

            def one_step(state, at):
                time, pick = at
                simple = held if env.simple_actions is None else env.simple_actions(state, time)
                actions = jnp.stack([pool[pick, agents], held, simple])[number % 3]
                after = env.transition(state, actions, time, jax.random.fold_in(step_key, time))
                goes_on = time < last
                if after.terminated is not None:  # not into a state that is nobody's
                    goes_on &= ~after.terminated.any()
                return jnp.where(goes_on, after.state, state), None

            state, _ = jax.lax.scan(
                one_step, env.reset(reset_key), (jnp.arange(self.horizon), picks)
            )
            paid = env.transition(state, held, last, jax.random.fold_in(step_key, last)).rewards
            return state, paid, env.observed(state, last)

        count = len(times)
        seeds = random.integers(0, 2**31 - 1, count, np.int32)
        # Drawn here and not in the rollout, which compiles faster so.
        picks = random.integers(0, POOL, (count, self.horizon, len(agents)), np.uint8)
        run = jax.jit(jax.vmap(rollout))
        numbers, last = np.arange(count, dtype=np.int32), times.astype(np.int32)
        with naming(self.name, "in rollouts with valid actions"):
            readings = Readings(*(np.asarray(rows) for rows in run(seeds, numbers, last, picks)))
        for function, rows in zip(("step", "reward", "observe"), readings, strict=True):
            if rows is not None and not np.isfinite(rows).all():
                point, agent = np.argwhere(~np.isfinite(rows))[0][:2]
                raise UserError(
                    f"{function} of environment '{self.name}' gives agent '{self.agents[agent]}' a "
                    f"value that is not finite by time {times[point]} of a rollout with valid "
                    "actions; correct it before it is probed"
                )
        return readings

    def changes(
        self, points: Points, scale: Readings
    ) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Change]]]:
        """In blocks: the numbers of the points, the sources, and the changes in each graph."""
        num_points, num_agents = len(points.times), len(self.agents)
        width = 2 * self.state_shape.shape[1] + self.obs_shape.shape[1] + 1
        pairs = max(1, BLOCK_BYTES // (num_agents * width * 32))
        some_agents = min(num_agents, pairs)
        some_points = min(num_points, max(1, pairs // some_agents))
        compiled = self._block(scale)
        directions = points.directions.astype(np.float32)
        floats = (
            points.states,
            points.actions,
            points.other_states,
            points.other_actions,
            directions,
        )
        whole = (points.seeds.astype(np.int32), points.times.astype(np.int32))
        for start in range(0, num_points, some_points):
            # Blocks have one size, so that one program is compiled; what is too much is dropped.
            numbers = np.arange(start, min(start + some_points, num_points))
            padded = np.resize(numbers, some_points)
            rows = [array[padded] for array in (*whole, *floats)]
            for first in range(0, num_agents, some_agents):
                sources = np.arange(first, min(first + some_agents, num_agents))
                padded_sources = np.resize(sources, some_agents).astype(np.int32)
                cut = (slice(len(numbers)), slice(len(sources)))
                with naming(self.name, "at states that were moved, or with changed actions"):
                    changes = {
                        graph: Change(*(np.asarray(array)[cut] for array in change))
                        for graph, change in compiled(*rows, padded_sources).items()
                    }
                yield numbers, sources, changes

    def _block(self, scale: Readings) -> Callable[..., dict[str, Change]]:
        """The compiled function: changes [points, sources, targets] of every graph."""
        agents, derivatives = np.arange(len(self.agents)), self.derivatives
        scales = [
            np.asarray(rows, np.float32)
            for rows in (scale.states, scale.rewards[:, None], scale.obs)
        ]
        reals = [
            real_entries(self.state_sizes, self.state_shape.shape[1]),
            np.ones((len(self.agents), 1), bool),
            real_entries(self.obs_sizes, self.obs_shape.shape[1]),
        ]
        if self.env.terminates:
            scales[0], reals[0] = (
                np.concatenate([rows, np.ones_like(rows[:, :1])], axis=1)
                for rows in (scales[0], reals[0])
            )

        def block(seed, time, state, actions, other_state, other_actions, direction, sources):
            key = jax.random.key(seed)

            def outcome(state, actions):
                return self._outcome(state, actions, time, key)

            before = outcome(state, actions)

            def one_source(source):
                mine = (agents == source)[:, None]
                by_state = outcome(jnp.where(mine, other_state, state), actions)
                by_action = outcome(state, jnp.where(mine, other_actions, actions))
                moved = [
                    _between(before, by_state, scales, reals),
                    _between(before, by_action, scales, reals),
                ]
                if derivatives:
                    way = jnp.where(mine, direction, 0.0)
                    _, slope = jax.jvp(lambda s: outcome(s, actions), (state,), (way,))
                    moved[0] = jax.tree.map(
                        jnp.maximum, moved[0], _along(before, slope, scales, reals)
                    )
                # Between choices there is nothing that a slope could tell of.
                if derivatives and not self.discrete:
                    way = jnp.where(mine, other_actions - actions, 0.0)
                    _, slope = jax.jvp(lambda a: outcome(state, a), (actions,), (way,))
                    moved[1] = jax.tree.map(
                        jnp.maximum, moved[1], _along(before, slope, scales, reals)
                    )
                state_graphs, action_graphs = moved
                names = ("state", "reward", "observation")
                return dict(zip(names, state_graphs, strict=True)) | dict(
                    zip(("action", "reward_action"), action_graphs[:2], strict=True)
                )

            return jax.vmap(one_source)(sources)

        return jax.jit(jax.vmap(block, in_axes=(0,) * 7 + (None,)))

    def _outcome(self, state: Any, actions: Any, time: Any, key: Any) -> tuple[Any, Any, Any]:
        env = self.env
        after = env.transition(state, actions, time, key)
        following = after.state
        if after.terminated is not None:  # who can end an agent's episode acts on its state
            following = jnp.concatenate([following, 1.0 * after.terminated[:, None]], axis=1)
        return following, after.rewards[:, None], env.observed(state, time)

    def _has_derivatives(self, key: Any, actions: Any) -> bool:
        """Whether JAX can take derivatives; whole numbers and some custom functions have none."""
        if not jnp.issubdtype(self.state_shape.dtype, jnp.floating):
            return False

        def along(state, actions):
            return jax.jvp(
                lambda s, a: self._outcome(s, a, 0, key), (state, actions), (state, actions)
            )

        # Batched, as it will be: some functions refuse no earlier.
        batch = [
            jax.ShapeDtypeStruct((1, *rows.shape), rows.dtype)
            for rows in (self.state_shape, actions)
        ]
        return can_be_traced(self.name, jax.vmap(along), *batch)

    def _shape(self, name: str, function: Callable[..., Any], *given: Any) -> Any:
        return traced_shape(self.name, name, function, *given)

    def _check(self, name: str, shape: tuple[int, ...], expected: tuple[Any, ...]) -> None:
        if tuple(shape) != tuple(expected):
            wanted = ", ".join(map(str, expected)) + ("," if len(expected) == 1 else "")
            raise UserError(
                f"{name} of environment '{self.name}' gives an array of shape {tuple(shape)}, "
                f"expected ({wanted}): one {'number' if len(expected) == 1 else 'row'} for each "
                "agent"
            )


def _between(before: Any, after: Any, scales: Any, reals: Any) -> list[Change]:
    """Paired changes: two outcomes that differ in one agent's row."""
    pairs = zip(before, after, scales, reals, strict=True)
    return [
        change(jnp, abs(new - old), jnp.maximum(jnp.maximum(abs(new), abs(old)), scale), real)
        for old, new, scale, real in pairs
    ]


def _along(before: Any, slope: Any, scales: Any, reals: Any) -> list[Change]:
    """Derivatives along a direction, as far as they would move the outcome."""
    rows = zip(before, slope, scales, reals, strict=True)
    return [
        change(jnp, abs(tilt), jnp.maximum(abs(old), scale), real)
        for old, tilt, scale, real in rows
    ]
