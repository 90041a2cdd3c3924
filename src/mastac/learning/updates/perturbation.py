r"""The zeroth-order update: policies are perturbed for an episode, and climb what their perturbation earned.

Jing et al. (2024, reference 20 of the paper): agent `i` estimates the gradient of its local value
$\hat W_i = \sum_j c_{ij} W_j$, the returns of the agents that its policy moves, from how that value
answers to random changes of its parameters. Every episode draws one direction $u$ for all agents at
once; the estimate over a rollout of episodes is the mean of $(\hat W_i - \text{their mean}) u_i /
\sigma$. The mean over the rollout stands where the original subtracts the episode before: the same
in expectation, and less noisy.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.networks import MLP
from mastac.learning.buffer import Episode
from mastac.learning.critic_inputs import rewards_along, weighted_sums
from mastac.learning.spec import LearnerSpec, LearnerState, Metrics, optimizer_step


def direction(actors: MLP, key: PRNGKeyArray) -> MLP:
    """Standard normal numbers in the shape of the weights."""
    flat, unravel = ravel_pytree(actors)
    return unravel(jax.random.normal(key, flat.shape))


def perturbed(spec: LearnerSpec, actors: MLP, key: PRNGKeyArray) -> MLP:
    r"""The weights that an episode is played with: $\theta + \sigma u$, $\sigma$ the knob `perturbation`."""
    return jax.tree.map(
        lambda w, u: w + spec.settings.perturbation * u, actors, direction(actors, key)
    )


def local_returns(spec: LearnerSpec, rollout: Episode) -> Float[Array, "values episodes"]:
    r"""$W_j$ of each episode: the discounted sum of the rewards that value `j` predicts."""
    return rewards_along(spec, rollout) @ spec.settings.discount ** jnp.arange(
        rollout.rewards.shape[1]
    )


def perturbation_update(
    spec: LearnerSpec,
    state: LearnerState,
    rollout: Episode,
    key: PRNGKeyArray | None = None,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """All policies one step up their estimates; there are no critics."""
    returns = local_returns(spec, rollout)
    climbed = weighted_sums(spec.layout.credit, returns)
    gains = (climbed - climbed.mean(1, keepdims=True)) / (climbed.std(1, keepdims=True) + 1e-8)
    keys = jax.random.wrap_key_data(rollout.drawn)

    def of_episode(
        total: MLP, one: tuple[PRNGKeyArray, Float[Array, " agents"]]
    ) -> tuple[MLP, None]:
        key, gain = one
        add = lambda sum, u: sum + gain.reshape(-1, *(1,) * (u.ndim - 1)) * u  # noqa: E731
        return jax.tree.map(add, total, direction(state.actors, key)), None

    nothing = jax.tree.map(jnp.zeros_like, state.actors)
    # One episode at a time: all directions at once would be a rollout times the weights.
    estimate, _ = jax.lax.scan(of_episode, nothing, (keys, gains.T))
    gradient = jax.tree.map(lambda leaf: -leaf / (len(keys) * spec.settings.perturbation), estimate)
    actors, optimizer = jax.vmap(lambda *one: optimizer_step(spec.actor_optimizer, *one))(
        state.actors, gradient, state.actor_optimizer
    )
    learner = LearnerState(actors, (), (), (), optimizer, ())
    return learner, Metrics(
        jnp.zeros(len(returns)), returns.mean(1), jax.vmap(optax.tree.norm)(gradient)
    )
