"""Which share of the influence on a value lies beyond each window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from mastac.analysis.graph_summary import some_of
from mastac.analysis.window_sums import kappa_schedule
from mastac.structure.couplings import Couplings
from mastac.structure.windows import smallest_kappas

RESAMPLES = 1000
"""Of the rollouts, for the bootstrap intervals."""


class Influence(NamedTuple):
    """Absolute changes of discounted returns, one entry for each rollout.

    - `states`, `actions`: of the row agent's return, when the state or the action of the column
        agent was moved.
    - `times`: the step of the move.
    """

    states: Float[np.ndarray, "rollouts agents agents"]
    actions: Float[np.ndarray, "rollouts agents agents"]
    times: np.ndarray


def beside_own(changes: Influence, couplings: Couplings) -> dict[str, Any]:
    """How much influence on a value other agents have, and whose actions affect others alone.

    **Arguments:**

    - `changes`: of the returns.
    - `couplings`: for the agents' names.

    **Returns:** ready for JSON

    - `others`: the shares for `states` and `actions`, as in [`shares_beyond`][], whatever the sets.
    - `no_own`: agents whose action changes others' returns and never their own. `no_effect`: agents
        whose action changes no return. Of both the `number`, the first names (`agents`) and how
        many `more`. No graph could show these, since in every graph an agent affects itself.
    """
    own = np.eye(couplings.num_agents, dtype=bool)
    states, actions = (
        _curve(kind, np.where(own, 0, 1), [0], couplings.agents)[0]
        for kind in (changes.states, changes.actions)
    )
    by_actions = changes.actions.sum(0)
    on_others = np.where(own, 0, by_actions).sum(0) > 0
    not_on_own = by_actions.diagonal() == 0
    return {
        "others": {"states": states, "actions": actions},
        "no_own": some_of(couplings, not_on_own & on_others),
        "no_effect": some_of(couplings, not_on_own & ~on_others),
    }


def shares_beyond(
    changes: Influence, couplings: Couplings, kappas: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """The shares of influence that lie beyond each kappa.

    **Arguments:**

    - `changes`: of the returns.
    - `couplings`: the same at all times.
    - `kappas`: by default those of the table of `mastac graph`.

    **Returns:** for each `kappa` whether its sets are `exact`, and for `states` and `actions` the
    shares. `mean` is over the agents (those on which there is any influence), `low` and `high` its
    95 % interval (bootstrap over rollouts), `worst` and `worst_agent` the largest; all `None` where
    there is no influence at all.
    """
    levels = [_dense(matrix) for matrix in smallest_kappas(couplings)]
    last = max(int(level.max()) for level in levels)
    kappas = kappa_schedule(last) if kappas is None else kappas
    curves = [
        _curve(kind, level, kappas, couplings.agents)
        for kind, level in zip((changes.states, changes.actions), levels, strict=True)
    ]
    return [
        {"kappa": kappa, "exact": kappa >= last, "states": states, "actions": actions}
        for kappa, states, actions in zip(kappas, *curves, strict=True)
    ]


def _dense(levels: csr_array) -> np.ndarray:
    """Levels as a dense matrix, -1 where no entry is stored."""
    raised = levels.copy()
    raised.data = raised.data + 1
    return raised.toarray().astype(int) - 1


def _curve(
    changes: Float[np.ndarray, "rollouts agents agents"],
    levels: np.ndarray,
    kappas: Sequence[int],
    agents: Sequence[str],
) -> list[dict[str, Any]]:
    """The shares of one kind of influence beyond each kappa; level -1 is beyond all of them."""
    beyond = np.stack(
        [(changes * ((levels > kappa) | (levels < 0))).sum(2) for kappa in kappas], axis=2
    )
    total = changes.sum(2)
    moved = total.sum(0) > 0
    if not moved.any():
        return [dict.fromkeys(("mean", "low", "high", "worst", "worst_agent"))] * len(kappas)
    beyond, total = beyond[:, moved], total[:, moved]
    names = [agents[i] for i in np.flatnonzero(moved).tolist()]
    shares = beyond.sum(0) / total.sum(0)[:, None]
    random = np.random.default_rng(0)
    weights = random.multinomial(len(total), np.full(len(total), 1 / len(total)), RESAMPLES)
    with np.errstate(invalid="ignore"):
        again = np.tensordot(weights, beyond, 1) / (weights @ total)[:, :, None]
    low, high = np.quantile(np.nanmean(again, axis=1), (0.025, 0.975), axis=0)
    worst = shares.argmax(0)
    return [
        {
            "mean": float(shares[:, place].mean()),
            "low": float(low[place]),
            "high": float(high[place]),
            "worst": float(shares[worst[place], place]),
            "worst_agent": names[int(worst[place])],
        }
        for place in range(len(kappas))
    ]
