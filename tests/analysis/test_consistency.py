"""What one report says in several places, about the same thing: it must say the same.

Random couplings and random sequences, against sets computed again for every kappa.
"""

import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mastac.analysis import format_report, graph_report, windows
from mastac.analysis.windows import exact_window
from mastac.structure import (
    Couplings,
    CouplingSequence,
    ring,
    value_dependencies,
    value_dependency,
)
from structure.witnesses import sequences, systems


def sets_at(couplings: Couplings | CouplingSequence, kappa: int | None) -> list[np.ndarray]:
    """The sets of states and actions, at every time."""
    if isinstance(couplings, CouplingSequence):
        every = value_dependencies(couplings, kappa)
    else:
        every = (value_dependency(couplings, kappa),)
    return [matrix.toarray() for sets in every for matrix in (sets.states, sets.actions)]


def first_exact(couplings: Couplings | CouplingSequence) -> int:
    """The smallest kappa at which all sets equal the exact ones, by trying."""
    exact = sets_at(couplings, None)
    kappa = 0
    while any((a != b).any() for a, b in zip(sets_at(couplings, kappa), exact, strict=True)):
        kappa += 1
    return kappa


@given(sequences(5, 6))
@settings(max_examples=60)
def test_the_exact_window_of_a_sequence(sequence):
    assert exact_window(sequence) == first_exact(sequence)


@given(systems(6) | sequences(4, 6), st.none() | st.integers(0, 5), st.data())
@settings(max_examples=60)
def test_exactness_is_the_same_wherever_it_is_said(couplings, kappa, data):
    agents = st.sampled_from(couplings.agents)
    agent, other = data.draw(agents), data.draw(agents)
    report = graph_report(couplings, kappa, agent, why=other, edges=True, messages=True)
    first = first_exact(couplings)
    assert report["exact_from"] == first
    assert report["exact"] == (kappa is None or kappa >= first)
    assert [row["kappa"] for row in report["windows"] if row["exact"]] == [first]
    assert report["windows"][-1]["kappa"] == first
    # The sizes and costs reported are those of the row of their kappa.
    chosen = first if report["exact"] else kappa
    row = next(row for row in report["windows"] if row["kappa"] == chosen)
    assert row["agents"] == report["sets"]["agents"]
    for key in ("inputs", "parameters", "saving"):
        assert row[key] == report["critics"][key]
    assert report["edges"]["total"] == report["links"]["total"] == row["agents"]["total"]
    # Advice never asks for a window that is exact, and counts the sets as the table does.
    advice = report["advice"]
    assert advice["kappa"] is None or advice["kappa"] < first
    total = report["windows"][-1]["agents"]["total"]
    assert advice["graph_summary"]["mean_set"] == total / couplings.num_agents
    assert advice["graph_summary"]["separable"] == (total == couplings.num_agents)


@given(systems(5) | sequences(4, 6), st.none() | st.integers(0, 5), st.data())
@settings(max_examples=60)
def test_an_agent_enters_at_the_same_kappa_wherever_it_is_said(couplings, kappa, data):
    agent = data.draw(st.sampled_from(couplings.agents))
    first = {}
    for other in couplings.agents:
        report = graph_report(couplings, kappa, agent, why=other)
        members = {member["agent"]: member for member in report["agent"]["members"]}
        why = report["why"]
        assert why["member"] == (other in members)
        assert len(members) == report["agent"]["size"]
        if why["member"]:
            assert members[other]["from_kappa"] == why["from_kappa"] <= report["exact_from"]
            assert members[other]["path"] == why["path"]
        elif why["from_kappa"] is not None:
            assert kappa is not None and kappa < why["from_kappa"] <= report["exact_from"]
        first[other] = why["from_kappa"]
        answer = why["text"].split(" The other way round")[0]
        said = {int(number) for number in re.findall(r"(?:from|enters at) kappa = (\d+)", answer)}
        assert said == {why["from_kappa"]} - {None}
        text = " ".join(format_report(report).split())
        assert why["text"] in text
        assert f"every kappa from {report['exact_from']} on is exact" in text
        assert text.count(" = exact") == 1 and f"{report['exact_from']} = exact" in text
    if isinstance(couplings, Couplings):
        # Over all agents, the last one to enter a set makes the sets exact.
        entered = [
            member["from_kappa"]
            for name in couplings.agents
            for member in graph_report(couplings, None, name)["agent"]["members"]
        ]
        assert max(entered) <= first_exact(couplings)
        if couplings.action is couplings.state and couplings.reward_action is couplings.reward:
            assert max(entered) == first_exact(couplings)


def test_one_row_is_marked_as_the_one_asked_for():
    for kappa in (None, 0, 1, 3, 9, 40):
        report = graph_report(ring(12), kappa)
        marked = [line for line in format_report(report).splitlines() if "<-" in line]
        assert len(marked) == 1
        asked = report["exact_from"] if report["exact"] else kappa
        assert marked[0].split()[0] == str(asked)


def test_influence_marks_the_windows_of_the_report():
    shares = dict.fromkeys(("mean", "low", "high", "worst", "worst_agent"))
    none = {"number": 0, "agents": [], "more": 0}

    def play(kappas):
        rows = [{"kappa": kappa, "states": shares, "actions": shares} for kappa in kappas]
        others = {"others": {"actions": shares}, "no_own": none, "no_effect": none}
        return {"policy": "none", "rollouts": 2, "windows": rows, **others}

    report = graph_report(ring(9), play=play)
    exact = [row["exact"] for row in report["influence"]["windows"]]
    assert exact == [row["exact"] for row in report["windows"]]
    assert format_report(report).count(f"{report['exact_from']} = exact <-") == 2
    assert report["advice"]["graph_summary"]["others"] is None
    assert "No action changed any return" in " ".join(report["advice"]["warnings"])


@given(systems(6) | sequences(4, 5), st.none() | st.integers(0, 7), st.sampled_from([0, 1, 2, 16]))
@settings(max_examples=60)
def test_a_table_that_stops_early_claims_nothing_that_it_cannot_know(couplings, kappa, early):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "LARGE", 0)
        patch.setattr(windows, "EARLY", (early,))
        report = graph_report(couplings, kappa)
    first, said = first_exact(couplings), report["exact_from"]
    if said is not None:
        assert said == first
    elif isinstance(couplings, Couplings):
        assert first >= early and (kappa is None or first >= kappa)
    assert report["exact"] == (kappa is None or (said is not None and kappa >= said))
    exact = [row["kappa"] for row in report["windows"] if row["exact"]]
    assert exact == ([] if said is None else [first])
    assert ("on is exact" in format_report(report)) == (said is not None)
