"""The study of the theorems: it holds, it repeats, and it notices sets that are too small."""

import numpy as np

from mastac.structure import chain
from mastac.theory import theorem_study
from mastac.theory.example_games import game_couplings
from mastac.theory.sets import dependency_sets
from mastac.theory.theorem_study import theorem_rows, theorem_text, without_one_member


def test_all_hold_and_every_member_matters():
    rows = theorem_rows(4, seed=1)
    assert rows == theorem_rows(4, seed=1) or all(
        a[:3] == b[:3] and np.array_equal(a[3:], b[3:], equal_nan=True)
        for a, b in zip(rows, theorem_rows(4, seed=1), strict=True)
    )
    assert {row.theorem for row in rows} == {"3.2", "3.6", "3.7 (a)", "3.7 (b)"} and len(rows) == 7
    for row in rows:
        assert row.holds and row.without_least > 1e-8
        assert not row.inside < 1e-9
    assert "All deviations are below" in theorem_text(rows)


def test_windows_are_noticed(monkeypatch):
    monkeypatch.setattr(
        theorem_study, "dependency_sets", lambda couplings: dependency_sets(couplings, 0)
    )
    rows = theorem_rows(3)
    assert not any(row.holds for row in rows)
    assert "A deviation is above" in theorem_text(rows)


def test_one_member_less():
    sets = dependency_sets(chain(4))
    (less,) = without_one_member(chain(4), np.random.default_rng(0))
    taken = np.argwhere(sets.actions & ~less.actions)
    assert len(taken) == 1 and taken[0][0] != taken[0][1]
    assert not less.states[tuple(taken[0])]


def test_couplings_by_name():
    assert game_couplings("grid", 6).state.nnz == 6 + 2 * 7
    stream = game_couplings("stream", 3).state.toarray()
    assert stream.tolist() == [[True, False, False], [True, True, False], [False, True, True]]
