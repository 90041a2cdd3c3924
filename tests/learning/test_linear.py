"""What an update costs grows with the agents, and the program that does it does not.

Operations and bytes are counted by the compiler, not timed.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import pytest
from small_world import SMALL, random_batch

import mastac
from mastac.learning import programs
from mastac.learning.learner import learner_of, learner_spec
from mastac.structure.dependency import value_dependency
from mastac.structure.layouts import structured

AGENTS = (32, 64, 128)
KNOBS: dict[str, dict[str, Any]] = {
    "own": {},
    "shared": {"share_actors": True, "share_critics": True},
}


class Counted(NamedTuple):
    """One size: what the compiler counts."""

    flops: float
    read_and_written: float


def update_of(agents: int, how: str) -> Any:
    """An update on a ring at kappa = 2, of all agents at once so that all is counted."""
    env = mastac.make(f"lq-{agents}")
    settings = replace(SMALL, batch_size=4, **KNOBS[how])
    layout = structured(value_dependency(env.couplings, kappa=2))
    learner = learner_of(learner_spec(env, layout, settings, total_updates=10))
    key = jax.eval_shape(jax.random.key, 0)
    given = jax.eval_shape(learner.init, key), random_batch(env, 4), key
    return programs.SmallProgram(learner.update).lower(*given)


@pytest.mark.parametrize("how", KNOBS)
def test_operations_and_bytes_grow_with_the_agents(how):
    found = []
    for agents in AGENTS:
        costs = update_of(agents, how).compile().cost_analysis()
        found.append(Counted(costs["flops"], costs["bytes accessed"]))
    for name in Counted._fields:
        small, middle, large = (getattr(each, name) for each in found)
        # Twice the agents twice over: what is added doubles, and is nearly all there is. The
        # compiler fuses a little differently at each size.
        assert (large - middle) / (middle - small) == pytest.approx(2.0, rel=0.1), name
        assert large / small == pytest.approx(4.0, rel=0.1), name


@pytest.mark.parametrize("how", KNOBS)
def test_the_program_does_not_grow(monkeypatch, how):
    """Large arrays are its arguments, and here all are large."""
    monkeypatch.setattr(programs, "LARGE", 8)
    small, large = (update_of(agents, how).as_text() for agents in (AGENTS[0], AGENTS[-1]))
    assert small.count(" = ") == large.count(" = ")
    assert len(large) < 1.02 * len(small)
    monkeypatch.setattr(programs, "LARGE", 2**40)
    written_in = update_of(AGENTS[-1], how).as_text()
    assert len(written_in) > 1.1 * len(small)
