"""What is sent, against a count over all pairs of agents by the definitions of the model."""

import json
from collections import Counter

import hypothesis.strategies as st
from hypothesis import given, settings

from mastac.analysis import format_report, graph_report
from mastac.structure import Couplings, ring, value_dependency
from structure.witnesses import systems


def counted(sent: Counter) -> dict[str, int]:
    """`messages`, `numbers` and `busiest` of {(from, to, what): numbers}."""
    loads = Counter()
    for (source, target, _), numbers in sent.items():
        loads[source] += numbers
        loads[target] += numbers
    return {
        "messages": len({(source, target) for source, target, _ in sent}),
        "numbers": sum(sent.values()),
        "busiest": max(loads.values(), default=0),
    }


def sent_by_hand(
    couplings: Couplings, kappa: int, state_sizes, action_sizes
) -> tuple[Counter, Counter, Counter]:
    """What crosses which link: to act, in a step of training, for a sample of an update."""
    d = value_dependency(couplings, kappa)
    acting, step, sample = Counter(), Counter(), Counter()
    for i in range(couplings.num_agents):
        for j in range(couplings.num_agents):
            if i == j:
                continue
            if couplings.observation[i, j]:
                acting[j, i, "state"] = state_sizes[j]
            if couplings.observation[i, j] or d.states[i, j]:
                step[j, i, "state"] = state_sizes[j]
            if d.actions[i, j]:
                step[j, i, "action"] = action_sizes[j]
                sample[j, i, "target action"] = action_sizes[j]
                sample[j, i, "action"] = action_sizes[j]
                sample[i, j, "derivative by the action of the receiver"] = action_sizes[j]
    return acting, step, sample


@given(systems(5), st.data())
@settings(max_examples=40)
def test_every_number_is_counted(couplings, data):
    n = couplings.num_agents
    sizes = [data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)) for _ in range(2)]
    agent = data.draw(st.integers(0, n - 1))
    kappa = data.draw(st.none() | st.integers(0, 3))
    report = json.loads(json.dumps(graph_report(couplings, kappa, agent, *sizes, messages=True)))
    sent = report["messages"]
    assert [row["kappa"] for row in sent["windows"]] == [row["kappa"] for row in report["windows"]]
    for row in sent["windows"]:
        acting, step, sample = sent_by_hand(couplings, row["kappa"], *sizes)
        assert sent["running"] == counted(acting)
        assert row["step"] == counted(step)
        by_hand = counted(sample)
        # What one agent is to send another for a sample, of whatever kind, is here one message for
        # each value.
        by_hand["messages"] = 2 * sum(what == "action" for _, _, what in sample)
        assert row["sample"] == by_hand
    _, step, sample = sent_by_hand(couplings, n if kappa is None else kappa, *sizes)
    partners = {each.pop("agent"): each for each in sent["partners"]}
    for j, name in enumerate(couplings.agents):
        links = {"from": (j, agent), "to": (agent, j)}
        expected = {
            f"{when}_{way}": sum(numbers for key, numbers in kind.items() if key[:2] == link)
            for when, kind in (("step", step), ("sample", sample))
            for way, link in links.items()
        }
        assert partners.get(name, dict.fromkeys(expected, 0)) == expected


@given(systems(5), st.data())
@settings(max_examples=20)
def test_central_critics_and_a_central_trainer(couplings, data):
    n = couplings.num_agents
    sizes = [data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)) for _ in range(2)]
    sent = graph_report(couplings, None, None, *sizes, hidden=(5, 3), messages=True)["messages"]
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    step = Counter({(j, i, "all"): sizes[0][j] + sizes[1][j] + 1 for i, j in pairs})
    sample = Counter({(j, i, "target action"): sizes[1][j] for i, j in pairs})
    assert sent["central_critics"] == {"step": counted(step), "sample": counted(sample)}
    acting, _, _ = sent_by_hand(couplings, 0, *sizes)
    to_trainer = Counter({(i, "trainer", "all"): sizes[0][i] + sizes[1][i] + 1 for i in range(n)})
    assert sent["central_trainer"]["step"] == counted(acting + to_trainer)
    assert sent["central_trainer"]["sample"] == {"messages": 0, "numbers": 0, "busiest": 0}
    weights = 0
    for i in range(n):
        observed = sum(sizes[0][j] for j in range(n) if couplings.observation[i, j])
        weights += sum((a + 1) * b for a, b in ((observed, 5), (5, 3), (3, sizes[1][i])))
    assert sent["central_trainer"]["weights"] == weights


def test_the_table():
    text = format_report(graph_report(ring(40), kappa=2, agent="agent-3", messages=True))
    assert max(map(len, text.splitlines())) <= 100
    rows = [line.split() for line in text[text.index("Numbers to send") :].splitlines()]
    # Everyone of the ring observes two others, and has eight others in its set: a state and an
    # action of each.
    assert ["running", "only", "80", "80", "4"] in rows
    assert ["kappa", "2", "<-", "320", "640", "32", "640", "960", "48"] in rows
    assert ["agent-39", "2", "2", "3", "3"] in rows
    assert "What agent-3 exchanges" in text
