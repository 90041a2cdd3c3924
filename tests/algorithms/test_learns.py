"""One algorithm of every kind of learner learns a network whose optimum is known.

Its run can be opened again.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac.algorithms import ALGORITHMS
from mastac.envs.episodes import rollout_return
from mastac.learning.learner import learner_of, learner_spec
from mastac.runs.checkpoints import load_checkpoint
from mastac.runs.config import resolve
from mastac.runs.execution import Execution
from mastac.runs.plan import plan_run
from mastac.runs.policy import Policy

# Structured, central, twin, local, summed and mixed critics. The others differ by what layouts and
# updates say.
KINDS = {
    "mastac": {"kappa": 1},
    "maddpg": {},
    "matd3": {},
    "independent": {},
    "qdcg-coupling": {},
    "facmac": {},
}
SEEDS = [0, 1]
# Six seeds of every kind scored 0.82 and more.
THRESHOLD = 0.5
SHORT = {
    "epochs": 400,
    "evaluation_interval": 400,
    "batch_size": 64,
    "discount": 0.9,
    "noise": 0.3,
    "noise_final": 0.3,
    "actor_hidden": [],
    "critic_hidden": [32, 32],
    "actor_lr": 3e-3,
    "critic_lr": 5e-3,
}


@pytest.fixture(scope="module")
def world():
    """A linear-quadratic network whose actions have a limit.

    So policies that have learnt little yet cannot make it unstable.

    Scores are those of the network without limits, 1 for the best linear feedback; the limit costs
    a tenth of them.
    """
    return replace(mastac.make("lq-3"), id="bounded", options={}, action_head="tanh")


@pytest.fixture(scope="module", params=KINDS)
def run(request, world, tmp_path_factory):
    out = tmp_path_factory.mktemp("learns") / request.param
    return mastac.train(
        world,
        algorithm=request.param,
        seeds=SEEDS,
        out=out,
        progress=False,
        **KINDS[request.param],
        **SHORT,
    )


def test_all_kinds_of_learner_are_there():
    """Every mixer but the one that differs by a sign; twins, and every kind of rewards."""
    fixed = {ALGORITHMS[name].constant_knobs.get("mixer") for name in KINDS}
    assert fixed == {"none", "sum", "monotonic"}
    assert {ALGORITHMS[name].rewards[0] for name in KINDS} == {"own", "team"}


@pytest.mark.slow
def test_it_learns(run, world):
    scores = [world.reference().score(run.summary["greedy_by_seed"][str(seed)]) for seed in SEEDS]
    assert min(scores) > THRESHOLD, scores


@pytest.mark.slow
def test_it_can_be_opened_again(run, world):
    """The run from its folder, its policies, and the checkpoint, all act alike."""
    again = mastac.load(run.path, env=world)
    assert again.config == run.config and again.summary == run.summary
    execution = Execution(again.folder, plan_run(world, again.config), lambda _: None)
    like = jax.eval_shape(execution.program.init, execution.keys)
    keys = np.asarray(jax.random.key_data(execution.keys))
    stored = load_checkpoint(
        again.folder.checkpoints, SHORT["epochs"], {"state": like, "keys": keys}
    )
    learner = stored["state"].learner
    obs = np.asarray(world.observe(world.reset(jax.random.key(5))))
    for place, seed in enumerate(SEEDS):
        acted = again.policy(seed).act(obs)
        np.testing.assert_array_equal(acted, run.policy(seed).act(obs))
        np.testing.assert_array_equal(
            acted, Policy.load(run.path / "policies" / f"seed-{seed}.npz").act(obs)
        )
        weights = jax.tree.map(lambda leaf, place=place: leaf[place], learner.actors)
        found = execution.plan.spec.actors.apply(weights, jnp.asarray(obs)[:, :, None])[:, :, 0]
        np.testing.assert_allclose(found, acted, rtol=1e-5, atol=1e-6)
        assert np.abs(acted).max() > 1e-3


def test_an_untrained_policy_fails(world):
    """Otherwise the threshold above would say nothing."""
    settings = resolve(world.id, {}, custom=True, algorithm="independent").settings
    layout = ALGORITHMS["independent"].layout_for(world.couplings, None, True, "own")
    learner = learner_of(learner_spec(world, layout, settings))
    keys = jax.random.split(jax.random.key(7), 100)
    for seed in SEEDS:
        state = learner.init(jax.random.key(seed))
        policy = lambda obs, at, time, state=state: learner.act(state, obs)  # noqa: E731
        returns = jax.vmap(lambda key, policy=policy: rollout_return(world, policy, key))(keys)
        assert world.reference().score(float(world.reported(returns).mean())) < THRESHOLD / 2
