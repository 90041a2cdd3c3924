"""What a check says of the sets: one figure, whatever is planted."""

import json

import pytest

from mastac.probing import check
from mastac.structure import Couplings, value_dependency
from probing.networks import network
from structure.witnesses import GRAPHS

CHAIN = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")]
TRUE = {
    "state": [*CHAIN, ("a", "c")],
    "action": [],
    "observation": [],
    "reward": [("a", "c")],
    "reward_action": [],
}


def declared(graph: str, left_out=(), added=()) -> Couplings:
    """The true couplings of five agents, changed in one graph."""
    edges = [edge for edge in TRUE[graph] if edge not in left_out]
    return Couplings(list("abcde"), **(TRUE | {graph: [*edges, *added]}))


PLANTED = {
    # a moves c in one step anyhow, so that a is in the sets that hold c's value.
    "missing, no set changes": (declared("reward", left_out=[("a", "c")]), 0, 0, 0, 0),
    # b passes on what a does, but a reaches d in two steps over c alone.
    "missing, windows grow": (declared("state", left_out=[("a", "c")]), 0, 1, 0, 0),
    "missing, sets grow": (declared("state", left_out=[("b", "c")]), 3, 2, 0, 0),
    "superfluous, no set changes": (declared("observation", added=[("a", "b")]), 0, 0, 0, 0),
    "superfluous, sets shrink": (declared("state", added=[("e", "a")]), 0, 0, 4, 3),
    "both": (declared("state", left_out=[("d", "e")], added=[("e", "a")]), 4, 3, 4, 3),
    "none": (declared("state"), 0, 0, 0, 0),
}


@pytest.fixture(scope="module")
def simulator():
    return network(declared("state"), "tanh", 1, 0)


@pytest.mark.parametrize("case", PLANTED)
def test_all_that_is_said_of_sets_is_the_same_figure(case, simulator):
    couplings = PLANTED[case][0]
    found = check(simulator, couplings, points=48)
    said, rows = str(found), found.consequences
    for row in rows:
        sizes = [
            value_dependency(graphs, row["kappa"]).sizes()
            for graphs in (couplings, found.corrected(drop_superfluous=False), found.corrected())
        ]
        assert row["grow"] == (sizes[1] > sizes[0]).sum()
        assert row["shrink"] == (sizes[2] < sizes[1]).sum()
        name = "exact sets" if row["kappa"] is None else "windows of kappa = 2"
        for verb in ("grow", "shrink"):
            sentence = f"the {name} of {row[verb]} of 5 agents {verb}"
            assert (sentence in said) == (row[verb] > 0)
    exact = rows[0]
    assert ("the sets are not exact" in said) == (exact["grow"] > 0)
    assert ("wasteful" in said) == any(row["shrink"] for row in rows)
    assert "0 of 5" not in said
    assert ("Add what is missing" in said) == bool(found.missing)
    assert json.loads(json.dumps(found.to_dict()))["critic_inputs"] == rows


@pytest.mark.parametrize("case", PLANTED)
def test_the_figures_are_those_by_hand(case, simulator):
    couplings, *figures = PLANTED[case]
    rows = check(simulator, couplings, points=48).consequences
    assert [row["grow"] for row in rows] + [row["shrink"] for row in rows] == figures


def test_a_missing_edge_that_changes_no_set_is_still_to_be_added(simulator):
    found = check(simulator, PLANTED["missing, no set changes"][0], points=48)
    said = str(found)
    assert not found.ok
    assert (
        "1 edge is missing, and the exact sets and the windows of kappa = 2 are the same with and "
        "without." in said
    )
    assert "Add what is missing all the same" in said


def test_every_graph_is_judged(simulator):
    assert {graph for graph in GRAPHS if check(simulator, points=48).counts(graph)} == set(GRAPHS)
