"""How far policies are from the best of their class: what a certificate holds, computed."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from mastac.agents.actors import Actors, actors
from mastac.envs.base import Environment
from mastac.envs.episodes import rollout_return
from mastac.envs.transitions import refuse_early_ends
from mastac.errors import UserError
from mastac.learning.model_based.around import dynamics_around, fitted_around
from mastac.learning.model_based.climbing import climb, finite_or_worst
from mastac.learning.model_based.imagined import Dynamics, imagined, true_dynamics
from mastac.learning.model_based.improvement import one_step_gains
from mastac.runs.evaluation import actor_of, evaluation_key, finite_or_none
from mastac.runs.policy import Policy
from mastac.runs.statistics import t_interval

RATES = (0.01, 0.001)  # Adam's step sizes; each is climbed with
CLIMBED, CHOOSING = 64, 250  # episodes that are climbed, and that the best climb is chosen by
VISITED, POINTS = 32, 8  # episodes and times of each, at which a better action is looked for
TOGETHER = 250  # episodes that are measured at once
PROBES = 8  # episodes of random actions that slopes are looked for in


class Measured(NamedTuple):
    """Reported returns on the same fresh episodes."""

    trained: Float[Array, " episodes"]
    climbed: Float[Array, " episodes"]


def certificate(
    env: Environment,
    policies: Mapping[int, Policy],
    bound: float | None,
    episodes: int,
    steps: int,
    seed: int,
    say: Callable[[str], None],
    fitting: int | None = None,
) -> tuple[dict[str, dict[str, Any]], bool]:
    """For each seed's policies the lower and the upper figure, and what they were made of.

    Also whether the environment has slopes; where it has none, nothing is climbed.

    **Arguments:**

    - `bound`: a proven bound on the reported return of every policy; where it is `None` the upper
        figure is estimated.
    - `episodes`, `steps`, `seed`: of [`certify`][mastac.runs.certificate.certify].
    - `say`: takes what is being done, a line each.
    - `fitting`: where models are learnt and climbed, the episodes that they are fitted to.

    **Raises:**

    - `UserError` for a simulator outside JAX, if the environment cannot be differentiated, or has
      no slopes where they are all that figures could be made of, and if its episodes may end early.
    """
    if env.is_host:
        raise UserError(
            f"environment '{env.id}' is a simulator outside JAX, whose state cannot be set, so no "
            "certificate can be given"
        )
    refuse_early_ends(env, "a certificate compares policies over whole ones, so none can be given")
    key = jax.random.fold_in(evaluation_key(), seed)
    slope_key, fit_key, lower_key, upper_key = jax.random.split(key, 4)
    can_climb = fitting is not None or has_slopes(env, slope_key)
    if not can_climb and bound is None and not env.head.is_discrete:
        raise UserError(
            f"environment '{env.id}' has no slopes (its return does not change with small changes "
            "of any action, or the slope is not finite) and no bound, so nothing can be certified; "
            "smooth its step and reward, or give its reference a bound"
        )
    steps = steps if can_climb else 1
    first = next(iter(policies.values()))
    parts = actors(env, [weight.shape[2] for weight in first.weights[:-1]])

    def dynamics(fitted: Any) -> Dynamics:
        return true_dynamics(env) if fitted is None else dynamics_around(env, fitted)

    fitted = None
    fit = jax.jit(lambda weights: fitted_around(env, parts, weights, fit_key, fitting or 0))
    lower = jax.jit(
        lambda weights, fitted: improved(
            env, parts, weights, dynamics(fitted), lower_key, steps, episodes
        )
    )
    upper = jax.jit(
        lambda weights, fitted: one_step_gains(
            env, parts, weights, dynamics(fitted), upper_key, VISITED, POINTS
        )
    )
    found = {}
    for number, policy in policies.items():
        weights = actor_of(policy)
        if fitting is not None:
            say(f"seed {number}: fitting models to {fitting} episodes")
            fitted = fit(weights)
        say(f"seed {number}: climbing from the trained policies")
        figures = lower_figures(*(np.asarray(values) for values in lower(weights, fitted)))
        if bound is None:
            say(f"seed {number}: looking for better actions")
            figures |= estimated_figures(np.asarray(upper(weights, fitted)))
        else:
            figures |= proven_figures(bound, figures["return_interval"])
        found[str(number)] = figures
    return found, can_climb


def lower_figures(
    trained: Float[np.ndarray, " episodes"], climbed: Float[np.ndarray, " episodes"]
) -> dict[str, Any]:
    """Return and improvement with their 95 % intervals, and the figure from below."""
    mean, low, high = _interval(trained)
    gain, gain_low, gain_high = _interval(climbed.astype(float) - trained)
    return {
        "return": mean,
        "return_interval": [low, high],
        "improvement": gain,
        "improvement_interval": [gain_low, gain_high],
        "lower": None if gain_low is None else max(0.0, gain_low),
    }


def proven_figures(bound: float, interval: list[float | None]) -> dict[str, Any]:
    """The figure from above where a bound is known: up to it from the interval's lower end."""
    low = interval[0]
    return {"upper": None if low is None else max(0.0, bound - low)}


def estimated_figures(gains: Float[np.ndarray, " episodes"]) -> dict[str, Any]:
    """What single better actions gain, with its 95 % interval, whose upper end is the figure."""
    mean, low, high = _interval(gains)
    return {
        "one_step": mean,
        "one_step_interval": [low, high],
        "upper": None if high is None else max(0.0, high),
    }


def _interval(values: Float[np.ndarray, " episodes"]) -> tuple[float | None, ...]:
    """Mean, and lower and upper end of its 95 % interval; `None` where an episode overflowed."""
    mean, half = t_interval(values) if np.isfinite(values).all() else (np.nan, np.nan)
    return tuple(finite_or_none(float(value)) for value in (mean, mean - half, mean + half))


def improved(
    env: Environment,
    parts: Actors,
    weights: Any,
    dynamics: Dynamics,
    key: PRNGKeyArray,
    steps: int,
    episodes: int,
) -> Measured:
    """The policies against better ones, on fresh episodes of the simulator.

    The better ones climb the imagined return through the dynamics, with each step size. Which are
    best is decided in the simulator, on other episodes than those that measure.
    """
    first_key, play_key, choose_key, measure_key = jax.random.split(key, 4)
    first = jax.vmap(env.reset)(jax.random.split(first_key, CLIMBED)).astype(jnp.float32)

    def objective(weights: Any) -> tuple[Array, tuple[()]]:
        played = imagined(env, parts, weights, dynamics, first, play_key)
        return played.returns.mean(0).sum(), ()

    climbed = jax.vmap(lambda rate: climb(objective, weights, steps, rate).actors)(
        jnp.asarray(RATES)
    )
    tried = jax.tree.map(lambda old, new: jnp.concatenate([old[None], new]), weights, climbed)
    earned = jax.vmap(lambda tried: greedy_returns(env, parts, tried, choose_key, CHOOSING).mean())(
        tried
    )
    best = jax.tree.map(lambda leaf: leaf[jnp.argmax(finite_or_worst(earned))], tried)
    return Measured(
        *(greedy_returns(env, parts, these, measure_key, episodes) for these in (weights, best))
    )


def greedy_returns(
    env: Environment, parts: Actors, weights: Any, key: PRNGKeyArray, episodes: int
) -> Float[Array, " episodes"]:
    """Reported returns of greedy episodes of the simulator; the key chooses the episodes."""

    def policy(obs: Array, state: Array, time: Any) -> Array:
        return parts.apply(weights, obs[:, :, None])[:, :, 0]

    return jax.lax.map(
        lambda key: env.reported(rollout_return(env, policy, key)),
        jax.random.split(key, episodes),
        batch_size=min(episodes, TOGETHER),
    )


def has_slopes(env: Environment, key: PRNGKeyArray) -> bool:
    """Whether any return of episodes of random actions has a slope in any action.

    **Raises:**

    - `UserError` if step or reward cannot be differentiated.
    """
    try:
        return bool(jax.jit(lambda key: slopes(env, key).any())(key))
    except (TypeError, ValueError, NotImplementedError) as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise UserError(
            f"environment '{env.id}' cannot be differentiated, and a certificate climbs its "
            f"slopes ({said}); write its step and reward with differentiable JAX functions"
        ) from error


def slopes(env: Environment, key: PRNGKeyArray) -> Bool[Array, "episodes time agents act"]:
    """Where the return of episodes of random actions has a finite slope that is not zero."""
    mask = np.arange(int(env.action_sizes.max())) < env.action_sizes[:, None]
    limit = jnp.broadcast_to(jnp.asarray(env.action_limit, jnp.float32), mask.shape)

    def of_episode(key: PRNGKeyArray) -> Array:
        reset_key, step_key, action_key = jax.random.split(key, 3)
        uniform = jax.random.uniform(action_key, (env.horizon, *mask.shape))
        actions = jax.vmap(lambda row: env.head.from_uniform(row, limit, jnp.asarray(mask)))(
            uniform
        )
        steps = (jnp.arange(env.horizon), jax.random.split(step_key, env.horizon))

        def total(actions: Array) -> Array:
            def one_step(state: Array, at: tuple[Array, Any]):
                actions, (time, key) = at
                after = env.transition(state, actions, time, key)
                return after.state, after.rewards

            return jax.lax.scan(one_step, env.reset(reset_key), (actions, steps))[1].sum()

        slope = jax.grad(total)(actions)
        return jnp.isfinite(slope) & (slope != 0)

    return jax.vmap(of_episode)(jax.random.split(key, PROBES))
