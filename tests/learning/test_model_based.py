"""Around the local models: units, ages of episodes, climbing, and judging by measured returns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.small_world import small_environment
from mastac.agents.actors import actors as actors_of
from mastac.learning.buffer import Episode
from mastac.learning.model_based.climbing import WORST, climb
from mastac.learning.model_based.fitting import drawn
from mastac.learning.model_based.record import BEHIND, first_record, judged
from mastac.learning.model_based.units import (
    FLOOR,
    ages,
    latest,
    mean_and_scale,
    measured_units,
    reward_range,
    slowed,
    state_range,
)

AGES = jax.jit(ages, static_argnums=0)


def held(capacity: int, count: int) -> list[int]:
    """Places of a ring of this capacity after so many episodes, from the oldest to the newest."""
    return [episode % capacity for episode in range(max(0, count - capacity), count)]


@given(st.integers(1, 6), st.integers(1, 20))
@settings(max_examples=30)
def test_ages_of_a_store_that_has_wrapped_around(capacity, count):
    age = AGES(capacity, jnp.int32(count))
    places = held(capacity, count)
    assert int(age.filled) == len(places)
    np.testing.assert_array_equal(age.order[: len(places)], places)
    recent = places[-((len(places) + 1) // 2) :]
    for found, expected in ((age.is_filled, places), (age.is_recent, recent)):
        np.testing.assert_array_equal(found, np.isin(np.arange(capacity), expected))
    newest = latest(age, len(places))
    np.testing.assert_array_equal(newest, places[::-1])


def random_store(capacity: int = 5, seed: int = 0) -> Episode:
    """Episodes of three steps of two agents, far from zero."""
    random = np.random.default_rng(seed)
    shapes = ((capacity, 4, 2, 3), (capacity, 3, 2, 1), (capacity, 3, 2))
    return Episode(*(jnp.asarray(7 + random.normal(size=s), jnp.float32) for s in shapes))


@pytest.mark.parametrize("count", [3, 13])
def test_units_are_those_of_the_recent_half(count):
    store, age = random_store(), ages(5, jnp.int32(count))
    recent = held(5, count)[-((min(count, 5) + 1) // 2) :]
    units = measured_units(store, age)
    states, actions, rewards = (np.asarray(leaf, np.float64)[recent] for leaf in store[:3])
    for name, values in (
        ("state", states[:, :-1]),
        ("action", actions),
        ("change", np.diff(states, axis=1)),
        ("reward", rewards),
    ):
        center, scale = (getattr(units, f"{name}_{what}") for what in ("center", "scale"))
        np.testing.assert_allclose(center, values.mean((0, 1)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scale, values.std((0, 1)), rtol=1e-3)
    places = held(5, count)
    lowest, highest = state_range(store, age, 0.5)
    seen = np.asarray(store.states)[places]
    least, most = seen.min((0, 1)), seen.max((0, 1))
    np.testing.assert_allclose(lowest, least - 0.5 * (most - least), rtol=1e-5)
    np.testing.assert_allclose(highest, most + 0.5 * (most - least), rtol=1e-5)
    paid = np.asarray(store.rewards)[places]
    np.testing.assert_array_equal(reward_range(store, age)[0], paid.min((0, 1)))
    np.testing.assert_array_equal(reward_range(store, age)[1], paid.max((0, 1)))


def test_scales_of_constants_have_a_floor():
    values = np.zeros((4, 3, 2), np.float32)
    values[:, :, 1] = -50.0  # constant always; the other one only of late
    values[0, :, 0], values[1, :, 0] = 100.0, -100.0
    mean, scale = mean_and_scale(jnp.asarray(values), ages(4, jnp.int32(4)))
    np.testing.assert_allclose(mean, [0.0, -50.0], rtol=1e-6)
    assert scale[0] == pytest.approx(FLOOR * values[:, :, 0].std(), rel=1e-3)
    assert 0 < scale[1] < 0.1


def test_scales_at_most_halve():
    old, new = (measured_units(random_store(seed=seed), ages(5, jnp.int32(5))) for seed in (0, 1))
    old = old._replace(state_scale=old.state_scale.at[0, 0].set(100.0))
    at_first, later = (slowed(new, old, jnp.asarray(first)) for first in (True, False))
    jax.tree.map(np.testing.assert_array_equal, at_first, new)
    assert later.state_scale[0, 0] == 50.0
    for name, former in old._asdict().items():
        if former is None:  # nothing is observed but states
            continue
        found, measured = getattr(later, name), getattr(new, name)
        wanted = np.maximum(measured, former / 2) if name.endswith("scale") else measured
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("count", [3, 21])
def test_members_draw_transitions_of_their_own_half_of_them_recent(count):
    capacity, times = 8, 4
    number = np.arange(capacity * (times + 1)).reshape(capacity, times + 1, 1, 1)
    marks = jnp.asarray(number, jnp.float32)
    store = Episode(marks, marks[:, :-1], marks[:, :-1, :, 0])
    sample = drawn(store, ages(capacity, jnp.int32(count)), jax.random.key(0), 2, 400)
    start, end = (np.asarray(leaf)[:, 0, 0] for leaf in (sample.state, sample.next_state))
    np.testing.assert_array_equal(end, start + 1)
    np.testing.assert_array_equal(sample.actions[:, 0, 0], start)
    np.testing.assert_array_equal(sample.rewards[:, 0], start)
    np.testing.assert_array_equal(sample.time, start % (times + 1))
    assert set(np.unique(sample.time)) == set(range(times))
    episode, places = start // (times + 1), held(capacity, count)
    assert set(np.unique(episode[:, :200])) == set(places[3 * len(places) // 4 :])
    assert set(np.unique(episode[:, 200:])) == set(places)
    assert (start[0] != start[1]).any()


NASTY = (
    lambda x: -jnp.sum((x - 3.0) ** 2),
    lambda x: jnp.sum(jnp.where(x > 0.05, jnp.nan, x)),  # a cliff behind a slope
    lambda x: jnp.sum(jnp.log(x)),  # NaN at first, for some
    lambda x: jnp.sum(1.0 / (0.02 - x)),  # runs into a pole
    lambda x: 1e36 * jnp.sum(jnp.sin(80.0 * x)),
    lambda x: jnp.sum(jnp.exp(200.0 * x)),  # overflows
    lambda x: jnp.nan * jnp.sum(x),
    lambda x: -jnp.inf + jnp.sum(x),
    lambda x: jnp.sum(jnp.abs(x) ** 0.5),  # infinite slope at zero
)


def nasty(which, weights):
    value = jax.lax.switch(which, NASTY, weights["a"]) + 0.0 * weights["b"].sum()
    return value, 2.0 * value


CLIMB = jax.jit(lambda which, weights, rate: climb(lambda w: nasty(which, w), weights, 12, rate))
NASTY_VALUE = jax.jit(nasty)


@given(st.integers(0, len(NASTY) - 1), st.integers(0, 50), st.sampled_from([1e-3, 0.1, 10.0]))
@settings(max_examples=80)
def test_climbing_never_ends_below_where_it_began(which, seed, rate):
    first = np.random.default_rng(seed).normal(size=(2, 3)).astype(np.float32) * 0.1
    first[0, 0] *= seed % 2  # zero for some
    weights = {"a": jnp.asarray(first), "b": jnp.zeros((2, 1, 1))}
    found = CLIMB(jnp.int32(which), weights, jnp.float32(rate))

    def value(weights) -> float:
        of = float(NASTY_VALUE(jnp.int32(which), weights)[0])
        return of if np.isfinite(of) else -np.inf

    start, end = value(weights), value(found.actors)
    assert end >= start
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    assert found.after >= found.before
    if np.isfinite(start):
        assert float(found.before) == pytest.approx(start, rel=1e-4, abs=1e-30)
        assert float(found.after) == pytest.approx(end, rel=1e-4, abs=1e-30)
    else:
        assert float(found.before) < -1e38
    if np.isfinite(end) and abs(end) < 1e37:
        assert float(found.promise) == pytest.approx(2 * float(found.after), rel=1e-5)
    if found.best_step == 0:
        np.testing.assert_array_equal(found.actors["a"], first)
    if which == 0:
        assert found.after > found.before


def test_climbing_leaves_how_observations_are_read_alone():
    actors = actors_of(small_environment(), (4,))
    weights = actors.init(jax.random.key(0))
    obs = jnp.ones((*actors.obs_center.shape, 1))

    def objective(weights):
        return actors.apply(weights, obs).sum(), ()

    found = jax.jit(lambda w: climb(objective, w, 10, jnp.float32(0.05)))(weights)
    assert found.after > found.before
    for name in ("center", "inverse_scale"):
        np.testing.assert_array_equal(getattr(found.actors, name), getattr(weights, name))
    for new, old in zip(found.actors.weights, weights.weights, strict=True):
        assert (np.asarray(new) != np.asarray(old)).any((1, 2)).all()


NEW, BEST = jnp.asarray([1.0]), jnp.asarray([2.0])
PERIOD = 3


def after(returns, measures, **known):
    """What is decided after these last episodes, oldest first; they follow others, which count for
    nothing."""
    all_returns = np.array([1e6, -1e6, *returns], np.float32)
    flags = np.array([1.0, 1.0, *measures], np.float32)
    record = first_record(BEST)._replace(
        **{name: jnp.asarray(value, jnp.float32) for name, value in known.items()},
        rounds=jnp.int32(3),
    )
    age = ages(len(all_returns), jnp.int32(len(all_returns)))
    actors, record = judged(NEW, record, jnp.asarray(all_returns), jnp.asarray(flags), age, PERIOD)
    return float(actors[0]), record


KNOWN = {"first": 0.0, "best_return": 100.0, "best_episodes": 4.0}


def test_actors_go_back_to_the_best_when_measured_returns_collapse():
    actors, record = after([500, 20, 10], [0, 1, 1], **KNOWN)
    assert actors == 2.0 and float(record.best[0]) == 2.0
    assert record.setbacks == 1 and record.step_size == 0.5
    assert record.measured == 0 and record.episodes == 0 and record.best_return == 100


def test_actors_go_on_within_the_tolerance_and_at_the_end_it_is_strict():
    above, below = (100 * (1 - BEHIND) + by for by in (1, -1))
    assert after([above] * 3, [1] * 3, **KNOWN)[0] == 1.0
    assert after([below] * 3, [1] * 3, **KNOWN)[0] == 2.0
    assert after([above] * 3, [1] * 3, **KNOWN, only_measures=1.0)[0] == 2.0
    assert after([99.0] * 3, [1] * 3, **KNOWN, only_measures=1.0)[0] == 2.0
    # A spread of 10 excuses 2 × 10 / √3 + 3 × 10 / √4 of it.
    lucky = {**KNOWN, "spread": 10.0, "only_measures": 1.0}
    allowed = 20 / np.sqrt(3) + 15
    assert after([101 - allowed] * 3, [1] * 3, **lucky)[0] == 1.0
    assert after([99 - allowed] * 3, [1] * 3, **lucky)[0] == 2.0


def test_actors_that_are_the_best_ones_stay_even_if_they_were_promised_anything():
    actors, record = after([110, 120, 130], [1, 1, 1], **KNOWN, spread=WORST)
    assert actors == 1.0 and record.setbacks == 0 and record.best_return == 120


def test_episodes_with_exploration_say_nothing():
    actors, record = after([-900, 0, 0], [0, 0, 0], **KNOWN)
    assert actors == 1.0 and record.setbacks == 0 and record.best_return == 100
    actors, record = after([-900, 120, -900], [0, 1, 0], **KNOWN)
    assert actors == 1.0 and float(record.best[0]) == 1.0
    assert record.best_return == 120 and record.best_episodes == 1


def test_measurements_of_the_same_actors_are_pooled():
    _, record = after([90, 60, 0], [1, 1, 0], **KNOWN, measured=80.0, episodes=2.0)
    assert float(record.measured) == pytest.approx(310 / 4) and record.episodes == 4
    # Better than all before: these actors are the best ones, with what they were measured at.
    _, record = after([190, 160, 0], [1, 1, 0], **KNOWN, measured=80.0, episodes=2.0)
    assert float(record.best[0]) == 1.0 and float(record.best_return) == pytest.approx(510 / 4)


def test_before_the_first_round_the_mean_of_all_episodes_is_noted():
    record, age = first_record(BEST), ages(4, jnp.int32(3))
    returns, flags = jnp.asarray([1.0, 2.0, 6.0, 1e9]), jnp.zeros(4)
    actors, record = judged(NEW, record, returns, flags, age, PERIOD)
    assert float(record.first) == pytest.approx(3.0) and actors is not BEST
    _, record = judged(NEW, record._replace(rounds=jnp.int32(1)), 2 * returns, flags, age, PERIOD)
    assert float(record.first) == pytest.approx(3.0)
