r"""The terms of the variance identity by Monte Carlo, for any simulator in JAX, with intervals.

Policies are Gaussian before the environment's head: $z_i = \mu_i + \sigma \epsilon_i$, $a_i =
\text{head}(z_i)$. The parameters are a gain on the scaled observation, added to $\mu_i$: the score
is $\epsilon_i \tilde o_i^\top / \sigma$. A state is that of a random time of an episode, and values
are discounted returns to its end. No value is known, but from the same $(s, a)$ two independent
continuations are played: $E[R^1 R^2 \mid s, a] = Q(s, a)^2$, so products of values are estimated
without the returns' own noise, and half of $(R^1 - R^2)^2$ estimates just that noise. A baseline is
subtracted by a continuation each from actions drawn anew, unknown ones only, with the same noise
afterwards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.envs.base import Actions, Environment, State, Time
from mastac.errors import UserError
from mastac.theory.sets import Sets
from mastac.theory.variance import Terms, known_actions

Means = Callable[[State, Time], Float[Array, "agents act"]]
"""What policies would do without noise, before the head."""

BATCHES = 16
MOST_WORK = 3 * 10**9
"""Steps of single agents, some tens of minutes; where more would be needed, nothing is begun."""


@dataclass(frozen=True)
class Sampled:
    r"""Estimates of independent batches: each array is [batches, agents] for the agents that were asked for.

    `terms` holds the identity's; its critics' errors are those of one rollout's return in place of
    each critic: $E[\|g_i\|^2 \mathrm{Var}(R \mid s, a)]$. `gap`: the squared norm of the difference
    of the two means, estimated without bias (it may be negative), zero for exact sets.
    """

    terms: Terms
    gap: Float[np.ndarray, "batches agents"]
    samples: int


def sampled_terms(
    env: Environment,
    sets: Sets,
    means: Means,
    spread: float,
    discount: float,
    baseline: str = "none",
    samples: int = 4096,
    seed: int = 0,
    agents: Sequence[int] | None = None,
    times: tuple[int, int] | None = None,
) -> Sampled:
    r"""Estimates of the terms of some agents, or of all, in `BATCHES` independent batches.

    **Arguments:**

    - `spread`: $\sigma$, before the head (of the actions themselves where the head is linear).
    - `samples`: pairs of state and action, each from an episode of its own; rounded up to whole
        batches.
    - `times`: states are those of a time drawn from this range; by default from the whole episode.

    **Raises:** [`mastac.errors.UserError`][] if the samples would take too long or returns are not
    finite.
    """
    chosen = np.arange(env.num_agents) if agents is None else np.asarray(agents)
    each = -(-samples // BATCHES)
    apart = baseline in (
        "shared",
        "counterfactual",
    )  # a baseline that reads others' actions is each agent's own
    check_work(env, each * BATCHES, len(chosen) if apart else int(baseline != "none"))
    asking = chosen if apart else chosen[:1]
    known = [
        each for each in (known_actions(sets, int(i), baseline) for i in asking) if each is not None
    ]
    mask = jnp.asarray(np.stack(known)) if known else None
    sampler = _Sampler(env, means, spread, discount, mask, times or (0, env.horizon))
    moved = jnp.asarray(sets.moved[chosen], jnp.float32)
    batch = jax.jit(
        lambda key: _batch(sampler, moved, jnp.asarray(chosen), jax.random.split(key, each))
    )
    rows = [batch(key) for key in jax.random.split(jax.random.key(seed), BATCHES)]
    table = np.array([[np.asarray(value, float) for value in row] for row in rows]).swapaxes(0, 1)
    if not np.isfinite(table).all():
        raise UserError(f"returns of environment '{env.id}' are not finite under this policy")
    own, rest, cross, score, central, structured, gap, noise_central, noise_structured = table
    nothing = np.full_like(own, np.nan)
    terms = Terms(
        own, rest, cross, score, central, structured, nothing, noise_central, noise_structured
    )
    return Sampled(terms, gap, each * BATCHES)


def check_work(env: Environment, samples: int, baselines: int) -> None:
    """`UserError` where continuations would take too many steps."""
    work = samples * env.horizon * env.num_agents * (3 + 2 * baselines)
    if work > MOST_WORK:
        raise UserError(
            f"{samples} samples would take {work:.1e} steps of agents; take at most {samples * MOST_WORK // work}, "
            "or a single agent, or a baseline that reads no actions"
        )


@dataclass(frozen=True)
class _Sampler:
    """One sample: a state, an action, and returns from there."""

    env: Environment
    means: Means
    spread: float
    discount: float
    known: Array | None  # [baselines, agents]: whose actions each baseline knows
    times: tuple[int, int]

    def __call__(self, key: PRNGKeyArray) -> tuple[Array, Array, Array, Array]:
        """The actions' noise, the scaled observations, and of two continuations the returns and what is left of them.

        The last two are [2, agents] and [2, baselines (1 if all agents share it), agents].
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
        reset_key, step_key = jax.random.split(key)

        def one_step(state, at):
            now, each = at
            noise_key, act_key = jax.random.split(each)
            following = self.env.step(
                state, self._acted(state, now, self._noise(act_key)), now, noise_key
            )
            return jnp.where(now < time, following, state), None

        steps = (jnp.arange(self.env.horizon), jax.random.split(step_key, self.env.horizon))
        return jax.lax.scan(one_step, self.env.reset(reset_key), steps)[0]

    def _returns(
        self, state: State, time: Array, noise: Array, key: PRNGKeyArray
    ) -> tuple[Array, Array]:
        """Discounted returns, and these less those after actions drawn anew where a baseline does not know them."""
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
        return whole, whole - others

    def _continued(self, state: State, time: Array, noise: Array, key: PRNGKeyArray) -> Array:
        def one_step(state, at):
            ahead, each = at
            noise_key, act_key = jax.random.split(each)
            now = time + ahead
            actions = self._acted(state, now, jnp.where(ahead == 0, noise, self._noise(act_key)))
            paid = jnp.where(
                now < self.env.horizon,
                self.discount**ahead * self.env.reward(state, actions, now),
                0.0,
            )
            return self.env.step(state, actions, now, noise_key), paid

        steps = (jnp.arange(self.env.horizon), jax.random.split(key, self.env.horizon))
        return jax.lax.scan(one_step, state, steps)[1].sum(0)

    def _noise(self, key: PRNGKeyArray) -> Float[Array, "agents act"]:
        sizes = self.env.action_sizes
        real = jnp.arange(int(sizes.max())) < jnp.asarray(sizes)[:, None]
        return jnp.where(real, jax.random.normal(key, real.shape), 0.0)

    def _acted(self, state: State, time: Time, noise: Array) -> Actions:
        return headed(self.env, self.means(state, time) + self.spread * noise)

    def _seen(self, state: State, time: Time) -> Float[Array, "agents obs"]:
        scaled = (self.env.observed(state, time) - self.env.obs_center) / self.env.obs_scale
        real = jnp.arange(scaled.shape[1]) < jnp.asarray(self.env.obs_sizes)[:, None]
        return jnp.where(real, scaled, 0.0)


def _batch(sampler: _Sampler, moved: Array, chosen: Array, keys: PRNGKeyArray) -> tuple[Array, ...]:
    """One estimate of each term for each chosen agent."""
    noise, seen, returns, left = jax.vmap(sampler)(keys)
    noise, seen = noise[:, chosen] / sampler.spread, seen[:, chosen]
    squared = (noise**2).sum(-1) * (seen**2).sum(-1)

    def split(values: Array) -> tuple[Array, Array]:
        own = jnp.einsum(
            "...ij,ij->...i", jnp.broadcast_to(values, (*values.shape[:-2], *moved.shape)), moved
        )
        return own, values.sum(-1) - own

    own, rest = split(left)
    central, structured = (
        (squared * (each[:, 0] - each[:, 1]) ** 2).mean(0) / 2
        for each in (returns.sum(-1)[..., None], split(returns[:, :, None])[0])
    )

    def product(one: Array, other: Array) -> Array:
        return (squared * (one[:, 0] * other[:, 1] + one[:, 1] * other[:, 0])).mean(0) / 2

    def squared_mean(values: Array) -> Array:
        # The mean over pairs of different samples.
        gradients = noise[..., :, None] * seen[..., None, :] * values.mean(1)[..., None, None]
        whole, count = (gradients.sum(0) ** 2).sum((-2, -1)), len(keys)
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


def headed(env: Environment, logits: Float[Array, "agents act"]) -> Actions:
    """Actions by the environment's head. Where that is unbounded, logits are in the action's units."""
    if env.head.is_discrete:
        raise UserError(
            f"the actions of '{env.id}' are choices, and variances are estimated for Gaussian policies; "
            "take a small game instead: --game ring --agents 3"
        )
    real = jnp.arange(logits.shape[1]) < jnp.asarray(env.action_sizes)[:, None]
    return env.head.apply(logits, _limit(env, logits), real)


def _limit(env: Environment, values: Float[Array, "agents act"]) -> Float[Array, "agents act"]:
    """The actions' limit; 1 where there is none."""
    limit = env.action_limit if env.head.is_bounded else 1.0
    return jnp.broadcast_to(jnp.asarray(limit, values.dtype), values.shape)


def simple_means(env: Environment) -> Means:
    """The simple policy before the head. Actions at a limit stay a little within it, or noise would not move them.

    **Raises:** [`mastac.errors.UserError`][] if the environment has none.
    """
    simple = env.simple_actions
    if simple is None:
        raise UserError(
            f"environment '{env.id}' has no simple policy; train one and give its run folder with --run"
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
