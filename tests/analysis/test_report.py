"""The report before training: its figures against the sets, its text within the page."""

import json
import subprocess
import sys
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import mastac.analysis.windows as windows_module
from mastac.analysis import format_report, graph_report
from mastac.errors import UserError
from mastac.structure import Couplings, chain, ring, uncoupled, value_dependency
from structure.witnesses import systems


def parameters(inputs: int, hidden=(64, 64, 64)) -> int:
    """Weights and biases, layer by layer."""
    widths = [inputs, *hidden, 1]
    return sum(np.zeros((a, b)).size + b for a, b in pairwise(widths))


@given(systems(6), st.none() | st.integers(0, 4), st.data())
@settings(max_examples=60)
def test_figures_are_those_of_the_sets(couplings, kappa, data):
    sizes = [
        data.draw(
            st.lists(
                st.integers(1, 4), min_size=couplings.num_agents, max_size=couplings.num_agents
            )
        )
    ] * 2
    agent = data.draw(st.sampled_from(couplings.agents))
    report = json.loads(json.dumps(graph_report(couplings, kappa, agent, *sizes)))
    central = sum(sizes[0]) + sum(sizes[1])
    assert report["critics"]["central"]["parameters"] == parameters(central) * couplings.num_agents

    def inputs(window):
        d = value_dependency(couplings, window)
        return d.states.toarray() @ sizes[0] + d.actions.toarray() @ sizes[1]

    assert report["critics"]["inputs"]["total"] == inputs(kappa).sum()
    assert report["critics"]["parameters"] == sum(map(parameters, inputs(kappa)))
    exact = value_dependency(couplings)
    for row in report["windows"]:
        d = value_dependency(couplings, row["kappa"])
        counts = np.diff(d.agents.indptr)
        assert (
            row["agents"]["smallest"] == counts.min() and row["agents"]["largest"] == counts.max()
        )
        assert row["agents"]["median"] == np.median(counts)
        assert row["parameters"] == sum(map(parameters, inputs(row["kappa"])))
        same = d.states.nnz == exact.states.nnz and d.actions.nnz == exact.actions.nnz
        assert row["exact"] == same == (row["kappa"] >= report["exact_from"])
    members = {each["agent"]: each for each in report["agent"]["members"]}
    chosen = value_dependency(couplings, kappa)
    assert set(members) == set(chosen.members(agent))
    for name, each in members.items():
        i, j = couplings.index(agent), couplings.index(name)
        assert (each["state"], each["action"]) == (chosen.states[i, j], chosen.actions[i, j])
        assert name in value_dependency(couplings, each["from_kappa"]).members(agent)
        assert each["from_kappa"] == 0 or name not in value_dependency(
            couplings, each["from_kappa"] - 1
        ).members(agent)
    assert report["agent"]["moves"] == [
        couplings.agents[i]
        for i in np.flatnonzero(chosen.actions.toarray()[:, couplings.index(agent)])
    ]


@given(systems(6), st.none() | st.integers(0, 4))
@settings(max_examples=20)
def test_text_fits_the_page(couplings, kappa):
    text = format_report(graph_report(couplings, kappa, 0))
    assert max(map(len, text.splitlines())) <= 100
    assert "reward of agent-0 at t" in text


def test_what_the_text_says():
    text = format_report(graph_report(ring(40), kappa=2, agent="agent-3"))
    for part in (
        "40 agents: agent-0, agent-1,",
        "Sets, kappa = 2; every kappa from 10 on is exact",
        "18 inputs, 384,040 parameters in all",
        "80 inputs, 13,569 parameters, 542,760 for 40 agents",
        "29.2 % of the parameters, 77.5 % of the inputs",
        "10 = exact",
        "The value of agent-3 depends on 9 agents",
        "state of agent-2 at t -> state of agent-3 at t+1 ->",
    ):
        assert part in text, part


def test_long_sets_and_odd_names_are_shortened_not_lost():
    text = format_report(graph_report(chain(60), agent=0))
    assert "… and 40 more" in text
    names = [f"[bold]room {i} " + "x" * 120 for i in range(3)]
    text = format_report(graph_report(Couplings(names, state=[(0, 1)]), agent=names[1]))
    assert "[bold]room 0" in text and max(map(len, text.splitlines())) <= 100
    assert format_report(graph_report(uncoupled(1), agent=0)).startswith("1 agent: agent-0\n")


def test_a_kappa_past_the_exact_one_is_exact():
    report = graph_report(ring(5), kappa=9)
    assert report["exact"] and report["windows"][-1]["kappa"] == report["exact_from"] == 1
    assert "Sets, kappa = 9 (exact)" in format_report(report)


def test_for_many_agents_the_table_stops_early(monkeypatch):
    monkeypatch.setattr(windows_module, "LARGE", 99)
    report = graph_report(ring(100), kappa=20)
    assert report["exact_from"] is None and not report["exact"]
    assert report["windows"][-1]["kappa"] == 20
    assert "every kappa" not in format_report(report)
    assert report["windows"] == [row | {"exact": False} for row in report["windows"]]


def test_mistakes():
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"kappa": -2}, "kappa must be a whole number, at least 0; got -2"),
        (
            {"agent": "agent-9"},
            "unknown agent 'agent-9'; did you mean 'agent-2'? (known: agent-0, agent-1, agent-2)",
        ),
        (
            {"state_sizes": [1, 2]},
            "state_sizes must give one integer of at least 0 for each of the 3 agents",
        ),
        (
            {"action_sizes": [1, 2, 0.5]},
            "action_sizes must give one integer of at least 0 for each of the 3 agents",
        ),
        ({"hidden": (64, 0)}, "hidden must list widths of at least 1, got [64, 0]"),
    ]
    for arguments, message in mistakes:
        with pytest.raises(UserError) as error:
            graph_report(ring(3), **arguments)
        assert str(error.value) == message


def test_the_report_never_imports_jax():
    code = (
        "import sys, mastac.analysis as m; from mastac.structure import ring; "
        "m.format_report(m.graph_report(ring(3))); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
