r"""Finite games under any couplings: exact values, occupancy, return, gradient and optimum.

An agent's tables read exactly its declared parents, so the joint tables are products of local ones
and the couplings are true by construction. Everything is enumerated in double precision: the next
states of all pairs of joint state and action are held, which eight agents with two states and two
actions still allow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Inexact, Int, Num

from mastac.errors import UserError
from mastac.structure import Couplings

Logits = Sequence[np.ndarray]
"""Tabular softmax policies: for each agent one table of logits.

Its axes are the states of the agents that it observes, in order, then its action.
"""

MOST_ENTRIES = 2**25  # of the joint transition table: a quarter of a GiB


@dataclass(frozen=True, eq=False)
class Game:
    r"""A discounted game of infinite horizon whose couplings are those of its tables.

    **Arguments:**

    - `couplings`: who affects whom. Parents are listed in the order of the agents.
    - `num_states`, `num_actions`: numbers of local states and actions, one for each agent.
    - `transitions`: for each agent the law of its next state; axes: the states of its parents in
        the state graph, the actions of its parents in the action graph, its next state.
    - `rewards`: for each agent its expected reward; axes: the states of its parents in the reward
        graph, then the actions of its parents in the graph of reward actions.
    - `starts`: for each agent the law of its first state, independent of the others'.
    - `discount`: $\gamma$, at least 0 and below 1.

    **Raises:**

    - [`mastac.errors.UserError`][] if a table has another shape than the couplings say, a law does
      not add up to one, the discount is out of range, or the joint table would be too large.
    """

    couplings: Couplings
    num_states: tuple[int, ...]
    num_actions: tuple[int, ...]
    transitions: tuple[np.ndarray, ...]
    rewards: tuple[np.ndarray, ...]
    starts: tuple[np.ndarray, ...]
    discount: float

    def __post_init__(self) -> None:
        if not 0 <= self.discount < 1:
            raise UserError(
                f"the discount of a game is {self.discount}; it must be at least 0 and below 1"
            )
        entries = self.joint_states**2 * self.joint_actions
        if entries > MOST_ENTRIES:
            raise UserError(
                f"a game of {self.couplings.num_agents} agents with {self.joint_states} joint "
                f"states and {self.joint_actions} joint actions is too large to enumerate; "
                "take fewer agents"
            )
        for i, name in enumerate(self.couplings.agents):
            moved = (*self.table_shape("state", "action", i), self.num_states[i])
            paid = self.table_shape("reward", "reward_action", i)
            wanted = {"transition": moved, "reward": paid, "start": (self.num_states[i],)}
            for kind, shape in wanted.items():
                table = getattr(self, f"{kind}s")[i]
                if table.shape != shape:
                    raise UserError(
                        f"the {kind} table of '{name}' has shape {table.shape}; "
                        f"its couplings need {shape}"
                    )
                if kind != "reward" and (
                    np.abs(table.sum(-1) - 1).max() > 1e-12 or table.min() < 0
                ):
                    raise UserError(
                        f"the {kind} table of '{name}' holds no probabilities: "
                        "rows must add up to one"
                    )

    @property
    def joint_states(self) -> int:
        """The number of joint states."""
        return math.prod(self.num_states)

    @property
    def joint_actions(self) -> int:
        """The number of joint actions."""
        return math.prod(self.num_actions)

    @property
    def axes(self) -> tuple[int, ...]:
        """The shape of a table over all local states, then all local actions."""
        return (*self.num_states, *self.num_actions)

    def parents(self, graph: str, agent: int) -> list[int]:
        """The agents that `agent` depends on in a graph, in order."""
        return np.flatnonzero(getattr(self.couplings, graph)[[agent]].toarray()[0]).tolist()

    def table_shape(
        self, state_graph: str | None, action_graph: str | None, agent: int
    ) -> tuple[int, ...]:
        """The axes of a local table that reads the parents of `agent` in these graphs."""
        states = self.parents(state_graph, agent) if state_graph else []
        actions = self.parents(action_graph, agent) if action_graph else []
        return (*(self.num_states[j] for j in states), *(self.num_actions[j] for j in actions))

    def on_all_axes(
        self, table: np.ndarray, states: Sequence[int], actions: Sequence[int]
    ) -> np.ndarray:
        """A local table with one axis for every agent's state and every agent's action.

        An axis has length one where the table does not depend on it, so the result broadcasts.

        **Arguments:**

        - `table`: its first axes are the states of the agents in `states`, then the actions of
            those in `actions`; further axes are kept at the end.
        - `states`, `actions`: indices of agents in increasing order.
        """
        n = self.couplings.num_agents
        shape = [self.num_states[j] if j in states else 1 for j in range(n)]
        shape += [self.num_actions[j] if j in actions else 1 for j in range(n)]
        return table.reshape(*shape, *table.shape[len(states) + len(actions) :])

    @cached_property
    def kernel(self) -> Float[np.ndarray, "states actions states"]:
        """The law of the joint next state, the product of the local laws."""
        n = self.couplings.num_agents
        joint = np.ones((1,) * (2 * n))
        for i, table in enumerate(self.transitions):
            local = self.on_all_axes(table, self.parents("state", i), self.parents("action", i))
            joint = joint[..., None] * local.reshape(*local.shape[: 2 * n], *(1,) * i, -1)
        return np.broadcast_to(joint, self.axes + self.num_states).reshape(
            self.joint_states, self.joint_actions, self.joint_states
        )

    @cached_property
    def reward_table(self) -> Num[np.ndarray, "agents states actions"]:
        """Every agent's reward in every joint state and action."""
        tables = []
        for i, table in enumerate(self.rewards):
            local = self.on_all_axes(
                table, self.parents("reward", i), self.parents("reward_action", i)
            )
            tables.append(
                np.broadcast_to(local, self.axes).reshape(self.joint_states, self.joint_actions)
            )
        return np.stack(tables)

    @cached_property
    def start(self) -> Float[np.ndarray, " states"]:
        """The law of the first joint state."""
        joint = np.ones(())
        for law in self.starts:
            joint = joint[..., None] * law
        return joint.ravel()


def softmax(logits: Inexact[np.ndarray, "... actions"]) -> Inexact[np.ndarray, "... actions"]:
    """Probabilities along the last axis; analytic, so that complex steps pass through."""
    # Only the real part is shifted: the maximum of complex numbers is not analytic.
    exponentials = np.exp(logits - np.real(logits).max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def joint_policy(game: Game, logits: Logits) -> Inexact[np.ndarray, "states actions"]:
    r"""$\pi(a \mid s) = \prod_i \pi_i(a_i \mid s_{I_O^i})$ of tabular softmax policies."""
    joint = np.ones((1,) * len(game.axes))
    for i, table in enumerate(logits):
        joint = joint * game.on_all_axes(softmax(table), game.parents("observation", i), [i])
    return np.broadcast_to(joint, game.axes).reshape(game.joint_states, game.joint_actions)


def action_values(
    game: Game, logits: Logits, steps: int | None = None
) -> Inexact[np.ndarray, "agents states actions"]:
    r"""Exact local action values $Q_i = r_i + \gamma P V_i$ with the values of [`state_values`][].

    **Arguments:**

    - `game`, `logits`: the game and the policies of all agents.
    - `steps`: $\kappa$; only the rewards of the times $t, \dots, t + \kappa$ count, as in the
        truncated sets. `None` counts all of them, by one linear solve.
    """
    policy = joint_policy(game, logits)
    rewards = game.reward_table
    if steps is None:
        return rewards + game.discount * ahead(game, state_values(game, logits))
    values = rewards
    for _ in range(steps):
        values = rewards + game.discount * ahead(game, np.einsum("sa,nsa->ns", policy, values))
    return values


def ahead(
    game: Game, values: Inexact[np.ndarray, "agents states"]
) -> Inexact[np.ndarray, "agents states actions"]:
    """The expected value of the next state, for each of several value functions."""
    flat = game.kernel.reshape(-1, game.joint_states)
    return (flat @ values.T).T.reshape(len(values), game.joint_states, game.joint_actions)


def closed_loop(game: Game, logits: Logits) -> Inexact[np.ndarray, "states states"]:
    r"""$P_\pi$, the law of the next joint state under the policies, row by state."""
    return np.matmul(joint_policy(game, logits)[:, None], game.kernel)[:, 0]


def state_values(game: Game, logits: Logits) -> Inexact[np.ndarray, "agents states"]:
    r"""Exact local values $V_i = (I - \gamma P_\pi)^{-1} r_{i,\pi}$, by one linear solve."""
    rewards = np.einsum("sa,nsa->ns", joint_policy(game, logits), game.reward_table)
    system = np.eye(game.joint_states) - game.discount * closed_loop(game, logits)
    return np.linalg.solve(system, rewards.T).T


def occupancy(game: Game, logits: Logits) -> Inexact[np.ndarray, " states"]:
    r"""$d^\pi(s) = (1 - \gamma) \sum_t \gamma^t \Pr(s(t) = s)$, which adds up to one."""
    system = np.eye(game.joint_states) - game.discount * closed_loop(game, logits).T
    return (1 - game.discount) * np.linalg.solve(system, game.start)


def expected_return(game: Game, logits: Logits) -> Any:
    r"""$J = E \sum_t \gamma^t \sum_i r_i(t)$."""
    return state_values(game, logits).sum(0) @ game.start


def score_average(
    game: Game, logits: Logits, agent: int, weight: Float[np.ndarray, "states actions"]
) -> Float[np.ndarray, "..."]:
    r"""$\sum_{s, a} w(s, a) \nabla_{\theta_i} \ln \pi_i(a_i \mid o_i)$, shaped like the logits."""
    n, seen = game.couplings.num_agents, game.parents("observation", agent)
    others = [j for j in range(n) if j not in seen] + [n + j for j in range(n) if j != agent]
    mass = weight.reshape(game.axes).sum(tuple(others))
    return mass - softmax(logits[agent]) * mass.sum(-1, keepdims=True)


def policy_gradient(game: Game, logits: Logits) -> list[Float[np.ndarray, "..."]]:
    r"""$\nabla J$ by the plain policy gradient theorem with the value of the team.

    One table for each agent, shaped like its logits (Sutton et al., NIPS 1999).
    """
    weight = occupancy(game, logits)[:, None] * joint_policy(game, logits) / (1 - game.discount)
    team = action_values(game, logits).sum(0)
    return [score_average(game, logits, i, weight * team) for i in range(game.couplings.num_agents)]


def optimum(game: Game) -> tuple[float, Int[np.ndarray, " states"]]:
    """The best return of any policy with full information, and its joint action in every state.

    By policy iteration (Howard, 1960), which ends after finitely many steps and is exact.
    """
    team, states = game.reward_table.sum(0), np.arange(game.joint_states)
    chosen = team.argmax(1)
    while True:
        loop = game.kernel[states, chosen]
        values = np.linalg.solve(np.eye(len(states)) - game.discount * loop, team[states, chosen])
        better = team + game.discount * (game.kernel @ values)
        # Ties keep the choice: rounding would otherwise make the iteration cycle.
        gains = better.max(1) > better[states, chosen] + 1e-12 * np.abs(values).max()
        if not gains.any():
            return float(values @ game.start), chosen
        chosen = np.where(gains, better.argmax(1), chosen)
