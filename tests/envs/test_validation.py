"""What an environment of one's own is refused for, in one sentence that names the function."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.examples import EXAMPLES, IDS
from mastac.envs import Environment, Reference, make
from mastac.envs.registry import is_built_in
from mastac.envs.validation import check_environment, checked_reference
from mastac.errors import UserError
from mastac.structure import Couplings, CouplingSequence

ROW = Couplings(["upper", "middle", "lower"], state=[(0, 1), (1, 2)], action=[])


def tanks(**changes: Any) -> Environment:
    """Three tanks in a row, to be changed."""
    ones = np.ones(3, int)
    given: dict[str, Any] = {
        "id": "tanks",
        "couplings": ROW,
        "horizon": 5,
        "reset": lambda key: jax.random.uniform(key, (3, 1)),
        "step": lambda level, pump, time, key: 0.8 * level + 0.5 * pump,
        "reward": lambda level, pump, time: -((level - 1.0) ** 2)[:, 0],
        "observe": lambda level: level,
        "state_sizes": ones,
        "obs_sizes": ones,
        "action_sizes": ones,
        "action_head": "tanh",
    }
    return Environment(**(given | changes))


def test_what_is_right_passes():
    check_environment(tanks())
    seen = {"observe": lambda level, time: jnp.concatenate([level, level * time], 1)}
    check_environment(tanks(**seen, obs_sizes=[2, 2, 2]))
    check_environment(tanks(simple_actions=lambda level, time: jnp.zeros_like(level)))
    assert checked_reference(tanks()) is None


@pytest.mark.parametrize(("id", "options"), EXAMPLES, ids=IDS)
def test_every_family_gives_what_it_declares(id, options):
    """Replaced, so that it is checked like an environment of one's own."""
    env = dataclasses.replace(make(id, **options))
    assert not is_built_in(env)
    check_environment(env)


def flat(level, *_):
    return level[:, 0]


def integers(key):
    return jnp.zeros((3, 1), int)


def broken(*arguments):
    raise ZeroDivisionError("no water\nat all")


WRONG_FUNCTIONS = {
    "wide observation": (
        {"observe": lambda level: jnp.concatenate([level, 100 * level], 1)},
        r"observe of environment 'tanks' must return one float32 array of shape \[3, 1\] \(one row "
        r"for each agent, as wide as the largest of obs_sizes\), got shape \[3, 2\]",
    ),
    "narrow observation": ({"obs_sizes": [1, 2, 1]}, r"observe .*\[3, 2\].*got shape \[3, 1\]"),
    "flat observation": ({"observe": flat}, r"observe .*got shape \[3\]"),
    "observation of booleans": ({"observe": lambda level: level > 0}, "observe .*got bool"),
    "two observations": ({"observe": lambda level: (level, level)}, "observe .*got tuple"),
    "no observation": ({"observe": lambda level: None}, "observe .*got NoneType"),
    "state too wide": ({"reset": lambda key: jnp.zeros((3, 2))}, r"reset .*got shape \[3, 2\]"),
    "one agent too few": ({"reset": lambda key: jnp.zeros((2, 1))}, r"reset .*got shape \[2, 1\]"),
    "state sizes too large": ({"state_sizes": [1, 3, 1]}, r"reset .*shape \[3, 3\]"),
    "integer state": ({"reset": integers}, r"reset .*got int32; convert it with .astype"),
    "boolean state": ({"reset": lambda key: jnp.zeros((3, 1), bool)}, "reset .*got bool"),
    "half precision": ({"reset": lambda key: jnp.zeros((3, 1), jnp.float16)}, "got float16"),
    "list of a state": ({"reset": lambda key: [[0.0]] * 3}, "reset .*got list"),
    "step of another shape": ({"step": flat}, r"step .*state_sizes.*got shape \[3\]"),
    "step of integers": (
        {"step": lambda level, pump, time, key: level.astype(int)},
        "step .*got int32",
    ),
    "step that adds columns": (
        {"step": lambda level, pump, time, key: jnp.tile(level, 2)},
        r"step .*got shape \[3, 2\]",
    ),
    "reward as a column": (
        {"reward": lambda level, pump, time: -(level**2)},
        r"reward .*shape \[3\] \(one number for each agent\), got shape \[3, 1\]",
    ),
    "reward of the team": (
        {"reward": lambda level, pump, time: -(level**2).sum()},
        r"reward .*got shape \[\]",
    ),
    "reward of booleans": ({"reward": lambda level, pump, time: level[:, 0] > 0}, "got bool"),
    "padding of observations": (
        {"observe": lambda level: jnp.concatenate([level, level + 7], 1), "obs_sizes": [2, 1, 2]},
        "observe of environment 'tanks' gives .* as entry 1 of agent 'middle', whose obs_sizes is",
    ),
    "padding of states": (
        {
            "reset": lambda key: jnp.ones((3, 2)),
            "observe": lambda x: x[:, :1],
            "state_sizes": [1, 2, 2],
        },
        "reset of environment 'tanks' gives 1 as entry 1 of agent 'upper', whose state_sizes is 1",
    ),
    "padding of later states": (
        {
            "reset": lambda key: jnp.zeros((3, 2)),
            "step": lambda level, pump, time, key: level + 3,
            "observe": lambda level: level[:, :1],
            "state_sizes": [1, 2, 2],
        },
        "step of environment 'tanks' gives 3 as entry 1 of agent 'upper'",
    ),
    "simple actions": ({"simple_actions": flat}, r"simple_actions .*action_sizes.*got shape \[3\]"),
    "action sizes too large": (
        {"action_sizes": [1, 2, 1]},
        r"step .*\[3, 1\].*got shape \[3, 2\]",
    ),
    "raising": (
        {"reward": broken},
        "^reward of environment 'tanks' raised ZeroDivisionError: no water$",
    ),
    "too few arguments": ({"step": lambda level, pump: level}, "step .* raised TypeError: .*given"),
    "a branch on a value": (
        {"step": lambda level, pump, time, key: level if time > 2 else pump},
        "step .* raised TracerBoolConversionError",
    ),
    "a refusal of one's own": (
        {"reset": lambda key: make("lq-1")},
        "^reset of environment 'tanks': environment 'lq-1' needs at least 2 agents",
    ),
}


@pytest.mark.parametrize(("changes", "said"), WRONG_FUNCTIONS.values(), ids=WRONG_FUNCTIONS)
def test_a_function_that_gives_something_else(changes, said):
    env = tanks(**changes)
    with pytest.raises(UserError, match=said) as refusal:
        check_environment(env)
    assert "\n" not in str(refusal.value)
    raised = "raised" in said or "lq-1" in said
    assert (refusal.value.__cause__ is not None) == raised


def test_64_bits_are_refused():
    with jax.enable_x64(True), pytest.raises(UserError, match="64-bit mode"):
        check_environment(tanks())
    check_environment(tanks())


NAN = float("nan")
SEQUENCE = CouplingSequence([ROW] * 4)
WRONG_VALUES = {
    "no id": ({"id": ""}, "id of an environment must be a text"),
    "a number as id": ({"id": 7}, "id of an environment must be a text"),
    "couplings as edges": ({"couplings": [(0, 1)]}, "couplings of environment 'tanks' must be"),
    "horizon of 5.0": ({"horizon": 5.0}, "horizon of environment 'tanks' must be a whole number"),
    "no horizon": ({"horizon": 0}, "horizon of environment 'tanks' .* at least 1"),
    "horizon of True": ({"horizon": True}, "horizon of environment 'tanks' must be a whole number"),
    "sequence too short": ({"couplings": SEQUENCE}, "4 entries; give one for each of its 5 steps"),
    "no function": ({"step": None}, "step of environment 'tanks' must be a function, got None"),
    "reference itself": (
        {"reference": Reference(0.0, 1.0)},
        "reference of environment 'tanks' must be a function, got Reference",
    ),
    "sizes of halves": ({"state_sizes": [1, 1.5, 1]}, "state_sizes of environment 'tanks' must"),
    "sizes of NaN": ({"state_sizes": [1, NAN, 1]}, "state_sizes of environment 'tanks' must"),
    "one size": ({"obs_sizes": 1}, "obs_sizes .* one whole number for each of its 3 agents"),
    "two sizes": ({"obs_sizes": [1, 1]}, r"obs_sizes .* got \[1, 1\]"),
    "ragged sizes": ({"obs_sizes": [1, [1, 2], 1]}, "obs_sizes of environment 'tanks' must"),
    "an empty state": ({"state_sizes": [1, 0, 1]}, "state_sizes .* positive whole number"),
    "negative size": ({"obs_sizes": [1, -1, 1]}, "obs_sizes of environment 'tanks' must give"),
    "texts as sizes": ({"action_sizes": ["1"] * 3}, "action_sizes of environment 'tanks' must"),
    "no actions": ({"action_sizes": [0, 0, 0]}, "no agent of environment 'tanks' has an action"),
    "limit of zero": (
        {"action_limit": [[1.0], [0.0], [1.0]]},
        "action_limit of environment 'tanks' must be above 0 .* got 0.0 for agent 'middle'",
    ),
    "negative scale": ({"state_scale": -1}, "state_scale of environment 'tanks' must be above 0"),
    "infinite scale": ({"obs_scale": math.inf}, "obs_scale .* finite, got inf for agent 'upper'"),
    "NaN as centre": ({"state_center": [[0], [NAN], [0]]}, "state_center .* agent 'middle'"),
    "text as scale": ({"state_scale": "1.0"}, "state_scale .* array of numbers, got '1.0'"),
    "ragged scale": ({"action_scale": [[1], [1, 2], [1]]}, "action_scale .* array of numbers"),
    "scale of True": ({"obs_scale": True}, "obs_scale .* array of numbers, got True"),
    "scale for each agent": (
        {"action_limit": [1.0, 2.0, 3.0]},
        r"action_limit .* has shape \[3\], which does not fit rows of shape \[3, 1\]",
    ),
    "NaN as option": ({"options": {"flow": NAN}}, "flow in options of environment 'tanks' is nan"),
    "NaN in a list": ({"options": {"flow": np.array([1, NAN])}}, "flow in options .* is nan"),
    "a set as option": ({"options": {"pumps": {1, 2}}}, "pumps in options .* cannot be stored"),
    "a number as name": ({"options": {1: 2}}, "options of environment 'tanks' must have texts"),
    "a list of options": ({"options": ["flow"]}, "options .* must be a mapping by name, got"),
    "report": ({"report": "median"}, "report of environment 'tanks' is 'median'"),
}


@pytest.mark.parametrize(("changes", "said"), WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_value_that_is_refused_at_once(changes, said):
    with pytest.raises(UserError, match=said) as refusal:
        tanks(**changes)
    assert "\n" not in str(refusal.value)


def test_values_are_brought_into_their_plain_form():
    env = tanks(
        horizon=np.int64(5),
        state_sizes=[1.0, 1.0, 1.0],
        state_scale=[[1], [2], [3]],
        obs_scale=np.float32(2.0),
        action_limit=jnp.array([[1.0], [2.0], [3.0]]),
        options={"rate": np.float32(0.5), "sizes": (1, np.int64(2)), "name": None},
    )
    assert type(env.horizon) is int and env.state_sizes.dtype == np.int64
    assert np.array_equal(env.state_scale, [[1.0], [2.0], [3.0]]) and env.obs_scale == 2.0
    assert isinstance(env.state_scale, np.ndarray) and isinstance(env.action_limit, np.ndarray)
    assert env.options == {"rate": 0.5, "sizes": [1, 2], "name": None}
    assert type(env.options["rate"]) is float and type(env.options["sizes"][1]) is int
    check_environment(env)


def test_references_are_plain_finite_numbers():
    given: dict[str, Any] = {"simple": np.float32(-50), "best_known": jnp.float32(-1)}
    reference = Reference(**given, policies={"still": np.float64(-60)})
    assert reference == Reference(-50.0, -1.0, policies={"still": -60.0})
    assert type(reference.simple) is type(reference.best_known) is float
    assert checked_reference(tanks(reference=lambda: reference)) is reference


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (lambda: Reference(NAN, 1.0), "simple of a reference must be a number, got nan"),
        (lambda: Reference(0.0, np.float64(math.inf)), "best_known of a reference"),
        (lambda: Reference(0.0, 1.0, bound=NAN), "bound of a reference"),
        (lambda: Reference(0.0, 1.0, policies={"still": NAN}), "policy 'still' of a reference"),
        (lambda: Reference("low", 1.0), "simple of a reference must be a number, got 'low'"),  # pyright: ignore[reportArgumentType]
        (lambda: 3.0, "must return a mastac.Reference or None, got float"),
        (broken, "raised ZeroDivisionError: no water"),
    ],
)
def test_a_reference_that_cannot_be_stored(reference, said):
    with pytest.raises(UserError, match=f"^reference of environment 'tanks'.*{said}") as refusal:
        checked_reference(tanks(reference=reference))
    assert "\n" not in str(refusal.value)


def test_environments_are_compared_and_kept_as_objects():
    env, other = tanks(), tanks()
    assert env == env and env != other and {env: 1, other: 2}[env] == 1


def test_only_what_make_built_is_built_in():
    env = make("lq-3")
    assert is_built_in(env) and is_built_in(make("warehouse-9"))
    assert not is_built_in(dataclasses.replace(env, reward=lambda s, a, t: jnp.full(3, 7.0)))
    assert not is_built_in(dataclasses.replace(env)), "what replace makes is the user's own"
    assert not is_built_in(tanks(id="lq-3", options=env.options))
