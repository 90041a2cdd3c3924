"""One suite for all algorithms that step: whatever stands in `ALGORITHMS` must pass.

Nothing here knows how an algorithm works.
"""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algorithms.other_knobs import BEFORE, BESIDE, LOOP, NUMBERS, PROGRAMS, SHAPES, free, other
from algorithms.small_algorithms import TOTAL, UPDATES, case, history, initial, material, same_bits
from mastac.agents.stochastic import greedy_network
from mastac.algorithms import ALGORITHMS
from mastac.learning.kinds import with_models
from mastac.learning.learner import buffer_of, learner_of, learner_spec
from mastac.learning.loop import one_seed
from mastac.runs.checkpoints import load_checkpoint, save_checkpoint
from mastac.runs.config import resolve

# What learns from a model, too, is given the whole replay, and has tests of its own.
STEPPING = [name for name, how in ALGORITHMS.items() if not with_models(how.kind)]
every = pytest.mark.parametrize("name", STEPPING)
PARTS = ("actors", "critics", "target_actors", "target_critics")


def stacked(trees):
    """Trees of equal shapes as one, with an axis in front."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


@cache
def side_by_side(name):
    """One compiled program for all that is compared.

    Two seeds, and the first of them with one number changed.
    Gives the function, its fixed arguments (numbers among the knobs, which are traced) and the
    first states.
    """
    it = case(name)

    def update(numbers, state, batch, key, count):
        settings = replace(it.spec.settings, **numbers)
        spec = learner_spec(it.env, it.spec.layout, settings, total_updates=TOTAL)
        return learner_of(spec).update(state, batch, key, count)

    changed = [None, None, *NUMBERS]
    numbers = {
        knob: jnp.asarray(
            [value if knob == each else getattr(it.spec.settings, knob) for each in changed]
        )
        for knob, value in NUMBERS.items()
    }
    seeds = [0, 1] + [0] * len(NUMBERS)
    first = [initial(it, seed) for seed in (0, 1)]
    together = jax.jit(jax.vmap(update, in_axes=(0, 0, 0, 0, None)))
    return together, numbers, stacked([first[seed] for seed in seeds]), seeds


def all_pasts(name):
    """States before and after several updates, and metrics, for every place side by side."""
    together, numbers, state, seeds = side_by_side(name)
    states, metrics = [state], []
    for count in range(UPDATES):
        drawn = [material(case(name), 10 * seed + count) for seed in (0, 1)]
        keys = jnp.stack([jax.random.key(10 * seed + count) for seed in seeds])
        state, row = together(
            numbers, states[-1], stacked([drawn[seed] for seed in seeds]), keys, jnp.int32(count)
        )
        states.append(state)
        metrics.append(row)
    return jax.tree.map(np.asarray, (states, metrics))


once = cache(all_pasts)


def past(name, place=0):
    """What happened in one of the places."""
    return jax.tree.map(lambda leaf: leaf[place], once(name))


# What evolves


@every
def test_shapes(name):
    it = case(name)
    states, metrics = past(name)
    layout, agents, act = it.spec.layout, it.env.num_agents, int(it.env.action_sizes.max())
    assert sorted(np.concatenate([bucket.terms for bucket in it.spec.buckets])) == list(
        range(layout.num_terms)
    )
    for leaf in jax.tree.leaves(
        (states[0].actors, states[0].target_actors, states[0].actor_optimizer)
    ):
        assert leaf.shape[0] == agents
    actions = sorted(
        np.concatenate([bucket.action_rows.shape[1] > 0 for bucket in it.spec.buckets], axis=None)
    )
    assert any(actions) == (it.spec.settings.estimator == "pathwise"), (
        "values of states read no actions"
    )
    twins = (2,) if it.spec.settings.twin_critics else ()
    for stack, bucket in zip(states[0].critics, it.spec.buckets, strict=False):
        width = bucket.state_rows.shape[1] + bucket.action_rows.shape[1] + 1
        assert stack.weights[0].shape == (len(bucket.terms), *twins, width, 8)
        assert stack.weights[-1].shape == (len(bucket.terms), *twins, 8, 1)
    for before, after in pairwise(states):
        assert jax.tree.map(jnp.shape, before) == jax.tree.map(jnp.shape, after)
    for row in metrics:
        assert row.value.shape == (layout.num_values,)
        if states[0].critics:
            assert row.critic_loss.shape == (layout.num_values,)
        else:
            assert row.critic_loss is None
        assert row.gradient_norm.shape == (agents,)
    obs = it.env.observe(it.env.reset(jax.random.key(0)))
    real = np.arange(act) < it.env.action_sizes[:, None]
    noisy, _ = jax.jit(it.learner.explore)(
        states[-1], obs, jnp.float32(0.2), jnp.float32(0.1), jax.random.key(1)
    )
    for actions in (jax.jit(it.learner.act)(states[-1], obs), noisy):
        assert actions.shape == (agents, act)
        assert (np.asarray(actions)[~real] == 0).all()


@every
def test_everything_stays_finite_and_moves(name):
    states, metrics = past(name)
    for leaf in jax.tree.leaves((states, metrics)):
        assert np.isfinite(leaf).all()
    for part in ("actors", "critics", "target_actors", "target_critics"):
        pairs = zip(
            jax.tree.leaves(getattr(states[0], part)),
            jax.tree.leaves(getattr(states[-1], part)),
            strict=True,
        )
        moved = [bool((a != b).any()) for a, b in pairs]
        # Actors hold the centre and the scale of what they observe, which are not trained.
        still = 2 if part.endswith("actors") and moved else 0
        assert moved.count(False) <= still, (
            f"{part} stand still in {moved.count(False)} of {len(moved)} arrays"
        )
    if states[0].critics:
        assert min(float(row.critic_loss.min()) for row in metrics) > 0
    assert float(metrics[0].gradient_norm.min()) > 0, "an agent that climbs nothing"


@every
def test_targets_follow_when_they_are_due(name):
    it = case(name)
    states, metrics = past(name)
    delay, tau = it.spec.settings.policy_delay, it.spec.settings.tau
    assert delay == (2 if name == "matd3" else 1)
    for count, (before, after) in enumerate(pairwise(states)):
        assert not before.critics or not same_bits(before.critics, after.critics)
        if count % delay:
            for part in ("actors", "actor_optimizer", "target_actors", "target_critics"):
                assert same_bits(getattr(before, part), getattr(after, part)), (
                    f"{part} moved at update {count}"
                )
            assert (metrics[count].gradient_norm == 0).all() and not metrics[count].actors_moved
            continue
        assert metrics[count].actors_moved
        for online in ("actors", "critics"):
            if not jax.tree.leaves(getattr(before, f"target_{online}")):
                continue
            triples = (
                getattr(before, f"target_{online}"),
                getattr(after, online),
                getattr(after, f"target_{online}"),
            )
            for old, new, found in zip(*map(jax.tree.leaves, triples), strict=True):
                np.testing.assert_allclose(found, old + tau * (new - old), rtol=1e-5, atol=1e-7)
    assert not same_bits(states[0].actors, states[-1].actors)


@every
def test_the_same_key_gives_the_same_bits(name):
    assert same_bits(once(name), all_pasts(name))


@pytest.mark.parametrize(
    "name",
    [
        "mastac",
        "mastac-coordinated",
        "mastac-sac",
        "independent",
        "matd3",
        "facmac",
        "qdcg-coupling",
        "mastac-ppo",
        "zeroth-order",
    ],
)
def test_seeds_side_by_side_equal_seeds_alone(name):
    """For one algorithm of each kind; side by side, the numbers among the knobs are traced."""
    for seed in (0, 1):
        together, alone = past(name, seed)[0][-1], history(case(name), seed)[0][-1]
        for part in PARTS:
            for a, b in zip(
                *(jax.tree.leaves(getattr(each, part)) for each in (together, alone)), strict=True
            ):
                np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)
    assert not same_bits(past(name, 0)[0][-1].actors, past(name, 1)[0][-1].actors)


@every
def test_checkpoints_give_back_every_bit(name, tmp_path):
    state = jax.tree.map(jnp.asarray, past(name)[0][-1])
    save_checkpoint(tmp_path, 3, {"state": state})
    like = jax.eval_shape(case(name).init, jax.random.key(0))
    assert same_bits(load_checkpoint(tmp_path, 3, {"state": like})["state"], state)


# What a knob changes


@every
def test_every_number_changes_the_update(name):
    base = past(name)[0][-1]
    for place, knob in enumerate(NUMBERS, start=2):
        state = past(name, place)[0][-1]
        if knob not in free(name, NUMBERS):
            continue
        part = (
            "critics"
            if knob not in ("actor_lr", "entropy_bonus") and jax.tree.leaves(base.critics)
            else "actors"
        )
        assert not same_bits(getattr(base, part), getattr(state, part)), (
            f"{knob} leaves the {part} alone"
        )


@every
def test_every_shape_changes_the_update(name):
    def evolving(**knobs):
        it = case(name, **knobs)
        state = jax.eval_shape(it.learner.init, jax.random.key(0))
        after = jax.eval_shape(
            it.learner.update, state, material(it), jax.random.key(0), jnp.int32(0)
        )[0]
        shapes = [leaf.shape for leaf in jax.tree.leaves(after)]
        assert shapes == [leaf.shape for leaf in jax.tree.leaves(state)]
        return shapes

    base = evolving()
    for knob in free(name, SHAPES):
        assert evolving(**{knob: other(knob, getattr(case(name).spec.settings, knob))}) != base, (
            knob
        )


@cache
def program(name, **knobs):
    """The update as it is handed to the compiler."""
    it = case(name, **knobs)
    state = jax.eval_shape(it.learner.init, jax.random.key(0))
    # Not the update that `case` has compiled, which would be the same object for the same knobs.
    update = jax.jit(lambda *arguments: it.learner.update(*arguments))
    return update.lower(state, material(it), jax.random.key(0), jnp.int32(0)).as_text()


@every
def test_every_choice_changes_the_update(name):
    settings = case(name).spec.settings
    if name == "matd3":
        assert program(name) == program.__wrapped__(name), (
            "the comparison needs programs that are the same for the same knobs"
        )
    for knob in free(name, PROGRAMS):
        changed, beside = {knob: other(knob, getattr(settings, knob))}, BESIDE.get(knob, {})
        assert program(name, **beside, **changed) != program(name, **beside), knob


def loop(name, **knobs):
    """First states and an epoch of the loop, as they are handed to the compiler."""
    it, window = case(name), 1 if ALGORITHMS[name].uses_kappa else None
    chosen = {"actor_hidden": [8], "critic_hidden": [8], "batch_size": 6, **knobs}
    chosen = {knob: value for knob, value in chosen.items() if ALGORITHMS[name].uses(knob)}
    config = resolve(it.env.id, {}, True, name, window, epochs=40, **chosen)
    learner = learner_of(learner_spec(it.env, it.spec.layout, config.settings, total_updates=TOTAL))
    settings, epochs = config.settings, config.epochs
    seed = one_seed(it.env, learner, buffer_of(it.env, settings, epochs), settings, epochs)
    key, epoch = jax.random.key(0), jnp.int32(0)
    state = jax.eval_shape(seed.init, key)
    first = jax.jit(seed.init).lower(key).as_text()
    return first, jax.jit(seed.one_epoch).lower(state, key, epoch).as_text()


@pytest.mark.parametrize("name", ["mastac", "mastac-sac", "ippo", "zeroth-order"])
def test_every_knob_of_the_loop_changes_the_loop(name):
    """For one algorithm of each kind of exploration."""
    base = loop(name)
    for knob in free(name, LOOP):
        assert loop(name, **{knob: LOOP[knob]}) != base, knob


@every
def test_the_actors_first_weights_scale(name):
    smaller, base = (
        greedy_network(case(name, **knobs).init(jax.random.key(0)).actors) for knobs in (BEFORE, {})
    )
    np.testing.assert_allclose(smaller.weights[-1], 0.3 * base.weights[-1], rtol=1e-6)
    assert same_bits(smaller.weights[:-1], base.weights[:-1])
