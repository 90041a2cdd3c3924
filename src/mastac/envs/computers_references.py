"""Exact figures of networks of computers: dynamic programming over all joint conditions (numpy, float64)."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mastac.structure import Couplings

WORKING, INFECTED, FAILED = range(3)
LEAVE, CLEAN = range(2)
MOST_AGENTS = 6  # 729 joint conditions and 64 joint actions: some seconds

Rule = Callable[[np.ndarray], np.ndarray]
"""Conditions `[joint, agents]` of all joint conditions to the agents' actions, `[joint, agents]`."""


def joint_conditions(num_agents: int) -> Int[np.ndarray, "joint agents"]:
    """All of them, the last agent's turning fastest."""
    return np.array(list(product(range(3), repeat=num_agents)))


def chances(couplings: Couplings, values: Mapping[str, Any]) -> Float[np.ndarray, "agents actions joint conditions"]:
    """The law of every agent's next condition, for each action of its own and each joint condition."""
    joint = joint_conditions(couplings.num_agents)
    sources = couplings.state.toarray() & ~np.eye(couplings.num_agents, dtype=bool)
    threats = (joint == INFECTED) @ sources.T  # infected ones among those that affect an agent
    caught = 1 - (1 - values["outbreak"]) * (1 - values["spread"]) ** threats
    found = np.zeros((couplings.num_agents, 2, len(joint), 3))
    found[:, CLEAN, :, WORKING] = 1.0
    for i in range(couplings.num_agents):
        here = joint[:, i]
        found[i, LEAVE, :, WORKING] = np.where(here == WORKING, 1 - caught[:, i], 0.0)
        found[i, LEAVE, :, INFECTED] = np.select(
            [here == WORKING, here == INFECTED], [caught[:, i], 1 - values["failure"]], 0.0
        )
        found[i, LEAVE, :, FAILED] = np.select([here == INFECTED, here == FAILED], [values["failure"], 1.0], 0.0)
    return found


def earned(couplings: Couplings, values: Mapping[str, Any]) -> Float[np.ndarray, "agents actions joint"]:
    """Every agent's reward for each action of its own in each joint condition."""
    joint = joint_conditions(couplings.num_agents)
    left = np.select([joint == WORKING, joint == INFECTED], [1.0, values["earning"]], 0.0).T
    return np.stack([left, np.full_like(left, -values["cost"])], axis=1)


def ahead(
    laws: Float[np.ndarray, "agents actions joint conditions"],
    chosen: Int[np.ndarray, "joint agents"],
    worth: np.ndarray,
) -> np.ndarray:
    """The expected worth of the next joint condition under the actions chosen; `worth` and result: `[..., joint]`."""
    joint, agents = chosen.shape
    tensor = worth.reshape(*worth.shape[:-1], *(3,) * agents)
    tensor = np.broadcast_to(tensor, (joint, *tensor.shape))
    for i in range(agents):  # sums out one agent's next condition after the other
        law = laws[i, chosen[:, i], np.arange(joint)]
        tensor = np.einsum("jc,j...c->j...", law, np.moveaxis(tensor, worth.ndim, -1))
    return np.moveaxis(tensor, 0, -1)


def rule_returns(couplings: Couplings, values: Mapping[str, Any], rule: Rule) -> Float[np.ndarray, " agents"]:
    """Exact undiscounted return of each agent over one episode that starts with all working, under a rule."""
    laws, pay = chances(couplings, values), earned(couplings, values)
    joint = joint_conditions(couplings.num_agents)
    chosen = rule(joint)
    paid = np.stack([pay[i, chosen[:, i], np.arange(len(joint))] for i in range(couplings.num_agents)])
    worth = np.zeros_like(paid)
    for _ in range(values["horizon"]):
        worth = paid + ahead(laws, chosen, worth)
    return worth[:, 0]


def optimum(couplings: Couplings, values: Mapping[str, Any]) -> tuple[float, Int[np.ndarray, "time joint agents"]]:
    """The best return of the team with full information, by backward induction, and what attains it."""
    laws, pay = chances(couplings, values), earned(couplings, values)
    joint, numbers = joint_conditions(couplings.num_agents), np.arange(3**couplings.num_agents)
    options = [np.broadcast_to(each, joint.shape) for each in product(range(2), repeat=couplings.num_agents)]
    paid = [sum(pay[i, each[:, i], numbers] for i in range(couplings.num_agents)) for each in options]
    worth, plan = np.zeros(len(joint)), []
    for _ in range(values["horizon"]):
        by_option = np.stack([now + ahead(laws, each, worth) for now, each in zip(paid, options, strict=True)])
        best = by_option.argmax(0)
        plan.append(np.stack([options[k][0] for k in best]))
        worth = by_option.max(0)
    return float(worth[0]), np.stack(plan[::-1])


def selfish(couplings: Couplings, values: Mapping[str, Any], rounds: int = 20) -> tuple[float, bool]:
    """The team's return where everyone maximises its own, by best responses in turn; whether nobody gains any more.

    Everyone knows all conditions and the time.
    """
    laws, pay = chances(couplings, values), earned(couplings, values)
    joint, numbers = joint_conditions(couplings.num_agents), np.arange(3**couplings.num_agents)
    plan = np.zeros((values["horizon"], *joint.shape), int)
    before = plan
    for _ in range(rounds):
        before = plan.copy()
        for i in range(couplings.num_agents):
            worth = np.zeros(len(joint))
            for time in range(values["horizon"] - 1, -1, -1):
                tried = []
                for action in range(2):
                    chosen = plan[time].copy()
                    chosen[:, i] = action
                    tried.append(pay[i, action, numbers] + ahead(laws, chosen, worth))
                plan[time][:, i] = np.argmax(tried, axis=0)
                worth = np.max(tried, axis=0)
        if (plan == before).all():
            break
    total = np.zeros(len(joint))
    for time in range(values["horizon"] - 1, -1, -1):
        now = sum(pay[i, plan[time][:, i], numbers] for i in range(couplings.num_agents))
        total = now + ahead(laws, plan[time], total)
    return float(total[0]), bool((plan == before).all())


def clean_from(condition: int) -> Rule:
    """Everyone cleans itself once its own condition is at least this bad."""
    return lambda joint: (joint >= condition).astype(int)


def computers_figures(couplings: Couplings, values: Mapping[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """The figures of [`Reference`][mastac.envs.base.Reference]: restarting what has failed is the simple policy."""
    best, plan = optimum(couplings, values)
    own, settled = selfish(couplings, values)
    sees_all = bool(couplings.observation.toarray().all())
    found = {
        "simple": float(rule_returns(couplings, values, clean_from(FAILED)).sum()),
        "best_known": best,
        "bound": best,
        "policies": {
            "clean what is infected": float(rule_returns(couplings, values, clean_from(INFECTED)).sum()),
            "never clean": float(rule_returns(couplings, values, clean_from(FAILED + 1)).sum()),
            "everyone for itself": own,
        },
        "notes": "bound: optimum with full information, by dynamic programming"
        + ("" if sees_all else ", which policies that see their neighbours alone need not attain")
        + ("" if settled else "; best responses of those for themselves do not settle"),
    }
    return found, plan
