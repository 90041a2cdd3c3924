"""Ids and options: what is known, and how a mistake is answered."""

import json

import jax
import numpy as np
import pytest

from envs.examples import simple_actions
from mastac.envs import ENVIRONMENTS, make
from mastac.envs.registry import checked_options, entry_of
from mastac.errors import UserError
from mastac.structure import steady

MISTAKES = [
    ("warehouse-4o", {}, "did you mean 'warehouse-40'"),
    ("wharehouse-9", {}, "did you mean 'warehouse-9'"),
    ("thermal", {}, "did you mean 'thermal-40'"),
    ("lq-1", {}, "at least 2 agents"),
    ("warehouse-99999999", {}, "more than 1,000,000 agents"),
    ("warehouse-1" + "0" * 5000, {}, "more than 1,000,000 agents"),
    (7, {}, "unknown environment '7'"),
    ("thermal-40", {"limit_kv": 3}, "did you mean 'limit_kw'"),
    ("thermal-40", {"limit_kw": "ten"}, "limit_kw must be a number, got 'ten'"),
    ("thermal-40", {"limit_kw": 0}, "limit_kw must be above 0"),
    ("thermal-4", {"limit_kw": [1, 2, 3]}, "limit_kw has 3 entries for 4 agents"),
    ("thermal-4", {"limit_kw": [1, 2, 3, -1]}, r"limit_kw\[3\] must be above 0"),
    ("thermal-4", {"start_variance": -1}, "start_variance must be at least 0"),
    ("thermal-4", {"noise_variance": float("nan")}, "noise_variance must be a number"),
    ("thermal-4", {"horizon": 2.5}, "horizon must be a whole number"),
    ("thermal-4", {"graph": "chains"}, "did you mean 'two-chains'"),
    ("thermal-4", {"graph": [["zone-1", "zone-9"]]}, "zone-9"),
    ("thermal-4", {"graph": [[0, 1, 2]]}, "pairs"),
    ("thermal-4", {"wall_resistance": [["zone-1", "zone-3"]]}, "wall_resistance"),
    ("thermal-4", {"wall_resistance": [["zone-1", "zone-3", 1.0]]}, "zone-2"),
    (
        "thermal-3",
        {"wall_resistance": [["zone-1", "zone-3", 1.0], ["zone-1", "zone-2", 1.0]]},
        "not in the graph",
    ),
    ("warehouse-9", {"share": "sent"}, "did you mean 'send'"),
    ("warehouse-9", {"supply": "prime"}, "did you mean 'primes'"),
    ("warehouse-9", {"supply": "runs-0"}, "runs-5"),
    ("warehouse-9", {"supply": [1, 2]}, "supply has 2 entries for 9 agents"),
    ("warehouse-9", {"noise": True}, "noise must be a number, got True"),
    ("warehouse-9", {"reward": "global"}, "known: local, neighbours"),
    ("warehouse-3", {"graph": [[0, 1]], "share": "send"}, "warehouse-2.*nobody to send to"),
    ("computers-4", {"spread": 1.5}, "spread must be at least 0 and at most 1, got 1.5"),
    ("computers-4", {"failure": -0.1}, "failure must be at least 0"),
    ("computers-4", {"restart_cost": "dear"}, "restart_cost must be a number"),
    ("computers-4", {"graph": "circle"}, "known: ring, chain"),
    ("computers-4", {"infected_earning": 0.5}, "did you mean 'infected_earnings'"),
    ("lq-4", {"state_size": 0}, "state_size must be a whole number"),
    ("lq-4", {"state_size": [1, 1, 2.5, 1]}, "state_size"),
    ("warehouse-9", {"supply": "apart-0"}, "apart-2"),
    ("thermal-4", {"coolers": "every-1"}, "coolers must be all, or every-2"),
    ("thermal-4", {"coolers": 2}, "coolers must be all, or every-2"),
    ("thermal-4", {"reward": "mine"}, "known: local, neighbours"),
    ("thermal-4", {"weak_kw": -1}, "weak_kw must be at least 0"),
    ("lq-4", {"actuators": "every"}, "actuators must be all, or every-2"),
    ("lq-6", {"repeat": 4}, "repeat is 4, which does not divide 6 agents"),
    ("lq-12", {"repeat": 4, "actuators": "every-3"}, "repeat is 4, not a multiple of the 3"),
    ("lq-6", {"repeat": 3, "graph": [[0, 1]]}, "leave graph at a name"),
    ("lq-4", {"seed": -1}, "seed must be a whole number, from 0 to 4294967295"),
]


@pytest.mark.parametrize(
    ("id", "options", "said"), MISTAKES, ids=[f"{str(m[0])[:20]}-{m[2]}" for m in MISTAKES]
)
def test_a_mistake_is_named_in_one_sentence(id, options, said):
    with pytest.raises(UserError, match=said) as mistake:
        make(id, **options)
    assert "\n" not in str(mistake.value)


@pytest.mark.parametrize("entry", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_every_entry_can_be_shown_and_made(entry):
    assert entry_of(entry.example)[0] is entry
    assert entry.summary and "\n" not in entry.summary
    shown = {name: option.default for name, option in entry.options.items()}
    assert json.loads(json.dumps(shown)) == shown
    assert all(option.summary for option in entry.options.values())
    env = make(entry.example)
    assert env.options == checked_options(entry.example, {})
    assert env.num_agents == int(entry.example.rsplit("-", 1)[1])


def test_arrays_and_numbers_become_json():
    options = checked_options(
        "warehouse-4", {"supply": np.ones(4), "noise": np.float32(0.5), "horizon": 8.0}
    )
    assert json.loads(json.dumps(options)) == options
    assert options["supply"] == [1.0, 1.0, 1.0, 1.0] and options["horizon"] == 8
    given = {"seed": np.int32(3), "state_size": np.array([1, 2]), "horizon": np.int64(4)}
    counts = checked_options("lq-2", given)
    assert json.loads(json.dumps(counts)) == counts
    assert (counts["seed"], counts["state_size"], counts["horizon"]) == (3, [1, 2], 4)


def supply_at_one(env):
    key = jax.random.key(0)
    state = env.reset(key)
    return np.asarray(env.step(state, simple_actions(env, state), 0, key))[:, 1]


def test_the_nine_warehouses():
    env = make("warehouse-9")
    assert env.obs_sizes.tolist() == [3, 3, 5, 3, 3, 3, 4, 3, 3]
    assert env.agents[0] == "warehouse-1"
    fed = steady(env.couplings).state.toarray()
    assert fed[env.couplings.index("warehouse-2"), env.couplings.index("warehouse-1")]
    assert not fed[env.couplings.index("warehouse-2"), env.couplings.index("warehouse-3")]
    assert (np.flatnonzero(supply_at_one(env) > 0) + 1).tolist() == [2, 3, 5, 7]


def test_supplies_by_name():
    def signs(**options):
        return np.sign(supply_at_one(make("warehouse-12", **options))).astype(int).tolist()

    assert signs() == [1] * 6 + [-1] * 6
    assert signs(supply="primes") == [-1, 1, 1, -1, 1, -1, 1, -1, -1, -1, 1, -1]
    assert signs(supply="runs-5") == [1] * 5 + [-1] * 5 + [1] * 2
    assert signs(supply="apart-2") == [1, 0, -1, 0] * 3
    assert signs(supply="apart-4") == [1, 0, 0, 0, -1, 0, 0, 0, 1, 0, 0, 0]


def test_who_has_an_actuator():
    """Counted along each chain, zones of the same number in turns; round the ring one by one."""
    building, weak = (
        make("thermal-9", coolers="every-2"),
        make("thermal-9", coolers="every-2", weak_kw=1.5),
    )
    assert building.action_sizes.tolist() == [1, 1, 0, 0, 1, 1, 0, 0, 1]
    assert weak.action_sizes.tolist() == [1] * 9
    assert np.ravel(weak.action_limit).tolist() == [10, 10, 1.5, 1.5, 10, 10, 1.5, 1.5, 10]
    assert make("lq-6", actuators="every-3").action_sizes.tolist() == [1, 0, 0, 1, 0, 0]


def test_a_building_is_two_chains():
    walls = steady(make("thermal-40").couplings)
    expected = {(i, j) for i in range(40) for j in range(40) if abs(i - j) in (0, 2)}
    assert set(map(tuple, np.argwhere(walls.state.toarray()).tolist())) == expected
    assert walls.action.nnz == 40 and walls.agents[:2] == ("zone-1", "zone-2")
