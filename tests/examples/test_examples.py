"""Every example declares its true graphs, and its hand-written rule is what it says it is."""

import math
from functools import cache
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac.envs.validation import check_environment
from mastac.examples import EXAMPLES, HELD_OUT, OPEN, example

each = pytest.mark.parametrize("name", EXAMPLES)
load = cache(example)


def test_held_out_examples_are_no_others() -> None:
    assert not set(HELD_OUT) & set(OPEN)


def test_an_unknown_example_is_named() -> None:
    with pytest.raises(mastac.UserError, match=r"'platon'.*platoon"):
        example("platon")


@each
def test_fields_are_filled_in(name: str) -> None:
    env = load(name)
    check_environment(env)
    assert env.id == name
    assert env.horizon > 1
    assert set(env.units) == {"state", "action", "reward"}
    for field in ("state_scale", "obs_scale"):
        assert np.all(getattr(env, field) == 1.0), "examples declare no scales"


@each
def test_declared_graphs_are_the_true_ones(name: str) -> None:
    checked = mastac.check(load(name), points=256)
    assert (checked.missing, checked.superfluous) == ((), ())


@each
def test_the_rule_is_clearly_better_than_the_simple_policy(name: str) -> None:
    reference = load(name).reference()
    assert reference is not None
    assert math.isfinite(reference.simple) and math.isfinite(reference.best_known)
    assert reference.best_known - reference.simple > 0.2 * abs(reference.simple)
    assert "written by hand" in reference.notes


@each
def test_the_rule_acts_on_each_agents_own_observation(name: str) -> None:
    env, rule = load(name), import_module(f"mastac.examples.{name}").rule
    obs = env.observed(env.reset(jax.random.key(0)), 0)
    random = np.random.default_rng(0)
    other = jnp.asarray(obs * random.uniform(0.0, 3.0, obs.shape) + random.normal(size=obs.shape))
    mixed = jnp.where(jnp.arange(env.num_agents)[:, None] % 2 == 0, obs, other)
    actions = rule(mixed)
    assert np.array_equal(actions[0::2], rule(obs)[0::2])
    assert np.array_equal(actions[1::2], rule(other)[1::2])
    mask = np.arange(actions.shape[1]) < env.action_sizes[:, None]
    valid = env.head.project(actions, env.action_limit, mask)
    np.testing.assert_allclose(actions, valid, atol=1e-5)
