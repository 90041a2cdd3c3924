r"""The zeroth-order update: policies are perturbed for an episode and follow what that earned.

Jing et al. (2024, reference 20 of the paper): agent `i` estimates the gradient of its local value
$\hat W_i = \sum_j c_{ij} W_j$, the returns of the agents that its policy moves, from how that value
answers to random changes of its parameters. Every episode draws one direction $u$ of all agents.
The estimate is the mean over a rollout of episodes of $(\hat W_i - m_i) u_i / \sigma$. Here $m_i$
is the mean of $\hat W_i$ over the rollout; the original subtracts the episode before, which is
the same in expectation and noisier. The differences are divided by their standard deviation, which
changes the length of a step and not its direction.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.actors import Actor
from mastac.learning.buffer import Episode, whole_rollout
from mastac.learning.critic_inputs import rewards_along, weighted_sums
from mastac.learning.schedule import after_rollouts
from mastac.learning.spec import LearnerSpec, LearnerState, Metrics, UpdateKind, optimizer_step


def direction(actors: Actor, key: PRNGKeyArray) -> Actor:
    """Standard normal numbers in the shape of what is trained; zeros for the scales."""
    flat, unravel = ravel_pytree((actors.weights, actors.biases))
    weights, biases = unravel(jax.random.normal(key, flat.shape))
    return Actor(
        weights,
        biases,
        actors.activation,
        center=jnp.zeros_like(actors.center),
        inverse_scale=jnp.zeros_like(actors.inverse_scale),
    )


def perturbed(spec: LearnerSpec, actors: Actor, key: PRNGKeyArray) -> Actor:
    r"""$\theta + \sigma u$, which an episode is played with; $\sigma$: the knob `perturbation`."""
    return jax.tree.map(
        lambda w, u: w + spec.settings.perturbation * u, actors, direction(actors, key)
    )


def begin_perturbed(
    spec: LearnerSpec, state: LearnerState, key: PRNGKeyArray, noise: Array
) -> tuple[LearnerState, Array]:
    """An episode is played with perturbed weights; the buffer keeps the key that drew them."""
    return state._replace(actors=perturbed(spec, state.actors, key)), jax.random.key_data(key)


def explore_by_weights(
    spec: LearnerSpec,
    state: LearnerState,
    obs: Float[Array, "agents obs"],
    noise: Float[Array, ""],
    random_fraction: Float[Array, ""],
    key: PRNGKeyArray,
) -> tuple[Float[Array, "agents act"], None]:
    """Actions of the perturbed policies, without further noise."""
    return spec.actors.apply(state.actors, obs[:, :, None])[:, :, 0], None


def local_returns(spec: LearnerSpec, rollout: Episode) -> Float[Array, "values episodes"]:
    r"""$W_j$ of each episode: the discounted sum of the rewards that value `j` predicts."""
    steps = jnp.arange(rollout.rewards.shape[1])
    return rewards_along(spec, rollout) @ spec.settings.discount**steps


def perturbation_update(
    spec: LearnerSpec,
    state: LearnerState,
    rollout: Episode,
    key: PRNGKeyArray | None = None,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """All policies one step up their estimates, without critics and without derivatives."""
    returns = local_returns(spec, rollout)
    credited = weighted_sums(spec.layout.credit, returns)
    centred = credited - credited.mean(1, keepdims=True)
    gains = centred / (credited.std(1, keepdims=True) + 1e-8)
    keys = jax.random.wrap_key_data(rollout.drawn)

    def of_episode(
        total: Actor, episode: tuple[PRNGKeyArray, Float[Array, " agents"]]
    ) -> tuple[Actor, None]:
        key, gain = episode
        add = lambda sum, u: sum + gain.reshape(-1, *(1,) * (u.ndim - 1)) * u  # noqa: E731
        return jax.tree.map(add, total, direction(state.actors, key)), None

    nothing = jax.tree.map(jnp.zeros_like, state.actors)
    # One episode at a time: all directions at once would be a rollout times the weights.
    estimate, _ = jax.lax.scan(of_episode, nothing, (keys, gains.T))
    descent = jax.tree.map(lambda leaf: -leaf / (len(keys) * spec.settings.perturbation), estimate)
    actors, optimizer = jax.vmap(lambda *agent: optimizer_step(spec.actor_optimizer, *agent))(
        state.actors, descent, state.actor_optimizer
    )
    learner = LearnerState(actors, (), (), (), optimizer, ())
    return learner, Metrics(None, returns.mean(1), jax.vmap(optax.tree.norm)(descent))


UPDATE = UpdateKind(
    update=perturbation_update,
    explore=explore_by_weights,
    begin=begin_perturbed,
    buffer=whole_rollout,
    schedule=after_rollouts,
    has_critics=False,
    has_target_actors=False,
    has_target_critics=False,
    critics_read_actions=False,
)
