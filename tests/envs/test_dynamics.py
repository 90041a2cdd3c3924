"""One step of each environment by hand, and whole episodes against plain loops in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.examples import random_actions, random_state
from mastac.envs import make
from mastac.envs.linear_quadratic.dynamics import linear_quadratic, problem_of
from mastac.envs.registry import checked_options
from mastac.envs.warehouse.dynamics import warehouse
from mastac.errors import UserError
from mastac.structure import Couplings

KEY = jax.random.key(0)


def test_three_warehouses_by_hand():
    """1 -> 2, 1 -> 3, 2 -> 3; supplies -, 2 and 1 at t = 1; warehouse 2 is short, sends nothing."""
    env = make(
        "warehouse-3", graph=[[0, 1], [0, 2], [1, 2]], supply=[-1.0, 2.0, 1.0], frequency=np.pi / 2
    )
    state = jnp.array([[4.0, -1.0], [-3.0, 2.0], [0.5, 1.0]])
    # Shares: own, then receivers in order. Columns beyond an agent's receivers are padding.
    actions = jnp.array([[0.25, 0.5, 0.25], [0.1, 0.9, 0.0], [1.0, 0.0, 0.0]])
    after = np.asarray(env.step(state, actions, 1, KEY))
    # 1: 4 - 2 - 1 - 1 = 0;  2: -3 + 2 + 2 = 1;  3: 0.5 + 1 + 0 + 1 = 2.5.  Supplies at t = 2:
    # sin(pi) = 0.
    assert after == pytest.approx(np.array([[0.0, 0.0], [1.0, 0.0], [2.5, 0.0]]), abs=1e-6)
    assert np.asarray(env.reward(state, actions, 1)).tolist() == [0.0, -9.0, 0.0]
    obs = np.asarray(env.observe(state))
    assert obs.tolist() == [[-1.0, 4.0, 0.0, 0.0], [2.0, -3.0, 4.0, 0.0], [1.0, 0.5, 4.0, -3.0]]


def test_rewards_of_neighbours_by_hand():
    env = make("warehouse-3", graph=[[0, 1], [1, 2]], reward="neighbours")
    state = jnp.array([[-1.0, 0.0], [-2.0, 0.0], [3.0, 0.0]])
    assert np.asarray(env.reward(state, jnp.zeros((3, 2)), 0)).tolist() == [-1.0, -5.0, -4.0]


def test_two_zones_by_hand():
    """A wall of 2 °C/kW, a step of 60 s: 60/(200 * 2) = 0.15 through it, 0.3 outside and per kW."""
    env = make(
        "thermal-2",
        graph=[[0, 1]],
        wall_resistance=2.0,
        noise_variance=0.0,
        control_cost=[0.01, 0.1],
        target=[22, 20],
    )
    state, actions = jnp.array([[20.0], [26.0]]), jnp.array([[5.0], [-10.0]])
    after = np.asarray(env.step(state, actions, 0, KEY))[:, 0]
    # 20 + 0.3*10 + 0.15*6 + 0.3*(5 + 1) = 25.7;  26 + 0.3*4 - 0.15*6 + 0.3*(-10 + 1) = 23.6
    assert after == pytest.approx([25.7, 23.6], rel=1e-6)
    assert np.asarray(env.reward(state, actions, 0)) == pytest.approx(
        [-4 - 0.25, -36 - 10.0], rel=1e-6
    )


def test_process_noise_and_first_temperatures_have_the_stated_spread():
    env = make("thermal-40", start_variance=4.0)
    keys = jax.random.split(KEY, 500)
    first = np.asarray(jax.vmap(env.reset)(keys))
    assert first.mean() == pytest.approx(30, abs=0.06) and first.var() == pytest.approx(
        4.0, rel=0.05
    )
    state, still = jnp.full((40, 1), 22.0), jnp.zeros((40, 1))
    after = np.asarray(jax.vmap(lambda key: env.step(state, still, 0, key))(keys))
    assert after.var(0).mean() == pytest.approx(6.25 * 60 / 200**2, rel=0.05)


def test_two_linear_agents_by_hand():
    couplings = Couplings(2, state=[(0, 1)], observation=[(0, 1)], action=[], reward_action=[])
    problem = problem_of(make("lq-2", state_size=[2, 1], graph=[[0, 1]], noise=0.0))
    fields = dict(problem.__dict__)
    fields.update(
        state_matrix=np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0], [3.0, 0.0, -1.0]]),
        input_matrix=np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]),
        offset=np.array([0.5, 0.0, 0.0]),
        state_weights=np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]]),
        action_weights=np.array([[0.5, 0.0], [0.0, 1.0]]),
        target=np.array([0.0, 0.0, 1.0]),
    )
    problem = type(problem)(**{name: fields[name] for name in problem.__dataclass_fields__})
    env = linear_quadratic(couplings, problem)
    state, actions = jnp.array([[1.0, 2.0], [3.0, 0.0]]), jnp.array([[4.0], [-1.0]])
    assert np.asarray(env.step(state, actions, 0, KEY)).tolist() == [[5.5, 6.0], [-2.0, 0.0]]
    assert np.asarray(env.reward(state, actions, 0)).tolist() == [-(1 + 8 + 8), -(12 + 1)]
    assert np.asarray(env.observe(state)).tolist() == [[1.0, 2.0, 0.0], [3.0, 1.0, 2.0]]
    with pytest.raises(
        UserError, match="'agent-0' affect 'agent-1'; add that edge to the state graph"
    ):
        linear_quadratic(Couplings(2, action=[], reward_action=[]), problem)


@given(
    data=st.data(),
    num_agents=st.sampled_from([2, 4]),
    share=st.sampled_from(["keep", "send"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=6)
def test_mass_is_conserved_on_any_graph(data, num_agents, share, seed):
    pairs = [(i, j) for i in range(num_agents) for j in range(num_agents) if i != j]
    edges = set(data.draw(st.lists(st.sampled_from(pairs), max_size=8)))
    edges |= {(i, (i + 1) % num_agents) for i in range(num_agents)}  # somebody to send to
    couplings = Couplings(num_agents, state=edges, observation=edges, reward=[])
    id = f"warehouse-{num_agents}"
    env = warehouse(id, couplings, checked_options(id, {"share": share}))
    random = np.random.default_rng(seed)
    with jax.disable_jit():
        state, actions = random_state(env, random), random_actions(env, random)
        after = np.asarray(env.step(state, actions, 0, KEY))
    before = np.asarray(state)
    assert after[:, 0].sum() == pytest.approx(before.sum(), abs=1e-4)
    # Nothing leaves a warehouse that has nothing, and nobody is given less than nothing.
    empty = before[:, 0] <= 0
    assert (after[empty, 0] >= before[empty].sum(1) - 1e-5).all()


def plain_warehouse_episode(env, shares):
    """Total return by loops over warehouses: `shares[t][i][k]` goes to the k-th receiver of i."""
    options, n = env.options, env.num_agents
    stock = np.broadcast_to(np.asarray(options["initial_stock"], float), n).copy()
    size = np.asarray(options["supply"], float)
    total = 0.0
    for t in range(env.horizon):
        total -= sum(float(m) ** 2 for m in stock if m < 0)
        following = stock.copy()
        for i in range(n):
            receivers = sorted(j for j in range(n) if j != i and env.couplings.state[j, i])
            receivers = [i, *receivers] if options["share"] == "keep" else receivers
            for k, j in enumerate(receivers):
                if stock[i] > 0:
                    following[i] -= shares[t][i][k] * stock[i]
                    following[j] += shares[t][i][k] * stock[i]
            omega = np.broadcast_to(options["frequency"], n)[i]
            following[i] += size[i] * np.sin(omega * t + np.broadcast_to(options["phase"], n)[i])
        stock = following
    return total


@pytest.mark.parametrize("share", ["keep", "send"])
def test_warehouse_episodes_against_plain_loops(share):
    env = make(
        "warehouse-9",
        supply=[2, 1, -1, -2, 1, -1, -1, 1, -2],
        frequency=1.3,
        phase=[0.1] * 9,
        share=share,
    )
    step, reward = jax.jit(env.step), jax.jit(env.reward)
    random = np.random.default_rng(0)
    state, total, shares = env.reset(KEY), 0.0, []
    for t in range(env.horizon):
        actions = random_actions(env, random)
        shares.append(np.asarray(actions, float))
        total += float(reward(state, actions, t).sum())
        state = step(state, actions, t, KEY)
    assert total == pytest.approx(plain_warehouse_episode(env, shares), rel=1e-4)


def test_building_episode_against_plain_loops():
    resistance = np.array([1.0, 2.0, 1.5, 0.5, 1.0])
    env = make(
        "thermal-5",
        noise_variance=0.0,
        outside_resistance=resistance,
        capacitance=[100, 200, 300, 200, 250],
        horizon=9,
    )
    step, reward = jax.jit(env.step), jax.jit(env.reward)
    random = np.random.default_rng(0)
    state = env.reset(KEY)
    x, total, expected = np.asarray(state, float)[:, 0], 0.0, 0.0
    for t in range(env.horizon):
        actions = random_actions(env, random)
        u = np.asarray(actions, float)[:, 0]
        total += float(reward(state, actions, t).sum())
        state = step(state, actions, t, KEY)
        expected -= float(((x - 22) ** 2).sum() + 0.01 * (u**2).sum())
        following = x.copy()
        for i, capacity in enumerate(env.options["capacitance"]):
            power = (30 - x[i]) / resistance[i] + u[i] + 1.0
            power += sum(x[j] - x[i] for j in (i - 2, i + 2) if 0 <= j < 5)
            following[i] += 60 / capacity * power
        x = following
    assert total == pytest.approx(expected, rel=1e-4)


def test_shared_comfort_and_zones_without_a_cooler_by_hand():
    """Zone 1 of three in a row cools; comfort is the mean over a zone and its neighbours."""
    row = [["zone-1", "zone-2"], ["zone-2", "zone-3"]]
    env = make(
        "thermal-3",
        graph=row,
        coolers="every-3",
        limit_kw=30,
        reward="neighbours",
        noise_variance=0.0,
    )
    state, power = jnp.array([[30.0], [25.0], [21.0]]), jnp.array([[-20.0], [5.0], [5.0]])
    paid = [-(64 + 9) / 2 - 0.01 * 400, -(64 + 9 + 1) / 3, -(9 + 1) / 2]
    assert np.asarray(env.reward(state, power, 0)) == pytest.approx(paid, rel=1e-6)
    alone = make("thermal-3", graph=row, noise_variance=0.0)
    same = alone.step(state, power.at[1:].set(0.0), 0, KEY)
    assert np.array_equal(env.step(state, power, 0, KEY), same), "what is no action does nothing"


@pytest.mark.parametrize("actuators", ["all", "every-2"])
def test_linear_episode_against_one_matrix(actuators):
    given = {
        "state_size": [1, 2, 3, 1, 2],
        "reward": "neighbours",
        "graph": [[0, 1], [1, 2], [4, 2]],
    }
    env = make("lq-5", **given, noise=0.0, actuators=actuators)
    problem = problem_of(env)
    real = np.arange(3) < env.state_sizes[:, None]
    random = np.random.default_rng(0)
    state, actions = random_state(env, random), random_actions(env, random)
    x, u = np.asarray(state, float)[real], np.asarray(actions, float)[env.action_sizes > 0, 0]
    after = np.asarray(env.step(state, actions, 0, KEY), float)[real]
    assert after == pytest.approx(
        problem.state_matrix @ x + problem.input_matrix @ u, rel=1e-5, abs=1e-6
    )
    rewards = -problem.state_weights @ x**2 - problem.action_weights @ u**2
    assert np.asarray(env.reward(state, actions, 0)) == pytest.approx(rewards, rel=1e-5)
