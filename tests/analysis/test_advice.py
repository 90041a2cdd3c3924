"""The graph summary against sets by brute force, and advice where the answer is known."""

import json

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mastac.algorithms import ALGORITHMS
from mastac.analysis import format_report, graph_report
from mastac.analysis.advice import METHODS, NEARLY_SEPARABLE, advice
from mastac.analysis.advice_text import MODEL
from mastac.analysis.graph_summary import NAMED, graph_summary
from mastac.envs.graphs import structure_of
from mastac.structure import Couplings, CouplingSequence, complete, ring, star, steady, uncoupled
from structure.witnesses import ancestor_sets, systems


def named(couplings: Couplings, marked: np.ndarray) -> dict:
    names = [name for name, is_marked in zip(couplings.agents, marked, strict=True) if is_marked]
    return {"number": len(names), "agents": names[:NAMED], "more": max(0, len(names) - NAMED)}


@given(systems(6), st.booleans())
@settings(max_examples=80)
def test_the_summary_is_that_of_the_sets(couplings, given_sizes):
    size = couplings.num_agents
    sets = ancestor_sets(couplings, 0, size)  # no path is longer
    apart = sets & ~np.eye(size, dtype=bool)
    found = graph_summary(couplings, sets.sum(1) if given_sizes else None)
    assert found["separable"] == (not apart.any())
    assert found["unmoved"] == named(couplings, apart.sum(1) == 0)
    assert found["moves_nobody"] == named(couplings, apart.sum(0) == 0)
    assert found["alone"] == named(couplings, apart.sum(0) + apart.sum(1) == 0)
    groups = list(nx.connected_components(nx.from_numpy_array(apart | apart.T)))
    assert found["groups"]["number"] == len(groups)
    smallest, largest = min(map(len, groups)), max(map(len, groups))
    assert (found["groups"]["smallest"], found["groups"]["largest"]) == (smallest, largest)
    members = found["groups"]["agents"]
    home = next(group for group in groups if couplings.index(members[0]) in group)
    assert {couplings.index(name) for name in members} <= home
    assert len(home) == smallest == len(members) + found["groups"]["more"]
    assert found["mean_set"] == pytest.approx(sets.sum() / size)
    assert found["density"] == pytest.approx(apart.sum() / max(1, size * (size - 1)))
    seen = couplings.observation.toarray()
    assert found["sees_all"] == ((sets <= seen).all(1).sum() if given_sizes else None)


@given(systems(5))
@settings(max_examples=60)
def test_what_is_separable_but_for_sight(couplings):
    blind = couplings.with_graphs(observation=uncoupled(couplings.num_agents).observation)
    assert graph_summary(couplings)["separable_but_for_sight"] == graph_summary(blind)["separable"]
    acts = [
        couplings.action.toarray()[:, j].sum() + couplings.reward_action.toarray()[:, j].sum() > 2
        for j in range(couplings.num_agents)
    ]
    assert graph_summary(couplings)["direct"] == named(couplings, np.array(acts))


@given(systems(5))
@settings(max_examples=60)
def test_what_local_models_read(couplings):
    kinds = (("state", "action"), ("reward", "reward_action"))
    read = np.array(
        [
            [
                len(set().union(*(np.flatnonzero(graph.toarray()[i]) for graph in graphs)))
                for i in range(couplings.num_agents)
            ]
            for graphs in ([getattr(couplings, name) for name in kind] for kind in kinds)
        ]
    )
    found = graph_summary(couplings)["local_models"]
    assert (found["largest"], found["mean"]) == (read.max(), pytest.approx(read.mean()))
    # Of so few agents, nearly all are all.
    assert found["wide"] == named(couplings, read.max(0) == couplings.num_agents)


def test_few_steps_and_a_hub():
    sides = of(ring(40))
    assert sides["alternatives"][-1] == {
        "method": "mastac-model",
        "when": "with at most a few thousand environment steps; each local model reads at most 3 "
        "of 40 agents, 2 on average",
    }
    assert not any("mastac-model" in line for line in sides["warnings"])
    hub = "With mastac-model, a model of the next state or reward of agent-0 reads nearly all"
    assert of(star(30))["warnings"][0].startswith(hub)
    # A hub among the rewards alone.
    paid = Couplings(30, reward=[(i, 0) for i in range(1, 30)])
    assert any(line.startswith(hub) for line in of(paid)["warnings"])
    assert "reward of every agent reads" in of(complete(30))["warnings"][0]
    # All of a few agents are few.
    assert not any("mastac-model" in line for line in of(star(9))["warnings"])
    assert methods(of(uncoupled(5)))[-1] == "mastac-model"


def of(couplings: Couplings, **arguments) -> dict:
    report = graph_report(couplings)
    return advice(report["advice"]["graph_summary"], report["windows"], **arguments)


def methods(advised: dict) -> list[str]:
    return [each["method"] for each in advised["alternatives"]]


def of_environment(id: str, **options) -> dict:
    couplings = structure_of(id, options).couplings
    if isinstance(couplings, CouplingSequence):
        return of(couplings.union(), train=id, steps=len(couplings))
    return of(couplings, train=id, discrete=id.startswith("computers"))


@pytest.mark.parametrize(
    ("id", "options", "rule", "command"),
    [
        ("warehouse-9", {}, "few", "--algorithm mastac --kappa exact"),
        ("warehouse-40", {}, "window", "--algorithm mastac --kappa 2"),
        ("thermal-40", {}, "window", "--algorithm mastac --kappa 2"),
        ("thermal-40", {"graph": []}, "separable", "--algorithm independent"),
        ("lq-8", {}, "few", "--algorithm mastac --kappa exact"),
        ("doors-12", {}, "window", "--algorithm mastac --kappa 2"),
        ("computers-4", {}, "few", "--algorithm mastac-ppo --kappa exact"),
        ("computers-40", {"graph": []}, "separable", "--algorithm ippo"),
    ],
)
def test_the_examples(id, options, rule, command):
    found = of_environment(id, **options)
    assert (found["rule"], found["command"]) == (rule, f"mastac train {id} {command}")
    assert json.loads(json.dumps(found)) == found
    told = " ".join(found["warnings"])
    assert (f"'mastac graph {id} --influence' measures it" in told) == (
        rule != "separable" and id != "doors-12"
    )
    # Whether actions reach others at once tells warehouses and computers from rooms and
    # oscillators.
    assert ("only by way of its own agent's state" in told) == (
        id[:2] in ("lq", "do") or (id[:2] == "th" and not options)
    )


def test_other_rules():
    seen = Couplings(20, observation=[(0, 1), (2, 1)])
    assert of(seen)["rule"] == "sight" and of(seen)["method"] == "independent"
    pairs = Couplings(20, state=[(2 * i, 2 * i + 1) for i in range(10)])
    assert (of(pairs)["rule"], of(pairs)["kappa"]) == ("small", None)
    assert "10 groups, of 2 agents, never affect each other" in of(pairs)["findings"][0]
    everyone = of(complete(30))
    assert (everyone["rule"], everyone["kappa"]) == ("everyone", None)
    assert methods(everyone) == ["independent", "maddpg", "mastac-model"]
    # Once the middle of a star is seen it brings everybody in.
    assert of(star(30))["rule"] == "everyone"
    assert of(uncoupled(1))["rule"] == "separable"
    # Sets of no window fit: the narrowest is left.
    wide = ring(30).with_graphs(
        state=nx.to_scipy_sparse_array(nx.circulant_graph(30, range(10)), format="csr") > 0
    )
    assert (of(wide)["rule"], of(wide)["kappa"]) == ("window", 1)


def test_names_are_few_and_a_single_one_is_no_list():
    lonely = Couplings([f"unit-{i}" for i in range(60)], state=[(0, 1)])
    told = of(lonely)["findings"]
    assert "On their own, while others are coupled: unit-2, unit-3, unit-4 and 55 more." in told
    assert "Affected by no other agent: unit-0, unit-2, unit-3 and 56 more." in told
    assert any(
        line.startswith("59 groups, of 1 to 2 agents,") and line.endswith(" is unit-2.")
        for line in told
    )


def test_who_has_no_action_must_be_served_by_others():
    known = structure_of("thermal-40", {"coolers": "every-2"})
    couplings, action_sizes = steady(known.couplings), known.action_sizes
    summary = graph_summary(couplings, None, action_sizes)
    assert summary["idle"] == {"number": 20, "agents": ["zone-3", "zone-4", "zone-7"], "more": 17}
    report = graph_report(couplings, action_sizes=action_sizes)
    assert report["advice"]["graph_summary"]["idle"] == summary["idle"]
    told = report["advice"]
    assert any(
        line.startswith("Without an action of their own: zone-3, zone-4, zone-7 and 17 more. ")
        for line in told["findings"]
    )
    assert "independent" not in methods(told)
    assert not any("own rewards may nearly suffice" in line for line in told["warnings"])
    weak = advice(summary, report["windows"], influence=played(NEARLY_SEPARABLE - 0.01))
    assert weak["rule"] == "window", "own rewards of others may suffice, but not theirs"
    assert of(couplings)["graph_summary"]["idle"]["number"] == 0


def played(others: float | None, no_own: tuple[str, ...] = (), beyond: float = 0.0) -> dict:
    none = {"number": 0, "agents": [], "more": 0}
    return {
        "others": {"actions": {"mean": others}},
        "no_own": {"number": len(no_own), "agents": list(no_own), "more": 0},
        "no_effect": none,
        "windows": [{"kappa": kappa, "actions": {"mean": beyond}} for kappa in range(4)],
    }


def test_how_strong_couplings_are_comes_before_how_many():
    weak = of(ring(40), influence=played(NEARLY_SEPARABLE - 0.01))
    assert (weak["rule"], weak["command"]) == (
        "weak",
        "mastac train ENV --algorithm mastac --kappa 2",
    )
    assert methods(weak) == ["independent", "mastac-model"]
    assert "nearly separable" in weak["warnings"][0]
    choices = of(ring(40), influence=played(NEARLY_SEPARABLE - 0.01), discrete=True)
    assert (choices["rule"], choices["command"]) == ("weak", "mastac train ENV --algorithm ippo")
    assert (
        choices["alternatives"][0]["method"] == "mastac-ppo"
        and "kappa = 2" in choices["alternatives"][0]["when"]
    )
    strong = of(ring(40), influence=played(NEARLY_SEPARABLE, beyond=0.2))
    assert (strong["rule"], strong["kappa"]) == ("window", 2)
    assert any(
        "20.0 % of the influence of actions on a value lies beyond kappa = 2" in line
        for line in strong["warnings"]
    )
    assert not any("--influence" in line for line in strong["warnings"])
    selfless = of(ring(40), influence=played(0.1, no_own=("agent-3",)))
    assert selfless["rule"] == "window" and any(
        "not their own: agent-3." in line for line in selfless["warnings"]
    )
    nothing = of(ring(40), influence=played(None))
    assert nothing["rule"] == "window" and "play another policy" in " ".join(nothing["warnings"])
    # The graph's proof is stronger than any measurement.
    assert of(uncoupled(40), influence=played(None))["rule"] == "separable"


def test_methods_exist_and_take_the_actions():
    for names in METHODS.values():
        for kind, name in names.items():
            assert ALGORITHMS[name].uses_kappa == (kind == "structured")
    assert ALGORITHMS[MODEL].kind.estimator == "model"


def test_the_text():
    text = format_report(graph_report(ring(40)))
    assert "What to try first\n  mastac train ENV --algorithm mastac --kappa 2\n" in text
    names = [f"[bold]room {i} " + "x" * 120 for i in range(3)]
    text = format_report(graph_report(Couplings(names, state=[(0, 1)])))
    assert "[bold]room 2" in text and max(map(len, text.splitlines())) <= 100


def test_a_million_agents_need_no_sets():
    couplings = ring(200_000)
    found = graph_summary(couplings)
    assert found["mean_set"] == 200_000 and found["density"] == 1 and found["sees_all"] is None
