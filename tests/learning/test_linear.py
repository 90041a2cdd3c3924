"""What an update costs grows with the agents, and the program that does it does not.

Operations and bytes are counted by the compiler, not timed.
"""

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from small_world import SMALL

import mastac
from mastac.learning import programs
from mastac.learning.learner import buffer_of, learner_of, learner_spec
from mastac.learning.loop import training_program
from mastac.structure.dependency import value_dependency
from mastac.structure.layouts import structured

AGENTS = (32, 64, 128)
KNOBS: dict[str, dict[str, Any]] = {
    "own": {},
    "shared": {"share_actors": True, "share_critics": True},
}


class Counted(NamedTuple):
    """One size: what the compiler says, and the programs as they are handed to it."""

    flops: float
    read_and_written: float
    texts: list[str]


@cache
def counted(agents: int, how: str) -> Counted:
    """An update of all agents on a ring at kappa = 2, all at once so that all is counted."""
    env = mastac.make(f"lq-{agents}")
    settings = replace(SMALL, batch_size=4, updates_per_epoch=1, **KNOBS[how])
    layout = structured(value_dependency(env.couplings, kappa=2))
    spec = learner_spec(env, layout, settings, total_updates=10)
    learner, buffer = learner_of(spec), buffer_of(env, settings, 1)
    program = training_program(env, learner, buffer, settings, 1)
    assert program.lowered is not None
    keys = jax.vmap(jax.random.key)(np.arange(1))
    state = jax.eval_shape(program.init, keys)
    texts = [low.as_text() for low in (*program.lowered(None, keys, 1, 1),)]
    lowered = list(program.lowered(state, keys, 1, 1))
    texts += [low.as_text() for low in lowered]
    costs = lowered[0].compile().cost_analysis()
    return Counted(costs["flops"], costs["bytes accessed"], texts)


@pytest.mark.parametrize("how", KNOBS)
def test_operations_and_bytes_grow_with_the_agents(how):
    found = [counted(agents, how) for agents in AGENTS]
    for name in ("flops", "read_and_written"):
        small, middle, large = (getattr(each, name) for each in found)
        # Twice the agents twice over: what is added doubles, and is nearly all there is.
        assert (large - middle) / (middle - small) == pytest.approx(2.0, rel=0.03), name
        assert large / small == pytest.approx(4.0, rel=0.1), name


@pytest.mark.parametrize("how", KNOBS)
def test_the_program_does_not_grow(monkeypatch, how):
    """Large arrays are arguments; at full size they are large from 64 kB on."""
    counted.cache_clear()
    monkeypatch.setattr(programs, "LARGE", 64)
    few, many = (counted(agents, how).texts for agents in (AGENTS[0], AGENTS[-1]))
    counted.cache_clear()
    for small, large in zip(few, many, strict=True):
        assert small.count(" = ") == large.count(" = ")
        assert len(large) < 1.02 * len(small)
