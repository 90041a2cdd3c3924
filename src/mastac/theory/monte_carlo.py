r"""The terms of the variance identity by Monte Carlo, for any simulator in JAX, with intervals.

Policies are Gaussian before the environment's head: $z_i = \mu_i + \sigma \epsilon_i$, $a_i =
\text{head}(z_i)$. The parameters are a gain on the scaled observation, added to $\mu_i$: the score
is $\epsilon_i \tilde o_i^\top / \sigma$. A state is that of a random time of an episode, and values
are discounted returns to its end.

No value is known, but two independent continuations are played from the same $(s, a)$. As
$E[R^1 R^2 \mid s, a] = Q(s, a)^2$, products of values are estimated without the noise of the
returns, and half of $(R^1 - R^2)^2$ estimates that noise. A baseline is subtracted by one more
continuation, in which the actions that it does not know are drawn again, with the same noise
afterwards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.envs.base import Actions, Environment, State, Time
from mastac.envs.transitions import refuse_early_ends
from mastac.errors import UserError
from mastac.theory.estimates import estimated_terms
from mastac.theory.sets import DependencySets
from mastac.theory.variance import VarianceTerms, known_actions

Means = Callable[[State, Time], Float[Array, "agents act"]]
"""The means of the policies before the head, in a state and at a time."""

BATCHES = 16
MOST_WORK = 3 * 10**9
"""Steps of single agents, some tens of minutes; what would take more is refused."""


@dataclass(frozen=True)
class Sampled:
    r"""Estimates in independent batches, for the agents that were asked for.

    - `terms`: those of the identity, arrays [batches, agents]. Its critics' errors are those of one
      rollout's return in place of each critic: $E[\|g_i\|^2 \mathrm{Var}(R \mid s, a)]$.
    - `gap`: the squared norm of the difference of the estimators' means, zero for exact sets. The
      estimate is unbiased, so it may be negative.
    - `samples`: pairs of state and action in all batches together.
    """

    terms: VarianceTerms
    gap: Float[np.ndarray, "batches agents"]
    samples: int


def sampled_terms(
    env: Environment,
    sets: DependencySets,
    means: Means,
    std: float,
    discount: float,
    baseline: str = "none",
    samples: int = 4096,
    seed: int = 0,
    agents: Sequence[int] | None = None,
    times: tuple[int, int] | None = None,
) -> Sampled:
    r"""Estimates of the terms of some agents, or of all, in `BATCHES` independent batches.

    **Arguments:**

    - `env`: the environment; its actions must not be choices.
    - `sets`: the dependency sets of its agents.
    - `means`: the policies without noise, such as [`simple_means`][].
    - `std`: $\sigma$, before the head (of the actions themselves where the head is linear).
    - `discount`: $\gamma$ of the returns.
    - `baseline`: none, state, shared or counterfactual.
    - `samples`: pairs of state and action, each from an episode of its own; rounded up to whole
        batches.
    - `seed`: of everything random.
    - `agents`: indices of the agents to estimate for; `None` for all.
    - `times`: range from which the time of a state is drawn; `None` for the whole episode.

    **Raises:**

    - [`mastac.errors.UserError`][] if the samples would take too long, returns are not finite, or
      episodes may end early.
    """
    refuse_early_ends(env, "returns of whole ones are compared, so no variance can be estimated")
    chosen = np.arange(env.num_agents) if agents is None else np.asarray(agents)
    per_batch = -(-samples // BATCHES)
    # A baseline that reads the actions of others differs between agents.
    owners = chosen if baseline in ("shared", "counterfactual") else chosen[:1]
    check_work(env, per_batch * BATCHES, 0 if baseline == "none" else len(owners))
    known = [known_actions(sets, int(i), baseline) for i in owners]
    masks = [mask for mask in known if mask is not None]
    mask = jnp.asarray(np.stack(masks)) if masks else None
    sampler = _Sampler(env, means, std, discount, mask, times or (0, env.horizon))
    gradient = jnp.asarray(sets.gradient[chosen], jnp.float32)

    @jax.jit
    def batch(key: PRNGKeyArray) -> tuple[Array, ...]:
        noise, seen, returns, left = jax.vmap(sampler)(jax.random.split(key, per_batch))
        return estimated_terms(noise[:, chosen] / std, seen[:, chosen], returns, left, gradient)

    rows = [batch(key) for key in jax.random.split(jax.random.key(seed), BATCHES)]
    table = np.array([[np.asarray(value, float) for value in row] for row in rows]).swapaxes(0, 1)
    if not np.isfinite(table).all():
        raise UserError(f"returns of environment '{env.id}' are not finite under this policy")
    own, rest, cross, score, central, structured, gap, noise_central, noise_structured = table
    nothing = np.full_like(own, np.nan)
    terms = VarianceTerms(
        own, rest, cross, score, central, structured, nothing, noise_central, noise_structured
    )
    return Sampled(terms, gap, per_batch * BATCHES)


def check_work(env: Environment, samples: int, baselines: int) -> None:
    """Refuse samples whose continuations would take too many steps.

    `baselines` is the number of continuations for baselines of each pair.
    """
    work = samples * env.horizon * env.num_agents * (3 + 2 * baselines)
    if work > MOST_WORK:
        raise UserError(
            f"{samples} samples would take {work:.1e} steps of agents; take at most "
            f"{samples * MOST_WORK // work}, or a single agent, or a baseline that reads no actions"
        )


@dataclass(frozen=True)
class _Sampler:
    """One sample: a state, joint actions, and the returns of two continuations from there."""

    env: Environment
    means: Means
    std: float
    discount: float
    known: Array | None  # [baselines, agents]: whose actions each baseline knows
    times: tuple[int, int]

    def __call__(self, key: PRNGKeyArray) -> tuple[Array, Array, Array, Array]:
        """Noise of the actions, scaled observations, returns, and returns less baselines.

        The last two are [2, agents] and [2, baselines, agents] for the two continuations; there is
        one baseline if all agents share it.
        """
        time_key, reach_key, act_key, *pair_keys = jax.random.split(key, 5)
        time = jax.random.randint(time_key, (), *self.times)
        state = self._reached(reach_key, time)
        noise = self._noise(act_key)
        pairs = [self._returns(state, time, noise, each) for each in pair_keys]
        returns = jnp.stack([whole for whole, _ in pairs])
        left = jnp.stack([centred for _, centred in pairs])
        return noise, self._seen(state, time), returns, left

    def _reached(self, key: PRNGKeyArray, time: Array) -> State:
        """The state at `time` of an episode under the noisy policies."""
        reset_key, step_key = jax.random.split(key)

        def one_step(state, at):
            now, step_key = at
            noise_key, act_key = jax.random.split(step_key)
            actions = self._acted(state, now, self._noise(act_key))
            following = self.env.transition(state, actions, now, noise_key).state
            return jnp.where(now < time, following, state), None

        steps = (jnp.arange(self.env.horizon), jax.random.split(step_key, self.env.horizon))
        return jax.lax.scan(one_step, self.env.reset(reset_key), steps)[0]

    def _returns(
        self, state: State, time: Array, noise: Array, key: PRNGKeyArray
    ) -> tuple[Array, Array]:
        """Discounted returns of a continuation, and the same less each baseline."""
        draw_key, onward_key = jax.random.split(key)
        whole = self._continued(state, time, noise, onward_key)
        if self.known is None:
            return whole, whole[None]
        fresh = self._noise(draw_key)
        others = jax.lax.map(
            lambda known: self._continued(
                state, time, jnp.where(known[:, None], noise, fresh), onward_key
            ),
            self.known,
        )
        return whole, whole[None] - others

    def _continued(self, state: State, time: Array, noise: Array, key: PRNGKeyArray) -> Array:
        """Every agent's discounted return from `time` on; `noise` is that of the first actions."""

        def one_step(state, at):
            ahead, step_key = at
            noise_key, act_key = jax.random.split(step_key)
            now = time + ahead
            actions = self._acted(state, now, jnp.where(ahead == 0, noise, self._noise(act_key)))
            after = self.env.transition(state, actions, now, noise_key)
            paid = jnp.where(now < self.env.horizon, self.discount**ahead * after.rewards, 0.0)
            return after.state, paid

        steps = (jnp.arange(self.env.horizon), jax.random.split(key, self.env.horizon))
        return jax.lax.scan(one_step, state, steps)[1].sum(0)

    def _noise(self, key: PRNGKeyArray) -> Float[Array, "agents act"]:
        sizes = self.env.action_sizes
        real = np.arange(int(sizes.max())) < sizes[:, None]
        return jnp.where(real, jax.random.normal(key, real.shape), 0.0)

    def _acted(self, state: State, time: Time, noise: Array) -> Actions:
        return headed(self.env, self.means(state, time) + self.std * noise)

    def _seen(self, state: State, time: Time) -> Float[Array, "agents obs"]:
        scaled = (self.env.observed(state, time) - self.env.obs_center) / self.env.obs_scale
        real = np.arange(scaled.shape[1]) < self.env.obs_sizes[:, None]
        return jnp.where(real, scaled, 0.0)


def headed(env: Environment, logits: Float[Array, "agents act"]) -> Actions:
    """Actions by the environment's head; where it is unbounded, logits are in its units."""
    if env.head.is_discrete:
        raise UserError(
            f"the actions of '{env.id}' are choices, and variances are estimated for Gaussian "
            "policies; take a small game instead: --game ring --agents 3"
        )
    real = np.arange(logits.shape[1]) < env.action_sizes[:, None]
    return env.head.apply(logits, _limit(env, logits), real)


def _limit(env: Environment, values: Float[Array, "agents act"]) -> Float[Array, "agents act"]:
    """The actions' limit; 1 where there is none."""
    limit = env.action_limit if env.head.is_bounded else 1.0
    return jnp.broadcast_to(jnp.asarray(limit, values.dtype), values.shape)


def simple_means(env: Environment) -> Means:
    """The simple policy before the head.

    Actions at a limit stay a little within it, or noise would not move them.

    **Raises:** [`mastac.errors.UserError`][] if the environment has none.
    """
    simple = env.simple_actions
    if simple is None:
        raise UserError(
            f"environment '{env.id}' has no simple policy; "
            "train one and give its run folder with --run"
        )

    def means(state: State, time: Time) -> Float[Array, "agents act"]:
        actions = simple(state, time)
        return env.head.invert(actions, _limit(env, actions))

    return means


def network_means(
    env: Environment, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray], limit: np.ndarray
) -> Means:
    """Perceptrons of all agents, stacked, on scaled observations, before the head."""

    def means(state: State, time: Time) -> Float[Array, "agents act"]:
        x = (env.observed(state, time) - env.obs_center) / env.obs_scale
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            x = jnp.einsum("ai,aio->ao", x, jnp.asarray(weight)) + jnp.asarray(bias)
            x = jnp.maximum(x, 0.0) if layer < len(weights) - 1 else x
        return x if env.head.is_bounded else x * limit

    return means
