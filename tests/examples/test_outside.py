"""Simulators of other packages keep PettingZoo's protocol, and their graphs are true.

Each is tested where its package is installed.
"""

import csv
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import mastac
from mastac.errors import UserError
from mastac.examples.outside import OUTSIDE
from mastac.examples.outside.team import Baseline, outside, returns

ROOT = Path(__file__).parents[2]
PACKAGES = {"rddl": "rddlrepository", "sumo": "libsumo", "water": "wntr", "mpe": "mpe2"}
# What other packages warn of when they are imported, or of numbers that they round.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:pyRDDLGym"),
]


def module_of(name):
    """The module of an example; skips the test where its simulator is not installed."""
    if find_spec(PACKAGES[OUTSIDE[name]]) is None:
        pytest.skip(f"the extra '{OUTSIDE[name]}' is not installed")
    return import_module(f"mastac.examples.outside.{name}")


@pytest.fixture(scope="module", params=OUTSIDE)
def team(request):
    """One simulator of each example, for episodes of six steps."""
    made = module_of(request.param).env()
    made.max_cycles = 6
    yield made
    made.close()


def test_keeps_the_protocol(team):
    from pettingzoo.test import parallel_api_test  # warns of its own insides when imported

    assert team.possible_agents == list(team.couplings.agents)
    parallel_api_test(team, num_cycles=6)


def rollout(team, seed, changed=None):
    """Local states and rewards of an episode; one agent may begin otherwise than the others."""
    team.reset(seed=seed)
    for number, space in enumerate(team.action_spaces.values()):
        space.seed(seed + number)
    states, rewards = [], []
    while team.agents:
        actions = {agent: team.action_space(agent).sample() for agent in team.agents}
        if changed is not None and team.time == 0:
            actions[changed] = other_action(team.action_space(changed), actions[changed])
        observations, paid, *_ = team.step(actions)
        assert all(team.observation_space(a).contains(seen) for a, seen in observations.items())
        states.append([team.local_state(agent) for agent in team.possible_agents])
        rewards.append(list(paid.values()))
    return states, np.array(rewards)


def other_action(space, action):
    if hasattr(space, "n"):
        return (int(action) + 1) % int(space.n)
    return np.where(action > (space.low + space.high) / 2, space.low, space.high)


def moved(rows, others):
    """Which agents' numbers differ, by more than a solver's last digits."""
    pairs = zip(rows, others, strict=True)
    return {row for row, (one, other) in enumerate(pairs) if not np.allclose(one, other)}


def test_an_episode_is_its_seed_and_its_actions(team):
    first, again, other = rollout(team, 3), rollout(team, 3), rollout(team, 4)
    assert all(moved(*pair) == set() for pair in zip(first[0], again[0], strict=True))
    np.testing.assert_array_equal(first[1], again[1])
    assert moved(first[0][-1], other[0][-1]) != set()


def test_what_an_action_changes_is_in_the_graphs(team):
    if type(team).__name__ == "Signals":
        pytest.skip("all vehicles of SUMO draw from one source of chance")
    reached, (states, rewards) = 0, rollout(team, 5)
    for agent in team.possible_agents:
        if getattr(team.action_space(agent), "n", 2) == 1:
            continue  # nothing else can be done
        others, paid = rollout(team, 5, changed=agent)
        column = team.couplings.index(agent)
        state, reward = (
            set(np.flatnonzero(graph.toarray()[:, column]))
            for graph in (team.couplings.action, team.couplings.reward_action)
        )
        assert moved(states[0], others[0]) <= state
        assert moved(rewards[0], paid[0]) <= reward
        reached += len(moved(states[0], others[0]) | moved(rewards[0], paid[0])) > 1
    # Heat and particles reach others by their states, a step later.
    assert reached or not team.couplings.edges("action") or type(team).__name__ == "Spread"


@pytest.mark.parametrize("name", ["reservoirs", "hvac"])
def test_rewards_of_agents_sum_to_that_of_the_domain(name):
    team = module_of(name).env()
    team.reset(seed=1)
    while team.agents:
        actions = {agent: team.action_space(agent).sample() for agent in team.agents}
        rewards = team.step(actions)[1]
        assert sum(rewards.values()) == pytest.approx(team.team_reward, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "better", "worse"),
    [
        ("reservoirs", "release above the middle", "release nothing"),
        ("hvac", "thermostat", "no heating"),
        ("pumps", "the file's level controls", "all off"),
        ("signals", "max-pressure", "fixed cycle"),
        ("spread", "shortest assignment", "rest"),
    ],
)
def test_a_rule_is_better_than_none(name, better, worse):
    baselines = module_of(name).BASELINES
    assert returns(baselines[better], [0])[0] > returns(baselines[worse], [0])[0]


def test_the_controls_of_the_file_switch_the_pumps():
    pumps = module_of("pumps")
    own = pumps.controlled
    assert returns(Baseline(own, pumps.on), [2]) == returns(Baseline(own, pumps.off), [2])
    team = own()
    assert len(team.tanks) == len(team.pumps) == 13
    team.close()


def test_libsumo_holds_one_simulation_a_process():
    signals = module_of("signals")
    assert mastac.from_pettingzoo(signals.env).one_per_process
    first, second = signals.Signals(horizon=2), signals.Signals(horizon=2)
    first.reset(seed=0)
    second.reset(seed=0)
    with pytest.raises(RuntimeError, match="reset this one again"):
        first.step(signals.fixed(first))
    second.close()


@pytest.mark.parametrize("name", ["reservoirs", "hvac"])
def test_compiled_domains_are_the_simulated_ones(name):
    if find_spec("pyRDDLGym_jax") is None:
        pytest.skip("the extra 'rddl-jax' is not installed")
    import jax

    env = getattr(import_module("mastac.examples.outside.compiled"), name)()
    team, state = module_of(name).env(), env.reset(jax.random.key(0))
    samples = 200
    step = jax.vmap(lambda key: env.step(state, np.zeros_like(state), 0, key))
    after = step(jax.random.split(jax.random.key(1), samples))
    half = dict(zip(team.possible_agents, ((team.low + team.high) / 2)[:, None], strict=True))
    simulated, seen = [], {}
    for seed in range(samples):
        seen, _ = team.reset(seed=seed)
        rewards = team.step(half)[1]
        simulated.append(np.concatenate([team.values, list(rewards.values())]))
    compiled = np.concatenate([after.state[:, :, 0], after.rewards], axis=1)
    error = np.sqrt((np.var(simulated, axis=0) + np.var(compiled, axis=0)) / samples)
    assert (abs(np.mean(simulated, 0) - np.mean(compiled, 0)) <= 5 * error + 1e-4).all()
    for agent, row, size in zip(
        team.possible_agents, env.observe(state), env.obs_sizes, strict=True
    ):
        np.testing.assert_array_equal(row[:size], seen[agent])


def test_a_package_that_is_not_there_is_named_with_its_extra():
    with pytest.raises(UserError, match=r"'no_such_package'; pip install 'mastac\[water\]'"):
        outside("no_such_package", "water")


def test_the_document_shows_the_measured_figures():
    with (ROOT / "benchmarks" / "results" / "outside.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    text = (ROOT / "docs" / "outside.md").read_text(encoding="utf-8")
    assert len(rows) >= 18
    for row in rows:
        trained = f"{int(row['trained_steps']):,}" if row["trained_steps"] != "0" else ""
        mean, deviation = float(row["return"]), float(row["deviation"])
        places, fewer = 2 * (abs(mean) < 1000), int(deviation < 10)
        shown = f"{mean:,.{places}f} ± {deviation:,.{fewer}f}"
        assert f"| `{row['simulator']}` | {row['policy']} | {trained} | {shown} |" in text
