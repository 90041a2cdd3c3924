"""Links lose what they are said to lose."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mastac import UserError
from mastac.distributed.losses import arrivals, lost
from mastac.distributed.lossy import Lossy, checked_lossy

LENGTH, LINKS = 400, 500


def drawn(loss: float, burst: float | None) -> np.ndarray:
    keys = jax.random.split(jax.random.key(0), LINKS)
    return np.asarray(jax.jit(jax.vmap(lambda key: lost(key, LENGTH, loss, burst)))(keys))


def bursts(losses: np.ndarray) -> list[int]:
    """Lengths of the bursts that begin and end within a row."""
    rows = [[(bad, len(list(run))) for bad, run in itertools.groupby(row)] for row in losses]
    return [length for row in rows for bad, length in row[1:-1] if bad]


@pytest.mark.parametrize(("loss", "burst"), [(0.2, 6.0), (0.5, 3.0), (0.3, None)])
def test_share_of_losses_and_length_of_bursts(loss: float, burst: float | None) -> None:
    losses = drawn(loss, burst)
    assert losses.mean() == pytest.approx(loss, abs=0.02)
    # From the first message on, and not only in the long run.
    assert losses[:, 0].mean() == pytest.approx(loss, abs=0.07)
    expected = 1 / (1 - loss) if burst is None else burst
    assert np.mean(bursts(losses)) == pytest.approx(expected, rel=0.05)


def test_independent_losses_are_bursts_of_their_own_length() -> None:
    # Gilbert and Elliott's model with bursts of 1 / (1 - p) has no memory.
    losses = drawn(0.4, 1 / 0.6)
    after_loss = losses[:, 1:][losses[:, :-1]].mean()
    assert after_loss == pytest.approx(0.4, abs=0.02)


def test_links_draw_for_themselves_whoever_else_is_there() -> None:
    receivers, sources = jnp.array([4, 2]), jnp.array([[4, 0, 1], [2, 3, 9]])
    key, lossy = jax.random.key(1), Lossy(0.5)
    both = arrivals(key, receivers, sources, 50, lossy)
    alone = arrivals(key, receivers[1:], sources[1:, :2], 50, lossy)
    np.testing.assert_array_equal(both[1:, :2], alone)
    assert both[:, 0].all()  # an agent always hears itself
    assert 0.3 < both[:, 1:].mean() < 0.7
    assert not (both[0, 1] == both[0, 2]).all()


def test_nothing_is_lost_where_links_lose_nothing() -> None:
    assert arrivals(jax.random.key(1), jnp.array([0]), jnp.array([[0, 1]]), 9, Lossy()).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"loss": 1.0}, "loss"),
        ({"loss": -0.1}, "loss"),
        ({"delay": -1}, "delay"),
        ({"missing": "guess"}, "choose hold or skip"),
        ({"loss": 0.9, "burst": 2.0}, "cannot be shorter than 9 messages"),
        ({"burst": 0.5}, "burst"),
    ],
)
def test_what_no_link_does_is_refused(given: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        checked_lossy(**given)
