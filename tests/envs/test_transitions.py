"""Steps that pay and end episodes: what is refused, found, and trained on."""

import csv
import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from leaving import leaving_environment

import mastac
from mastac import Transition, UserError
from mastac.algorithms import ALGORITHMS
from mastac.envs.validation import check_environment
from mastac.learning.learner import buffer_of, learner_of, learner_spec
from mastac.learning.loop import one_seed
from mastac.runs.config import resolve
from mastac.runs.plan import layout_of

ONES = np.ones(3, int)
CHAIN = mastac.Couplings(
    ["a", "b", "c"], state=[("a", "b"), ("b", "c")], reward=[("a", "b"), ("b", "c")], action=[]
)


def following(level, pump):
    """The next levels of a row of tanks, each fed by the one before it."""
    above = jnp.concatenate([jnp.zeros((1, 1)), level[:-1]])
    return 0.8 * level + 0.2 * above + 0.5 * pump


def pay(level, pump):
    """What the next levels earn."""
    return -((following(level, pump) - 1.0) ** 2)[:, 0]


def row(step=None, reward=None, couplings=CHAIN):
    return mastac.Environment(
        id="row",
        couplings=couplings,
        horizon=5,
        reset=lambda key: jax.random.uniform(key, (3, 1)),
        step=step or (lambda level, pump, time, key: following(level, pump)),
        reward=reward,
        observe=lambda level: level,
        state_sizes=ONES,
        obs_sizes=ONES,
        action_sizes=ONES,
        action_head="tanh",
    )


def paying(level, pump, time, key):
    after = following(level, pump)
    return Transition(after, -((after - 1.0) ** 2)[:, 0])


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (row(), "gives no rewards"),
        (row(paying, lambda level, pump, time: level[:, 0]), "both reward and step"),
        (
            row(lambda *of: Transition(following(*of[:2]), following(*of[:2]))),
            "rewards from step of environment 'row' must be one 32-bit float for each agent",
        ),
        (
            row(lambda *of: paying(*of)._replace(terminated=jnp.zeros(3))),
            "terminated from step of environment 'row' must be one bool for each agent",
        ),
        (
            row(lambda *of: paying(*of)._replace(terminated=of[0] > 2.0)),
            r"got bool of shape \[3, 1\]",
        ),
        (row(lambda *of: tuple(paying(*of))), "step of environment 'row' must return one float32"),
    ],
)
def test_what_a_step_may_not_give(env, said, tmp_path):
    with pytest.raises(UserError, match=said):
        check_environment(env)
    with pytest.raises(UserError, match=said):
        mastac.train(env, epochs=3, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("ends", [jnp.asarray(False), jnp.zeros(3, bool)])
def test_what_it_may(ends):
    env = row(lambda *of: paying(*of)._replace(terminated=ends))
    check_environment(env)
    assert env.terminates and not row(paying).terminates
    after = env.transition(jnp.ones((3, 1)), jnp.zeros((3, 1)), 0, jax.random.key(0))
    np.testing.assert_array_equal(after.terminated, np.zeros(3, bool))


def test_what_needs_whole_episodes_says_so():
    env = leaving_environment()
    with pytest.raises(UserError, match="may end early; a log holds whole ones: record"):
        mastac.record(replace(env, observe=lambda state: jnp.zeros((4, 6))), episodes=2)


def test_checks_see_who_pays_and_who_ends():
    """The reward follows from the next level, and the end of the last tank from the first one."""

    def step(level, pump, time, key):
        ends = jnp.array([False, False, True]) & (level[0, 0] > 0.5)
        return paying(level, pump, time, key)._replace(terminated=ends)

    declared = mastac.Couplings(["a", "b", "c"], state=[("a", "b"), ("b", "c")], action=[])
    found = str(mastac.check(row(step, couplings=declared)))
    print(found)
    for graph, edge in (("reward", "a -> b"), ("reward", "b -> c"), ("state", "a -> c")):
        assert any(graph in line and edge in line for line in found.splitlines()), (graph, edge)


def seed_of(env, epochs):
    """The loop of one seed with few, small networks."""
    knobs = {"actor_hidden": (4,), "critic_hidden": (4,), "batch_size": 5, "updates_per_epoch": 1}
    config = resolve(env.id, {}, custom=True, algorithm="mastac", epochs=epochs, **knobs)
    spec = learner_spec(env, layout_of(env, config), config.settings, total_updates=epochs)
    buffer = buffer_of(env, config.settings, epochs)
    assert ALGORITHMS["mastac"].uses_kappa
    return one_seed(env, learner_of(spec), buffer, config.settings, epochs)


def test_rewards_from_step_are_those_of_a_function_bit_for_bit():
    """And an epoch is an episode that is played, and learnt from; it may come from outside."""
    by_step, by_function = row(paying), row(reward=lambda level, pump, time: pay(level, pump))
    results = []
    for env in (by_step, by_function):
        seed = seed_of(env, 4)

        def whole(key, seed=seed):
            state, epochs = seed.init(key), jnp.arange(4)
            return jax.lax.scan(lambda s, epoch: seed.one_epoch(s, key, epoch), state, epochs)

        results.append(jax.tree.leaves(jax.jit(whole)(jax.random.key(3))))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)

    seed, key = seed_of(by_step, 4), jax.random.key(3)
    played, learnt = jax.jit(seed.played), jax.jit(seed.learnt)
    state = seed.init(key, jax.eval_shape(played, seed.init(key).learner, key, jnp.asarray(0)))
    for epoch in range(4):
        keys = seed.keys(key, epoch)
        episode = jax.device_get(played(state.learner, keys[0], jnp.asarray(epoch)))
        assert episode.alive is None and episode.length is None and episode.observations is None
        state, _ = learnt(state, episode, keys[1], jnp.asarray(epoch))
    for one, other in zip(jax.tree.leaves(state), results[0], strict=False):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_steps_are_counted_as_they_were_played(tmp_path):
    run = mastac.train(
        leaving_environment(),
        algorithm="mastac",
        kappa=1,
        epochs=6,
        seeds=[0, 1],
        out=tmp_path / "run",
        batch_size=6,
        updates_per_epoch=1,
        actor_hidden=(4,),
        critic_hidden=(4,),
        evaluation_episodes=2,
        progress=False,
    )
    with open(tmp_path / "run" / "metrics.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ends = []
    for seed in ("0", "1"):
        counted = [int(row["env_steps"]) for row in rows if row["seed"] == seed]
        lengths = np.diff([0, *counted])
        assert len(lengths) == 6 and (lengths >= 1).all() and (lengths <= 6).all()
        ends.append(counted[-1])
    assert sum(ends) < 2 * 6 * 6
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["env_steps"] == round(np.mean(ends))
    assert np.isfinite(summary["greedy_mean"])
    stored = json.loads((tmp_path / "run" / "environment.json").read_text(encoding="utf-8"))
    assert "terminated" in stored["behaviour"]
    assert run.summary == summary


def test_agents_leave_the_parallel_env_as_well():
    """Its agents leave one by one, the others play on, and nothing of those that left is shown."""
    world = mastac.pettingzoo(leaving_environment())
    world.reset(seed=4)
    ends, seen = {}, 0
    while world.agents:
        there = list(world.agents)
        obs, rewards, terminated, truncated, _ = world.step(
            {agent: np.zeros(world.action_space(agent).shape or (), np.float32) for agent in there}
        )
        assert set(rewards) == set(terminated) == set(truncated) == set(there)
        assert np.isfinite(list(rewards.values())).all()
        assert np.isfinite(world.state()).all()
        ends |= {agent: terminated[agent] for agent in there if agent not in world.agents}
        seen += len(there)
    assert set(ends) == set(world.possible_agents) and any(ends.values())
    assert seen < 4 * 6
