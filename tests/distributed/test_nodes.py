"""Agents that are apart learn and do what one process does, and are sent what the sets say."""

from functools import partial

import jax
import numpy as np
import pytest
from small_world import small_environment

from distributed.apart import (
    GROUPS,
    SEED,
    apart,
    assert_same,
    inside,
    local_team,
    plan_of,
    small,
    training,
)
from mastac import UserError
from mastac.distributed.distributing import training_promise
from mastac.distributed.jobs import Source, players
from mastac.distributed.learning_node import LearningNode
from mastac.distributed.lossy import Lossy
from mastac.distributed.messages import RUNNING, SAMPLE, STEP, Message, OutsideOfSets
from mastac.distributed.node import Node
from mastac.distributed.plans import check_environment, play_of
from mastac.distributed.promise import Counts
from mastac.distributed.running import World, evaluate, reported
from mastac.distributed.simulation import Simulation
from mastac.distributed.team import LocalTeam
from mastac.envs.naming import environment_from
from mastac.runs.planning import prepared

EPOCHS = 5


@pytest.mark.parametrize(
    ("algorithm", "knobs", "groups"),
    [
        ("mastac", {"kappa": 1, "episode_noise": 0.5, "saturation_cost": 0.1}, GROUPS),
        ("mastac", {"kappa": None, "others_actions": "replay"}, ((0, 1, 2, 3),)),
        ("matd3", {}, ((3,), (0, 2), (1,))),
    ],
    ids=["window", "replayed", "central"],
)
def test_training_apart_is_training_in_one_process(algorithm: str, knobs: dict, groups) -> None:
    plan = plan_of(algorithm, EPOCHS, *knobs.items())
    one, other = inside(plan), apart(training(plan), groups)
    assert_same(one[0], other.returns, atol=2e-5)
    assert_same(one[1], other.actors)
    promise, known = training_promise(plan), training(plan)
    if "others_actions" in knobs:
        assert promise is None
        return
    assert promise is not None
    env, settings = plan.env, plan.config.settings
    updates = known.schedule.updates_after(EPOCHS)
    counts = Counts(0, EPOCHS * env.horizon, EPOCHS, updates, settings.batch_size)
    assert updates > 0
    assert dict(other.ledger.totals()) == promise.expected(counts)
    assert dict(other.ledger.entries) == promise.expected_pairs(counts)


@pytest.mark.parametrize(
    "lossy",
    [Lossy(0.3, 2.0, 1, "hold"), Lossy(0.2, None, 0, "skip")],
    ids=["bursts and delay, held", "independent, skipped"],
)
def test_the_compiled_simulation_is_the_nodes(lossy: Lossy) -> None:
    plan = plan_of("mastac", EPOCHS, ("kappa", 1))
    known = training(plan, lossy)
    nodes, simulation = apart(known), Simulation(known)
    actors, returns = jax.jit(simulation.train)(SEED, lossy.loss)
    assert_same(returns, nodes.returns, atol=2e-5)
    assert_same(actors, nodes.actors)
    lost = sum(entry.lost for entry in nodes.ledger.entries.values())
    sent = sum(entry.messages for entry in nodes.ledger.entries.values())
    assert lost / sent == pytest.approx(lossy.loss, abs=0.1)
    keys = jax.random.split(jax.random.key(5), 2)
    makes = players(Source("", {}), lossy, GROUPS, nodes.actors)
    greedy = LocalTeam(
        [
            partial(Node, play_of(small(), (8,), lossy), GROUPS, k, make.weights)
            for k, make in enumerate(makes)
        ]
    )
    played = evaluate(greedy, small(), GROUPS, list(keys))
    found = jax.jit(lambda weights: simulation.evaluate(weights, keys, lossy))(actors)
    reports = np.array([reported(small(), episode) for episode in played])
    assert_same(found, reports, atol=2e-5)
    without = jax.jit(simulation.train)(SEED, 0.0)[1]
    assert np.abs(np.asarray(without) - nodes.returns).max() > 1e-3


def test_who_shares_a_process_changes_nothing() -> None:
    known = training(plan_of("mastac", 3, ("kappa", 1)), Lossy(0.3))
    one, other = apart(known, GROUPS), apart(known, ((0,), (1, 2, 3)))
    assert_same(one.returns, other.returns, atol=2e-5)
    assert one.ledger.entries == other.ledger.entries


def node(number: int = 0) -> LearningNode:
    known = training(plan_of("mastac", EPOCHS, ("kappa", 0)))
    made = LearningNode(known, GROUPS, number)
    made.begin_epoch(0)
    return made


def test_a_node_refuses_what_its_agents_sets_do_not_hold() -> None:
    made, state = node(), {"state": np.ones(1, np.float32)}
    seen = Message(3, 2, STEP, 0, 0, state)
    with pytest.raises(OutsideOfSets, match="agent 'c' was sent the state of agent 'd'"):
        made.hear([[seen]])
    with pytest.raises(OutsideOfSets, match="the slope of agent 'b'"):
        made.hear([[Message(1, 0, SAMPLE, 0, 6, {"slope": np.ones((1, 8), np.float32)})]])
    made.hear([[Message(2, 0, STEP, 0, 0, {"state": np.ones(3, np.float32)})]])  # a observes c
    with pytest.raises(OutsideOfSets, match="action"):
        made.hear([[Message(2, 0, RUNNING, 0, 0, {"action": np.ones(1, np.float32)})]])


def test_a_node_that_tells_everyone_is_refused() -> None:
    known = training(plan_of("mastac", EPOCHS, ("kappa", 0)))
    team = LocalTeam([partial(LearningNode, known, GROUPS, k) for k in (0, 1)])
    team.call("begin_epoch", [[0], [0]])
    everyone = [0, 1, 2, 3]
    team.nodes[0].told_to = {agent: [r for r in everyone if r != agent] for agent in (2, 0)}
    world = World(known.play.env, GROUPS)
    states = np.zeros((4, 3), np.float32)
    with pytest.raises(OutsideOfSets):
        team.chain(["tell", "act"], world.told(0, states, np.zeros(4, np.float32)))


@pytest.mark.parametrize(
    ("env", "choices", "words"),
    [
        ("lq-3", {"algorithm": "facmac"}, "one critic for each agent"),
        ("lq-3", {"algorithm": "mastac-ppo"}, "one critic for each agent"),
        ("lq-3", {"share_actors": True}, "share_actors"),
        ("computers-3", {}, "choices"),
    ],
)
def test_what_agents_cannot_learn_apart_is_refused(env: str, choices: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        training(prepared(environment_from(env), epochs=300, **choices))


def test_couplings_that_change_are_refused() -> None:
    with pytest.raises(UserError, match="change with the time"):
        check_environment(environment_from("doors-4").build())


def test_scales_that_are_measured_over_all_agents_are_refused() -> None:
    with pytest.raises(UserError, match="leaves obs_center open"):
        training(prepared(small_environment(), epochs=300, algorithm="mastac"))


def test_teams_of_this_process_can_change() -> None:
    with local_team([lambda: 1, lambda: 2]) as team:
        team.replace([lambda: 3])
        assert team.nodes == [3]
