"""A run may end with the best policies that its evaluations found."""

import csv

import jax.numpy as jnp
import pytest

import mastac
from mastac.learning.keeping import Kept, better_of
from mastac.runs.evaluation import choosing_key, evaluation_key

RATE = 0.01  # too high: returns go up and down


def test_of_every_seed_the_better_one_is_kept():
    old = Kept(
        [jnp.zeros((4, 2)), jnp.zeros((4, 1, 3))],
        jnp.array([1.0, 2.0, -jnp.inf, 5.0]),
        jnp.array([3, 3, 0, 3]),
    )
    new = [jnp.ones((4, 2)), jnp.ones((4, 1, 3))]
    kept = better_of(old, new, jnp.array([2.0, 2.0, -9.0, jnp.nan]), 7)
    assert kept.episode_return.tolist() == [2.0, 2.0, -9.0, 5.0]
    assert kept.epoch.tolist() == [7, 3, 7, 3]
    for leaf in kept.actors:
        assert leaf.reshape(4, -1).all(1).tolist() == [True, False, True, False]
        assert leaf.reshape(4, -1).any(1).tolist() == [True, False, True, False]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    given = {"epochs": 24, "seeds": [0, 1], "evaluation_interval": 2, "evaluation_episodes": 8}
    knobs = {"actor_lr": RATE, "batch_size": 16, "critic_hidden": (8,)}
    return {
        keep: mastac.train("lq-3", out=folder / keep, keep=keep, progress=False, **given, **knobs)
        for keep in ("best", "last")
    }


def curve(run):
    with open(run.folder.evaluation, newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        seed: {int(r["epoch"]): float(r["episode_return"]) for r in rows if r["seed"] == seed}
        for seed in ("0", "1")
    }


def test_a_run_ends_with_the_policies_of_its_best_evaluation(runs):
    kept = runs["best"].summary["kept_epoch"]
    for seed, returns in curve(runs["best"]).items():
        assert returns[kept[seed]] == max(returns.values())
    assert any(kept[seed] < 24 for seed in kept)  # else the two runs could not differ
    assert "kept_epoch" not in runs["last"].summary
    best, last = (runs[keep].summary["greedy_mean"] for keep in ("best", "last"))
    assert best > last
    # The stored policies are those that were reported.
    assert runs["best"].evaluate()["greedy_mean"] == pytest.approx(best, rel=1e-5)


def test_what_chooses_is_not_what_is_reported():
    assert (choosing_key() != evaluation_key()).all()
