r"""Total variance of the centralised and of the structured score-function estimator, and the terms that it is made of.

With $g_i$ the score of agent `i`, $\hat Q_i$ the sum of the values in its gradient set, $\bar Q_i$
the sum of the others, $b$ baselines, and critics that err by $\delta$ with mean zero given state
and action,

$$g_C = (\hat Q_i + \bar Q_i - b - \delta_Q) g_i, \qquad g_Q = (\hat Q_i - \hat b - \delta_{\hat Q}) g_i,$$

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
PerAgent = Float[np.ndarray, " agents"]


@dataclass(frozen=True)
class VarianceTerms:
    r"""The terms of the identity, one entry for each agent; $E$ is over the discounted states and the policies.

    `own` $E[\|g_i\|^2 \hat Q_i^2]$, `rest`, `cross` as above; `score` $E[\|g_i\|^2]$;
    `mean_centralised` and `mean_structured` the squared norms of the estimators' means, equal where
    the sets are exact; `bias` the norm of the difference of the means over that of the centralised
    one. `critic_centralised` and `critic_structured`: $E[\|g_i\|^2 \sigma^2]$ of the two critics,
    zero for exact values.
    """

    own: PerAgent
    rest: PerAgent
    cross: PerAgent
    score: PerAgent
    mean_centralised: PerAgent
    mean_structured: PerAgent
    bias: PerAgent
    critic_centralised: PerAgent | float = 0.0
    critic_structured: PerAgent | float = 0.0

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
        """What the centralised critic's error adds more than that of the structured one."""
        return self.critic_centralised - self.critic_structured

    @property
    def difference(self) -> PerAgent:
        r"""$t\mathrm{Var}[g_C] - t\mathrm{Var}[g_Q]$: positive where the structure helps."""
        return self.centralised - self.structured


def known_actions(
    sets: DependencySets, agent: int, baseline: str
) -> Bool[np.ndarray, " agents"] | None:
    r"""Whose actions a baseline of agent `i` may read, besides the state; `None` for no baseline.

    "state": nobody's. "counterfactual": everybody else's. "shared": those of the others that both
    $\hat Q_i$ and $\bar Q_i$ read; given these the two are independent. None of them reads the
    agent's own action, so none biases.

    **Raises:** [`mastac.errors.UserError`][] for another name.
    """
    if baseline not in BASELINES:
        raise unknown("baseline", baseline, BASELINES)
    if baseline == "none":
        return None
    others = np.arange(len(sets.actions)) != agent
    if baseline == "state":
        return np.zeros_like(others)
    moved = sets.gradient[agent]
    shared = sets.actions[moved].any(0) & sets.actions[~moved].any(0)
    return others if baseline == "counterfactual" else others & shared


def game_terms(
    game: Game, logits: Logits, sets: DependencySets, baseline: str = "none"
) -> VarianceTerms:
    """The terms of every agent, by enumeration of all states and actions."""
    values, policy = action_values(game, logits), joint_policy(game, logits)
    weight = occupancy(game, logits)[:, None] * policy
    rows = []
    for i in range(len(logits)):
        known, moved = known_actions(sets, i, baseline), sets.gradient[i]
        own, rest = (_centred(game, policy, values[part].sum(0), known) for part in (moved, ~moved))
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
    mean, other = (score_average(game, logits, i, weight * value).ravel() for value in (own, rest))
    return [
        np.sum(squared * own**2),
        np.sum(squared * rest**2),
        2 * np.sum(squared * own * rest),
        squared.sum(),
        np.sum((mean + other) ** 2),
        np.sum(mean**2),
        np.linalg.norm(other) / max(np.linalg.norm(mean + other), np.finfo(float).tiny),
    ]


def score_norms(game: Game, logits: Logits, agent: int) -> Float[np.ndarray, "states actions"]:
    r"""$\|g_i\|^2 = 1 - 2 \pi_i(a_i) + \sum_b \pi_i(b)^2$ of a tabular softmax policy, in every state and action."""
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
    unknown_axes = tuple(n + j for j in np.flatnonzero(~known))
    chance = policy.reshape(game.axes)
    total = (chance * value.reshape(game.axes)).sum(unknown_axes, keepdims=True)
    return value - np.broadcast_to(
        total / chance.sum(unknown_axes, keepdims=True), game.axes
    ).reshape(value.shape)


@dataclass(frozen=True)
class Bounds:
    """The corrected bounds on the difference for the baseline "shared", and the paper's for none; exact critics."""

    lower: PerAgent
    upper: PerAgent
    paper_lower: PerAgent
    paper_upper: PerAgent


def game_bounds(game: Game, logits: Logits, sets: DependencySets) -> Bounds:
    r"""$N_i^2 E[\mathrm{Var}(\bar Q_i \mid s, a_C)] \le \text{difference} \le M_i^2 \sum_{\bar A_i} \epsilon_j^2$.

    $N_i, M_i$ are the least and the largest norm of the score, $\epsilon_j$ the largest advantage
    of agent `j` in the value of the team, and $\bar A_i$ those whose actions $\bar Q_i$ reads and
    $\hat Q_i$ does not. The paper's (Theorem 4.2): $N_i^2 E[(\sum Q_j)^2]$ and $M_i^2 \sum
    \epsilon_j^2$ over those outside $I_{\hat Q}^i$, no baseline.
    """
    values, policy = action_values(game, logits), joint_policy(game, logits)
    weight, agents = occupancy(game, logits)[:, None] * policy, np.arange(len(logits))
    team = values.sum(0)
    advantages = np.array([np.abs(_centred(game, policy, team, agents != j)).max() for j in agents])
    rows = []
    for i in agents:
        moved, norms = sets.gradient[i], score_norms(game, logits, int(i))
        rest = values[~moved].sum(0)
        free = _centred(game, policy, rest, known_actions(sets, int(i), "shared"))
        alone = sets.actions[~moved].any(0) & ~sets.actions[moved].any(0)
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
