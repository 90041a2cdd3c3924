"""Are the critics' slopes right where the policy goes?

    python benchmarks/slopes.py RUN [RUN …]

An actor follows the slope of the summed values in its own action; nothing else of the critics
matters to it. The simulator is differentiable, so the true slope is known. It is the derivative of
the discounted sum of all rewards still to come with respect to one action, where the policies act
afterwards.

Along greedy episodes of a trained run, the table gives mean and standard deviation of the true and
the learnt slopes (return per unit of action) at several times of the episode, the root mean square
of their difference, and the return of the greedy policy.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import mastac
from common import write
from mastac.learning import (
    Batch,
    CriticInputs,
    LearnerSpec,
    LearnerState,
    action_gradients,
    action_inputs,
    action_units,
    batch_inputs,
    observations,
)
from mastac.learning.critic_inputs import reward_factor
from mastac.runs import Execution, plan_run

EPISODES, NOISES = 32, 8
HEADER = ["run", "epochs", "greedy_return", "time"]
HEADER += ["true_mean", "true_std", "learnt_mean", "learnt_std", "rms_error"]


def slopes(folder: Path, env: mastac.Environment | None = None) -> list[list]:
    """Rows of the table for one run, for its first seed."""
    run = mastac.load(folder, env=env)
    env = run.env
    spec, learners = trained(run)
    learner = jax.tree.map(lambda leaf: leaf[0], learners)
    states = jax.jit(jax.vmap(lambda key: greedy_states(spec, learner, key)))(
        jax.random.split(jax.random.key(1), EPISODES)
    )
    true_slopes = jax.jit(
        jax.vmap(
            lambda state, time, keys: jax.vmap(
                lambda key: true_slope(spec, learner, state, time, key)
            )(keys).mean(0),
            (0, None, 0),
        )
    )
    greedy = run.evaluate()["greedy_by_seed"][str(run.config.seeds[0])]
    is_real = np.arange(int(env.action_sizes.max())) < env.action_sizes[:, None]
    rows = []
    for time in times_of(env):
        state = states[:, time]
        keys = jax.random.split(jax.random.key(2), (EPISODES, NOISES))
        true = np.asarray(true_slopes(state, time, keys))[:, is_real]
        learnt = learnt_slopes(spec, learner, state, time)[:, is_real]
        error = np.sqrt(((true - learnt) ** 2).mean())
        figures = map(float, (true.mean(), true.std(), learnt.mean(), learnt.std(), error))
        rows.append([folder.name, run.config.epochs, greedy, time, *figures])
    return rows


def times_of(env: mastac.Environment) -> list[int]:
    """Times of an episode at which slopes are compared."""
    return sorted({0, *np.linspace(1, env.horizon - 2, 5).astype(int).tolist()})


def trained(run: mastac.Run) -> tuple[LearnerSpec, LearnerState]:
    """What a run trained, with a leading axis of its seeds."""
    execution = Execution(run.folder, plan_run(run.env, run.config), lambda text: None)
    execution.start()
    return execution.plan.spec, execution.state.learner


def greedy_actions(spec: LearnerSpec, learner: LearnerState, state: jax.Array) -> jax.Array:
    """Actions of the greedy policies, [agents, act]."""
    observed = spec.env.observed(state, 0)
    return spec.actors.apply(learner.actors, observed[:, :, None])[:, :, 0]


def greedy_states(spec: LearnerSpec, learner: LearnerState, key: jax.Array) -> jax.Array:
    """States of one episode of the greedy policies, [time, agents, state]."""
    env = spec.env
    reset_key, step_key = jax.random.split(key)

    def one_step(state, time_and_key):
        time, noise_key = time_and_key
        actions = greedy_actions(spec, learner, state)
        return env.transition(state, actions, time, noise_key).state, state

    times = (jnp.arange(env.horizon), jax.random.split(step_key, env.horizon))
    return jax.lax.scan(one_step, env.reset(reset_key), times)[1]


def true_slope(
    spec: LearnerSpec, learner: LearnerState, state: jax.Array, time: Any, key: jax.Array
) -> jax.Array:
    """Derivative of all rewards from a time on, discounted, in the actions at that time."""
    later = later_returns(spec, learner, state, time, key)
    return jax.grad(lambda actions: later(actions).sum())(greedy_actions(spec, learner, state))


def later_returns(
    spec: LearnerSpec, learner: LearnerState, state: jax.Array, time: Any, key: jax.Array
) -> Callable[[jax.Array], jax.Array]:
    """What each agent earns from a time on, discounted, as a function of the actions then.

    Afterwards the greedy policies act. Where critics end with the episode, so do the rewards; else
    they go on for as many steps again.
    """
    env, settings = spec.env, spec.settings

    def returns(actions: jax.Array) -> jax.Array:
        def one_step(carry, ahead):
            state, weight = carry
            at = time + 1 + ahead
            actions = greedy_actions(spec, learner, state)
            goes_on = (at < env.horizon) | (not settings.finite_horizon)
            after = env.transition(state, actions, at, jax.random.fold_in(key, ahead))
            reward = jnp.where(goes_on, weight, 0.0) * after.rewards
            return (after.state, weight * settings.discount), reward

        after = env.transition(state, actions, time, jax.random.fold_in(key, env.horizon))
        start = (after.state, jnp.asarray(settings.discount, jnp.float32))
        _, rewards = jax.lax.scan(one_step, start, jnp.arange(env.horizon))
        return after.rewards + rewards.sum(0)

    return returns


def critics_read(
    spec: LearnerSpec, learner: LearnerState, state: jax.Array, time: Any
) -> tuple[CriticInputs, jax.Array]:
    """What critics read at states of one time, and the policies' actions there in their units."""
    env, act = spec.env, int(spec.env.action_sizes.max())
    count = len(state)
    blank = jnp.zeros((count, env.num_agents, act))
    batch = Batch(state, blank, blank[:, :, 0], state, jnp.full(count, time))
    inputs, _, _ = batch_inputs(spec, batch, learner.actors, scales=learner.scales)
    actions = spec.actors.apply(learner.actors, observations(env, state, batch.time))
    return inputs, action_inputs(env, actions, learner.scales)


def learnt_slopes(
    spec: LearnerSpec, learner: LearnerState, state: jax.Array, time: int
) -> np.ndarray:
    """The same slopes as the critics have them, [episodes, agents, act], in unscaled units."""
    env, act = spec.env, int(spec.env.action_sizes.max())
    inputs, actions = critics_read(spec, learner, state, time)
    # The last row is the zeros that padded places read.
    slopes = np.asarray(action_gradients(spec, learner.critics, inputs, actions))[:-1]
    _, scale = action_units(env, learner.scales)
    by_agent = slopes.reshape(env.num_agents, act, len(state)) / scale[:, :, None]
    return np.moveaxis(by_agent, -1, 0) / reward_factor(spec, learner.scales)


def main(*folders: str) -> None:
    rows = [row for folder in folders for row in slopes(Path(folder))]
    write("slopes", HEADER, rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
