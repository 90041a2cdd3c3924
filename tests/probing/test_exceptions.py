"""What a user's simulator raises reaches the user, with the function, where, and what it said."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac.discovery import random_network, record
from mastac.envs.base import Environment
from mastac.errors import UserError
from mastac.probing import check, probe
from mastac.structure import Couplings
from probing.networks import network

CHAIN = Couplings(["a", "b", "c"], state=[("a", "b"), ("b", "c")], action=[])


class OutOfStock(Exception):
    """An exception of the user's own."""


def numpy_simulator(**changes: Any) -> mastac.Simulator:
    return dataclasses.replace(network(CHAIN, "tanh", 1, 0), **changes)


def raising(*_: Any) -> Any:
    raise OutOfStock("no wood left")


def raising_when(condition):
    def step(state, actions, time, seed):
        if condition(state, actions, time):
            raise OutOfStock("no wood left")
        return 0.5 * state

    return step


class Odd:
    """Something that numpy cannot convert."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise OutOfStock("no wood left")


CALLED = {
    "step": ({"step": raising}, "step of 'network' raised OutOfStock: no wood left (time 0)"),
    "reward": ({"reward": raising}, "reward of 'network' raised OutOfStock: no wood left (time 0)"),
    "observe": ({"observe": raising}, "observe of 'network' raised OutOfStock"),
    "reset": ({"reset": raising}, "reset of 'network' raised OutOfStock: no wood left (seed 0)"),
    "sample_actions": (
        {"sample_actions": raising},
        "sample_actions of 'network' raised OutOfStock",
    ),
    "vary_state": (
        {"vary_state": raising},
        "vary_state of 'network' raised OutOfStock: no wood left (agent 'a')",
    ),
    "in a rollout": (
        {"step": raising_when(lambda state, actions, time: time == 2)},
        "step of 'network' raised OutOfStock: no wood left (time 2)",
    ),
    "for one agent": (
        {
            "step": raising_when(lambda state, actions, time: abs(state[1, 0]) > 50),
            "vary_state": lambda row, agent, random: row + 100 * (agent == 1),
        },
        "point 1, from a state that no rollout reached; say what is valid by vary_state)",
    ),
    "in a conversion": ({"step": lambda *_: Odd()}, "numpy raised OutOfStock: no wood left"),
}


@pytest.mark.parametrize("case", CALLED)
def test_of_a_simulator_that_is_called(case):
    changes, words = CALLED[case]
    with pytest.raises(UserError) as error:
        probe(numpy_simulator(**changes), points=8)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert isinstance(error.value.__cause__, OutOfStock)


def test_which_agent_was_changed_is_said():
    """The step refuses a state in which only 'b' is high, as it is only where it was exchanged."""

    def step(state, actions, time, seed):
        if state[1, 0] > 0.5 > state[0, 0]:
            raise OutOfStock("no wood left")
        return state

    def reset(seed):
        return np.full((3, 1), float(seed % 2))

    with pytest.raises(UserError, match=r"with another state of agent 'b', point \d+\)"):
        probe(numpy_simulator(step=step, reset=reset), points=16, widen=False)


def test_while_a_log_is_recorded():
    simulator = dataclasses.replace(
        random_network(2, horizon=4), step=raising_when(lambda state, actions, time: time == 3)
    )
    with pytest.raises(
        UserError, match=r"step of 'random-2' raised OutOfStock.*\(time 3\)"
    ) as error:
        record(simulator, 2)
    assert isinstance(error.value.__cause__, OutOfStock)


def toy(**changes: Any) -> Environment:
    one = np.ones(3, int)
    given: dict[str, Any] = {
        "id": "toy",
        "couplings": Couplings(["a", "b", "c"]),
        "horizon": 3,
        "reset": lambda key: jax.random.normal(key, (3, 1)),
        "step": lambda state, actions, time, key: 0.5 * state + actions,
        "reward": lambda state, actions, time: state[:, 0],
        "observe": lambda state: state,
        "state_sizes": one,
        "obs_sizes": one,
        "action_sizes": one,
        "action_head": "tanh",
    }
    return Environment(**(given | changes))


@jax.custom_jvp
def smooth(x):
    return x


@smooth.defjvp
def _slope(primals, tangents):
    raise OutOfStock("no slope left")


def in_a_callback(state, actions, time, key):
    rows = jax.ShapeDtypeStruct((3, 1), jnp.float32)
    return jax.pure_callback(raising, rows, state, vmap_method="sequential")


COMPILED = {
    "step": ({"step": raising}, "step of environment 'toy' raised OutOfStock: no wood left"),
    "reward": ({"reward": raising}, "reward of environment 'toy' raised OutOfStock"),
    "simple_actions": ({"simple_actions": raising}, "simple_actions of environment 'toy' raised"),
    "a derivative": (
        {"step": lambda state, actions, time, key: smooth(state)},
        "a derivative of environment 'toy' raised OutOfStock: no slope left",
    ),
    "a callback": ({"step": in_a_callback}, "no wood left (in rollouts with valid actions)"),
}


@pytest.mark.parametrize("case", COMPILED)
def test_of_an_environment_that_is_compiled(case):
    changes, words = COMPILED[case]
    with pytest.raises(UserError) as error:
        check(toy(**changes), points=4)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert error.value.__cause__ is not None


def test_numbers_of_numpy_are_numbers():
    simulator = numpy_simulator(horizon=np.int64(4))
    how: dict[str, Any] = {"points": np.int64(8), "seed": np.int64(3)}
    found = check(simulator, **how)
    assert type(found.to_dict()["seed"]) is int
    assert found.to_dict() == check(simulator, points=8, seed=3).to_dict()


NUMBERS: list[tuple[dict[str, Any], str]] = [
    ({"points": 8.0}, "points must be a whole number"),
    ({"seed": -1}, "seed must be a whole number, at least 0; got -1"),
    ({"tolerance": -1.0}, "tolerance must be at least 0"),
    ({"tolerance": float("nan")}, "tolerance must be a number, got nan"),
]


@pytest.mark.parametrize(("how", "words"), NUMBERS)
def test_numbers_are_checked(how, words):
    with pytest.raises(UserError, match=words):
        check(numpy_simulator(), **how)
