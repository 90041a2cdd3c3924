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
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.networks import MLP
from mastac.agents.stochastic import StochasticActor
from mastac.learning.buffer import Episode, sampled_rollout
from mastac.learning.critic_inputs import (
    CriticInputs,
    observations,
    rewards_along,
    state_inputs,
    time_inputs,
    weighted_sums,
)
from mastac.learning.critic_step import each_critic
from mastac.learning.schedule import after_rollouts
from mastac.learning.sharing import stepped
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


def visited(spec: LearnerSpec, rollout: Episode, end: bool) -> CriticInputs:
    """The states of a rollout as critics read them, as in `flat_states`."""
    flat, step = flat_states(rollout, end)
    nothing = jnp.zeros((1, len(flat)), jnp.float32)
    return CriticInputs(state_inputs(spec.env, flat), nothing, time_inputs(spec, step), step)


def state_values(
    spec: LearnerSpec, critics: tuple[MLP, ...], inputs: CriticInputs
) -> Float[Array, "values batch"]:
    """Every value of the layout at the states in `inputs`."""
    values = [
        each_critic(lambda critic, x: critic(x)[0], bucket, [inputs], stack, chunk=spec.chunk)
        for stack, bucket in zip(critics, spec.buckets, strict=True)
    ]
    return by_term(spec, values)


def advantages(
    values: Float[Array, "... times"],
    rewards: Float[Array, "... time"],
    discount: float,
    trace: float,
) -> Float[Array, "... time"]:
    r"""$A_t = \delta_t + \gamma \lambda A_{t+1}$ with $\delta_t = r_t + \gamma V_{t+1} - V_t$.

    Generalised advantage estimation (Schulman et al. 2016, eq. 16).

    **Arguments:**

    - `values`: $V$, one more than rewards; what the last one is decides how the episode ends.
    - `discount`, `trace`: $\gamma$ and $\lambda$.
    """
    errors = rewards + discount * values[..., 1:] - values[..., :-1]

    def back(after: Array, error: Array) -> tuple[Array, Array]:
        here = error + discount * trace * after
        return here, here

    _, result = jax.lax.scan(
        back, jnp.zeros_like(errors[..., 0]), jnp.moveaxis(errors, -1, 0), reverse=True
    )
    return jnp.moveaxis(result, 0, -1)


def local_advantages(
    spec: LearnerSpec, critics: tuple[MLP, ...], rollout: Episode
) -> tuple[Float[Array, "values episodes time"], Float[Array, "values episodes time"]]:
    """Advantages of every value along a rollout, and the returns that its critic is to predict.

    The returns are the advantages plus the values as they are; neither is differentiated.
    """
    settings = spec.settings
    episodes, steps = rollout.rewards.shape[:2]
    inputs = visited(spec, rollout, end=True)
    values = state_values(spec, critics, inputs).reshape(-1, episodes, steps + 1)
    # An episode's end is a time limit: only critics that know the time may stop there.
    if settings.finite_horizon:
        values = values.at[:, :, -1].set(0.0)
    rewards = rewards_along(spec, rollout)
    local = advantages(values, rewards, settings.discount, settings.gae_lambda)
    return local, local + values[:, :, :-1]


def credited(
    spec: LearnerSpec, local: Float[Array, "values episodes time"]
) -> Float[Array, "agents batch"]:
    r"""$\sum_j c_{ij} A_j$ for every agent: the advantages of the values that it is credited with.

    Where couplings change with the time, at each time those of the values that it moves then. With
    `normalize_advantages` each agent's get mean 0 and standard deviation 1 over the batch.
    """
    layout = spec.layout
    values, episodes, steps = local.shape
    if layout.schedule is None:
        total = weighted_sums(layout.credit, local.reshape(values, episodes * steps))
    else:
        credit = [layout.credit.multiply(actions.T).tocsr() for _, actions in layout.schedule]
        total = jnp.stack([weighted_sums(credit[t], local[:, :, t]) for t in range(steps)], axis=-1)
        total = total.reshape(-1, episodes * steps)
    if spec.settings.normalize_advantages:
        total = (total - total.mean(1, keepdims=True)) / (total.std(1, keepdims=True) + 1e-8)
    return total


def objective(
    spec: LearnerSpec,
    actors: StochasticActor,
    obs: Float[Array, "agents obs batch"],
    drawn: Float[Array, "agents act batch"],
    before: Float[Array, "agents batch"],
    gains: Float[Array, "agents batch"],
) -> Float[Array, " agents"]:
    r"""What each actor's step increases, averaged over the batch; differentiated in `actors`.

    Its gradient at the weights that drew the actions is $E[\nabla \ln \pi_i \, A]$ of Theorem 3.7b,
    plus that of the entropy bonus. With `clip_ratio` $\epsilon > 0$ ratios of densities count
    only within $1 \pm \epsilon$ (Schulman et al. 2017, eq. 7), else as they are.

    **Arguments:**

    - `drawn`, `before`: what was drawn before the head, and its log-density then.
    - `gains`: $A$ of each agent, from [`credited`][mastac.learning.updates.on_policy].
    """
    density, entropy = spec.stochastic.log_prob_and_entropy(actors, obs, drawn)
    ratio, clip = jnp.exp(density - before), spec.settings.clip_ratio
    gained = ratio * gains
    if clip > 0:
        gained = jnp.minimum(gained, jnp.clip(ratio, 1 - clip, 1 + clip) * gains)
    return gained.mean(1) + spec.settings.entropy_bonus * entropy.mean(1)


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
    local, returns = local_advantages(spec, state.critics, rollout)
    gains = credited(spec, local)
    obs = observations(spec.env, *flat_states(rollout, end=False))
    drawn, before = (_by_agent(leaf) for leaf in rollout.drawn)

    def loss(actors: StochasticActor) -> Array:
        return -objective(spec, actors, obs, drawn, before, gains).sum()

    gradient = jax.grad(loss)(state.actors)
    actors, actor_optimizer = stepped(spec, state.actors, gradient, state.actor_optimizer)
    critics, critic_optimizers, errors = _update_critics(spec, state, rollout, returns)
    learner = LearnerState(actors, critics, (), (), actor_optimizer, critic_optimizers)
    return learner, Metrics(errors, returns.mean((1, 2)), jax.vmap(optax.tree.norm)(gradient))


def _by_agent(leaf: Float[Array, "episodes time agents ..."]) -> Float[Array, "agents ... batch"]:
    flat = leaf.reshape(-1, *leaf.shape[2:])
    return jnp.moveaxis(flat, 0, -1)


def _update_critics(
    spec: LearnerSpec,
    state: LearnerState,
    rollout: Episode,
    returns: Float[Array, "values episodes time"],
) -> tuple[tuple[MLP, ...], tuple[Any, ...], Float[Array, " values"]]:
    """Critics one step down their mean squared errors, their optimizers, and the errors."""
    inputs, wanted = visited(spec, rollout, end=False), returns.reshape(len(returns), -1)

    def one(critic: MLP, optimizer_state: Any, term: Array, x: Float[Array, "width batch"]):
        error, gradient = jax.value_and_grad(
            lambda critic: jnp.mean((wanted[term] - critic(x)[0]) ** 2)
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
