"""One estimate of every term of the variance identity from a batch of samples."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def estimated_terms(
    score_noise: Float[Array, "samples chosen act"],
    seen: Float[Array, "samples chosen obs"],
    returns: Float[Array, "samples 2 agents"],
    less_baselines: Float[Array, "samples 2 _ agents"],
    gradient: Float[Array, "chosen agents"],
) -> tuple[Float[Array, " chosen"], ...]:
    r"""One estimate of each term for each chosen agent.

    **Arguments:**

    - `score_noise`: $\epsilon_i / \sigma$, the noise of the actions in units of the score.
    - `seen`: the scaled observations $\tilde o_i$; with the noise they make the score.
    - `returns`: those of two independent continuations of each sample.
    - `less_baselines`: the same less each baseline; one baseline where all agents share it.
    - `gradient`: one where an agent's value is in the gradient set of a chosen agent, zero
        elsewhere.

    **Returns:**

    `own`, `rest`, `cross`, `score`, the squared norms of the means of both estimators and of their
    difference, and the noise of the returns in both.
    """
    squared = (score_noise**2).sum(-1) * (seen**2).sum(-1)

    def split(values: Array) -> tuple[Array, Array]:
        """Sums over the gradient set of each agent, and over all others."""
        shape = (*values.shape[:-2], *gradient.shape)
        own = jnp.einsum("...ij,ij->...i", jnp.broadcast_to(values, shape), gradient)
        return own, values.sum(-1) - own

    own, rest = split(less_baselines)
    # Half the squared difference of two independent returns estimates their variance.
    central, structured = (
        (squared * (pair[:, 0] - pair[:, 1]) ** 2).mean(0) / 2
        for pair in (returns.sum(-1)[..., None], split(returns[:, :, None])[0])
    )

    def product(first: Array, second: Array) -> Array:
        """The mean of a product of values; each factor comes from another continuation."""
        return (squared * (first[:, 0] * second[:, 1] + first[:, 1] * second[:, 0])).mean(0) / 2

    def squared_mean(values: Array) -> Array:
        """The squared norm of the mean gradient, from pairs of different samples: unbiased."""
        gradients = score_noise[..., :, None] * seen[..., None, :] * values.mean(1)[..., None, None]
        whole, count = (gradients.sum(0) ** 2).sum((-2, -1)), len(squared)
        return (whole - (gradients**2).sum((0, -2, -1))) / (count * (count - 1))

    means = (squared_mean(own + rest), squared_mean(own), squared_mean(rest))
    return (
        product(own, own),
        product(rest, rest),
        2 * product(own, rest),
        squared.mean(0),
        *means,
        central,
        structured,
    )
