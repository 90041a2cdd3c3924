r"""The on-policy update: score-function gradients of local advantages (Theorem 3.7b), or PPO's.

Every value of the layout is a critic of states alone. What stands for $Q_j - V_j$ is its
generalised advantage estimate $A_j$ (Schulman et al. 2016) from the rewards that the value
predicts. Actor `i` steps up $E[\nabla_{\theta_i} \ln \pi_i \, \sum_j c_{ij} A_j]$ with the
layout's credit $c$: the members of $I_{GD}^i$ for structured critics, the team's one value for
central ones, its own for independent ones. A baseline $V_j(s)$ does not depend on the actions, so
the expectation stays that of Theorem 3.7b.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from mastac.agents.networks import MLP
from mastac.agents.stochastic import StochasticActor
from mastac.learning.buffer import Episode, sampled_rollout
from mastac.learning.critic_inputs import (
    CriticInputs,
    rewards_along,
    state_inputs,
    time_inputs,
    weighted_sums,
)
from mastac.learning.critic_step import each_critic, values_at
from mastac.learning.observing import observations_along
from mastac.learning.presence import (
    by_agent,
    present,
    read_of,
    sample_mean,
    sample_weights,
    values_alive,
)
from mastac.learning.schedule import after_rollouts
from mastac.learning.sharing import gradient_norms, stepped
from mastac.learning.spec import (
    LearnerSpec,
    LearnerState,
    Metrics,
    UpdateKind,
    by_term,
    optimizer_step,
)


def explore_and_keep(
    spec: LearnerSpec,
    state: LearnerState,
    obs: Float[Array, "agents obs"],
    noise: Float[Array, ""],
    random_fraction: Float[Array, ""],
    key: PRNGKeyArray,
) -> tuple[Float[Array, "agents act"], tuple[Array, Array]]:
    """Actions that stochastic policies draw; what was drawn before the head, its log-density."""
    draw = spec.stochastic.draw(state.actors, obs[:, :, None], key)
    return draw.actions[:, :, 0], (draw.drawn[:, :, 0], draw.log_prob[:, 0])


def first_actors(spec: LearnerSpec, key: PRNGKeyArray) -> StochasticActor:
    """First weights of stochastic policies."""
    return spec.stochastic.init(key)


def flat_states(
    rollout: Episode, end: bool
) -> tuple[Float[Array, "batch agents state"], Int[Array, " batch"]]:
    """The states of a rollout and their times, episode by episode; `end`: with the last ones."""
    episodes, steps = rollout.states.shape[0], rollout.states.shape[1] - (not end)
    flat = rollout.states[:, :steps].reshape(episodes * steps, *rollout.states.shape[2:])
    return flat, jnp.tile(jnp.arange(steps), episodes)


def visited(spec: LearnerSpec, rollout: Episode, end: bool, scales: Any = ()) -> CriticInputs:
    """The states of a rollout as critics read them, as in `flat_states`."""
    flat, step = flat_states(rollout, end)
    nothing = jnp.zeros((1, len(flat)), jnp.float32)
    there = present(rollout)
    there = None if there is None else by_agent(there[:, : len(flat) // len(there)])
    states = read_of(state_inputs(spec.env, flat, scales), there)
    return CriticInputs(states, nothing, time_inputs(spec, step), step, there)


def advantages(
    values: Float[Array, "... times"],
    rewards: Float[Array, "... time"],
    discount: float,
    trace: float,
    alive: Any = None,
    remains: Any = None,
) -> Float[Array, "... time"]:
    r"""$A_t = \delta_t + \gamma \lambda A_{t+1}$ with $\delta_t = r_t + \gamma V_{t+1} - V_t$.

    Generalised advantage estimation (Schulman et al. 2016, eq. 16).

    **Arguments:**

    - `values`: $V$, one more than rewards; what the last one is decides how the episode ends.
    - `discount`, `trace`: $\gamma$ and $\lambda$.
    - `alive`, `remains`: of each step, whether the value is still of somebody, and whether it is
        afterwards, so that what follows counts. `None`: always.
    """
    after = values[..., 1:] if remains is None else values[..., 1:] * remains
    errors = rewards + discount * after - values[..., :-1]
    errors = errors if alive is None else jnp.where(alive, errors, 0.0)

    def back(after: Array, now: tuple[Array, Any]) -> tuple[Array, Array]:
        error, counts = now
        here = error + discount * trace * (after if counts is None else after * counts)
        return here, here

    steps = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), (errors, remains))
    _, result = jax.lax.scan(back, jnp.zeros_like(errors[..., 0]), steps, reverse=True)
    return jnp.moveaxis(result, 0, -1)


def local_advantages(
    spec: LearnerSpec, critics: tuple[MLP, ...], rollout: Episode, scales: Any = ()
) -> tuple[Float[Array, "values episodes time"], Float[Array, "values episodes time"]]:
    """Advantages of every value along a rollout, and the returns that its critic is to predict.

    The returns are the advantages plus the values as they are; neither is differentiated.
    """
    settings = spec.settings
    episodes, steps = rollout.rewards.shape[:2]
    inputs = visited(spec, rollout, True, scales)
    values = values_at(spec, critics, inputs).reshape(-1, episodes, steps + 1)
    # An episode's end is a time limit: only critics that know the time may stop there.
    if settings.finite_horizon:
        values = values.at[:, :, -1].set(0.0)
    rewards = rewards_along(spec, rollout, scales)
    alive, remains = values_there(spec, rollout)
    local = advantages(values, rewards, settings.discount, settings.gae_lambda, alive, remains)
    return local, local + values[:, :, :-1]


def values_there(
    spec: LearnerSpec, rollout: Episode
) -> tuple[Bool[Array, "values episodes time"] | None, Bool[Array, "values episodes time"] | None]:
    """Whose values are of somebody at each step, and after it without a termination."""
    alive, terminated = rollout.alive, rollout.terminated
    if alive is None or terminated is None:
        return None, None

    def of_values(there: Array) -> Any:
        found: Any = values_alive(spec, by_agent(there))
        return found.reshape(-1, *there.shape[:2])

    return of_values(alive), of_values(alive & ~terminated)


def credited(
    spec: LearnerSpec, local: Float[Array, "values episodes time"], weights: Any = None
) -> Float[Array, "agents batch"]:
    r"""$\sum_j c_{ij} A_j$ for every agent: the advantages of the values that it is credited with.

    Where couplings change with the time, at each time those of the values that it moves then. With
    `normalize_advantages` each agent's get mean 0 and standard deviation 1 over the batch.

    `weights`: of the samples ([`sample_weights`][mastac.learning.presence.sample_weights]).
    """
    layout = spec.layout
    values, episodes, steps = local.shape
    if layout.schedule is None:
        total = weighted_sums(layout.credit, local.reshape(values, episodes * steps))
    else:
        credit = [layout.credit.multiply(actions.T).tocsr() for _, actions in layout.schedule]
        total = jnp.stack([weighted_sums(credit[t], local[:, :, t]) for t in range(steps)], axis=-1)
        total = total.reshape(-1, episodes * steps)
    if not spec.settings.normalize_advantages:
        return total
    if weights is None:
        return (total - total.mean(1, keepdims=True)) / (total.std(1, keepdims=True) + 1e-8)
    centred = total - sample_mean(total, weights)[:, None]
    return centred / (jnp.sqrt(sample_mean(centred**2, weights))[:, None] + 1e-8)


def objective(
    spec: LearnerSpec,
    actors: StochasticActor,
    obs: Float[Array, "agents obs batch"],
    drawn: Float[Array, "agents act batch"],
    before: Float[Array, "agents batch"],
    gains: Float[Array, "agents batch"],
    weights: Any = None,
) -> Float[Array, " agents"]:
    r"""What each actor's step increases, averaged over the batch; differentiated in `actors`.

    Its gradient at the weights that drew the actions is $E[\nabla \ln \pi_i \, A]$ of Theorem 3.7b,
    plus that of the entropy bonus. With `clip_ratio` $\epsilon > 0$ ratios of densities count
    only within $1 \pm \epsilon$ (Schulman et al. 2017, eq. 7), else as they are.

    **Arguments:**

    - `drawn`, `before`: what was drawn before the head, and its log-density then.
    - `gains`: $A$ of each agent, from [`credited`][mastac.learning.updates.on_policy].
    - `weights`: of the samples ([`sample_weights`][mastac.learning.presence.sample_weights]).
    """
    density, entropy = spec.stochastic.log_prob_and_entropy(actors, obs, drawn)
    ratio, clip = jnp.exp(density - before), spec.settings.clip_ratio
    gained = ratio * gains
    if clip > 0:
        gained = jnp.minimum(gained, jnp.clip(ratio, 1 - clip, 1 + clip) * gains)
    bonus = spec.settings.entropy_bonus * sample_mean(entropy, weights)
    return sample_mean(gained, weights) + bonus


def on_policy_update(
    spec: LearnerSpec,
    state: LearnerState,
    rollout: Episode,
    key: PRNGKeyArray | None = None,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """Actors one step up their objective, critics one step towards the returns.

    Both from the same advantages, which the critics give as they were before the step.
    """
    local, returns = local_advantages(spec, state.critics, rollout, state.scales)
    weights = None if rollout.alive is None else sample_weights(by_agent(rollout.alive))
    gains = credited(spec, local, weights)
    obs = by_agent(observations_along(spec.env, rollout)[:, :-1])
    drawn, before = (by_agent(leaf) for leaf in rollout.drawn)

    def loss(actors: StochasticActor) -> Array:
        return -objective(spec, actors, obs, drawn, before, gains, weights).sum()

    gradient = jax.grad(loss)(state.actors)
    actors, actor_optimizer = stepped(spec, state.actors, gradient, state.actor_optimizer)
    alive = values_there(spec, rollout)[0]
    counts = None if alive is None else sample_weights(alive.reshape(len(alive), -1))
    critics, critic_optimizers, errors = _update_critics(spec, state, rollout, returns, counts)
    learner = state._replace(
        actors=actors,
        critics=critics,
        actor_optimizer=actor_optimizer,
        critic_optimizers=critic_optimizers,
    )
    value = (
        returns.mean((1, 2))
        if counts is None
        else sample_mean(returns.reshape(counts.shape), counts)
    )
    return learner, Metrics(errors, value, gradient_norms(spec, gradient))


def _update_critics(
    spec: LearnerSpec,
    state: LearnerState,
    rollout: Episode,
    returns: Float[Array, "values episodes time"],
    counts: Any,
) -> tuple[tuple[MLP, ...], tuple[Any, ...], Float[Array, " values"]]:
    """Critics one step down their mean squared errors, their optimizers, and the errors.

    `counts`: weights of the samples, `None` where all count.
    """
    inputs = visited(spec, rollout, False, state.scales)
    wanted = returns.reshape(len(returns), -1)

    def one(critic: MLP, optimizer_state: Any, term: Array, x: Float[Array, "width batch"]):
        weights = None if counts is None else counts[term]
        error, gradient = jax.value_and_grad(
            lambda critic: sample_mean((wanted[term] - critic(x)[0]) ** 2, weights)
        )(critic)
        return *optimizer_step(spec.critic_optimizer, critic, gradient, optimizer_state), error

    results = [
        each_critic(
            one, bucket, [inputs], critic, optimizer, jnp.asarray(bucket.terms), chunk=spec.chunk
        )
        for critic, optimizer, bucket in zip(
            state.critics, state.critic_optimizers, spec.buckets, strict=True
        )
    ]
    critics, optimizers, errors = zip(*results, strict=True)
    return critics, optimizers, by_term(spec, errors)


UPDATE = UpdateKind(
    update=on_policy_update,
    explore=explore_and_keep,
    buffer=sampled_rollout,
    schedule=after_rollouts,
    first_actors=first_actors,
    has_target_actors=False,
    has_target_critics=False,
    critics_read_actions=False,
)
