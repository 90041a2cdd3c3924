"""What is said of a run that went badly."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np

import mastac
from mastac.runs.results import read_results
from mastac.runs.summary import run_table
from mastac.runs.warnings import broken_promises, saturated_agents, warnings_of

KNOBS = {"actor_hidden": [4], "critic_hidden": [4], "batch_size": 8, "progress": False}


def tanks(**changes) -> mastac.Environment:
    from mastac.examples import example

    return dataclasses.replace(example("platoon"), reference=lambda: None, **changes)


def test_returns_below_the_simple_policy_are_named() -> None:
    env = tanks()
    reference = mastac.Reference(simple=-5.0, best_known=-1.0)
    assert warnings_of(env, {0: -4.0, 1: None}, reference, -9.0, []) == []
    (one,) = warnings_of(env, {0: -4.0, 1: -6.0}, reference, -9.0, [])
    assert "seed 1 earn less (-6.00) than the simple policy (-5.00)" in one
    assert "declare the scales" in one
    (both,) = warnings_of(env, {0: -7.0, 1: -6.0}, reference, -9.0, [])
    assert "seeds 0, 1 earn less (-7.00 at worst)" in both


def test_without_a_simple_policy_the_first_episodes_are_the_bar() -> None:
    env = mastac.make("lq-3")
    (said,) = warnings_of(env, {0: -4.0}, None, -3.0, [])
    assert "the first episodes (-3.00)" in said and "scales" not in said
    assert warnings_of(env, {0: -4.0}, None, -4.5, []) == []


def test_saturated_agents_are_named(tmp_path: Path) -> None:
    env = tanks()
    run = mastac.train(env, epochs=8, seeds=[0, 1], out=tmp_path / "run", **KNOBS)
    assert isinstance(run.summary["warnings"], list)
    from mastac.runs.checkpoints import load_checkpoint
    from mastac.runs.execution import Execution
    from mastac.runs.plan import plan_run

    execution = Execution(run.folder, plan_run(env, run.config, run.folder), lambda _: None)
    execution.state = execution.program.init(execution.keys)
    folder = run.folder.checkpoints
    state = load_checkpoint(folder, 8, {"state": execution.state, "keys": execution._key_data()})[
        "state"
    ]
    spec, alive = execution.plan.spec, np.array([True, True])
    assert saturated_agents(spec, state, 8, alive) == []
    actors = state.learner.actors
    last = actors.biases[-1].at[1, 2].add(50.0)
    loud = dataclasses.replace(actors, biases=(*actors.biases[:-1], jnp.asarray(last)))
    state = state._replace(learner=state.learner._replace(actors=loud))
    assert saturated_agents(spec, state, 8, alive) == [env.agents[2]]
    assert saturated_agents(spec, state, 8, np.array([True, False])) == []


def test_a_warning_is_printed_and_stored(tmp_path: Path) -> None:
    env = dataclasses.replace(
        tanks(), reference=lambda: mastac.Reference(simple=1.0, best_known=2.0)
    )
    run = mastac.train(env, epochs=8, out=tmp_path / "run", **KNOBS)
    (said,) = (text for text in run.summary["warnings"] if "simple policy (1.00)" in text)
    assert f"warning: {said}" in run_table(read_results(run.path))


def test_a_promise_that_was_not_kept_is_told():
    kept = {"promised": -9.0, "spread": 1.0}
    findings = {"0": kept, "1": {"promised": 7.0, "spread": 1.0}, "2": kept}
    told = broken_promises(findings, {0: -10.0, 1: -28.0, 2: None})
    assert len(told) == 1
    assert "seed 1 promise 7.00 and the policies earn -28.00" in told[0]
    assert broken_promises({}, {0: -10.0}) == []
