"""Greedy policies: taken out of a learner, rolled out, summed up."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from mastac.agents.actors import Actor, actors
from mastac.agents.stochastic import greedy_network
from mastac.envs.base import Environment, Reference
from mastac.envs.episodes import rollout_return
from mastac.envs.host.environment import HostEnvironment
from mastac.envs.host.playing import Job, Player
from mastac.errors import UserError
from mastac.learning.acting import reset_seeds
from mastac.learning.spec import LearnerSpec, LearnerState
from mastac.runs.policy import EVALUATION_SEED, Policy
from mastac.structure.kinds import blocks_of, kinds_numbered

TOGETHER = 256
"""Agents of one kind whose actions are computed together."""


def evaluation_key(seed: int = EVALUATION_SEED) -> PRNGKeyArray:
    """The key that chooses the episodes of an evaluation.

    It is none of training, and the same for every seed and run.
    """
    return jax.random.key(seed)


def choosing_key() -> PRNGKeyArray:
    """The key of evaluations that choose a policy; the last one plays other episodes."""
    return jax.random.fold_in(evaluation_key(), 1)


def policies_of(spec: LearnerSpec, state: LearnerState) -> list[Policy]:
    """The policies of every seed, from a learner state with a leading axis of seeds."""
    env = spec.env
    limit, blocks = np.asarray(spec.actors.constants.limit), spec.actors.blocks
    of = slice(None) if blocks is None else blocks.kinds.of
    weights = jax.device_get(greedy_network(state.actors))
    return [
        Policy(
            agents=env.agents,
            obs_sizes=env.obs_sizes,
            action_sizes=env.action_sizes,
            action_head=env.action_head,
            obs_center=np.asarray(weights.center[k])[of],
            obs_scale=(1.0 / np.asarray(weights.inverse_scale[k])[of]).astype(np.float32),
            action_limit=limit,
            weights=tuple(np.asarray(w[k]) for w in weights.weights),
            biases=tuple(np.asarray(b[k]) for b in weights.biases),
            action_offset=getattr(env, "action_offset", None),
            kinds=None if blocks is None else blocks.kinds.of,
        )
        for k in range(weights.weights[0].shape[0])
    ]


def greedy_actions(env: Environment, policy: Policy) -> Callable[..., Array]:
    """A stored policy as `(obs, state, time) -> actions`, in JAX."""
    hidden = [weight.shape[2] for weight in policy.weights[:-1]]
    blocks = None if policy.kinds is None else blocks_of(kinds_numbered(policy.kinds), TOGETHER)
    apply, weights = actors(env, hidden, blocks=blocks).apply, actor_of(policy)
    return lambda obs, state, time: apply(weights, obs[:, :, None])[:, :, 0]


def actor_of(policy: Policy) -> Actor:
    """The weights of a stored policy, in JAX."""
    first = slice(None) if policy.kinds is None else kinds_numbered(policy.kinds).first
    return Actor(
        tuple(map(jnp.asarray, policy.weights)),
        tuple(map(jnp.asarray, policy.biases)),
        center=jnp.asarray(policy.obs_center[first], jnp.float32),
        inverse_scale=jnp.asarray(1.0 / policy.obs_scale[first], jnp.float32),
    )


def policy_returns(env: Environment, policy: Policy, episodes: int, seed: int) -> np.ndarray:
    """Undiscounted returns `[episodes, agents]` of a policy over episodes chosen by `seed`.

    **Raises:** `UserError` if the policy is of other agents than the environment.
    """
    sizes = ((policy.obs_sizes, env.obs_sizes), (policy.action_sizes, env.action_sizes))
    if policy.agents != tuple(env.agents) or any((a != b).any() for a, b in sizes):
        raise UserError(
            f"this policy is not of the agents of '{env.id}': its file belongs to another run; "
            "resume the run to write it again"
        )
    if isinstance(env, HostEnvironment):
        return _simulated_returns(env, policy, episodes, seed)
    act = greedy_actions(env, policy)

    @jax.jit
    def returns(keys):
        return jax.vmap(lambda key: rollout_return(env, act, key))(keys)

    return np.asarray(returns(jax.random.split(evaluation_key(seed), episodes)))


def _simulated_returns(
    env: HostEnvironment, policy: Policy, episodes: int, seed: int
) -> np.ndarray:
    """The same with a simulator outside JAX, in this process."""
    keys = jax.random.split(evaluation_key(seed), episodes)
    player = Player(env.recipe, env.sizes, slots=1)
    jobs = [
        Job(reset, f"evaluation episode {number}") for number, reset in enumerate(reset_seeds(keys))
    ]
    act = lambda obs, time: (np.stack([policy.actions(rows) for rows in obs]), [])  # noqa: E731
    try:
        return np.stack([track.rewards.sum(0) for track in player.play(jobs, lambda _: act)])
    finally:
        player.close()


def finite_or_none(value: float) -> float | None:
    """A number as JSON can hold it: `None` for NaN and infinities.

    A score is undefined where the simple policy is the best known; a return may overflow.
    """
    return value if np.isfinite(value) else None


def reported_mean(env: Environment, returns: np.ndarray) -> float:
    """Mean over episodes of returns `[episodes, agents]`, in the unit that `env.report` says."""
    by_episode = (
        returns.astype(np.float64).sum(-1)
        if env.report == "sum"
        else returns.astype(np.float64).mean(-1)
    )
    return float(by_episode.mean())


def greedy_summary(
    env: Environment,
    returns: Mapping[int, np.ndarray],
    reference: Reference | None,
    seeds: Sequence[int],
) -> dict[str, Any]:
    """The part of a summary that greedy policies make.

    **Arguments:**

    - `env`: the environment.
    - `returns`: for each seed the returns `[episodes, agents]`; seeds without any get `None`.
    - `reference`: the figures that scores are held against.
    - `seeds`: all seeds of the run, in order.
    """
    reported = {
        seed: finite_or_none(reported_mean(env, values)) for seed, values in returns.items()
    }
    values = np.array([value for value in reported.values() if value is not None])
    by_agent = np.array([values.mean(0, dtype=np.float64) for values in returns.values()])
    mean = float(values.mean()) if values.size else None
    return {
        "greedy_mean": mean,
        "greedy_std": float(values.std()) if values.size else None,
        "greedy_by_seed": {str(seed): reported.get(seed) for seed in seeds},
        "greedy_by_agent": _by_agent(env, by_agent, np.mean),
        "greedy_std_by_agent": _by_agent(env, by_agent, np.std),
        "reference": None
        if reference is None
        else {
            "bound": reference.bound,
            "best_known": reference.best_known,
            "simple": reference.simple,
            "policies": dict(reference.policies),
            "notes": reference.notes,
        },
        "score": None
        if reference is None or mean is None
        else finite_or_none(reference.score(mean)),
    }


def _by_agent(
    env: Environment, returns: np.ndarray, measure: Callable[..., np.ndarray]
) -> dict[str, float | None]:
    """A measure over the first axis of returns `[seeds, agents]`, by the agents' names."""
    if not len(returns):
        return {}
    with np.errstate(invalid="ignore"):  # returns that are infinite have no deviation
        figures = measure(returns, axis=0).tolist()
    return {name: finite_or_none(value) for name, value in zip(env.agents, figures, strict=True)}
