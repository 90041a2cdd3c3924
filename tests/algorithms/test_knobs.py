"""Ranges of knobs, who uses them, and what they mean."""

import argparse
import math

import numpy as np
import pytest

from mastac.algorithms import ALGORITHMS, users_of
from mastac.cli import train
from mastac.errors import UserError
from mastac.learning.settings import KIND_KNOBS, KNOBS, Settings, checked_settings
from mastac.runs.config import resolve

every = pytest.mark.parametrize("name", KNOBS)
NEITHER = [None, "", "1", math.nan, math.inf, -math.inf, [1, "2"], [True], [0], {}]


def inside(knob):
    """Values at the ends of a range, and of numpy's types."""
    if knob.choices:
        return [*knob.choices]
    if isinstance(knob.default, bool):
        return [True, False, np.bool_(True)]
    if isinstance(knob.default, tuple):
        return [[1], (7, 3), [np.int64(64), 8], *([[]] if knob.min_layers == 0 else [])]
    if isinstance(knob.default, int):
        return [knob.least, knob.least + 1, np.int64(knob.least + 3), float(knob.least), 1e5]
    ends = [end for end in (knob.least, knob.most) if end is not None]
    above = [] if knob.above is None else [math.nextafter(knob.above, math.inf)]
    return [
        *ends,
        *above,
        1,
        np.float32(0.5),
        np.float64(0.5),
        np.int64(1),
        *[1e9, -1e9][: not ends],
    ]


def outside(knob):
    """Values that are just outside a range, or of another type."""
    if knob.choices:
        return [*NEITHER, True, 1, knob.choices[0] + " ", [knob.choices[0]]]
    if isinstance(knob.default, bool):
        return [*NEITHER, 0, 1, 1.0, "true"]
    if isinstance(knob.default, tuple):
        return [*NEITHER, 64, [64, 0], [64.5], [-3], *([[], ()] if knob.min_layers else [])]
    numbers = [*NEITHER, True, False, np.bool_(True), [1]]
    if isinstance(knob.default, int):
        return [*numbers, knob.least - 1, np.int64(knob.least - 1), knob.least + 0.5]
    numbers += [10**400]
    numbers += [] if knob.least is None else [math.nextafter(knob.least, -math.inf)]
    numbers += [] if knob.most is None else [math.nextafter(knob.most, math.inf)]
    return [*numbers, *([] if knob.above is None else [knob.above, -0.1])]


@every
def test_values_in_the_range_are_accepted(name):
    for value in inside(KNOBS[name]):
        settings = checked_settings({name: value})
        chosen = getattr(settings, name)
        assert type(chosen) is type(KNOBS[name].default), value
        assert chosen == (tuple(value) if isinstance(value, list) else value)
        if isinstance(chosen, tuple):
            assert all(type(width) is int for width in chosen)


@every
def test_every_choice_can_be_set_on_the_command_line(name):
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    for choice in KNOBS[name].choices:
        chosen = train.knobs_of(parser.parse_args(["lq-3", "--set", f"{name}={choice}"]))
        settings = checked_settings({name: chosen[name]})
        assert getattr(settings, name) == choice


@every
def test_values_outside_the_range_are_refused(name):
    for value in outside(KNOBS[name]):
        with pytest.raises(UserError) as refused:
            checked_settings({name: value})
        sentence = str(refused.value)
        assert sentence.startswith(f"knob '{name}' must be {KNOBS[name].range}, got "), sentence


@pytest.mark.parametrize(
    ("algorithm", "name", "value"),
    [
        ("ippo", "gae_lambda", 5),
        ("ippo", "clip_ratio", -3),
        ("mappo", "rollout_steps", -7),
        ("mappo", "entropy_bonus", -0.1),
        ("zeroth-order", "perturbation", 0),
        ("mastac-sac", "temperature", 0),
        ("facmac", "mixer_embedding", 0),
        ("mastac", "noise", -0.1),
        ("mastac", "noise_final", -0.1),
    ],
)
def test_a_run_is_refused_for_an_impossible_value(algorithm, name, value):
    with pytest.raises(
        UserError, match=f"^knob '{name}' must be {KNOBS[name].range}, got {value}$"
    ):
        resolve("warehouse-9", {}, algorithm=algorithm, **{name: value})


@every
def test_a_knob_says_what_it_is(name):
    knob = KNOBS[name]
    assert len(knob.help) > 20 and not knob.help.startswith("and ")
    assert knob.range
    assert knob.checked(name, knob.default) == knob.default == getattr(Settings(), name)
    assert knob.checked(name, knob.unused) == knob.unused


@every
def test_a_knob_is_used_by_someone(name):
    if name in KIND_KNOBS:  # set by algorithms, to different values
        assert not users_of(name)
        assert len({getattr(how.kind, name) for how in ALGORITHMS.values()}) > 1
    else:
        assert users_of(name)


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_not_used_stands_at_its_value_whatever_the_preset_says(algorithm, preset):
    for env in ("warehouse-9", "thermal-40", "lq-8", "doors-12"):
        settings = resolve(env, {}, algorithm=algorithm, preset=preset).settings
        for name, knob in KNOBS.items():
            if not ALGORITHMS[algorithm].uses(name):
                assert getattr(settings, name) == knob.unused
