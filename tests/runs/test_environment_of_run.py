"""A run goes on and is evaluated with the environment that it was trained on, and no other."""

import dataclasses
import json
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac import UserError
from mastac.runs.description import description_of
from mastac.runs.environment import differences

KNOBS: dict[str, Any] = {
    "actor_hidden": [4],
    "critic_hidden": [4],
    "batch_size": 8,
    "updates_per_epoch": 1,
    "progress": False,
}
OPTIONS: dict[str, Any] = {"horizon": 4, "graph": [[0, 1], [1, 2]]}


def small_env(**options) -> mastac.Environment:
    return mastac.make("lq-3", **OPTIONS | options)


def replaced(**changes) -> mastac.Environment:
    return dataclasses.replace(small_env(), **changes)


def own(**changes) -> mastac.Environment:
    """What the run of these tests was trained on."""
    return replaced(reward=other_reward(small_env(), 2), **changes)


def other_reward(env: mastac.Environment, agent: int = 1):
    return lambda s, a, t: env.reward(s, a, t).at[agent].add(-0.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> mastac.Run:
    """Of an environment that differs from a built-in one by its reward alone."""
    return mastac.train(own(), epochs=2, out=tmp_path_factory.mktemp("runs") / "run", **KNOBS)


def test_a_replaced_reward_makes_the_environment_the_users_own(run):
    assert run.config.custom
    with pytest.raises(UserError, match=r"of your own .*mastac\.load\(.*env="):
        mastac.load(run.path).evaluate(2)
    with pytest.raises(UserError, match="the reward of agent 'agent-3' differs"):
        mastac.load(run.path, env=small_env())
    assert mastac.load(run.path, env=own()).evaluate(3) == run.evaluate(3)


ENV = small_env()
OTHERS = {
    "the reward of agent 'agent-2' differs": {"reward": other_reward(ENV)},
    "the step of agent 'agent-1' differs": {
        "step": lambda s, a, t, key: ENV.step(s, 0.9 * a, t, key) * jnp.array([[1.0], [1], [1]])
    },
    "the observation of agent": {"observe": lambda s: 2 * ENV.observe(s)},
    "the first state of agent": {"reset": lambda key: 2 * ENV.reset(key)},
    "its horizon is 5, not 4": {"horizon": 5},
    "its report is": {"report": "sum" if ENV.report == "mean" else "mean"},
    "its action_limit is 3": {"action_limit": 3.0},
    "its obs_scale is": {"obs_scale": 7.0},
    "its id is": {"id": "other"},
    "its option noise is 9, not": {"options": {**ENV.options, "noise": 9}},
    "its action_head is": {"action_head": "tanh"},
}


@pytest.mark.parametrize("message", OTHERS)
def test_another_environment_is_named_by_what_differs(message):
    stored = json.loads(json.dumps(description_of(ENV, None)))
    assert list(differences(stored, description_of(small_env(), None))) == []
    other = dataclasses.replace(ENV, **OTHERS[message])
    assert any(message in text for text in differences(stored, description_of(other, None)))


def test_resume_and_load_refuse_the_same(run):
    names = ["agent-3", "agent-1", "agent-2"]
    other = mastac.Couplings(names, state=[(0, 1), (1, 2)])
    for env, message in (
        (own(couplings=other), r'its agents are \["agent-3", "agent-1", "agent-2"\]'),
        (small_env(graph=[[0, 1]]), "its option graph is"),
        (own(couplings=mastac.Couplings(sorted(names))), r"its couplings differ \(action\)"),
        (small_env(noise=0.5), "its option noise is 0.5, not 0.1"),
    ):
        for opened in (mastac.load, mastac.resume):
            with pytest.raises(UserError, match=message):
                opened(run.path, env=env)


def test_a_replaced_reference_is_the_users_own_and_is_kept(tmp_path):
    own = mastac.Reference(simple=-100.0, best_known=-1.0, policies={"none": -50.0})
    env = replaced(reference=lambda: own)
    run = mastac.train(env, epochs=2, out=tmp_path / "run", **KNOBS)
    assert run.config.custom and run.summary["reference"]["simple"] == -100.0
    assert mastac.load(run.path, env=env).evaluate(2)["reference"]["policies"] == {"none": -50.0}


def test_a_built_in_environment_needs_not_be_brought(tmp_path):
    run = mastac.train(small_env(), epochs=2, out=tmp_path / "run", **KNOBS)
    assert not run.config.custom
    assert mastac.load(run.path).evaluate(3) == run.evaluate(3)
    with pytest.raises(UserError, match=r"'lq-3' is not the one of the run .* trained on"):
        mastac.load(run.path, env=own())
    path = run.path / "environment.json"
    stored = json.loads(path.read_text())
    stored["behaviour"]["step"][0][0] += 1.0
    path.write_text(json.dumps(stored))
    with pytest.raises(UserError, match="the step of agent 'agent-1' differs"):
        mastac.load(run.path).evaluate(3)
    path.unlink()  # as in the folder of an earlier version
    assert mastac.load(run.path).evaluate(3) == run.evaluate(3)


def test_numbers_that_are_not_finite_describe_too():
    env = replaced(reward=lambda s, a, t: jnp.full(3, np.nan))
    description = description_of(env, None)
    json.dumps(description, allow_nan=False)
    assert list(differences(description, description_of(env, None))) == []
    assert "reward" in next(differences(description, description_of(ENV, None)))
