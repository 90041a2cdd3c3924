"""The search: the same candidates for every algorithm, and the best one in the presets."""

import json
from pathlib import Path

import numpy as np
import pytest

from mastac.algorithms import ALGORITHMS
from mastac.cli.main import main
from mastac.learning.settings import Settings
from mastac.reproduction import search as searching
from mastac.reproduction.paper import cells_of
from mastac.reproduction.search import (
    BUDGETS,
    KNOBS,
    POINTS,
    RANGES,
    SLOWER,
    Budget,
    Trial,
    best_of,
    candidates,
    read_trials,
    search,
    searched_from,
    winners,
)
from mastac.runs.config import resolve
from mastac.runs.presets import tuned

COMMITTED = Path(__file__).parents[2] / "reproduction" / "search"


def test_candidates_are_the_preset_and_points_within_the_ranges() -> None:
    settings = Settings(actor_lr=0.01, critic_lr=0.002, reward_scale=0.5)
    found = candidates(settings, slower=True)
    assert found[0] == {"actor_lr": 0.01, "critic_lr": 0.002, "reward_scale": 0.5}
    assert found[: 1 + POINTS] == candidates(settings)
    for ranges, points in ((RANGES, found[1 : 1 + POINTS]), (SLOWER, found[1 + POINTS :])):
        for name, low, high in ranges:
            factors = np.array([each[name] for each in points]) / getattr(settings, name)
            assert (factors > 0.99 * low).all() and (factors < 1.01 * high).all()
            # A Latin hypercube: one point in each of the equal parts of the range.
            parts = np.floor(len(factors) * np.log(factors / low) / np.log(high / low))
            assert sorted(parts) == list(range(len(factors)))


def test_the_best_candidate_is_the_best_mean_of_the_longest_trials_and_finite() -> None:
    returns = [[-1.0, -9.0, -1.0], [-3.0, -3.0, -3.0], [0.0, np.nan, 0.0], [-5.0, -4.0, -1.0]]
    trials = [Trial(10, k, {}, each) for k, each in enumerate(returns)]
    assert best_of(trials).candidate == 1
    assert (
        best_of(
            [*trials, Trial(50, 3, {}, [-8.0, -8.0, -8.0]), Trial(50, 0, {}, [-9.0, -8.0, -8.0])]
        ).candidate
        == 3
    )


def test_presets_hold_what_the_search_chose() -> None:
    assert tuned() == winners(COMMITTED)


@pytest.mark.parametrize("env", ["warehouse-9", "warehouse-40", "thermal-40"])
def test_every_algorithm_was_given_the_same(env: str) -> None:
    """Candidates, lengths of trials and number of finalists."""
    budget = BUDGETS.get(env, Budget())
    expected = candidates(searched_from(env), budget.slower)
    files = sorted((COMMITTED / env).glob("*.csv"))
    assert {path.stem for path in files} == {
        c.name for c in searching.searched_cells("laptop") if c.env == env
    }
    plans = set()
    for path in files:
        trials = read_trials(path)
        lengths = sorted({trial.epochs for trial in trials})
        first = [trial for trial in trials if trial.epochs == lengths[0]]
        assert {trial.candidate: trial.rates for trial in first} == dict(enumerate(expected))
        plans.add((tuple(lengths), len(trials)))
    assert len(plans) == 1
    assert plans.pop()[1] == len(expected) + budget.finalists


@pytest.mark.parametrize(
    ("algorithm", "row"), [("maddpg", "maddpg"), ("independent", "independent")]
)
def test_baselines_train_with_their_own_rates_by_default(algorithm: str, row: str) -> None:
    settings = resolve("warehouse-40", {}, algorithm=algorithm).settings
    assert {name: getattr(settings, name) for name in KNOBS} == tuned()["warehouse-40"][row]
    # A ring of another size takes over what was found for forty; the paper's preset takes over
    # nothing.
    assert resolve("warehouse-12", {}, algorithm=algorithm).settings.actor_lr == settings.actor_lr
    assert (
        resolve("warehouse-40", {}, algorithm=algorithm, preset="paper").settings.actor_lr == 5e-4
    )
    assert (
        resolve("warehouse-40", {}, algorithm=algorithm, actor_lr=0.125).settings.actor_lr == 0.125
    )


def test_own_rewards_have_rates_of_their_own() -> None:
    own = resolve("thermal-40", {}, algorithm="matd3", rewards="own").settings
    assert own.actor_lr == tuned()["thermal-40"]["matd3-own"]["actor_lr"]


def test_rows_of_the_comparison_take_what_was_searched_for_them() -> None:
    knobs = {cell.path: cell.knobs for cell in cells_of("all", "laptop")}
    assert set(KNOBS) <= set(knobs["warehouse-9/mastac"])
    assert knobs["warehouse-40/mastac-k8"] == knobs["warehouse-40/mastac-k2"]
    assert knobs["thermal-40/qdcg-centralised"] == knobs["thermal-40/qdcg-coupling"]
    assert not set(KNOBS) & set(cells_of("all", "paper")[0].knobs)


def test_a_cell_is_searched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "POINTS", 2)
    (cell,) = cells_of("table1", "smoke", ["warehouse-9/mastac-k2"])
    budget = Budget(share=0.2, finalists=2, final_share=0.3)
    trials = search(cell, tmp_path, 200, budget)
    assert [trial.epochs for trial in trials] == [40, 40, 40, 60, 60]
    assert len({trial.score for trial in trials}) == 5, "rates must make a difference"
    ranked = sorted(trials[:3], key=lambda trial: -trial.score)
    assert {trial.candidate for trial in trials[3:]} == {trial.candidate for trial in ranked[:2]}
    path = tmp_path / "warehouse-9" / "mastac-k2.csv"
    content = path.read_bytes()
    monkeypatch.setattr(searching, "play_trials", lambda *_: pytest.fail("searched twice"))
    again = search(cell, tmp_path, 200, budget)
    np.testing.assert_allclose([t.returns for t in again], [t.returns for t in trials], rtol=1e-6)
    assert path.read_bytes() == content
    assert winners(tmp_path) == {"warehouse-9": {"mastac-k2": best_of(trials[3:]).rates}}


def test_search_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["reproduce", "search", "--plan", "--only", "thermal-40"]) == 0
    listed = capsys.readouterr().out.split()
    assert "thermal-40/maddpg-own" in listed and "thermal-40/qdcg-centralised" not in listed
    assert main(["reproduce", "search", "--from", "x"]) == 2
    assert capsys.readouterr().err == "mastac: --from does not go with search; leave it out\n"


def test_rates_on_disk_are_rates_of_known_algorithms() -> None:
    for rows in json.loads(json.dumps(tuned())).values():
        for row in rows:
            assert row in ALGORITHMS or row.removesuffix("-own") in ALGORITHMS or row == "mastac-k2"
