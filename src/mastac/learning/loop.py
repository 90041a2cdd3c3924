"""The one training loop: a compiled program runs a chunk of epochs for all seeds."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.envs.base import Environment, rollout_return
from mastac.learning.buffer import Buffer, Episode
from mastac.learning.devices import placed, shard_over_seeds
from mastac.learning.settings import Settings
from mastac.learning.spec import Learner, Metrics

# Where a number first stopped being finite; the agent's index is added to the kind times the number
# of agents.
FAILURES = ("the environment's state or reward of", "the critic of", "the actor of")


class RunState(NamedTuple):
    """Everything of one seed that evolves; what a checkpoint holds, with a leading axis of seeds.

    `failed_epoch` is -1 while all numbers are finite. From the epoch of the first one that is not,
    the learner stays as it was before that epoch, and `failure` says where it was (see `FAILURES`).
    """

    learner: Any
    store: Episode
    failed_epoch: Int[Array, ""]
    failure: Int[Array, ""]


class EpochMetrics(NamedTuple):
    """One row of `metrics.csv`."""

    episode_return: Float[Array, ""]
    critic_loss: Float[Array, ""]
    value: Float[Array, ""]
    gradient_norm: Float[Array, ""]


class Program(NamedTuple):
    """Compiled for all seeds at once; the leading axis of states, keys and results is the seed.

    `init`: `keys -> state`. `advance`: `(state, keys, epoch, length) -> (state, metrics)`, metrics
    `[seeds, length]`. `evaluate`: `(state, key, episodes) -> returns`, `[seeds, episodes, agents]`,
    of the greedy policies; all seeds play the same episodes, which `key` chooses, so that they
    differ by their policies and not by their luck.
    """

    init: Callable[[PRNGKeyArray], RunState]
    advance: Callable[[RunState, PRNGKeyArray, Int[Array, ""], int], tuple[RunState, EpochMetrics]]
    evaluate: Callable[[RunState, PRNGKeyArray, int], Float[Array, "seeds episodes agents"]]


class UpdateSchedule(NamedTuple):
    """When there are updates: `updates` of them at the end of epoch `first - 1`, and of every `period`th thereafter."""

    first: int
    period: int
    updates: int

    def is_due(self, epoch: Array) -> Array:
        return (epoch + 1 >= self.first) & ((epoch + 1 - self.first) % self.period == 0)

    def total(self, epochs: int) -> int:
        """Updates of a run of so many epochs, as step sizes fall: as if there were no first ones to wait for."""
        return epochs * self.updates // self.period

    def until(self, epochs: Any) -> Any:
        """Updates after this many epochs, where that is at least `first`."""
        return ((epochs - self.first) // self.period + 1) * self.updates


def update_schedule(env: Environment, settings: Settings) -> UpdateSchedule:
    """Off-policy after every episode, from where the replay holds a batch or the warm-up ends; else by rollouts."""
    if settings.on_policy:
        episodes = rollout_episodes(env, settings)
        return UpdateSchedule(episodes, episodes, settings.updates_per_epoch)
    return UpdateSchedule(
        max(settings.warmup_epochs, -(-settings.batch_size // env.horizon)),
        1,
        settings.updates_per_epoch,
    )


def rollout_episodes(env: Environment, settings: Settings) -> int:
    """Episodes of a rollout: whole ones, at least as many steps as asked for."""
    return max(1, -(-settings.rollout_steps // env.horizon))


def exploring_episode(
    env: Environment,
    learner: Learner,
    state: Any,
    noise: Array,
    random_fraction: Array,
    key: PRNGKeyArray,
) -> Episode:
    """One episode of the exploring policy."""
    reset_key, steps_key = jax.random.split(key)
    played, begun = learner.begin(state, jax.random.fold_in(key, 2))

    def one_step(at: Array, time_and_key: tuple[Array, PRNGKeyArray]):
        time, step_key = time_and_key
        action_key, noise_key = jax.random.split(step_key)
        actions, drawn = learner.explore(
            played, env.observed(at, time), noise, random_fraction, action_key
        )
        return env.step(at, actions, time, noise_key), (
            at,
            actions,
            env.reward(at, actions, time),
            drawn,
        )

    times = jnp.arange(env.horizon)
    first = env.reset(reset_key).astype(jnp.float32)
    keys = jax.random.split(steps_key, env.horizon)
    last, (states, actions, rewards, drawn) = jax.lax.scan(one_step, first, (times, keys))
    return Episode(
        jnp.concatenate([states, last[None]]), actions, rewards, drawn if begun is None else begun
    )


def failure_of(
    env: Environment, episode: Episode, metrics: Metrics, learner_state: Any
) -> Int[Array, ""]:
    """-1 if every number is finite, else kind and agent of the first that is not."""
    agents = env.num_agents
    # In order of time, states before rewards: what breaks in one agent soon spreads to those it is
    # coupled to.
    states = ~jnp.isfinite(episode.states).all(2)
    rewards = jnp.concatenate([~jnp.isfinite(episode.rewards), jnp.zeros((1, agents), bool)])
    in_env = jnp.stack([states, rewards], axis=1).ravel()
    critics = ~jnp.isfinite(metrics.critic_loss)
    in_critic = critics if len(critics) == agents else jnp.broadcast_to(critics.any(), (agents,))
    in_actor = ~jnp.isfinite(metrics.gradient_norm)
    weights = (learner_state.critics, learner_state.actors)
    # Weights can overflow in the very last update of an epoch, before any loss shows it.
    finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(weights)]).all()
    learner_failure = jnp.where(
        in_critic.any(),
        agents + jnp.argmax(in_critic),
        jnp.where(in_actor.any(), 2 * agents + jnp.argmax(in_actor), jnp.where(finite, -1, agents)),
    )
    return jnp.where(in_env.any(), jnp.argmax(in_env) % agents, learner_failure)


class OneSeed(NamedTuple):
    """The same for one seed, not compiled: `init`: `key -> state`; `one_epoch`: `(state, key, epoch) -> (state, row)`.

    `play`: `(learner_state, keys) -> returns`, `[episodes, agents]`, of the greedy policies.
    """

    init: Callable[[PRNGKeyArray], RunState]
    one_epoch: Callable[[RunState, PRNGKeyArray, Int[Array, ""]], tuple[RunState, EpochMetrics]]
    play: Callable[[Any, PRNGKeyArray], Float[Array, "episodes agents"]]


def one_seed(
    env: Environment, learner: Learner, buffer: Buffer, settings: Settings, epochs: int
) -> OneSeed:
    """The loop's body: an episode, its storage, `updates_per_epoch` updates."""
    schedule = update_schedule(env, settings)

    def one_epoch(
        state: RunState, key: PRNGKeyArray, epoch: Int[Array, ""]
    ) -> tuple[RunState, EpochMetrics]:
        episode_key, update_key = jax.random.split(jax.random.fold_in(key, epoch))
        progress = epoch / epochs
        noise = settings.noise + progress * (settings.noise_final - settings.noise)
        fraction = settings.random_fraction + progress * (
            settings.random_fraction_final - settings.random_fraction
        )
        episode = exploring_episode(env, learner, state.learner, noise, fraction, episode_key)
        store = buffer.add(state.store, episode, epoch)

        def one_update(
            learner_state: Any, key_and_count: tuple[PRNGKeyArray, Array]
        ) -> tuple[Any, Metrics]:
            key, count = key_and_count
            draw_key, learner_key = jax.random.split(key)
            return learner.update(
                learner_state, buffer.draw(store, epoch + 1, draw_key), learner_key, count
            )

        def updates(learner_state: Any) -> tuple[Any, Metrics]:
            keys = jax.random.split(update_key, schedule.updates)
            counts = schedule.until(epoch + 1) - schedule.updates + jnp.arange(schedule.updates)
            learner_state, metrics = jax.lax.scan(one_update, learner_state, (keys, counts))
            return learner_state, jax.tree.map(lambda leaf: leaf.mean(0), metrics)

        shapes = jax.eval_shape(updates, state.learner)[1]
        nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        updated, metrics = jax.lax.cond(
            schedule.is_due(epoch), updates, lambda kept: (kept, nothing), state.learner
        )

        failure = failure_of(env, episode, metrics, updated)
        good = (failure < 0) & (state.failed_epoch < 0)
        kept = jax.tree.map(lambda new, old: jnp.where(good, new, old), updated, state.learner)
        first_failure = (failure >= 0) & (state.failed_epoch < 0)
        row = EpochMetrics(
            episode_return=env.reported(episode.rewards.sum(0)),
            critic_loss=metrics.critic_loss.mean(),
            value=metrics.value.mean(),
            gradient_norm=metrics.gradient_norm.mean(),
        )
        new_state = RunState(
            learner=kept,
            store=store,
            failed_epoch=jnp.where(first_failure, epoch, state.failed_epoch),
            failure=jnp.where(first_failure, failure, state.failure),
        )
        return new_state, row

    def init(key: PRNGKeyArray) -> RunState:
        init_key, episode_key = jax.random.split(jax.random.fold_in(key, 2**31 - 1))
        learner_state = learner.init(init_key)
        shape = jax.eval_shape(
            lambda key: exploring_episode(
                env, learner, learner_state, jnp.zeros(()), jnp.zeros(()), key
            ),
            episode_key,
        )
        return RunState(
            learner_state,
            buffer.init(shape),
            jnp.full((), -1, jnp.int32),
            jnp.full((), -1, jnp.int32),
        )

    def play(learner_state: Any, keys: PRNGKeyArray) -> Float[Array, "episodes agents"]:
        policy = lambda obs, state, time: learner.act(learner_state, obs)  # noqa: E731
        return jax.vmap(lambda key: rollout_return(env, policy, key))(keys)

    return OneSeed(init, one_epoch, play)


def training_program(
    env: Environment, learner: Learner, buffer: Buffer, settings: Settings, epochs: int
) -> Program:
    """The loop over epochs, for all seeds side by side."""
    seed = one_seed(env, learner, buffer, settings, epochs)

    def epochs_from(
        state: RunState, keys: PRNGKeyArray, times: Int[Array, " length"]
    ) -> tuple[RunState, EpochMetrics]:
        # The epoch stays outside the vectorisation over seeds: storing stays a copy and the branch
        # a branch.
        one_epoch = jax.vmap(seed.one_epoch, in_axes=(0, 0, None))
        state, rows = jax.lax.scan(lambda state, epoch: one_epoch(state, keys, epoch), state, times)
        return state, jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), rows)

    def advance(state: RunState, keys: PRNGKeyArray, epoch: Int[Array, ""], length: int):
        return shard_over_seeds(epochs_from, True, False)(state, keys, epoch + jnp.arange(length))

    def evaluate(
        state: RunState, key: PRNGKeyArray, episodes: int
    ) -> Float[Array, "seeds episodes agents"]:
        play = shard_over_seeds(jax.vmap(seed.play, in_axes=(0, None)), False)
        return play(state.learner, jax.random.split(key, episodes))

    advance = jax.jit(advance, static_argnums=3, donate_argnums=0)
    evaluate = jax.jit(evaluate, static_argnums=2)
    return Program(
        init=jax.jit(shard_over_seeds(jax.vmap(seed.init))),
        advance=lambda state, *others: advance(placed(state), *others),
        evaluate=lambda state, *others: evaluate(placed(state), *others),
    )
