r"""The on-policy update: score-function gradients of local advantages (Theorem 3.7b), clipped as in PPO if asked.

Every value of the layout is a critic of states alone. What stands for $Q_j - V_j$ is its
generalised advantage estimate $A_j$ (Schulman et al. 2016) from the rewards that the value
predicts; actor `i` climbs $\sum_j c_{ij} A_j$, with the layout's credit $c$: the members of
$I_{GD}^i$ for structured critics, the team's one value for central ones, its own for independent
ones.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.networks import MLP
from mastac.agents.stochastic import StochasticActor
from mastac.learning.buffer import Episode
from mastac.learning.critic_inputs import (
    Rows,
    observations,
    rewards_along,
    state_rows,
    time_rows,
    weighted_sums,
)
from mastac.learning.sharing import stepped
from mastac.learning.spec import LearnerSpec, LearnerState, Metrics, by_term, optimizer_step
from mastac.learning.updates.simultaneous import each_critic


def in_one_row(
    rollout: Episode, end: bool
) -> tuple[Float[Array, "batch agents state"], Int[Array, " batch"]]:
    """The states of a rollout and their times, episode by episode; `end`: the last ones among them."""
    episodes, steps = rollout.states.shape[0], rollout.states.shape[1] - (not end)
    flat = rollout.states[:, :steps].reshape(episodes * steps, *rollout.states.shape[2:])
    return flat, jnp.tile(jnp.arange(steps), episodes)


def visited(spec: LearnerSpec, rollout: Episode, end: bool) -> Rows:
    """All states of a rollout as rows for the critics, episode by episode; `end`: the last ones among them."""
    flat, step = in_one_row(rollout, end)
    nothing = jnp.zeros((1, len(flat)), jnp.float32)
    return Rows(state_rows(spec.env, flat), nothing, time_rows(spec, step), step)


def state_values(
    spec: LearnerSpec, critics: tuple[MLP, ...], rows: Rows
) -> Float[Array, "values batch"]:
    """Every value of the layout at the states in `rows`."""
    found = [
        each_critic(lambda critic, x: critic(x)[0], bucket, [rows], stack, chunk=spec.chunk)
        for stack, bucket in zip(critics, spec.buckets, strict=True)
    ]
    return by_term(spec, found)


def advantages(
    values: Float[Array, "... time+1"],
    rewards: Float[Array, "... time"],
    discount: float,
    trace: float,
) -> Float[Array, "... time"]:
    r"""$A_t = \delta_t + \gamma \lambda A_{t+1}$ with $\delta_t = r_t + \gamma V_{t+1} - V_t$; `trace` is $\lambda$."""
    errors = rewards + discount * values[..., 1:] - values[..., :-1]

    def back(after: Array, error: Array) -> tuple[Array, Array]:
        here = error + discount * trace * after
        return here, here

    _, found = jax.lax.scan(
        back, jnp.zeros_like(errors[..., 0]), jnp.moveaxis(errors, -1, 0), reverse=True
    )
    return jnp.moveaxis(found, 0, -1)


def local_advantages(
    spec: LearnerSpec, critics: tuple[MLP, ...], rollout: Episode
) -> tuple[Float[Array, "values episodes time"], Float[Array, "values episodes time"]]:
    """Advantages of every value along a rollout, and the returns that its critic is to predict."""
    settings = spec.settings
    episodes, steps = rollout.rewards.shape[:2]
    values = state_values(spec, critics, visited(spec, rollout, end=True)).reshape(
        -1, episodes, steps + 1
    )
    if (
        settings.finite_horizon
    ):  # an episode's end is a time limit: only critics that know the time may stop there
        values = values.at[:, :, -1].set(0.0)
    found = advantages(values, rewards_along(spec, rollout), settings.discount, settings.gae_lambda)
    return found, found + values[:, :, :-1]


def credited(
    spec: LearnerSpec, found: Float[Array, "values episodes time"]
) -> Float[Array, "agents batch"]:
    """What each actor climbs: the advantages of the values that it moves, at each time of those it moves then."""
    layout = spec.layout
    values, episodes, steps = found.shape
    if layout.schedule is None:
        total = weighted_sums(layout.credit, found.reshape(values, episodes * steps))
    else:
        credit = [layout.credit.multiply(actions.T).tocsr() for _, actions in layout.schedule]
        total = jnp.stack([weighted_sums(credit[t], found[:, :, t]) for t in range(steps)], axis=-1)
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
    r"""What each actor climbs, whose gradient at the drawing weights is $E[\nabla \ln \pi_i \, A]$, plus its entropy.

    `before`: the logarithm of the density with which the actions were drawn. With `clip_ratio`
    $\epsilon > 0$ ratios of densities count only within $1 \pm \epsilon$ (Schulman et al. 2017),
    else as they are.
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
    """Actors one step up their objective, critics one step towards the returns, both from the same advantages."""
    found, returns = local_advantages(spec, state.critics, rollout)
    gains = credited(spec, found)
    obs = observations(spec.env, *in_one_row(rollout, end=False))
    drawn, before = (_by_agent(each) for each in rollout.drawn)

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
    """Critics one step down the squared distance from the returns, their optimisers, and the distances."""
    rows, wanted = visited(spec, rollout, end=False), returns.reshape(len(returns), -1)

    def one(critic: MLP, optimizer_state: Any, term: Array, x: Float[Array, "width batch"]):
        error, gradient = jax.value_and_grad(
            lambda critic: jnp.mean((wanted[term] - critic(x)[0]) ** 2)
        )(critic)
        return *optimizer_step(spec.critic_optimizer, critic, gradient, optimizer_state), error

    results = [
        each_critic(
            one, bucket, [rows], critic, optimizer, jnp.asarray(bucket.terms), chunk=spec.chunk
        )
        for critic, optimizer, bucket in zip(
            state.critics, state.critic_optimizers, spec.buckets, strict=True
        )
    ]
    critics, optimizers, errors = zip(*results, strict=True)
    return critics, optimizers, by_term(spec, errors)
