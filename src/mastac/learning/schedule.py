"""When updates happen: after every episode where there is a replay, after every rollout else."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from mastac.envs.base import Environment
from mastac.learning.settings import Settings

NOISE_CYCLE = (1.0, 0.3, 0.1)
"""Sizes of noise, one after the other, where nobody knows how loud noise may be."""


class UpdateSchedule(NamedTuple):
    """When there are updates, and how many.

    - `first`: the first ones come at the end of epoch `first - 1`.
    - `period`: epochs from there to the next ones.
    - `updates`: how many there are each time.
    """

    first: int
    period: int
    updates: int

    def is_due(self, epoch: Any) -> Any:
        """Whether there are updates at the end of this epoch; counted from 0, may be traced."""
        return (epoch + 1 >= self.first) & ((epoch + 1 - self.first) % self.period == 0)

    def updates_before(self, epoch: Any) -> Any:
        """Updates before those at the end of an epoch at which some are due; may be traced."""
        return (epoch + 1 - self.first) // self.period * self.updates

    def updates_after(self, epochs: int) -> int:
        """Updates of the first so many epochs; 0 where the first ones come later."""
        return max(0, (epochs - self.first) // self.period + 1) * self.updates

    def total(self, epochs: int) -> int:
        """Updates over which step sizes fall: as if there were no first ones to wait for."""
        return epochs * self.updates // self.period


def after_episodes(env: Environment, settings: Settings) -> UpdateSchedule:
    """After every episode, once the replay can fill a batch and the warm-up is over."""
    fills_batch = -(-settings.batch_size // env.horizon)
    return UpdateSchedule(max(settings.warmup_epochs, fills_batch), 1, settings.updates_per_epoch)


def after_rollouts(env: Environment, settings: Settings) -> UpdateSchedule:
    """After every rollout, all from its episodes."""
    episodes = rollout_episodes(env, settings)
    return UpdateSchedule(episodes, episodes, settings.updates_per_epoch)


def rollout_episodes(env: Environment, settings: Settings) -> int:
    """Episodes of a rollout: whole ones, at least as many steps as asked for."""
    return max(1, -(-settings.rollout_steps // env.horizon))


def exploration(settings: Settings, progress: Any) -> tuple[Any, Any]:
    """The noise and the share of random actions, which fall linearly, after a share of the run."""
    noise = settings.noise + progress * (settings.noise_final - settings.noise)
    first, last = settings.random_fraction, settings.random_fraction_final
    return noise, first + progress * (last - first)


def exploration_in(settings: Settings, epoch: Any, epochs: int) -> tuple[Any, Any]:
    """The noise and the share of random actions of one of so many epochs."""
    noise, random_fraction = exploration(settings, jnp.asarray(epoch) / epochs)
    if settings.noise_cycle:
        noise = noise * jnp.asarray(NOISE_CYCLE)[epoch % len(NOISE_CYCLE)]
    return noise, random_fraction
