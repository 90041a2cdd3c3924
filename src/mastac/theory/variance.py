r"""Total variance of the centralised and the structured score-function estimator, by its terms.

With $g_i$ the score of agent `i`, $\hat Q_i$ the sum of the values in its gradient set, $\bar Q_i$
the sum of the others, $b$ baselines, and critics that err by $\delta$ with mean zero given state
and action,

$$g_C = (\hat Q_i + \bar Q_i - b - \delta_Q) g_i, \qquad
g_Q = (\hat Q_i - \hat b - \delta_{\hat Q}) g_i,$$

$$t\mathrm{Var}[g_C] - t\mathrm{Var}[g_Q] = \underbrace{E[\|g_i\|^2 \bar Q_i^2]}_{\text{rest}}
+ \underbrace{2 E[\|g_i\|^2 \hat Q_i \bar Q_i]}_{\text{cross}}
+ \underbrace{E[\|g_i\|^2 (\sigma_Q^2 - \sigma_{\hat Q}^2)]}_{\text{critics}}
- \underbrace{(\|E g_C\|^2 - \|E g_Q\|^2)}_{\text{zero for exact sets}}$$

where $\hat Q_i, \bar Q_i$ stand for what the baselines leave of them. Proof and consequences:
docs/theorems.md.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from mastac.errors import unknown
from mastac.theory.games import (
    Game,
    Logits,
    action_values,
    joint_policy,
    occupancy,
    score_average,
    softmax,
)
from mastac.theory.sets import DependencySets

BASELINES = ("none", "state", "shared", "counterfactual")
# With a leading axis of batches where they are estimates.
PerAgent = Float[np.ndarray, "*batch agents"]


@dataclass(frozen=True)
class VarianceTerms:
    r"""The terms of the identity, one entry for each agent.

    $E$ is over the states, discounted or stationary, and the actions of the policies.

    - `own`: $E[\|g_i\|^2 \hat Q_i^2]$.
    - `rest`, `cross`: as in the identity above.
    - `score`: $E[\|g_i\|^2]$.
    - `mean_centralised`, `mean_structured`: the squared norms of the estimators' means, equal where
      the sets are exact.
    - `bias`: the norm of the difference of the means over that of the centralised one.
    - `critic_centralised`, `critic_structured`: $E[\|g_i\|^2 \sigma^2]$ of the two critics, zero
      for exact values.
    """

    own: PerAgent
    rest: PerAgent
    cross: PerAgent
    score: PerAgent
    mean_centralised: PerAgent
    mean_structured: PerAgent
    bias: PerAgent
    critic_centralised: Float[np.ndarray, "*batch _"] | float = 0.0
    critic_structured: Float[np.ndarray, "*batch _"] | float = 0.0

    @property
    def centralised(self) -> PerAgent:
        r"""$t\mathrm{Var}[g_C]$."""
        return self.own + self.rest + self.cross + self.critic_centralised - self.mean_centralised

    @property
    def structured(self) -> PerAgent:
        r"""$t\mathrm{Var}[g_Q]$."""
        return self.own + self.critic_structured - self.mean_structured

    @property
    def critics(self) -> PerAgent | float:
        """What the error of the centralised critic adds, less what that of the structured adds."""
        return self.critic_centralised - self.critic_structured

    @property
    def difference(self) -> PerAgent:
        r"""$t\mathrm{Var}[g_C] - t\mathrm{Var}[g_Q]$: positive where the structure helps."""
        return self.centralised - self.structured


def known_actions(
    sets: DependencySets, agent: int, baseline: str
) -> Bool[np.ndarray, " agents"] | None:
    r"""Whose actions a baseline of agent `i` may read, besides the state; `None` for no baseline.

    - "state": nobody's.
    - "shared": those of the other agents that both $\hat Q_i$ and $\bar Q_i$ read. Given these, the
      two are independent.
    - "counterfactual": those of all other agents.

    No baseline reads the agent's own action, so none adds a bias.

    **Raises:**

    - [`mastac.errors.UserError`][] for another name.
    """
    if baseline not in BASELINES:
        raise unknown("baseline", baseline, BASELINES)
    if baseline == "none":
        return None
    others = np.arange(len(sets.actions)) != agent
    if baseline == "state":
        return np.zeros_like(others)
    in_gradient = sets.gradient[agent]
    shared = sets.actions[in_gradient].any(0) & sets.actions[~in_gradient].any(0)
    return others if baseline == "counterfactual" else others & shared


def game_terms(
    game: Game, logits: Logits, sets: DependencySets, baseline: str = "none"
) -> VarianceTerms:
    """The terms of every agent, by enumeration of all states and actions.

    **Arguments:**

    - `game`, `logits`: the game and the policies of all agents.
    - `sets`: the dependency sets; with truncated ones the structured estimator has a bias.
    - `baseline`: none, state, shared or counterfactual (see [`known_actions`][]).
    """
    values, policy = action_values(game, logits), joint_policy(game, logits)
    weight = occupancy(game, logits)[:, None] * policy
    rows = []
    for i in range(len(logits)):
        known, gradient = known_actions(sets, i, baseline), sets.gradient[i]
        own, rest = (
            _centred(game, policy, values[agents].sum(0), known) for agents in (gradient, ~gradient)
        )
        squared = weight * score_norms(game, logits, i)
        rows.append(_row(game, logits, i, weight, squared, own, rest))
    return VarianceTerms(*np.array(rows).T)


def _row(
    game: Game,
    logits: Logits,
    i: int,
    weight: np.ndarray,
    squared: np.ndarray,
    own: np.ndarray,
    rest: np.ndarray,
) -> list[Any]:
    """The terms of one agent, in the order of `VarianceTerms`; `squared` is weight times score."""
    own_mean, rest_mean = (
        score_average(game, logits, i, weight * value).ravel() for value in (own, rest)
    )
    return [
        np.sum(squared * own**2),
        np.sum(squared * rest**2),
        2 * np.sum(squared * own * rest),
        squared.sum(),
        np.sum((own_mean + rest_mean) ** 2),
        np.sum(own_mean**2),
        np.linalg.norm(rest_mean) / max(np.linalg.norm(own_mean + rest_mean), np.finfo(float).tiny),
    ]


def score_norms(game: Game, logits: Logits, agent: int) -> Float[np.ndarray, "states actions"]:
    r"""$\|g_i\|^2 = 1 - 2 \pi_i(a_i) + \sum_b \pi_i(b)^2$ of a tabular softmax policy.

    One entry for each joint state and joint action.
    """
    chance = softmax(logits[agent])
    norms = 1 - 2 * chance + np.sum(chance**2, -1, keepdims=True)
    local = game.on_all_axes(norms, game.parents("observation", agent), [agent])
    return np.broadcast_to(local, game.axes).reshape(game.joint_states, game.joint_actions)


def _centred(
    game: Game, policy: np.ndarray, value: np.ndarray, known: np.ndarray | None
) -> np.ndarray:
    """A value less its mean over the policies, given the state and the known actions."""
    if known is None:
        return value
    n = len(known)
    unknown_axes = tuple(n + int(j) for j in np.flatnonzero(~known))
    chance = policy.reshape(game.axes)
    total = (chance * value.reshape(game.axes)).sum(unknown_axes, keepdims=True)
    return value - np.broadcast_to(
        total / chance.sum(unknown_axes, keepdims=True), game.axes
    ).reshape(value.shape)


@dataclass(frozen=True)
class Bounds:
    """Bounds on the difference of total variances with exact critics, one entry for each agent.

    - `lower`, `upper`: the corrected ones, for the baseline "shared".
    - `paper_lower`, `paper_upper`: those of Theorem 4.2 as stated, for no baseline.
    """

    lower: PerAgent
    upper: PerAgent
    paper_lower: PerAgent
    paper_upper: PerAgent


def game_bounds(game: Game, logits: Logits, sets: DependencySets) -> Bounds:
    r"""The bounds of Theorem 4.2, corrected and as stated in the paper.

    Corrected (docs/theorems.md):

    $$N_i^2 E[\mathrm{Var}(\bar Q_i \mid s, a_C)] \le t\mathrm{Var}[g_C] - t\mathrm{Var}[g_Q]
    \le M_i^2 \sum_{j \in \bar A_i} \epsilon_j^2$$

    Here $N_i, M_i$ are the smallest and the largest norm of the score, $\epsilon_j$ is the largest
    advantage of agent `j` in the value of the team, and $\bar A_i$ are the agents whose actions
    $\bar Q_i$ reads and $\hat Q_i$ does not.

    The paper's: $N_i^2 E[(\sum_j Q_j)^2]$ and $M_i^2 \sum_j \epsilon_j^2$ over the agents outside
    $I_{\hat Q}^i$, without a baseline.
    """
    values, policy = action_values(game, logits), joint_policy(game, logits)
    weight, agents = occupancy(game, logits)[:, None] * policy, np.arange(len(logits))
    team = values.sum(0)
    advantages = np.array([np.abs(_centred(game, policy, team, agents != j)).max() for j in agents])
    rows = []
    for i in agents:
        gradient, norms = sets.gradient[i], score_norms(game, logits, int(i))
        rest = values[~gradient].sum(0)
        free = _centred(game, policy, rest, known_actions(sets, int(i), "shared"))
        alone = sets.actions[~gradient].any(0) & ~sets.actions[gradient].any(0)
        outside = ~(sets.aggregate.states | sets.aggregate.actions)[i]
        rows.append(
            [
                norms.min() * np.sum(weight * free**2),
                norms.max() * np.sum(advantages[alone] ** 2),
                norms.min() * np.sum(weight * values[outside].sum(0) ** 2),
                norms.max() * np.sum(advantages[outside] ** 2),
            ]
        )
    return Bounds(*np.array(rows).T)
