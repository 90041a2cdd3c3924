"""True graphs of every family pass, every edge that is taken out is found; mistakes."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac.cli.main import main
from mastac.envs import make
from mastac.envs.base import Environment
from mastac.errors import UserError
from mastac.probing import check, probe
from mastac.probing.findings import compared
from mastac.structure import Couplings, CouplingSequence
from structure.witnesses import GRAPHS

EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("warehouse-9", {"reward": "neighbours"}),
    ("warehouse-40", {}),
    ("thermal-40", {}),
    ("doors-5", {"horizon": 12, "turn": 3}),
    ("computers-4", {}),
    (
        "lq-5",
        {
            "state_size": [1, 2, 3, 1, 2],
            "reward": "neighbours",
            "graph": [[0, 1], [1, 2], [4, 2], [3, 0]],
        },
    ),
]
PLANTED = 200


@pytest.fixture(scope="module")
def probed():
    """Each environment and what was seen of it; probed once, because compiling takes longest."""
    found = []
    for id, options in EXAMPLES:
        env = make(id, **options)
        changing = isinstance(env.couplings, CouplingSequence)
        points = 512 if env.action_head == "discrete" else 240 if changing else 64
        found.append((env, probe(env, points=points, by_time=changing)))
    return found


def test_true_graphs_raise_no_alarm(probed):
    for env, effects in probed:
        missing, superfluous = compared(effects, env.couplings)
        assert not missing and not superfluous, env.id
        assert effects.derivatives


def without(couplings: Couplings, graph: str, edge: tuple[str, str]) -> Couplings:
    """The couplings, every graph spelled out, less one edge."""
    edges = {
        each: [e for e in couplings.edges(each) if (each, e) != (graph, edge)] for each in GRAPHS
    }
    return Couplings(couplings.agents, **edges)


def planted(env: Environment, random: np.random.Generator):
    """Couplings with one edge taken out, at one time where they change; and which."""
    if isinstance(env.couplings, CouplingSequence):
        time = int(random.integers(len(env.couplings) - 1))
        entry = env.couplings[time]
    else:
        time, entry = None, env.couplings
    graphs = [graph for graph in GRAPHS if entry.edges(graph)]
    graph = graphs[random.integers(len(graphs))]
    edges = entry.edges(graph)
    edge = edges[random.integers(len(edges))]
    mutilated = without(entry, graph, edge)
    if isinstance(env.couplings, CouplingSequence):
        mutilated = CouplingSequence(
            mutilated if t == time else each for t, each in enumerate(env.couplings)
        )
    return mutilated, (graph, *edge), time


def test_every_planted_mistake_is_found(probed):
    random = np.random.default_rng(0)
    for number in range(PLANTED):
        env, effects = probed[number % len(probed)]
        mutilated, edge, time = planted(env, random)
        missing, superfluous = compared(effects, mutilated)
        (found,) = missing
        assert (found.graph, found.source, found.target) == edge and not superfluous
        assert found.seen > 0 < found.largest
        assert found.times == (None if time is None else (time,))


def test_every_added_edge_is_superfluous(probed):
    random = np.random.default_rng(1)
    for env, effects in probed:
        entry = env.couplings[0] if isinstance(env.couplings, CouplingSequence) else env.couplings
        for graph in GRAPHS:
            absent = np.argwhere(~getattr(entry, graph).toarray())
            target, source = absent[random.integers(len(absent))]
            added = {each: entry.edges(each) for each in GRAPHS}
            added[graph] = [*added[graph], (env.agents[source], env.agents[target])]
            more = Couplings(env.agents, **added)
            if isinstance(env.couplings, CouplingSequence):
                more = CouplingSequence([more, *env.couplings[1:]])
            missing, superfluous = compared(effects, more)
            assert not missing
            (found,) = superfluous
            assert (found.graph, found.source, found.target) == (
                graph,
                env.agents[source],
                env.agents[target],
            )


def toy(**changes: Any) -> Environment:
    """Three agents without couplings, to be changed."""
    one = np.ones(3, int)
    given: dict[str, Any] = {
        "id": "toy",
        "couplings": Couplings(["a", "b", "c"]),
        "horizon": 3,
        "reset": lambda key: jax.random.normal(key, (3, 1)),
        "step": lambda state, actions, time, key: 0.5 * state + actions,
        "reward": lambda state, actions, time: state[:, 0],
        "observe": lambda state: state,
        "state_sizes": one,
        "obs_sizes": one,
        "action_sizes": one,
        "action_head": "tanh",
    }
    return Environment(**(given | changes))


def edges_of(env: Environment) -> set[tuple[str, str, str]]:
    return {(each.graph, each.source, each.target) for each in check(env, points=64).missing}


def test_effects_without_a_derivative_and_at_a_single_time():
    """A comparison, rounding, a kink, and functions that look at the time."""

    def step(state, actions, time, key):
        heard = jnp.where((actions[0, 0] > 0.5) & (time == 2), 1.0, 0.0)
        return 0.5 * state + jnp.array([[0.0], [1.0], [0.0]]) * heard + actions

    def reward(state, actions, time):
        return jnp.array([0.0, jnp.maximum(-state[2, 0], 0.0), jnp.round(state[0, 0])])

    def observe(state, time):
        return state.at[0, 0].add(jnp.where(time == 1, state[1, 0], 0.0))

    found = edges_of(toy(step=step, reward=reward, observe=observe))
    assert found == {
        ("action", "a", "b"),
        ("reward", "c", "b"),
        ("reward", "a", "c"),
        ("observation", "b", "a"),
    }


def test_choices_are_switched():
    """One of three choices matters; what differs only between choices does not."""

    def step(state, actions, time, key):
        third, between = actions[1, 2], actions[0, 0] * (1 - actions[0, 0])
        return 0.5 * state + jnp.array([[0.0], [0.0], [1.0]]) * third + between

    def reward(state, actions, time):
        return (
            jnp.where(actions.argmax(1) == 1, 1.0, 0.0) + jnp.array([0.0, 0.0, 1.0]) * actions[0, 1]
        )

    env = toy(step=step, reward=reward, action_head="discrete", action_sizes=np.array([2, 3, 1]))
    assert edges_of(env) == {("action", "b", "c"), ("reward_action", "a", "c")}


def test_rounding_is_no_edge_and_a_weak_edge_is_one():
    def step(state, actions, time, key):
        noise = 0.1 * jax.random.normal(key, (3, 1))
        everyone = 10.0 * state.sum()
        weak = jnp.array([[0.0], [1e-4], [0.0]]) * state[2, 0]
        return (
            0.5 * state
            + (everyone - 10.0 * (state[0, 0] + state[1, 0] + state[2, 0]))
            + weak
            + actions
            + noise
        )

    assert edges_of(toy(step=step)) == {("state", "c", "b")}


def test_whole_numbers_and_functions_without_derivatives():
    @jax.custom_vjp
    def own_rule(x):
        return x[::-1]

    own_rule.defvjp(lambda x: (x[::-1], None), lambda _, g: (g[::-1],))
    env = toy(step=lambda state, actions, time, key: own_rule(state))
    found = check(env, points=16)
    assert not found.effects.derivatives and "derivatives" not in str(found)
    assert {(each.source, each.target) for each in found.missing} == {("a", "c"), ("c", "a")}

    def reset(key):
        return jax.random.randint(key, (3, 1), 0, 4)

    env = toy(reset=reset, step=lambda state, actions, time, key: (state + state[0, 0]) % 4)
    assert edges_of(env) == {("state", "a", "b"), ("state", "a", "c")}


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "numpy": (
        {"step": lambda s, a, t, k: np.asarray(s)},
        "cannot be traced by JAX (TracerArrayConversionError",
    ),
    "shape": (
        {"step": lambda s, a, t, k: s[:, 0]},
        "step of environment 'toy' gives an array of shape (3,)",
    ),
    "team": ({"reward": lambda s, a, t: s.sum()}, "expected (3,): one number for each agent"),
    "obs": ({"observe": lambda s: s[:, 0]}, "expected (3, entries): one row for each agent"),
    "pair": ({"step": lambda s, a, t, k: (s, s)}, "gives tuple, expected one array"),
    "not finite": ({"step": lambda s, a, t, k: s / 0.0}, "not finite by time"),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_mistakes_are_said_in_one_sentence(mistake):
    changes, words = BROKEN[mistake]
    with pytest.raises(UserError) as error:
        check(toy(**changes), points=8)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the user's own, with a module, and the path as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


MODULE = """
import numpy as np
import mastac

row = mastac.Couplings(["up", "mid", "low"], state=[("up", "mid"), ("mid", "low")], action=[])
flow = 0.2 * row.state.toarray()

def tanks(couplings=row):
    return mastac.Simulator(
        horizon=5,
        reset=lambda seed: np.random.default_rng(seed).random((3, 1)),
        step=lambda level, pump, time, seed: flow @ level + 0.5 * pump,
        reward=lambda level, pump, time: -((level - 1.0) ** 2)[:, 0],
        sample_actions=lambda random: random.uniform(-1, 1, (3, 1)),
        couplings=couplings,
        name="tanks",
    )

made = tanks()
less = lambda: (tanks(), mastac.Couplings(row.agents, state=[("up", "mid")], action=[]))
broken = lambda: 1 / 0
needs = lambda what: what
three = 3
"""


def test_the_command_line_finds_planted_mistakes(folder, capsys):
    """A named environment against a file; a module's simulator against its declared graphs."""
    edge = ("agent-1", "agent-2")
    true = make("lq-4").couplings
    assert isinstance(true, Couplings)
    without(true, "observation", edge).to_json(folder / "less.json")
    assert main(["check", "lq-4", "--couplings", "less.json", "--points", "16", "--json"]) == 1
    (missing,) = json.loads(capsys.readouterr().out)["missing"]
    assert (missing["graph"], missing["source"], missing["target"]) == ("observation", *edge)
    assert missing["seen"] == missing["points"] == 16
    (folder / "row_of_tanks.py").write_text(MODULE)
    assert main(["check", "row_of_tanks:tanks", "--points", "32"]) == 0
    assert main(["check", "row_of_tanks:made", "--points", "32"]) == 0
    assert "Nothing" not in capsys.readouterr().out
    assert main(["check", "row_of_tanks:less", "--points", "32", "--seed", "3"]) == 1
    answer = capsys.readouterr().out
    assert "mid -> low" in answer and "sets of 1 of 3 agents grow" in answer


MISTAKES = {
    "warehous-9": "did you mean 'warehouse-9'?",
    "warehouse-9 --env-set suply=primes": "did you mean 'supply'",
    "warehouse-9 --points 1": "points is 1",
    "warehouse-9 --seed x": "seed",
    "warehouse-9 --tolerance 2": "--tolerance '2' is no number from 0 up to 1",
    "warehouse-9 --couplings none.json": "no such file",
    "no_such_module:f": "no module 'no_such_module'",
    "tanks.py:f": "name the module, as in tanks:f",
    "odd_module:tank": "did you mean 'tanks'?",
    "odd_module:broken": "'odd_module:broken' raised ZeroDivisionError: division by zero",
    "odd_module:needs": "'odd_module:needs' needs a value for what",
    "odd_module:three": "'odd_module:three' gives int",
    "odd_module:": "write module:name",
    "odd_module:tanks --env-set a=1": "unknown option of 'odd_module:tanks' 'a'",
    "needs_more:f": "imports 'surely_not_installed', which is not installed",
    "no_python:f": "raised SyntaxError",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_on_the_command_line(mistake, folder, capsys):
    (folder / "odd_module.py").write_text(MODULE)
    (folder / "needs_more.py").write_text("import surely_not_installed")
    (folder / "no_python.py").write_text("def")
    assert main(["check", *mistake.split()]) == 2
    said = capsys.readouterr().err
    assert MISTAKES[mistake] in said and said.count("\n") == 1


def test_names_with_options_and_env_options(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "mastac.probing.checking.probe", lambda env, *_, **__: seen.append(env) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        mastac.check("lq-4", env_options={"seed": 5})
    assert seen[0].options["seed"] == 5
    with pytest.raises(UserError, match="env_options"):
        mastac.check(dataclasses.replace(seen[0]), env_options={"seed": 5})
