"""When there are rounds, and what each is given: a few episodes, then all that was stored."""

import math
from dataclasses import replace
from typing import NamedTuple

from jaxtyping import Array, Int

from mastac.envs.base import Environment
from mastac.learning.buffer import Buffer, Episode, replay_of
from mastac.learning.schedule import UpdateSchedule
from mastac.learning.settings import Settings

ROUND = 32  # environment steps of a round, at least
FIRST = 128  # environment steps before the first round, at least
LAST = 0.05  # share of the episodes, at the end, that only measure


class Stored(NamedTuple):
    """All that the update is given: the store, and how many episodes have been added to it."""

    episodes: Episode
    total: Int[Array, ""]


def whole_store(env: Environment, settings: Settings, epochs: int) -> Buffer:
    """A replay of which every update takes all; it holds a round at least."""
    least = after_rounds(env, settings).period * env.horizon
    wide = replace(settings, buffer_size=max(settings.buffer_size, least))
    replay = replay_of(env, wide, epochs)
    return replay._replace(draw=lambda store, count, key: Stored(store, count))


def after_rounds(env: Environment, settings: Settings) -> UpdateSchedule:
    """After every few episodes, one update."""
    first = max(2, -(-FIRST // env.horizon), settings.warmup_epochs)
    return UpdateSchedule(first, -(-ROUND // env.horizon), 1)


def rounds_in(env: Environment) -> int:
    """How many rounds' work is done after an episode that is as long as several."""
    return max(1, env.horizon // ROUND)


def last_episodes(episodes: int, period: int) -> int:
    """How many episodes at the end of a run only measure.

    **Arguments:**

    - `episodes`: of the whole run.
    - `period`: of a round.
    """
    return max(period, math.ceil(LAST * episodes))
