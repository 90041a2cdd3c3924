"""What a user can set of every algorithm, and what is refused by name."""

from typing import Any

import pytest

from algorithms.other_knobs import ALWAYS_FIXED, OTHERS, other
from algorithms.small_algorithms import case
from mastac.algorithms import ALGORITHMS, users_text
from mastac.cli.main import main
from mastac.errors import UserError
from mastac.learning.knob_names import FORMER_NAMES
from mastac.learning.settings import KNOBS
from mastac.runs.config import ExperimentConfig, resolve

every = pytest.mark.parametrize("name", ALGORITHMS)


def resolved(name, **choices: Any):
    """The configuration of a run of an algorithm, every choice checked."""
    return resolve("warehouse-9", {}, algorithm=name, **choices)


def test_every_knob_is_accounted_for():
    assert set(OTHERS) == set(KNOBS)
    for name, how in ALGORITHMS.items():
        assert set(ALWAYS_FIXED) <= set(how.constant_knobs), name
        assert not set(how.constant_knobs) & set(how.defaults)


@pytest.mark.parametrize(
    ("name", "knob"),
    [(name, knob) for name, how in ALGORITHMS.items() for knob in how.constant_knobs],
)
def test_what_is_fixed_cannot_be_set(name, knob):
    fixed = ALGORITHMS[name].constant_knobs[knob]
    with pytest.raises(UserError) as refused:
        resolved(name, **{knob: other(knob, fixed)})
    sentence = str(refused.value)
    assert f"'{knob}'" in sentence and f"'{name}'" in sentence and "\n" not in sentence
    if not ALGORITHMS[name].uses(knob):
        assert f"does not use knob '{knob}'; it is used by {users_text(knob)}" in sentence
    # Saying what holds anyway is no mistake.
    assert getattr(resolved(name, **{knob: fixed}).settings, knob) == fixed


@every
@pytest.mark.parametrize("preset", ["default", "paper"])
def test_settings_hold_what_the_algorithm_says(name, preset):
    how = ALGORITHMS[name]
    settings = resolved(name, preset=preset).settings
    for knob, value in {**how.defaults, **how.constant_knobs, "rewards": how.rewards[0]}.items():
        assert getattr(settings, knob) == value, knob
    for knob in how.defaults:
        chosen = other(knob, getattr(settings, knob))
        assert getattr(resolved(name, **{knob: chosen}).settings, knob) == chosen


@every
def test_kappa_is_refused_where_it_means_nothing(name):
    if ALGORITHMS[name].uses_kappa:
        assert resolved(name, kappa=3).kappa == 3
        assert resolved(name, kappa="exact").kappa is None
        layouts = [
            ALGORITHMS[name].layout_for(case(name).env.couplings, kappa, True, "own")
            for kappa in (0, 3)
        ]
        assert any(
            (getattr(layouts[0], part) != getattr(layouts[1], part)).nnz
            for part in ("states", "actions", "rewards", "credit")
        ), "a window that changes nothing"
        return
    with pytest.raises(UserError, match=f"'{name}'.*kappa"):
        resolved(name, kappa=2)
    for preset in ("default", "paper"):
        assert resolved(name, preset=preset).kappa is None


@every
@pytest.mark.parametrize("rewards", ["own", "team"])
def test_rewards_are_refused_where_they_are_impossible(name, rewards):
    how = ALGORITHMS[name]
    if rewards in how.rewards:
        assert resolved(name, rewards=rewards).settings.rewards == rewards
        return
    with pytest.raises(UserError, match=f"'{name}'.*rewards={rewards}") as refused:
        resolved(name, rewards=rewards)
    able = [each for each, other in ALGORITHMS.items() if rewards in other.rewards]
    assert all(each in str(refused.value) for each in able)


@pytest.mark.parametrize("former", FORMER_NAMES)
def test_former_names_are_answered_with_the_present_ones(former):
    with pytest.raises(UserError, match=f"'{former}'; here it is called {FORMER_NAMES[former]}$"):
        resolved("mastac", **{former: True})


def test_stored_runs_are_read_under_their_former_names():
    config = resolved("maddpg", others_actions="policy", target_noise_clip=0.5).to_dict()
    present = {new: old for old, new in FORMER_NAMES.items()}
    stored = {present.get(name, name): value for name, value in config["knobs"].items()}
    stored["policy_actions"] = True
    assert not set(stored) & set(present)
    read = ExperimentConfig.from_dict(config | {"knobs": stored})
    assert read == ExperimentConfig.from_dict(config)
    stored["policy_actions"] = False
    read = ExperimentConfig.from_dict(config | {"knobs": stored})
    assert read.settings.others_actions == "replay"


def test_the_command_line_lists_all_of_them(capsys):
    assert main(["algorithms"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, how in ALGORITHMS.items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert how.summary in line and line.endswith(how.combines)
        assert ("--kappa" in line) == how.uses_kappa
        assert ("rewards=" in line) == (len(how.rewards) > 1)
        for knob in ("others_actions", "twin_critics", "target_noise", "policy_delay"):
            assert (knob in line) == (knob not in how.constant_knobs)
    for name, knob in KNOBS.items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert knob.range in line and knob.help in line and line.endswith(users_text(name))


def test_settings_of_mastac_alone_are_no_other_algorithms():
    own = resolve("thermal-40", {}).settings
    for name in set(ALGORITHMS) - {"mastac", "mastac-model-dyna"}:  # whose updates are the same
        other = resolve("thermal-40", {}, algorithm=name).settings
        assert own.actor_lr > other.actor_lr
        assert other.critics_first == 0 < own.critics_first
    assert resolve("thermal-40", {}, preset="paper").settings.critics_first == 0
    assert resolve("lq-8", {}).settings.critics_first == 0
