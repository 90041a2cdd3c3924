"""Reference figures: attained by witnesses, never passed, found again by other means."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from envs.examples import figures_of, simple_actions
from mastac.envs import ENVIRONMENTS, Reference, make, references, rollout_return, stored_figures
from mastac.envs.doors.family import as_building
from mastac.envs.graphs import couplings_of
from mastac.envs.registry import checked_options
from mastac.envs.thermal.bound import saturated_bound
from mastac.envs.thermal.policies import SampledBuilding, best_constants, best_saturated_policy
from mastac.envs.thermal.references import thermal_figures, thermal_problem
from mastac.envs.warehouse.plan import simulate, warehouse_problem
from mastac.envs.warehouse.references import best_plan, uniform_shares
from mastac.structure import CouplingSequence, steady

STORED = list(references.wanted().values())
NAMES = [
    f"{id}-{'-'.join(map(str, given.values()))}"
    for family in ENVIRONMENTS.values()
    for id, given in family.stored
]


def shares_as_actions(env, shares):
    """A plan's shares along edges (by receiver, then sender) as rows of actions."""
    graph = env.couplings.state.tocoo()
    off = graph.row != graph.col
    targets, sources = graph.row[off], graph.col[off]
    keep = env.options["share"] == "keep"
    rows = np.zeros((len(shares), env.num_agents, int(env.action_sizes.max())))
    for i in range(env.num_agents):
        edges = np.flatnonzero(sources == i)
        edges = edges[np.argsort(targets[edges])]
        rows[:, i, keep : keep + len(edges)] = shares[:, edges]
        if keep:
            rows[:, i, 0] = 1 - shares[:, edges].sum(1)
    return rows


def test_the_file_holds_what_families_ask_for():
    assert set(stored_figures.stored()) == set(references.wanted())
    assert len(STORED) == len(NAMES) == len(stored_figures.stored())


def test_nothing_missing_leaves_the_file_as_it_is(tmp_path, monkeypatch):
    """A rewrite without new figures gives the same bytes, in the same order."""
    file = tmp_path / "references.json"
    monkeypatch.setattr(references, "FILE", file)
    monkeypatch.setattr("sys.argv", ["references", "missing"])
    references.main()
    assert file.read_bytes() == stored_figures.FILE.read_bytes()


@pytest.mark.parametrize(("id", "options"), STORED, ids=NAMES)
def test_a_stored_witness_attains_the_stored_figure(id, options):
    """The stored and the simple policy, run in the environment itself, earn what is stored."""
    env = make(id, **options)
    figures = figures_of(env)
    record = next(
        record
        for record in stored_figures.stored().values()
        if record["id"] == id and record["options"] == options
    )
    witness = np.asarray(record["witness"])
    if id.startswith("warehouse"):
        last = np.asarray(simple_actions(env, env.reset(jax.random.key(0)), 0))[
            None
        ]  # its effect is never rewarded
        plan = jnp.asarray(np.concatenate([shares_as_actions(env, witness), last]))
        policies = {
            "best_known": lambda obs, s, t: plan[t],
            "simple": lambda obs, s, t: simple_actions(env, s, t),
        }
        episodes = 1
    else:
        acting = env.action_sizes > 0
        rows, columns = np.nonzero(steady(env.couplings).observation.toarray() * acting[:, None])
        gain, constant, target = (
            np.zeros((env.num_agents, env.num_agents)),
            np.zeros(env.num_agents),
            22.0,
        )
        gain[rows, columns] = witness[: len(rows)]
        constant[acting] = witness[len(rows) :]

        def saturated(obs, state, time):
            return options["limit_kw"] * jnp.tanh(gain @ (state[:, 0] - target) + constant)[:, None]

        policies = {"best_known": saturated, "simple": lambda obs, s, t: simple_actions(env, s, t)}
        episodes = 400
    for name, policy in policies.items():
        earned = jax.jit(
            jax.vmap(lambda key, policy=policy: env.reported(rollout_return(env, policy, key)))
        )
        returns = np.asarray(earned(jax.random.split(jax.random.key(0), episodes)), float)
        slack = (
            2e-4 * max(1.0, abs(returns.mean()))
            if episodes == 1
            else 4 * returns.std() / np.sqrt(episodes)
        )
        assert returns.mean() == pytest.approx(getattr(figures, name), abs=slack)


@pytest.mark.parametrize(("id", "options"), STORED, ids=NAMES)
def test_stored_figures_are_in_order(id, options):
    figures = figures_of(make(id, **options))
    assert figures.bound is not None
    assert figures.simple < figures.best_known <= figures.bound + 1e-9
    assert figures.score(figures.simple) == 0 and figures.score(figures.best_known) == 1
    # The best plans are optimal to a thousandth, the saturated feedback to a fiftieth of what it
    # gains.
    slack = 1e-3 if id.startswith("warehouse") else 0.15
    assert figures.bound - figures.best_known < slack * max(
        1.0, figures.best_known - figures.simple
    )


def test_the_simple_policy_and_score_where_nothing_can_be_gained():
    figures = figures_of(make("warehouse-6", supply=[1.0] * 6))
    assert (figures.simple, figures.best_known, figures.bound) == (0, 0, 0)
    assert math.isnan(figures.score(0.0))
    assert Reference(-2.0, -1.0).score(-1.5) == 0.5


def test_too_many_agents_have_no_figures():
    assert make("warehouse-401").reference() is None


def plan_problem(**options):
    options = checked_options("warehouse-3", options)
    return warehouse_problem(steady(couplings_of("warehouse-3", options)), options)


@pytest.mark.parametrize("share", ["keep", "send"])
def test_the_best_plan_against_exhaustive_search(share):
    """Three warehouses, two steps that matter: no plan on a grid of shares beats the optimum."""
    problem = plan_problem(
        graph=[[0, 1], [0, 2], [1, 0], [2, 0]],
        supply=[2.0, -3.0, -4.0],
        share=share,
        horizon=4,
        initial_stock=[1, 1, -0.5],
    )
    _, value, bound = best_plan(problem)
    assert value <= bound + 1e-9 and bound - value < 1e-4 * abs(bound)
    grid = np.linspace(0, 1, 6)
    # Edges by receiver: 1 -> 0, 2 -> 0, 0 -> 1, 0 -> 2.
    hub = [
        (a, b)
        for a in grid
        for b in grid
        if (a + b <= 1 + 1e-9 if share == "keep" else abs(a + b - 1) < 1e-9)
    ]
    back = [(a, b) for a in grid for b in grid] if share == "keep" else [(1.0, 1.0)]
    steps = [
        np.array([*ends, *out]) for ends in back[:: 7 if share == "keep" else 1] for out in hub
    ]
    tried = [
        simulate(problem, np.array([one, other, other]))[0]
        for one, other in itertools.product(steps, steps)
    ]
    assert max(tried) <= value + 1e-6
    assert max(tried) > value - 0.5  # the grid comes near, so the comparison means something


def test_no_plan_passes_the_bound():
    random = np.random.default_rng(0)
    problem = plan_problem(supply=[1.5, -1.0, -2.0], initial_stock=[1, 0, 1])
    _, value, bound = best_plan(problem)
    for _ in range(200):
        shares = random.dirichlet(np.full(3, 0.3), (problem.horizon - 1, 3))[..., :2]
        flat = np.empty((problem.horizon - 1, 6))
        for i in range(3):
            flat[:, problem.source == i] = shares[:, i]
        assert simulate(problem, flat)[0] <= value + 1e-6 <= bound + 2e-6
    assert simulate(problem, uniform_shares(problem))[0] < value


def test_noisy_warehouses():
    env = make("warehouse-9", noise=0.2)
    figures = figures_of(env)
    uniform = jax.jit(
        jax.vmap(
            lambda key: env.reported(
                rollout_return(env, lambda o, s, t: simple_actions(env, s, t), key)
            )
        )
    )
    returns = np.asarray(uniform(jax.random.split(jax.random.key(1), 4000)))
    assert figures.simple == pytest.approx(returns.mean(), abs=0.4) and figures.bound is None
    assert figures.best_known > figures.simple


@pytest.fixture(scope="module")
def building():
    given = {
        "limit_kw": [4.0, 10.0, 15.0],
        "graph": [[0, 1], [1, 2]],
        "capacitance": [150, 200, 300],
        "horizon": 12,
    }
    options = checked_options("thermal-3", given)
    couplings = couplings_of("thermal-3", options)
    return couplings, options, thermal_problem(couplings, options), np.asarray(options["limit_kw"])


def test_the_building_of_the_figures_is_the_simulated_one(building):
    _, options, problem, _ = building
    env = make("thermal-3", **{**options, "noise_variance": 0.0})
    state, power = jnp.array([[30.0], [25.0], [21.0]]), jnp.array([[-4.0], [3.0], [-9.0]])
    after = np.asarray(env.step(state, power, 0, jax.random.key(0)))[:, 0]
    expected = (
        problem.state_matrix @ [30.0, 25.0, 21.0]
        + problem.input_matrix @ [-4.0, 3.0, -9.0]
        + problem.offset
    )
    assert after == pytest.approx(expected, rel=1e-6)
    paid = -problem.state_weights @ (
        np.array([30.0, 25, 21]) - 22
    ) ** 2 - problem.action_weights @ [16.0, 9.0, 81.0]
    assert np.asarray(env.reward(state, power, 0)) == pytest.approx(paid, rel=1e-6)


def test_no_constant_power_beats_the_best(building):
    couplings, options, problem, limit = building
    figures, _ = thermal_figures(couplings, options)
    best = best_constants(problem, limit)
    assert (np.abs(best) <= limit + 1e-12).all() and best[0] == pytest.approx(-4.0)

    def cost(u):
        x, total = np.full(3, 30.0), 0.0
        for _ in range(12):
            total += ((x - 22) ** 2).sum() + 0.01 * (u**2).sum()
            x = problem.state_matrix @ x + problem.input_matrix @ u + problem.offset
        return total

    random = np.random.default_rng(0)
    for _ in range(200):
        assert cost(best) <= cost(np.clip(best + random.normal(0, 1, 3), -limit, limit)) + 1e-9
    assert figures["simple"] < figures["best_known"] < figures["bound"]
    assert figures["bound"] <= figures["policies"]["full information without limits"] + 1e-9


def test_gradient_of_the_sampled_return(building):
    _, _, problem, limit = building
    sampled = SampledBuilding(problem, limit, 8, seed=0)
    entries = np.random.default_rng(1).normal(0, 0.3, len(sampled.entries[0]) + 3)
    _, gradient = sampled.loss(entries)
    for k in range(len(entries)):
        ahead, behind = entries.copy(), entries.copy()
        ahead[k] += 1e-5
        behind[k] -= 1e-5
        slope = (sampled.loss(ahead)[0] - sampled.loss(behind)[0]) / 2e-5
        assert gradient[k] == pytest.approx(slope, rel=1e-6, abs=1e-7)


def test_no_limited_policy_passes_the_bound(building):
    """Feedback of the whole building, clipped to the limits, stays below the relaxed optimum."""
    _, _, problem, limit = building
    bound = saturated_bound(problem, limit)
    random = np.random.default_rng(0)
    noise = random.standard_normal((12, 4000, 3)) * np.sqrt(problem.noise_variance)
    first = 30 + random.standard_normal((4000, 3)) * np.sqrt(problem.start_variance)
    for trial in range(40):
        gain = np.diag(random.uniform(-3, 0, 3)) + random.normal(0, 0.2, (3, 3)) * (trial > 20)
        constant = random.uniform(-9, 0, 3)
        x, total = first, np.zeros(4000)
        for w in noise:
            u = np.clip((x - 22) @ gain.T + constant, -limit, limit)
            total = total - ((x - 22) ** 2).sum(1) - 0.01 * (u**2).sum(1)
            x = x @ problem.state_matrix.T + u @ problem.input_matrix.T + problem.offset + w
        assert total.mean() <= bound
    saturated = (
        SampledBuilding(problem, limit, 4000, 3)
        .returns(best_saturated_policy(problem, limit))
        .sum(1)
    )
    assert bound - 0.05 * abs(bound) < saturated.mean() <= bound


@pytest.fixture(scope="module")
def rooms():
    options = checked_options(
        "doors-4", {"turn": 2, "horizon": 7, "strong_kw": 12.0, "weak_kw": 4.0}
    )
    couplings = couplings_of("doors-4", options)
    values = as_building(4, options)
    return couplings, options, thermal_problem(couplings, values), np.array([12.0, 4.0, 12.0, 4.0])


def test_the_rooms_of_the_figures_are_the_simulated_ones(rooms):
    _, options, problem, _ = rooms
    env = make("doors-4", **{**options, "noise_variance": 0.0})
    state, power = np.array([30.0, 25.0, 21.0, 19.0]), np.array([-4.0, 3.0, -9.0, 1.0])
    for time in range(7):
        after = env.step(
            jnp.asarray(state)[:, None], jnp.asarray(power)[:, None], time, jax.random.key(0)
        )
        expected = problem.schedule[time] @ state + problem.input_matrix @ power + problem.offset
        assert np.asarray(after)[:, 0] == pytest.approx(expected, rel=1e-6)
    assert (problem.schedule[0] != problem.schedule[2]).any()
    assert (problem.schedule[0] == problem.schedule[4]).all()


def test_the_figures_of_the_rooms_are_attained(rooms):
    """The simple and the best known policy return in the environment what the figures say."""
    couplings, options, problem, limit = rooms
    figures, witness = thermal_figures(couplings, as_building(4, options))
    env = make("doors-4", **options)
    entries, constants = witness[:-4], witness[-4:]
    gains = np.zeros((4, 4))
    gains[np.nonzero(problem.gain_mask)] = entries
    seen = jnp.asarray(gains * problem.gain_schedule)

    def best(obs, state, time):
        return (limit * jnp.tanh(seen[time] @ (state[:, 0] - 22.0) + constants))[:, None]

    @jax.jit
    def mean(keys):
        simple = jax.vmap(
            lambda key: rollout_return(env, lambda o, s, t: simple_actions(env, s, t), key)
        )(keys)
        return simple.mean(1), jax.vmap(lambda key: rollout_return(env, best, key))(keys).mean(1)

    for returns, name in zip(
        mean(jax.random.split(jax.random.key(5), 4000)), ("simple", "best_known"), strict=True
    ):
        assert figures[name] == pytest.approx(
            float(returns.mean()), abs=4 * float(returns.std()) / 4000**0.5
        )
    assert figures["simple"] < figures["best_known"] < figures["bound"]


def test_gradient_of_the_sampled_return_where_doors_take_turns(rooms):
    _, _, problem, limit = rooms
    sampled = SampledBuilding(problem, limit, 8, seed=0)
    entries = np.random.default_rng(1).normal(0, 0.3, len(sampled.entries[0]) + 4)
    slopes = scipy.optimize.approx_fprime(entries, lambda x: sampled.loss(x)[0], 1e-7)
    assert sampled.loss(entries)[1] == pytest.approx(slopes, rel=1e-4, abs=1e-5)


def test_doors_that_never_change_are_walls(building):
    couplings, options, problem, limit = building
    same = thermal_problem(CouplingSequence([couplings] * options["horizon"]), options)
    assert same.schedule is not None
    entries = np.random.default_rng(1).normal(0, 0.3, int(problem.gain_mask.sum()) + 3)
    alike = [SampledBuilding(each, limit, 16, seed=0).returns(entries) for each in (problem, same)]
    assert np.array_equal(alike[0], alike[1])
    assert saturated_bound(same, limit) == pytest.approx(saturated_bound(problem, limit), rel=1e-9)
    assert best_constants(same, limit) == pytest.approx(best_constants(problem, limit))
