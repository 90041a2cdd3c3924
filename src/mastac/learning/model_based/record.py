"""What policies were promised to return, and what they were measured to return."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mastac.learning.model_based.climbing import WORST
from mastac.learning.model_based.units import Ages, latest

BEHIND = 0.5  # a policy that lost this share of what was gained goes back


class Record(NamedTuple):
    """What was promised and what was measured.

    - `rounds`: how many there were.
    - `step_size`: the factor on the actors' step size.
    - `promised`, `spread`: the imagined return of the actors as they are, as it is reported, and
        its standard deviation over episodes.
    - `measured`, `episodes`: the mean return of the episodes that they played without exploration,
        and how many that were.
    - `first`: the mean return of the episodes before the first round.
    - `best`, `best_return`, `best_episodes`: the actors with the best measured return, and over
        how many episodes it was measured.
    - `setbacks`: how often actors went back to the best ones.
    - `error`: mean squared error of the models on the last episodes before they saw them, in
        squared scales; `doubt`: the variance of the members there.
    - `only_measures`: whether the next episodes are all without exploration.
    """

    rounds: Int[Array, ""]
    step_size: Float[Array, ""]
    promised: Float[Array, ""]
    spread: Float[Array, ""]
    measured: Float[Array, ""]
    episodes: Float[Array, ""]
    first: Float[Array, ""]
    best: Any
    best_return: Float[Array, ""]
    best_episodes: Float[Array, ""]
    setbacks: Int[Array, ""]
    error: Float[Array, ""]
    doubt: Float[Array, ""]
    only_measures: Float[Array, ""]


def first_record(actors: Any) -> Record:
    """Before the first episode."""
    zero = jnp.zeros(())
    return Record(
        rounds=jnp.int32(0),
        step_size=jnp.ones(()),
        promised=zero,
        spread=zero,
        measured=zero,
        episodes=zero,
        first=zero,
        best=jax.tree.map(jnp.copy, actors),
        best_return=jnp.float32(WORST),
        best_episodes=jnp.ones(()),
        setbacks=jnp.int32(0),
        error=zero,
        doubt=zero,
        only_measures=zero,
    )


def judged(
    actors: Any,
    record: Record,
    returns: Float[Array, " episodes"],
    without_exploration: Float[Array, " episodes"],
    age: Ages,
    period: int,
) -> tuple[Any, Record]:
    """The actors to go on with, after what the last episodes without exploration returned.

    A single lucky episode can stand behind the best return. It is believed within three standard
    deviations, which are imagined ones, and the present return within two.

    **Arguments:**

    - `actors`: that played the last episodes.
    - `returns`, `without_exploration`: of all episodes of the store, as they are reported; 1 or 0.
    - `period`: how many episodes these actors have played.
    """
    place = latest(age, period)
    counts = without_exploration[place]
    total = record.episodes + counts.sum()
    mean = (record.measured * record.episodes + (counts * returns[place]).sum()) / jnp.maximum(
        total, 1.0
    )
    held = age.is_filled / age.is_filled.sum()
    first = jnp.where(record.rounds == 0, (held * returns).sum(), record.first)
    # While models are young, policies may fall back for a while; at the end they must not.
    allowed = jnp.where(record.only_measures > 0, 0.0, BEHIND)
    tolerance = allowed * jnp.maximum(record.best_return - first, 0.0)
    luck = 2.0 / jnp.sqrt(jnp.maximum(total, 1.0)) + 3.0 / jnp.sqrt(record.best_episodes)
    tolerance += luck * jnp.maximum(record.spread, 0.0)  # `WORST` where it was not finite
    was_measured = counts.sum() > 0
    is_behind = was_measured & (mean < record.best_return - tolerance)
    is_best = was_measured & (mean >= record.best_return)

    def chosen(condition: Array, yes: Any, no: Any) -> Any:
        return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)

    best = chosen(is_best, actors, record.best)
    return chosen(is_behind, best, actors), record._replace(
        measured=jnp.where(is_behind, 0.0, mean),
        episodes=jnp.where(is_behind, 0.0, total),
        first=first,
        best=best,
        best_return=jnp.where(is_best, mean, record.best_return),
        best_episodes=jnp.where(is_best, total, record.best_episodes),
        setbacks=record.setbacks + is_behind,
        step_size=record.step_size * jnp.where(is_behind, 0.5, 1.0),
    )
