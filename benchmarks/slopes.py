"""Are the critics' slopes right where the policy goes? `python benchmarks/slopes.py RUN [RUN …]`.

An actor climbs the slope of the summed values in its own action, and nothing else of the critics
matters to it. The simulator is differentiable, so the true slope is known: along greedy episodes of
a trained run, the derivative of the discounted sum of all rewards still to come with respect to one
action, the policies following after. The table gives mean and spread of the true and the learnt
slopes (return per unit of action) at several times of the episode, the root mean square of their
difference, and the return of the greedy policy.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import mastac
from common import write
from mastac.learning.actor_step import action_gradients
from mastac.learning.buffer import Batch
from mastac.learning.critic_inputs import action_inputs, action_units, batch_inputs, observations
from mastac.runs.execution import Execution
from mastac.runs.plan import plan_run

EPISODES, NOISES = 32, 8
HEADER = [
    "run",
    "epochs",
    "greedy_return",
    "time",
    "true_mean",
    "true_std",
    "learnt_mean",
    "learnt_std",
    "rms_error",
]


def slopes(folder: Path, env: mastac.Environment | None = None) -> list[list]:
    """Rows of the table for one run, for its first seed."""
    run = mastac.load(folder, env=env)
    env, settings = run.env, run.config.settings
    execution = Execution(run.folder, plan_run(env, run.config), lambda text: None)
    execution.start()
    spec = execution.plan.spec
    learner = jax.tree.map(lambda leaf: leaf[0], execution.state.learner)

    def act(state):
        return spec.actors.apply(learner.actors, env.observed(state, 0)[:, :, None])[:, :, 0]

    def episode(key):
        reset_key, step_key = jax.random.split(key)

        def one(state, time_and_key):
            time, noise_key = time_and_key
            return env.step(state, act(state), time, noise_key), state

        times = (jnp.arange(env.horizon), jax.random.split(step_key, env.horizon))
        return jax.lax.scan(one, env.reset(reset_key), times)[1]

    def true_slope(state, time, key):
        def rest(actions):
            def one(carry, ahead):
                state, weight = carry
                at = time + 1 + ahead
                actions = act(state)
                goes_on = (at < env.horizon) | (not settings.finite_horizon)
                reward = jnp.where(goes_on, weight, 0.0) * env.reward(state, actions, at)
                state = env.step(state, actions, at, jax.random.fold_in(key, ahead))
                return (state, weight * settings.discount), reward

            after = env.step(state, actions, time, jax.random.fold_in(key, env.horizon))
            _, rewards = jax.lax.scan(one, (after, settings.discount), jnp.arange(env.horizon))
            return env.reward(state, actions, time).sum() + rewards.sum()

        return jax.grad(rest)(act(state))

    states = jax.jit(jax.vmap(episode))(jax.random.split(jax.random.key(1), EPISODES))
    exact = jax.jit(
        jax.vmap(
            lambda s, t, key: jax.vmap(lambda k: true_slope(s, t, k))(key).mean(0), (0, None, 0)
        )
    )
    greedy = run.evaluate()["greedy_by_seed"][str(run.config.seeds[0])]
    real = np.arange(int(env.action_sizes.max())) < env.action_sizes[:, None]
    rows = []
    for time in sorted({0, *np.linspace(1, env.horizon - 2, 5).astype(int).tolist()}):
        state = states[:, time]
        keys = jax.random.split(jax.random.key(2), (EPISODES, NOISES))
        true = np.asarray(exact(state, time, keys))
        blank = jnp.zeros((EPISODES, env.num_agents, int(env.action_sizes.max())))
        batch = Batch(state, blank, blank[:, :, 0], state, jnp.full(EPISODES, time))
        now, _, _ = batch_inputs(spec, batch, learner.actors)
        chosen = action_inputs(
            env, spec.actors.apply(learner.actors, observations(env, state, batch.time))
        )
        learnt = np.asarray(action_gradients(spec, learner.critics, now, chosen))[:-1]
        _, scale = action_units(env)
        learnt = (
            np.moveaxis(learnt.reshape(*real.shape, EPISODES) / scale[:, :, None], -1, 0)
            / settings.reward_scale
        )
        a, b = true[:, real], learnt[:, real]
        spread = float(np.sqrt(((a - b) ** 2).mean()))
        rows.append(
            [
                folder.name,
                run.config.epochs,
                greedy,
                time,
                *map(float, (a.mean(), a.std(), b.mean(), b.std())),
                spread,
            ]
        )
    return rows


def main(*folders: str) -> None:
    rows = [row for folder in folders for row in slopes(Path(folder))]
    write("slopes", HEADER, rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
