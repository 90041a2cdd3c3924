"""Critics of time-varying couplings: what they read and whom they are credited to, and when."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_world import SMALL, random_batch, small_environment

from mastac import Couplings, CouplingSequence, UserError
from mastac.algorithms import ALGORITHMS
from mastac.learning.actor_step import action_gradients
from mastac.learning.critic_inputs import action_inputs, batch_inputs
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.observing import observations
from mastac.structure.layouts import at_all_times, structured

NAMES = ["a", "b", "c", "d"]
# Two graphs that take turns; observations are those of the small environment at all times.
ENTRIES = [
    Couplings(NAMES, state=[("a", "b"), ("c", "d")], observation=[("c", "a")]),
    Couplings(NAMES, state=[("b", "c"), ("d", "c")], observation=[("c", "a")], action=[]),
]
SEQUENCE = CouplingSequence([ENTRIES[t % 2] for t in range(5)])


def scheduled(
    algorithm: str = "mastac",
    kappa: int | None = None,
    couplings: Couplings | CouplingSequence = SEQUENCE,
    **knobs,
):
    env = replace(small_environment(), couplings=couplings)
    how = ALGORITHMS[algorithm]
    settings = replace(SMALL, **{**how.defaults, **how.constant_knobs, **knobs})
    spec = learner_spec(
        env, how.layout_for(couplings, kappa, True, how.rewards[0]), settings, total_updates=100
    )
    return spec, learner_of(spec)


def value_and_slope(critic, x):
    """One perceptron on one input, in float64: its value and the gradient there."""
    weights, biases = (
        [np.asarray(each, np.float64) for each in part] for part in (critic.weights, critic.biases)
    )
    layers, masks = [x], []
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        before = layers[-1] @ w + b
        masks.append(before > 0)
        layers.append(before * masks[-1])
    slope = weights[-1][:, 0]
    for w, mask in zip(weights[-2::-1], masks[::-1], strict=True):
        slope = w @ (slope * mask)
    return float((layers[-1] @ weights[-1] + biases[-1])[0]), slope


@pytest.mark.parametrize("others_actions", ["policy", "replay"])
def test_gradients_are_those_of_each_times_own_sets(others_actions):
    spec, learner = scheduled(others_actions=others_actions)
    env = spec.env
    state, batch = learner.init(jax.random.key(0)), random_batch(spec.env, 12)

    @jax.jit
    def inputs_and_gradients(state, batch):
        now, _, _ = batch_inputs(spec, batch, state.target_actors)
        actions = spec.actors.apply(state.actors, observations(env, batch.state, batch.time))
        chosen = action_inputs(env, actions)
        return now, chosen, action_gradients(spec, state.critics, now, chosen)

    now, chosen, found = jax.tree.map(np.asarray, inputs_and_gradients(state, batch))
    sets = at_all_times(SEQUENCE, None, True)
    rows_of_states, rows_of_actions, policy = (
        np.asarray(each, np.float64) for each in (*now[:2], chosen)
    )
    expected = np.zeros_like(policy)
    for sample, time in enumerate(np.asarray(batch.time).tolist()):
        for bucket, stack in zip(spec.buckets, state.critics, strict=True):
            for place, term in enumerate(bucket.terms.tolist()):
                critic = jax.tree.map(lambda leaf, place=place: leaf[place], stack)
                states = set(sets[time].states[[term]].indices.tolist())
                actions = set(sets[time].actions[[term]].indices.tolist())
                reads_states, reads_actions = bucket.state_rows[place], bucket.action_rows[place]
                of_states = [rows_of_states[r, sample] * (r // 3 in states) for r in reads_states]
                for agent in actions:
                    mine = [others_actions == "policy" or r // 3 == agent for r in reads_actions]
                    source = [
                        (policy if own else rows_of_actions)[r, sample] * (r // 3 in actions)
                        for r, own in zip(reads_actions, mine, strict=True)
                    ]
                    x = np.concatenate([of_states, source, np.asarray(now.time)[:, sample]])
                    _, slope = value_and_slope(critic, x)
                    for column, row in enumerate(reads_actions):
                        if row // 3 == agent:
                            expected[row, sample] += slope[len(reads_states) + column]
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found[:-1], expected[:-1], rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("algorithm", ["mastac", "mastac-coordinated"])
def test_what_is_not_in_the_set_at_a_time_changes_nothing(algorithm):
    """At the last time, 4, agent a's reward depends on a alone: nothing else is read."""
    spec, learner = scheduled(algorithm, max_grad_norm=0.0)
    env, state = spec.env, learner.init(jax.random.key(0))
    batch = random_batch(env, 6)
    last = batch._replace(time=jnp.full(6, env.horizon - 1, jnp.int32))
    # Agent c, which a observes but whose couplings do not reach it.
    others = jnp.arange(env.num_agents)[None, :, None] == 2
    moved = last._replace(state=last.state + others, actions=last.actions + others)
    update = jax.jit(learner.update)
    one, other = (
        update(state, last, jax.random.key(1))[1],
        update(state, moved, jax.random.key(1))[1],
    )
    assert one.critic_loss[0] == other.critic_loss[0] and one.value[0] == other.value[0]
    assert one.value[2] != other.value[2]
    # Two steps earlier the state of c moves what d gets.
    early = batch._replace(time=jnp.full(6, 2, jnp.int32))
    one = update(state, early, jax.random.key(1))[1]
    other = update(state, early._replace(state=early.state + others), jax.random.key(1))[1]
    assert one.value[3] != other.value[3] and one.value[1] == other.value[1]


@pytest.mark.parametrize("algorithm", ["mastac", "mastac-coordinated", "undecomposed-q"])
def test_a_sequence_of_equal_entries_trains_like_couplings_that_stay(algorithm):
    """Where the sets of all times are the same nothing is left out."""
    whole = Couplings(
        NAMES,
        state=[(i, j) for i in NAMES for j in NAMES],
        reward=[(i, j) for i in NAMES for j in NAMES],
    )
    found = []
    for couplings in (whole, CouplingSequence([whole] * 5)):
        spec, learner = scheduled(algorithm, couplings=couplings)
        batch = random_batch(spec.env, 6)
        found.append(
            jax.jit(learner.update)(learner.init(jax.random.key(0)), batch, jax.random.key(1))
        )
    for one, other in zip(jax.tree.leaves(found[0]), jax.tree.leaves(found[1]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_layout_has_room_for_all_times_and_reads_each_times_own():
    layout = structured(*at_all_times(SEQUENCE, None, True))
    assert layout.schedule is not None
    sizes = [entry[0].nnz for entry in layout.schedule]
    assert sizes == sorted(sizes, reverse=True), "the less remains, the less matters"
    assert sizes[-1] == 4 and layout.states.nnz == sizes[0]
    for states, actions in layout.schedule:
        assert (states.toarray() <= layout.states.toarray()).all()
        assert (actions.toarray() <= layout.actions.toarray()).all()


def test_algorithms_without_time_take_the_union():
    layout = ALGORITHMS["independent"].layout_for(SEQUENCE, None, True, "own")
    assert layout.schedule is None
    assert set(layout.states[[0]].indices.tolist()) == {0, 2}


def test_mistakes_are_told():
    with pytest.raises(UserError, match="must know the time"):
        scheduled(finite_horizon=False)
    with pytest.raises(UserError, match="has 3 entries; give one for each of its 5 steps"):
        replace(small_environment(), couplings=SEQUENCE[:3])
