"""What went badly in a run, in words, and what to try."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from mastac.agents.stochastic import greedy_network
from mastac.envs.base import Environment, Reference
from mastac.envs.once import compiled_for_once
from mastac.learning.buffer import Episode
from mastac.learning.observing import observations_along
from mastac.learning.presence import by_agent, present, sample_mean, sample_weights
from mastac.learning.spec import LearnerSpec
from mastac.text import number

# At how much of its limit an action counts as at it, and how many of an agent's have to be.
AT_LIMIT, MOST = 0.99, 0.95
PROMISE = 2.0  # a promise is broken by more than so many standard deviations of a return


def warnings_of(
    env: Environment,
    greedy: Mapping[int, float | None],
    reference: Reference | None,
    first: float,
    saturated: Sequence[str],
) -> list[str]:
    """One sentence for each thing that went badly; none where nothing did.

    **Arguments:**

    - `greedy`: the greedy return of every seed, `None` where it stopped.
    - `first`: mean return of the first episodes, which played untrained policies.
    - `saturated`: agents whose actions are nearly always at a limit.
    """
    known = {seed: value for seed, value in greedy.items() if value is not None}
    bar, what = (
        (first, "the first episodes")
        if reference is None
        else (reference.simple, "the simple policy")
    )
    bad = [seed for seed, value in known.items() if value < bar]
    found = []
    if bad:
        worst = min(known[seed] for seed in bad)
        hint = "more epochs or a smaller actor_lr"
        if env.undeclared:
            hint += ", or declare the scales of the environment"
        seeds = ", ".join(map(str, bad))
        found.append(
            f"the greedy policies of seed{'s' if len(bad) > 1 else ''} {seeds} earn less "
            f"({number(worst)}{' at worst' if len(bad) > 1 else ''}) than {what} "
            f"({number(bar)}); try {hint}"
        )
    if saturated:
        names = ", ".join(f"'{name}'" for name in saturated[:5])
        names += f" and {len(saturated) - 5} more" if len(saturated) > 5 else ""
        found.append(
            f"the actions of {names} are at a limit nearly always, where actors hardly learn; "
            "if that is not what is best, try a smaller actor_lr or a larger saturation_cost"
        )
    return found


def broken_promises(
    findings: Mapping[str, Mapping[str, float]], greedy: Mapping[Any, float | None]
) -> list[str]:
    """A sentence for every seed whose learnt models promise clearly more than was measured.

    **Arguments:**

    - `findings`: of a learner through a model, for each seed; empty for others.
    - `greedy`: the greedy return of every seed, over many episodes.
    """
    by_name = {str(seed): value for seed, value in greedy.items()}
    return [
        f"the models of seed {seed} promise {number(found['promised'])} and the policies earn "
        f"{number(earned)}: the models are wrong where these policies go; try more epochs, "
        "more noise or more model_members"
        for seed, found in findings.items()
        if (earned := by_name.get(seed)) is not None
        and "promised" in found
        and found["promised"] - earned > PROMISE * max(found["spread"], 0.0)
    ]


def saturated_agents(
    spec: LearnerSpec, state: Any, epochs: int, alive: Bool[np.ndarray, " seeds"]
) -> list[str]:
    """Agents whose greedy actions are nearly always at a limit in a seed's last episodes.

    **Arguments:**

    - `state`: of a run, with a leading axis of seeds.
    - `epochs`: episodes that were played.
    - `alive`: of each seed whether it went on to the end.
    """
    env = spec.env
    if env.action_head != "tanh" or not alive.any():
        return []
    mask = np.asarray(spec.actors.constants.mask)

    def of_seed(actors: Any, store: Episode) -> jax.Array:
        places = len(store.rewards)
        latest = (epochs - 1 - np.arange(min(20, places, epochs))) % places
        recent = jax.tree.map(lambda leaf: leaf[latest], store)
        obs, there = observations_along(env, recent), present(recent)
        logits = spec.actors.logits(greedy_network(actors), by_agent(obs))
        weights = sample_weights(None if there is None else by_agent(there))
        at_limit = 1.0 * (jnp.abs(jnp.tanh(logits)) > AT_LIMIT)
        return sample_mean(at_limit, None if weights is None else weights[:, None])

    share = np.asarray(compiled_for_once(jax.vmap(of_seed))(state.learner.actors, state.store))
    each = np.where(mask[None], share, 1.0).min(2)[alive].max(0)
    return [
        name
        for name, most, size in zip(env.agents, each, env.action_sizes, strict=True)
        if size > 0 and most > MOST
    ]
