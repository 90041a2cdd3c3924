"""Algorithms that must agree where their difference is taken away.

Bit for bit where they are then the same program.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_world import random_batch

from algorithms.small_algorithms import BATCH, case, history, initial, same_bits
from mastac.learning.actor_step import action_gradients
from mastac.learning.critic_inputs import action_inputs, batch_inputs
from mastac.learning.observing import observations
from mastac.structure import complete, uncoupled

LAYOUT = ("states", "actions", "rewards", "credit", "mix")
COMPLETE, ALONE = complete(4), uncoupled(4)
WITHOUT_TRICKS = {"twin_critics": False, "target_noise": 0.0, "policy_delay": 1}


def assert_same_algorithm(a, b):
    """Equal layouts, equal settings, and equal bits after a few updates."""
    for part in LAYOUT:
        left, right = getattr(a.spec.layout, part), getattr(b.spec.layout, part)
        assert (left is None) == (right is None)
        assert left is None or np.array_equal(left.toarray(), right.toarray()), part
    assert a.spec.settings == b.spec.settings
    assert a.update is not b.update, "one compiled update cannot tell anything about two"
    assert same_bits(history(a), history(b))


@pytest.mark.parametrize("rewards", ["team", "own"])
def test_matd3_without_its_tricks_is_maddpg(rewards):
    plain = case("maddpg", rewards=rewards)
    assert_same_algorithm(case("matd3", rewards=rewards, **WITHOUT_TRICKS), plain)


@pytest.mark.parametrize(
    ("trick", "value"), [("twin_critics", True), ("target_noise", 0.2), ("policy_delay", 2)]
)
def test_each_of_its_tricks_alone_is_not_maddpg(trick, value):
    changed = case("matd3", **(WITHOUT_TRICKS | {trick: value}))
    a, b = (
        history(case("maddpg", rewards="team"), updates=2)[0][-1],
        history(changed, updates=2)[0][-1],
    )
    assert not same_bits(
        (a.actors, a.target_actors, a.target_critics), (b.actors, b.target_actors, b.target_critics)
    )


def test_a_window_as_long_as_the_graph_is_exact():
    assert_same_algorithm(case("mastac", kappa=5), case("mastac", kappa=None))


@pytest.mark.parametrize(("name", "kappa"), [("undecomposed-q", 1), ("khop", 1)])
def test_on_complete_couplings_nothing_is_decomposed(name, kappa):
    plain = case("mastac", couplings=COMPLETE, distance_decay=1.0)
    assert_same_algorithm(plain, case(name, kappa=kappa, couplings=COMPLETE))


@pytest.mark.parametrize("name", ["khop", "independent"])
def test_uncoupled_agents_learn_alone(name):
    plain = case("mastac", couplings=ALONE, distance_decay=1.0)
    assert_same_algorithm(plain, case(name, kappa=0, couplings=ALONE))


@pytest.mark.parametrize(
    ("graph", "name"), [("complete", "qdcg-centralised"), ("uncoupled", "qdcg-decentralised")]
)
def test_coordination_graphs_meet_at_their_ends(graph, name):
    couplings = COMPLETE if graph == "complete" else ALONE
    assert_same_algorithm(
        case("qdcg-coupling", couplings=couplings), case(name, couplings=couplings)
    )


def test_for_one_agent_the_team_is_itself():
    own, team = (
        history(case("maddpg", alone=True, rewards=rewards)) for rewards in ("own", "team")
    )
    assert same_bits(own, team)


def test_for_one_agent_the_sum_of_utilities_is_its_critic():
    mixed, _ = history(case("qdcg-decentralised", alone=True))
    alone, _ = history(case("independent", alone=True))
    for part in ("actors", "critics", "target_actors", "target_critics"):
        for a, b in zip(
            *(jax.tree.leaves(getattr(each[-1], part)) for each in (mixed, alone)), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["maddpg", "undecomposed-q", "mastac"])
def test_replayed_actions_of_the_current_policy_are_the_current_policys(name):
    found = {}
    for source in ("policy", "replay"):
        it = case(name, others_actions=source)
        state, batch = initial(it), random_batch(it.env, BATCH)
        chosen = it.spec.actors.apply(state.actors, observations(it.env, batch.state, batch.time))
        gradients = jax.jit(
            lambda *rows, it=it, critics=state.critics: action_gradients(it.spec, critics, *rows)
        )
        batches = {
            "the policy's": batch._replace(actions=jnp.moveaxis(chosen, -1, 0)),
            "others": batch,
        }
        for actions, each in batches.items():
            now, _, _ = batch_inputs(it.spec, each, state.actors)
            rows = action_inputs(it.env, chosen)
            found[source, actions] = np.asarray(gradients(now, rows))
    np.testing.assert_allclose(
        found["policy", "the policy's"], found["replay", "the policy's"], rtol=1e-4, atol=1e-6
    )
    assert np.abs(found["policy", "the policy's"]).max() > 1e-3
    # Current actions never look at the replay; replayed ones do.
    np.testing.assert_array_equal(found["policy", "others"], found["policy", "the policy's"])
    assert np.abs(found["replay", "others"] - found["replay", "the policy's"]).max() > 1e-3
