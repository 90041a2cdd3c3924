"""The soft actor-critic against float64 loops: densities, targets, gradients, temperatures."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats
from small_world import SMALL, random_batch, small_environment
from test_update import critic_of, forward, read_by

from mastac.agents.actors import actors
from mastac.agents.stochastic import StochasticActor, StochasticActors
from mastac.algorithms import ALGORITHMS
from mastac.envs.mixed_heads import mask_of
from mastac.learning.actor_step import action_gradients
from mastac.learning.critic_inputs import batch_inputs
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.observing import observations
from mastac.learning.updates.max_entropy import max_entropy_gradient, temperatures

# The small world's agents have actions of one, two, one and three entries.
SPREADS = jnp.log(
    jnp.asarray([[0.5, 1, 1], [0.4, 0.9, 1], [1.2, 1, 1], [0.6, 1.1, 0.8]], jnp.float32)
)


def density(head, agent, drawn):
    """Density of the actions that stand for what one agent draws, `[act, batch]`."""
    env = small_environment(head)
    stochastic = StochasticActors(actors(env, (4,)), 1.0)
    weights = StochasticActor(stochastic.init(jax.random.key(0)).mean_network, SPREADS)
    obs = jnp.repeat(env.observe(env.reset(jax.random.key(1)))[:, :, None], drawn.shape[1], axis=2)
    whole = jnp.zeros((4, 3, drawn.shape[1])).at[agent, : len(drawn)].set(drawn)
    before_head, _ = stochastic.log_prob_and_entropy(weights, obs, whole)
    found = before_head + stochastic.log_stretch(weights, obs, whole)
    return np.exp(np.asarray(found[agent], np.float64))


def test_densities_of_boxes_integrate_to_one():
    a = np.linspace(-1, 1, 4001)[1:-1]
    for head, drawn, width in (
        ("tanh", np.arctanh(a), a[1] - a[0]),
        ("linear", 20 * a, 20 * (a[1] - a[0])),
    ):
        np.testing.assert_allclose(density(head, 0, drawn[None]).sum() * width, 1.0, atol=2e-3)


def test_densities_of_shares_integrate_to_one_and_know_no_shift():
    random = np.random.default_rng(0)
    p = (np.arange(1000) + 0.5) / 1000
    np.testing.assert_allclose(density("softmax", 1, np.log([p, 1 - p])).mean(), 1.0, atol=5e-3)
    grid = (np.mgrid[:200, :200].reshape(2, -1) + 0.5) / 200
    grid = grid[:, grid.sum(0) < 1 - 1e-9]
    logs = np.log([*grid, 1 - grid.sum(0)])
    found = density("softmax", 3, logs)
    np.testing.assert_allclose(found.sum() / 200**2, 1.0, atol=2e-2)
    np.testing.assert_allclose(
        density("softmax", 3, logs + random.normal(size=logs.shape[1])), found, rtol=5e-3
    )
    # Who chooses among one is sure of it.
    np.testing.assert_allclose(density("softmax", 0, random.normal(size=(1, 10))), 1.0, rtol=1e-4)


def soft(head="tanh", **knobs):
    how, env = ALGORITHMS["mastac-sac"], small_environment(head)
    settings = replace(SMALL, **{**how.defaults, **how.constant_knobs, **knobs})
    spec = learner_spec(
        env, how.layout_for(env.couplings, 1, True, "own"), settings, total_updates=100
    )
    return env, spec, learner_of(spec)


def outcome(spec, weights, state, time, key):
    """What policies draw in float64: actions `[batch, agents, act]`, log-densities, noise."""
    env, obs = spec.env, observations(spec.env, state, time)
    drawn = np.asarray(spec.stochastic.draw(weights, obs, key).drawn, np.float64)
    mean_network = np.asarray(spec.actors.logits(weights.mean_network, obs), np.float64)
    spread = np.exp(np.asarray(weights.log_std, np.float64))[:, :, None]
    real = (np.arange(3) < env.action_sizes[:, None])[:, :, None]
    log_prob = stats.norm.logpdf(drawn, mean_network, spread) - np.log(1 - np.tanh(drawn) ** 2)
    actions = np.where(real, env.action_limit * np.tanh(drawn), 0.0)
    return (
        np.moveaxis(actions, -1, 0),
        np.where(real, log_prob, 0.0).sum(1),
        (drawn - mean_network) / spread,
    )


def twin(spec, critics, agent, k):
    return critic_of(
        spec, tuple(jax.tree.map(lambda leaf: leaf[:, k], stack) for stack in critics), agent
    )


def test_targets_hold_the_own_agents_entropy():
    env, spec, learner = soft(discount=0.7, reward_scale=0.5)
    state, other = (learner.init(jax.random.key(seed)) for seed in (3, 4))
    price = np.array([0.1, 0.2, 0.3, 0.4])
    weights = StochasticActor(
        state.actors.mean_network, SPREADS, jnp.log(jnp.asarray(price, jnp.float32))
    )
    state = state._replace(actors=weights, target_critics=other.critics)
    batch, key = random_batch(env, 6), jax.random.key(5)
    _, metrics = jax.jit(learner.update)(state, batch, key)
    time = np.asarray(batch.time)
    next_key = jax.random.split(key)[1]
    actions, log_prob, _ = outcome(spec, state.actors, batch.next_state, batch.time + 1, next_key)
    keeps = np.where(time + 1 == env.horizon, 0.0, 0.7)
    for agent in range(4):
        x = read_by(spec, agent, batch.next_state, actions, time + 1)
        worth = np.min(
            [forward(*twin(spec, state.target_critics, agent, k), x)[:, 0] for k in (0, 1)], axis=0
        )
        y = 0.5 * np.asarray(batch.rewards)[:, agent] + keeps * (
            worth - price[agent] * log_prob[agent]
        )
        here = read_by(spec, agent, batch.state, batch.actions, time)
        values = [forward(*twin(spec, state.critics, agent, k), here)[:, 0] for k in (0, 1)]
        np.testing.assert_allclose(
            metrics.critic_loss[agent],
            sum(((y - value) ** 2).mean() for value in values),
            rtol=1e-4,
        )


def test_actors_climb_credited_values_and_their_entropy_by_finite_differences():
    env, spec, learner = soft(tune_temperature=True, temperature=0.3)
    state, batch, key = learner.init(jax.random.key(3)), random_batch(env, 6), jax.random.key(5)
    weights = state.actors
    now, _, _ = batch_inputs(spec, batch, weights.mean_network)
    obs = observations(env, batch.state, batch.time)
    at = lambda rows: action_gradients(spec, state.critics, now, rows)  # noqa: E731
    found = jax.jit(lambda weights: max_entropy_gradient(spec, weights, obs, key, at))(weights)
    _, log_prob, noise = outcome(spec, weights, batch.state, batch.time, key)
    arrays = [
        np.asarray(leaf, np.float64)
        for leaf in jax.tree.leaves((weights.mean_network, weights.log_std))
    ]
    layers = len(weights.mean_network.weights)
    inputs = (np.asarray(obs, np.float64) - env.obs_center) / env.obs_scale
    real = np.arange(3) < env.action_sizes[:, None]

    def objective(arrays):
        """Agent `i`'s credited share of all critics, and the entropies."""
        actions, bonus = np.zeros((6, 4, 3)), 0.0
        for i in range(4):
            out = forward(
                [w[i] for w in arrays[:layers]],
                [b[i] for b in arrays[layers : 2 * layers]],
                inputs[i].T,
            )
            u = out + np.exp(arrays[-1][i]) * noise[i].T
            logs = stats.norm.logpdf(noise[i].T) - arrays[-1][i] - np.log(1 - np.tanh(u) ** 2)
            actions[:, i] = np.where(real[i], env.action_limit * np.tanh(u), 0.0)
            bonus -= 0.3 * np.where(real[i], logs, 0.0).sum(1).mean()
        reads = (read_by(spec, i, batch.state, actions, batch.time) for i in range(4))
        return bonus + sum(
            forward(*twin(spec, state.critics, i, 0), x)[:, 0].mean() for i, x in enumerate(reads)
        )

    slopes = jax.tree.leaves((found.mean_network, found.log_std))
    for place, array in enumerate(arrays):
        for entry in [(i, *(0,) * (array.ndim - 1)) for i in range(4)]:
            ends = []
            for sign in (1, -1):
                moved = [each.copy() for each in arrays]
                moved[place][entry] += sign * 1e-6
                ends.append(objective(moved))
            np.testing.assert_allclose(
                slopes[place][entry], (ends[0] - ends[1]) / 2e-6, rtol=2e-3, atol=2e-5
            )
    target = spec.settings.entropy_target * np.array([1, 2, 1, 3])
    np.testing.assert_allclose(found.log_temperature, target + log_prob.mean(1), rtol=1e-4)


def test_temperatures_fall_where_there_is_more_entropy_than_asked_for():
    env, spec, learner = soft(head="softmax")
    assert env.head.entropy_aim(-1.0, mask_of("softmax", env.action_sizes)).tolist() == [
        0,
        -1,
        0,
        -2,
    ]
    state, batch = learner.init(jax.random.key(0)), random_batch(env, 64)
    wide = np.array([0.0, 0.0, 0.0, np.log(0.01)])  # agent d hardly draws anything but its centre
    spread = jnp.broadcast_to(jnp.asarray(wide, jnp.float32)[:, None], (4, 3))
    state = state._replace(
        actors=StochasticActor(state.actors.mean_network, spread, state.actors.log_temperature)
    )
    after = jax.jit(learner.update)(state, batch, jax.random.key(1))[0].actors
    moved = np.asarray(after.log_temperature - state.actors.log_temperature)
    assert moved[1] < 0 < moved[3]
    np.testing.assert_allclose(moved[[0, 2]], 0.0, atol=2e-3)


def test_a_fixed_temperature_is_no_weight():
    _, spec, learner = soft(tune_temperature=False, temperature=0.3)
    weights = learner.init(jax.random.key(0)).actors
    assert weights.log_temperature is None
    np.testing.assert_allclose(temperatures(spec, weights), 0.3, rtol=1e-6)
