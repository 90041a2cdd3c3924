"""The small shared modules: checks of numbers, echoed values, lazy names of the package."""

import numpy as np
import pytest

import mastac.theory
from mastac.checks import real_number, whole_number
from mastac.errors import UserError
from mastac.text import shortened, table


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_whole_numbers_of_python_and_numpy_are_taken(value) -> None:
    number = whole_number("epochs", value, least=1, most=5)
    assert number == 3 and type(number) is int


@pytest.mark.parametrize(
    "value", [0, 6, -1, 2.0, np.float64(2), True, np.bool_(True), "3", None, 10**400, "9" * 400]
)
def test_other_values_are_refused_by_a_short_sentence(value) -> None:
    with pytest.raises(UserError, match="epochs must be a whole number, from 1 to 5; got") as error:
        whole_number("epochs", value, least=1, most=5)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.int64(1)])
def test_numbers_of_python_and_numpy_are_taken(value) -> None:
    number = real_number("discount", value, least=0, most=1)
    assert number == float(value) and type(number) is float


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, np.inf, 10**400, True, "0.5", None])
def test_other_numbers_are_refused_by_a_short_sentence(value) -> None:
    with pytest.raises(UserError, match="discount must be") as error:
        real_number("discount", value, least=0, most=1)
    assert len(str(error.value)) < 200


def test_ends_that_are_not_allowed() -> None:
    with pytest.raises(UserError, match="tau must be above 0 and at most 1, got 0"):
        real_number("tau", 0, least=0, most=1, least_excluded=True)
    with pytest.raises(UserError, match="gamma must be at least 0 and below 1, got 1"):
        real_number("gamma", 1, least=0, most=1, most_excluded=True)


def test_columns_of_a_table_stand_below_one_another() -> None:
    lines = table(("name", "Q̂", "kind"), [("a", "1.25", "x"), ("b→c", "12", "yy")], left=1)
    assert lines.splitlines() == [
        "name     Q̂  kind",
        "────  ────  ────",
        "a     1.25     x",
        "b→c     12    yy",
    ]
    assert table(("a", "b"), [("x", "y z")], left=2).splitlines()[2] == "x  y z"


def test_what_is_echoed_is_one_short_line() -> None:
    assert shortened("a\n\tb") == "a b"
    assert len(shortened("x" * 1000)) == 80


@pytest.mark.parametrize("package", [mastac, mastac.theory], ids=lambda package: package.__name__)
def test_every_public_name_is_there(package) -> None:
    assert {*dir(package), "__version__"} == {*package.__all__, "__version__"}
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        package.nothing  # noqa: B018
