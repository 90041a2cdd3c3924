"""What holds for every environment: declared couplings, sizes, purity, rebuilding."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.examples import EXAMPLES, IDS, random_actions, random_state, simple_actions
from mastac.envs import make, rollout_return
from mastac.envs.graphs import structure_of
from mastac.structure import Couplings, CouplingSequence

TIME = 2  # at which derivatives are taken


def declared_couplings(env) -> Couplings:
    """The couplings of that time."""
    return env.couplings[TIME] if isinstance(env.couplings, CouplingSequence) else env.couplings


@pytest.fixture(scope="module", params=EXAMPLES, ids=IDS)
def env(request):
    id, options = request.param
    made = make(id, **options)
    compiled = {
        name: jax.jit(getattr(made, name)) for name in ("reset", "step", "reward", "observe")
    }
    return dataclasses.replace(made, **compiled)


@pytest.fixture(scope="module")
def jacobians(env):
    """Which agent's rows move which, by graph, over random points; row depends on column."""
    if env.action_head == "discrete":
        return moved_by_switching(env)
    random = np.random.default_rng(0)
    key = jax.random.key(1)
    moved = {}

    @jax.jit
    def derivatives(state, actions):
        by_state, by_action = jax.jacobian(lambda s, a: env.step(s, a, TIME, key), (0, 1))(
            state, actions
        )
        paid_state, paid_action = jax.jacobian(lambda s, a: env.reward(s, a, TIME), (0, 1))(
            state, actions
        )
        seen = jax.jacobian(lambda s: env.observed(s, TIME))(state)
        return {
            "state": jnp.abs(by_state).sum((1, 3)),
            "action": jnp.abs(by_action).sum((1, 3)),
            "observation": jnp.abs(seen).sum((1, 3)),
            "reward": jnp.abs(paid_state).sum(2),
            "reward_action": jnp.abs(paid_action).sum(2),
        }

    real = np.arange(int(env.state_sizes.max())) < env.state_sizes[:, None]
    points = [random_state(env, random) for _ in range(3)]
    # Mirrored points too, so that every stock is once short and once not.
    points += [
        jnp.where(real, 2 * jnp.asarray(env.state_center, jnp.float32) - point, 0.0)
        for point in points
    ]
    for point in points:
        found = derivatives(point, random_actions(env, random))
        for name, matrix in found.items():
            moved[name] = moved.get(name, False) | (np.asarray(matrix) > 0)
    return moved


def moved_by_switching(env, points=2000):
    """The same where there are no slopes: by exchanging one agent's row, all else held."""
    random, n = np.random.default_rng(0), env.num_agents

    def drawn(how):
        return np.stack([np.asarray(how(env, random)) for _ in range(points)])

    @jax.jit
    @jax.vmap
    def outcome(state, actions, seed):
        after = env.step(state, actions, TIME, jax.random.key(seed))
        return after, env.reward(state, actions, TIME)[:, None], env.observed(state, TIME)

    states, actions, seeds = drawn(random_state), drawn(random_actions), np.arange(points)
    other_states, other_actions = drawn(random_state), drawn(random_actions)
    before = outcome(states, actions, seeds)
    moved = {
        name: np.zeros((n, n), bool)
        for name in ("state", "reward", "observation", "action", "reward_action")
    }
    for source in range(n):
        mine = (np.arange(n) == source)[:, None]
        by_state = outcome(np.where(mine, other_states, states), actions, seeds)
        by_action = outcome(states, np.where(mine, other_actions, actions), seeds)
        for names, after in (
            (("state", "reward", "observation"), by_state),
            (("action", "reward_action"), by_action),
        ):
            for name, old, new in zip(names, before, after, strict=False):
                moved[name][:, source] = (np.asarray(old) != np.asarray(new)).any((0, 2))
    return moved


def test_declared_couplings_cover_the_jacobian(env, jacobians):
    for name, moved in jacobians.items():
        declared = getattr(declared_couplings(env), name).toarray()
        assert not (moved & ~declared).any(), f"{name} couples agents that are not declared"


def test_declared_couplings_are_no_larger_than_needed(env, jacobians):
    itself = np.eye(env.num_agents, dtype=bool)
    for name, moved in jacobians.items():
        declared = getattr(declared_couplings(env), name).toarray()
        exact = np.array_equal(declared, moved | itself)
        more_is_meant = name == "state" and env.options.get("known") == "union"
        assert exact != more_is_meant, f"{name} declares couplings that do nothing"


def test_a_missing_edge_would_be_noticed(env, jacobians):
    """The check above can fail: without one declared edge the Jacobian is no longer covered."""
    moved = jacobians["state"]
    declared = declared_couplings(env).state.toarray()
    off = np.argwhere(declared & ~np.eye(env.num_agents, dtype=bool))
    if len(off):
        declared[tuple(off[0])] = False
        assert (moved & ~declared).any()


def test_sizes_say_which_entries_are_real(env):
    random = np.random.default_rng(2)
    state, actions = random_state(env, random), random_actions(env, random)
    after, obs = env.step(state, actions, 0, jax.random.key(0)), env.observed(state, TIME)
    first = env.reset(jax.random.key(3))
    assert first.shape == state.shape == after.shape and obs.shape == (
        env.num_agents,
        env.obs_sizes.max(),
    )
    assert env.reward(state, actions, 0).shape == (env.num_agents,)
    for rows, sizes in ((after, env.state_sizes), (first, env.state_sizes), (obs, env.obs_sizes)):
        padding = np.arange(rows.shape[1]) >= sizes[:, None]
        assert not np.asarray(rows)[padding].any()
    for scale, rows in ((env.state_scale, state), (env.obs_scale, obs)):
        assert np.broadcast_shapes(np.shape(scale), rows.shape) == rows.shape
        assert (np.asarray(scale) > 0).all()


def test_padding_of_actions_is_not_read(env):
    random = np.random.default_rng(4)
    state, actions = random_state(env, random), np.asarray(random_actions(env, random))
    padding = np.arange(actions.shape[1]) >= env.action_sizes[:, None]
    noisy = jnp.asarray(np.where(padding, 7.0, actions))
    key = jax.random.key(0)
    assert np.array_equal(
        env.step(state, jnp.asarray(actions), 0, key), env.step(state, noisy, 0, key)
    )
    assert np.array_equal(env.reward(state, jnp.asarray(actions), 0), env.reward(state, noisy, 0))


def test_observations_start_with_the_own_state(env):
    state = random_state(env, np.random.default_rng(5))
    obs = env.observed(state, TIME)
    for i in range(env.num_agents):
        own = set(np.asarray(state[i, : env.state_sizes[i]]).tolist())
        assert own <= set(np.asarray(obs[i, : env.state_sizes[i]]).tolist())


def test_same_key_same_episode_and_another_key_another(env):
    @jax.jit
    def rewarded(key):
        return rollout_return(env, lambda obs, s, t: simple_actions(env, s, t), key)

    def episode(seed):
        return np.asarray(rewarded(jax.random.key(seed)))

    assert np.array_equal(episode(0), episode(0))
    chance = not env.id.startswith("warehouse") or env.options["noise"] > 0
    assert np.array_equal(episode(0), episode(1)) != chance


def test_id_and_options_rebuild_it(env):
    options = json.loads(json.dumps(dict(env.options)))
    again = make(env.id, **options)
    assert again.options == env.options and again.couplings.agents == env.couplings.agents
    assert again.couplings.to_dict() == env.couplings.to_dict()
    random = np.random.default_rng(6)
    state, actions, key = random_state(env, random), random_actions(env, random), jax.random.key(0)
    for mine, other in zip(
        (env.step(state, actions, 1, key), env.reward(state, actions, 1)),
        jax.jit(
            lambda state, actions, time: (
                again.step(state, actions, time, key),
                again.reward(state, actions, time),
            )
        )(state, actions, 1),
        strict=True,
    ):
        # Two programs may round differently in the last digit.
        assert np.allclose(mine, other, rtol=1e-5, atol=1e-5)


def test_structure_is_known_without_building(env):
    found = structure_of(env.id, env.options)
    assert found.couplings.to_dict() == env.couplings.to_dict()
    assert np.array_equal(found.state_sizes, env.state_sizes)
    assert np.array_equal(found.action_sizes, env.action_sizes)
