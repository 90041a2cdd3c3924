"""Answers in words, against the sets and the paths that they speak of."""

from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from mastac.analysis import reason
from mastac.analysis.reasons import sentence
from mastac.errors import UserError
from mastac.structure import Couplings, CouplingSequence, chain, explain, ring, value_dependency
from structure.witnesses import sequences, systems


@given(systems(5) | sequences(), st.data(), st.booleans())
@settings(max_examples=80)
def test_answers_are_those_of_the_sets(couplings, data, minimal):
    last = couplings.horizon if isinstance(couplings, CouplingSequence) else couplings.num_agents
    at = data.draw(st.integers(0, last)) if isinstance(couplings, CouplingSequence) else 0
    kappa = data.draw(st.none() | st.integers(0, last))
    agent, other = (data.draw(st.sampled_from(couplings.agents)) for _ in range(2))
    answer = reason(couplings, agent, other, kappa, minimal, at)
    assert answer.is_member == (
        other in value_dependency(couplings, kappa, at, minimal).members(agent)
    )
    windows = [
        k
        for k in range(last + 1)
        if other in value_dependency(couplings, k, at, minimal).members(agent)
    ]
    found = answer.to_dict()
    assert found["from_kappa"] == (windows[0] if windows else None)
    if windows:
        assert answer.explanation == explain(couplings, agent, other, windows[0], minimal, at)
        assert str(answer).startswith(
            f"'{other}' is {'' if answer.is_member else 'not '}in the set"
        )
    else:
        assert "in no set" in str(answer)
        back = agent in value_dependency(couplings, None, at, minimal).members(other)
        assert ("The other way round" in str(answer)) == back


@given(systems(6), st.data())
@settings(max_examples=60)
def test_a_sentence_tells_every_step_of_its_path(couplings, data):
    agent = data.draw(st.sampled_from(couplings.agents))
    for other in value_dependency(couplings).members(agent):
        path = explain(couplings, agent, other)
        assert path is not None
        text = sentence(path, longest=100)
        assert text.startswith(
            f"The {'state' if path.nodes[0][0] == 's' else 'action'} of '{other}' at t "
        )
        assert text.endswith(
            f" enters the reward of '{agent}' at {'t' if path.kappa == 0 else f't+{path.kappa}'}."
        )
        kinds = [kind for kind, _, _ in path.nodes[1:]]
        assert text.count("is seen by") == kinds.count("a")
        # Steps in which a state only stays with its agent are told together.
        steps = list(pairwise(path.nodes))
        stays = [one[:2] == two[:2] for one, two in steps]
        assert text.count("enters the state of") == kinds.count("s") - sum(stays)
        runs = sum(now and not before for before, now in zip([False, *stays], stays, strict=False))
        assert text.count("stays with") == runs
        told = [path.nodes[0]] + [
            two for (_, two), stay in zip(steps, stays, strict=True) if not stay
        ]
        assert text.count("'") // 2 == len(told) + runs


def test_words():
    house = Couplings(["hall", "den"], state=[("hall", "den")], observation=[("den", "hall")])
    assert str(reason(house, "den", "hall", kappa=0)) == (
        "'hall' is not in the set of kappa = 0 of 'den'; it enters at kappa = 1: "
        "The state of 'hall' at t enters the state of 'den' at t+1, which enters the reward of "
        "'den' at t+1."
    )
    assert str(reason(house, "hall", "den", kappa=1)) == (
        "'den' is in the set of kappa = 1 of 'hall', and in all from kappa = 1 on: The state of "
        "'den' at t stays with 'den' until t+1, which is seen by 'hall' at t+1, whose action then "
        "enters the reward of 'hall' at t+1."
    )
    apart = CouplingSequence([Couplings(2, state=[(0, 1)]), Couplings(2)])
    assert str(reason(apart, "agent-0", "agent-1")) == (
        "'agent-1' is in no set of 'agent-0', whatever kappa: neither its state nor its action at "
        "t reaches a reward of 'agent-0' up to the last one at t+1. The other way round, 'agent-0' "
        "is in the set of 'agent-1' from kappa = 1 on."
    )
    assert "up to the last one at t." in str(reason(apart, 1, 0, at=1))


def test_of_a_long_path_the_middle_is_left_out():
    text = str(reason(chain(60), 59, 0))
    path = explain(chain(60), 59, 0)
    assert path is not None
    steps = len(path.nodes) - 1
    assert (
        f"… ({steps - 12} more steps) …" in text
        and text.count(" enters ") + text.count("is seen by") == 12
    )


def test_mistakes():
    with pytest.raises(UserError, match="unknown agent 'agent-9'"):
        reason(ring(3), 0, "agent-9")
    with pytest.raises(UserError, match="kappa must be a whole number, at least 0; got -1"):
        reason(ring(3), 0, 1, kappa=-1)
