"""What a run keeps of each agent beside its return."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mastac.runs.agent_measures import GradientNorms, agent_measures

NAN = np.nan
ENV: Any = SimpleNamespace(agents=("a", "b"))


def test_norms_are_those_of_the_last_epochs_in_which_policies_moved() -> None:
    norms = GradientNorms()
    assert norms.to_store() == {}
    norms.add(np.array([[2.0, 4.0], [NAN, NAN]]))
    np.testing.assert_array_equal(norms.values, [[2.0, 4.0], [NAN, NAN]])
    norms.add(np.array([[NAN, NAN], [5.0, 7.0]]))
    np.testing.assert_array_equal(norms.values, [[2.0, 4.0], [5.0, 7.0]])


def test_they_are_stored_to_the_last_digit() -> None:
    values = np.array([[1 / 3, 1e-12], [NAN, 7.0]])
    manifest = json.loads(json.dumps(GradientNorms(values).to_store(), allow_nan=False))
    np.testing.assert_array_equal(GradientNorms.stored(manifest, (2, 2)).values, values)


@pytest.mark.parametrize("stored", [None, [[1.0]], "x", [[1.0, 2.0], 3.0], {"a": 1}])
def test_what_is_not_theirs_is_not_known(stored: Any) -> None:
    assert GradientNorms.stored({"gradient_norms": stored}, (2, 2)).values is None
    assert GradientNorms.stored({}, (2, 2)).values is None


def test_a_summary_has_means_over_the_seeds_that_ended_well() -> None:
    alive, norms = np.array([True, False, True]), np.array([[1.0, 2.0], [NAN, 9.0], [3.0, NAN]])
    violations = np.array([[[0.0, 0.5], [0.5, 0.5]]] * 3)
    assert agent_measures(ENV, violations, norms, alive) == {
        "violation_by_agent": {"a": 0.25, "b": 0.5},
        "gradient_norm_by_agent": {"a": 2.0, "b": None},
    }
    assert agent_measures(ENV, None, None, alive) == {}
    assert agent_measures(ENV, violations, norms, np.zeros(3, bool)) == {}
