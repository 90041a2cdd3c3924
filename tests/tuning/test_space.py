"""Every range can be searched, and holds the preset's value."""

import pytest

from mastac.algorithms import ALGORITHMS
from mastac.errors import UserError
from mastac.learning.settings import KNOBS, Settings, checked_settings
from mastac.tuning.space import FIRST, SEARCHABLE, space_of


@pytest.mark.parametrize("name", SEARCHABLE)
def test_all_that_is_searched_is_allowed(name: str) -> None:
    search = KNOBS[name].search
    assert search is not None
    values = search.choices or (search.low, search.high)
    assert len(values) > 1 and values[0] != values[-1]
    for value in values:
        assert KNOBS[name].checked(name, value) == value
    assert not search.log or search.low > 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_only_knobs_that_apply_are_searched(algorithm: str) -> None:
    space = space_of(algorithm, Settings())
    assert 2 <= len(space) <= 8
    assert set(space) == set(FIRST) - set(ALGORITHMS[algorithm].constant_knobs)


def test_ranges_are_widened_to_the_preset() -> None:
    settings = checked_settings({"actor_lr": 0.5, "noise": 0.0, "critic_hidden": [7]})
    knobs = ("actor_lr", "noise", "critic_hidden", "batch_size")
    space = space_of("mastac", settings, knobs)
    rates = space["actor_lr"]
    assert (rates.low, rates.high, rates.log) == (1e-5, 1.5, True)
    assert space["noise"].low == 0 and not space["noise"].log
    assert space["critic_hidden"].choices[0] == (7,)
    assert space["batch_size"].is_whole and space["batch_size"].high == 1024


@pytest.mark.parametrize(
    ("algorithm", "knobs", "message"),
    [
        ("mastac", ["actor_rl"], "unknown knob 'actor_rl'; did you mean 'actor_lr'"),
        ("mastac", ["minimal"], "'minimal' has no range to search; choose among actor_lr|model"),
        ("mastac", ["clip_ratio"], "leaves no choice of knob 'clip_ratio'"),
        ("mastac", ["tau"], "'tau' is set and searched"),
        ("mastac", ["noise", "noise"], "'noise' stands twice"),
    ],
)
def test_knobs_that_cannot_be_searched(algorithm: str, knobs: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        space_of(algorithm, Settings(), knobs, fixed={"tau": 0.1})
