"""Graphs by queries: edges of environments and random networks, by time, with evidence."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

import mastac
from mastac.discovery import Discovered, discover, random_network
from mastac.envs import make
from mastac.errors import UserError
from mastac.structure import CouplingSequence
from probing.networks import networks, rare

EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("warehouse-9", {"reward": "neighbours"}),
    ("thermal-4", {}),
    (
        "lq-4",
        {"state_size": [1, 2, 3, 1], "reward": "neighbours", "graph": [[0, 1], [1, 2], [3, 2]]},
    ),
]


@pytest.mark.parametrize(("id", "options"), EXAMPLES, ids=[id for id, _ in EXAMPLES])
def test_every_edge_of_the_environments_is_recovered(id, options):
    found = discover(id, points=48, env_options=options)
    true = make(id, **options).couplings
    assert found.couplings() == true
    assert all(each.found == each.true == each.right for each in found.score(true).values())
    assert {each.confidence for each in found.edges} == {1.0}


def test_couplings_that_change_are_told_apart_by_time():
    env = make("doors-3", horizon=4, turn=2)
    assert isinstance(env.couplings, CouplingSequence)
    found = discover(env, points=96, by_time=True)
    for time, (mine, true) in enumerate(zip(found.sequence(), env.couplings, strict=True)):
        assert mine.edges("observation") == true.edges("observation")
        if time < env.horizon - 1:  # nothing uses the state graph of the last time
            assert mine.edges("state") == true.edges("state")
    assert found.couplings() == env.couplings.union()
    with pytest.raises(UserError, match="were not told apart"):
        discover(random_network(2), points=4).sequence()


@given(networks())
@settings(max_examples=12)
def test_random_networks_are_recovered_without_what_they_declare(simulator):
    blank = dataclasses.replace(simulator, couplings=None, agents=simulator.couplings.agents)
    found = discover(blank, points=32)
    assert found.couplings() == simulator.couplings
    assert found.found() == list(found.edges)


def test_random_networks_of_the_benchmark_have_the_graphs_that_they_declare():
    simulator = random_network(8, seed=3)
    assert simulator.couplings is not None
    assert discover(simulator, points=48).couplings() == simulator.couplings


def test_the_share_of_points_is_bounded_as_by_clopper_and_pearson():
    found = discover(rare(0.25), points=400)
    (edge,) = [each for each in found.edges if each.graph == "state"]
    assert edge.share is not None and edge.least_share is not None
    seen = round(edge.share * 400)
    bound = stats.binomtest(seen, 400, alternative="greater").proportion_ci(0.95, "exact").low
    assert edge.least_share == pytest.approx(bound) and edge.least_share < 0.25
    assert found.couplings(least_share=0.1).edges("state") == [("left", "right")]
    assert found.couplings(least_share=0.3).edges("state") == []
    assert found.misses()[0.01] == pytest.approx(0.99**400)


def test_the_report_names_agents_graphs_and_sets():
    found = discover(random_network(4, seed=1), points=16)
    words = str(found)
    for each in found.edges:
        assert f"{each.source} -> {each.target}" in words
    assert "exact set holds" in words and "probability of missing" in words
    assert found.to_dict()["couplings"] == found.couplings().to_dict()
    assert (
        found.set_sizes()["most_agents"] == mastac.value_dependency(found.couplings()).sizes().max()
    )


def test_a_score_counts_by_hand():
    simulator = random_network(4, seed=1)
    found: Discovered = discover(simulator, points=16)
    one = found.edges[0]
    less = dataclasses.replace(found, edges=found.edges[1:])
    assert simulator.couplings is not None
    score = less.score(simulator.couplings)[one.graph]
    assert score.right == score.found == score.true - 1 and score.precision == 1.0
    assert score.recall == (score.true - 1) / score.true
    more = less.score(mastac.Couplings(4))[one.graph]
    assert more.right == 0 == more.precision and more.recall is None


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"source": 3}, "nothing is discovered from a int"),
        ({"source": "warehous-9"}, "did you mean"),
        ({"fdr": 0.0}, "fdr must be above 0 and below 1, got 0.0"),
        ({"fdr": "x"}, "fdr must be a number, got 'x'"),
        ({"least_effect": 1.0}, "least_effect must be at least 0 and below 1, got 1.0"),
        ({"env_options": {"seed": 1}}, "env_options are of environments"),
        ({"points": 1}, "points must be a whole number, at least 2; got 1"),
    ],
)
def test_mistakes_are_said_in_one_sentence(how, words):
    with pytest.raises(UserError) as error:
        discover(**({"source": random_network(2)} | how))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_what_is_asked_of_the_result_is_checked():
    found = discover(random_network(2), points=4)
    with pytest.raises(UserError, match="confidence must be at least 0 and at most 1, got 2"):
        found.couplings(confidence=2)
    with pytest.raises(UserError, match="there is no agent"):
        found.score(mastac.Couplings(["a", "b"]))
    assert np.isfinite(found.set_sizes()["mean_agents"])
