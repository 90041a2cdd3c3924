"""When there are rounds, and what each is given: a few episodes, then all that was stored."""

import math
from dataclasses import replace
from typing import NamedTuple

from jaxtyping import Array, Int

from mastac.envs.base import Environment
from mastac.learning.buffer import Buffer, Episode, replay_of
from mastac.learning.schedule import UpdateSchedule
from mastac.learning.settings import Settings

ROUND = 8  # environment steps of a round, at least
WORK = 32  # environment steps that the knobs `model_steps` and `climbing_steps` are for
FIRST_FITS = 3  # the first fit is that of so many times `WORK`, or of so many rounds
FIRST = 128  # environment steps before the first round, at least
LAST = 0.05  # share of the episodes, at the end, that only measure


class Stored(NamedTuple):
    """All that the update is given: the store, and how many episodes have been added to it."""

    episodes: Episode
    total: Int[Array, ""]


class Work(NamedTuple):
    """What is computed in a round.

    - `fits`, `first_fits`: how many fits follow one another, and how many in the first round.
    - `fit_steps`, `critic_steps`, `climbing_steps`: steps of one fit, of the critics beside it, and
        of the climb.
    """

    fits: int
    first_fits: int
    fit_steps: int
    critic_steps: int
    climbing_steps: int


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


def work_of(env: Environment, settings: Settings) -> Work:
    """The work of a round, in proportion to its environment steps.

    Short rounds, each with little work, keep policies from climbing far on a model that the next
    episode would have corrected.
    """
    share = after_rounds(env, settings).period * env.horizon / WORK
    fits = max(1, int(share))
    return Work(
        fits=fits,
        first_fits=max(FIRST_FITS * fits, math.ceil(FIRST_FITS / share)),
        fit_steps=max(1, round(settings.model_steps * share / fits)),
        critic_steps=max(1, round(settings.critic_steps * share / fits)),
        climbing_steps=max(1, round(settings.climbing_steps * share)),
    )


def last_episodes(episodes: int, period: int) -> int:
    """How many episodes at the end of a run only measure.

    **Arguments:**

    - `episodes`: of the whole run.
    - `period`: of a round.
    """
    return max(period, math.ceil(LAST * episodes))
