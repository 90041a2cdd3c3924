"""The batched update against a plain loop over agents, in float64 numpy where it matters."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_world import SMALL, random_batch, small_environment, small_learner

from algorithms.plain_networks import forward
from mastac.learning.actor_step import action_gradients, actor_gradient
from mastac.learning.critic_inputs import action_inputs, action_units, batch_inputs
from mastac.learning.observing import observations
from mastac.learning.spec import optimizer
from mastac.learning.updates.simultaneous import simultaneous_update


@pytest.fixture(scope="module")
def small():
    return small_learner()


def critic_of(spec, critics, agent):
    """Weights of one agent's critic without padding: states, then actions, then time."""
    for bucket, stack in zip(spec.buckets, critics, strict=True):
        for place in np.flatnonzero(bucket.terms == agent):
            states = bucket.state_rows[place] < spec.env.num_agents * spec.env.state_sizes.max()
            actions = bucket.action_rows[place] < spec.env.num_agents * spec.env.action_sizes.max()
            times = 1 if spec.settings.finite_horizon else 0
            real = np.concatenate([states, actions, np.ones(times, bool)])
            weights = [np.asarray(w[place], np.float64) for w in stack.weights]
            return [weights[0][real], *weights[1:]], [
                np.asarray(b[place], np.float64) for b in stack.biases
            ]
    raise AssertionError(f"agent {agent} has no critic")


def read_by(spec, agent, state, actions, time):
    """What the critic of `agent` reads, built from the layout's matrices agent by agent."""
    env = spec.env
    columns = []
    for j in spec.layout.states[[agent]].indices:
        columns.append(
            (np.asarray(state)[:, j, : env.state_sizes[j]] - env.state_center) / env.state_scale
        )
    for j in spec.layout.actions[[agent]].indices:
        columns.append(
            (np.asarray(actions)[:, j, : env.action_sizes[j]] - env.action_center)
            / env.action_scale
        )
    if spec.settings.finite_horizon:
        columns.append(2.0 * np.asarray(time)[:, None] / env.horizon - 1.0)
    return np.concatenate(columns, axis=1).astype(np.float64)


def policy_actions(spec, weights, state, time):
    env = spec.env
    actions = spec.actors.apply(weights, observations(env, state, time))
    return np.asarray(jnp.moveaxis(actions, -1, 0), np.float64)


@pytest.mark.parametrize("finite_horizon", [True, False])
def test_critic_update_is_algorithm_1(finite_horizon):
    settings = replace(SMALL, finite_horizon=finite_horizon, discount=0.7, reward_scale=0.5)
    env, spec, learner = small_learner(settings)
    state = learner.init(jax.random.key(3))
    # Targets that differ from the online weights: a mix-up of the two shows.
    other = learner.init(jax.random.key(4))
    state = state._replace(target_actors=other.actors, target_critics=other.critics)
    batch = random_batch(env, 6)
    after, metrics = jax.jit(learner.update)(state, batch, jax.random.key(0))
    next_actions = policy_actions(spec, state.target_actors, batch.next_state, batch.time + 1)
    time = np.asarray(batch.time)
    keeps = np.where((time + 1 == env.horizon) & finite_horizon, 0.0, 0.7)
    for agent in range(env.num_agents):
        target = forward(
            *critic_of(spec, state.target_critics, agent),
            read_by(spec, agent, batch.next_state, next_actions, time + 1),
        )[:, 0]
        y = 0.5 * np.asarray(batch.rewards)[:, agent] + keeps * target
        x = read_by(spec, agent, batch.state, batch.actions, time)
        weights, biases = critic_of(spec, state.critics, agent)
        value = forward(weights, biases, x)[:, 0]
        np.testing.assert_allclose(metrics.critic_loss[agent], ((y - value) ** 2).mean(), rtol=2e-5)
        np.testing.assert_allclose(metrics.value[agent], value.mean(), rtol=2e-5, atol=1e-6)
        # The first step of Adam moves every weight by the rate against the sign of its gradient;
        # finite differences.
        stepped, _ = critic_of(spec, after.critics, agent)
        target_after, _ = critic_of(spec, after.target_critics, agent)
        target_before, _ = critic_of(spec, state.target_critics, agent)
        for layer in range(len(weights)):
            at = tuple(np.array(weights[layer].shape) // 2)
            slopes = []
            for sign in (1, -1):
                moved = [w.copy() for w in weights]
                moved[layer][at] += sign * 1e-6
                slopes.append(((y - forward(moved, biases, x)[:, 0]) ** 2).mean())
            slope = (slopes[0] - slopes[1]) / 2e-6
            if abs(slope) > 1e-6:
                step = stepped[layer][at] - weights[layer][at]
                np.testing.assert_allclose(step, -settings.critic_lr * np.sign(slope), rtol=2e-2)
            expected = target_before[layer] + settings.tau * (stepped[layer] - target_before[layer])
            np.testing.assert_allclose(target_after[layer], expected, rtol=1e-5, atol=1e-7)


def naive_action_gradient(spec, critics, batch, agent, others_from_policy, policy):
    """Slopes in the agent's action, summed over the critics that it moves; central differences."""
    env = spec.env
    base = policy.copy() if others_from_policy else np.asarray(batch.actions, np.float64)
    base[:, agent] = policy[:, agent]
    gradient = np.zeros((len(base), env.action_sizes[agent]))
    for term in spec.layout.credit[[agent]].indices:
        weights, biases = critic_of(spec, critics, int(term))
        for entry in range(env.action_sizes[agent]):
            values = []
            for sign in (1, -1):
                moved = base.copy()
                moved[:, agent, entry] += sign * 1e-6 * env.action_scale
                values.append(
                    forward(
                        weights, biases, read_by(spec, int(term), batch.state, moved, batch.time)
                    )[:, 0]
                )
            gradient[:, entry] += (values[0] - values[1]) / 2e-6
    return gradient


@pytest.mark.parametrize("source", ["policy", "replay"])
@pytest.mark.parametrize("minimal", [True, False])
def test_action_gradients_equal_a_loop_over_agents_and_critics(source, minimal):
    env, spec, learner = small_learner(
        replace(SMALL, others_actions=source, minimal=minimal), kappa=2
    )
    state = learner.init(jax.random.key(5))
    batch = random_batch(env, 4)

    @jax.jit
    def gradients(state, batch):
        now, _, _ = batch_inputs(spec, batch, state.actors)
        chosen = spec.actors.apply(state.actors, observations(env, batch.state, batch.time))
        return action_gradients(spec, state.critics, now, action_inputs(env, chosen))

    found = np.asarray(gradients(state, batch))
    policy = policy_actions(spec, state.actors, batch.state, batch.time)
    width = int(env.action_sizes.max())
    for agent in range(env.num_agents):
        expected = naive_action_gradient(
            spec, state.critics, batch, agent, source == "policy", policy
        )
        got = found[agent * width : agent * width + env.action_sizes[agent]].T
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=2e-5)
    assert np.abs(found).max() > 1e-3


def test_actor_gradient_is_the_chain_rule_of_the_objective():
    """Against JAX's own gradient of the mean over the batch of the sum of all critics."""
    env, spec, learner = small_learner(kappa=None)
    state = learner.init(jax.random.key(6))
    batch = random_batch(env, 8)
    obs = observations(env, batch.state, batch.time)
    critics = [critic_of(spec, state.critics, agent) for agent in range(env.num_agents)]

    @jax.jit
    def gradient(state, batch):
        now, _, _ = batch_inputs(spec, batch, state.actors)
        at = lambda rows: action_gradients(spec, state.critics, now, rows)  # noqa: E731
        return actor_gradient(spec, state.actors, obs, at)

    def objective(actors):
        center, scale = action_units(env)
        actions = (jnp.moveaxis(spec.actors.apply(actors, obs), -1, 0) - center[None]) / scale[None]
        total = 0.0
        for agent, (weights, biases) in enumerate(critics):
            columns = [
                (batch.state[:, j, : env.state_sizes[j]] - env.state_center) / env.state_scale
                for j in spec.layout.states[[agent]].indices
            ]
            columns += [
                actions[:, j, : env.action_sizes[j]] for j in spec.layout.actions[[agent]].indices
            ]
            columns.append(2.0 * batch.time[:, None] / env.horizon - 1.0)
            x = jnp.concatenate(columns, axis=1)
            for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
                x = x @ jnp.asarray(w, jnp.float32) + jnp.asarray(b, jnp.float32)[None]
                x = jax.nn.relu(x) if layer < len(weights) - 1 else x
            total = total + x.mean()
        return total

    expected = jax.jit(jax.grad(objective))(state.actors)
    found = gradient(state, batch)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("source", ["policy", "replay"])
def test_coordinated_update_equals_agents_one_after_the_other(source):
    """A loop in which agent i's step is the simultaneous update without everybody else's."""
    settings = replace(
        SMALL, others_actions=source, coordinated=True, actor_lr=0.05, critic_lr=0.02
    )
    env, spec, coordinated = small_learner(settings, kappa=2)
    assert len(spec.buckets) == 1
    batch = random_batch(env, 6)
    step = jax.jit(lambda s, batch: simultaneous_update(spec, s, batch)[0])
    # A few steps first: Adam's very first step only knows signs, which the other agents' steps
    # rarely turn.
    start = coordinated.init(jax.random.key(1))
    for seed in range(3):
        start = step(start, random_batch(env, 6, seed))
    state = start
    for agent in range(env.num_agents):
        after = step(state, batch)
        # Algorithm 1 updates the agent's actor first, and its critic from the same old critics.
        state = jax.tree.map(
            lambda old, new, agent=agent: old.at[agent].set(new[agent]),
            state._replace(scales=()),
            after._replace(scales=()),
        )._replace(scales=start.scales)
    expected = state
    found, metrics = jax.jit(coordinated.update)(start, batch, jax.random.key(0))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)
    together = step(start, batch)
    differences = [
        float(jnp.abs(a - b).max())
        for a, b in zip(
            jax.tree.leaves(found.actors), jax.tree.leaves(together.actors), strict=True
        )
    ]
    assert max(differences) > 1e-4, "agents that see each other's updates must end elsewhere"
    assert np.isfinite(metrics.critic_loss).all()


def test_chunks_and_buckets_change_nothing():
    env, spec, learner = small_learner(kappa=1)
    _, chunked_parts, chunked = small_learner(kappa=1, chunk=2)
    assert len(spec.buckets) > 1, "the small environment should need more than one bucket"
    batch = random_batch(env, 6)
    state = learner.init(jax.random.key(2))
    a, _ = jax.jit(learner.update)(state, batch, jax.random.key(0))
    b, _ = jax.jit(chunked.update)(state, batch, jax.random.key(0))
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)


def test_seeds_side_by_side_equal_seeds_alone():
    env, _, learner = small_learner()
    batches = [random_batch(env, 6, seed) for seed in range(3)]
    states = [learner.init(jax.random.key(seed)) for seed in range(3)]
    stack = lambda trees: jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)  # noqa: E731
    keys = jax.random.split(jax.random.key(0), 3)
    together, _ = jax.jit(jax.vmap(learner.update))(stack(states), stack(batches), keys)
    update = jax.jit(learner.update)
    alone = stack([update(s, b, k)[0] for s, b, k in zip(states, batches, keys, strict=True)])
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("head", ["tanh", "softmax", "linear"])
def test_actions_respect_their_head(head):
    env = small_environment(head)
    _, spec, learner = small_learner(head=head)
    state = learner.init(jax.random.key(0))
    first = jax.jit(jax.vmap(lambda key: env.observe(env.reset(key))))
    obs = first(jax.random.split(jax.random.key(1), 50))
    explore = jax.jit(
        jax.vmap(lambda o, k: learner.explore(state, o, jnp.float32(0.5), jnp.float32(0.3), k)[0])
    )
    noisy = np.asarray(explore(obs, jax.random.split(jax.random.key(2), 50)))
    greedy = np.asarray(jax.vmap(lambda o: learner.act(state, o))(obs))
    mask = np.arange(3) < env.action_sizes[:, None]
    for actions in (noisy, greedy):
        assert (actions[:, ~mask] == 0).all()
        if head == "softmax":
            np.testing.assert_allclose(actions.sum(-1), 1.0, rtol=1e-5)
            assert (actions >= 0).all()
        if head == "tanh":
            assert np.abs(actions).max() <= 2.0 + 1e-6
    assert np.abs(noisy - greedy).max() > 0.1


CHANGES = {
    "actor_lr": 3e-3,
    "critic_lr": 3e-3,
    "lr_final": 0.1,
    "discount": 0.5,
    "tau": 0.3,
    "others_actions": "replay",
    "coordinated": True,
    "finite_horizon": False,
    "reward_scale": 3.0,
    "actor_hidden": (9,),
    "critic_hidden": (9, 8),
    "max_grad_norm": 1e-4,
    "minimal": False,
}


@pytest.mark.parametrize("knob", CHANGES)
def test_every_knob_of_the_update_matters(knob, small):
    env, _, learner = small
    _, _, changed = small_learner(replace(SMALL, **{knob: CHANGES[knob]}))
    batches = [random_batch(env, 6, seed) for seed in range(3)]

    def after(learner):
        state = learner.init(jax.random.key(0))
        for batch in batches:
            state, _ = jax.jit(learner.update)(state, batch, jax.random.key(1))
        return state

    a, b = jax.tree.leaves(after(learner)), jax.tree.leaves(after(changed))
    same = len(a) == len(b) and all(
        x.shape == y.shape and bool((x == y).all()) for x, y in zip(a, b, strict=True)
    )
    assert not same


def test_step_size_falls_to_its_final_share():
    tx = optimizer(0.1, replace(SMALL, lr_final=0.25), total_updates=10)
    weights = jnp.zeros(())
    state = tx.init(weights)
    steps = []
    for _ in range(12):
        step, state = tx.update(jnp.ones(()), state, weights)
        steps.append(float(np.asarray(step)))
    np.testing.assert_allclose(steps[0], -0.1, rtol=1e-4)
    np.testing.assert_allclose(steps[-1], -0.025, rtol=1e-4)
    assert isinstance(tx, optax.GradientTransformation)
