"""A run whose agents share networks: what it stores, and what its files do."""

import numpy as np
import pytest

import mastac
from mastac.runs.policy import Policy

SMALL = {"actor_hidden": [4], "critic_hidden": [4], "batch_size": 8, "buffer_size": 100}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return mastac.train(
        "lq-6",
        kappa=1,
        epochs=2,
        out=tmp_path_factory.mktemp("shared") / "run",
        evaluation_episodes=2,
        progress=False,
        share_actors=True,
        share_critics=True,
        **SMALL,
    )


def test_policies_stand_once_and_do_what_was_trained(run):
    policy = run.policy()
    assert policy.kinds is not None and [len(weight) for weight in policy.weights] == [1, 1]
    alone = policy.alone()
    assert [len(weight) for weight in alone.weights] == [6, 6]
    obs = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    np.testing.assert_allclose(policy.act(obs), alone.act(obs), rtol=1e-5, atol=1e-6)
    again = run.evaluate()
    assert again["greedy_mean"] == pytest.approx(run.summary["greedy_mean"], rel=1e-4)


def test_controllers_are_of_single_agents(run, tmp_path):
    files = run.export(tmp_path / "controllers", format="numpy")
    assert len(files["controllers"]) == 6


def test_a_policy_whose_kinds_do_not_fit_is_refused(run, tmp_path):
    with np.load(run.folder.policy(0)) as archive:
        arrays = dict(archive)
    for kinds in (np.full(6, 1), np.zeros(5, int), np.full(6, -1)):
        np.savez(tmp_path / "policy.npz", **{**arrays, "kinds": kinds})
        with pytest.raises(mastac.UserError, match="shapes of its arrays do not go together"):
            Policy.load(tmp_path / "policy.npz")
