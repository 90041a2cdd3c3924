"""What would `mastac` reach if its critics were perfect?

    python benchmarks/exact_slopes.py

Actors are trained as `mastac` trains them: they explore as in the default preset, and at the states
that they visit they follow the slope, in their own action, of all discounted rewards to come. Only
the slopes come from the differentiable simulator instead of critics. What a run falls short of this
is the critics' errors; what this falls short of the best known return is not.

Slopes are taken at the policies' own actions ("policy"), or averaged over actions as they are
explored ("explored"): a critic that is fitted to noisy actions can hardly tell more. Actors with
several step sizes are compared. Returns are those of the greedy policies, over 4,000 episodes where
episodes differ.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

import mastac
from common import write
from mastac.learning import LearnerSpec, LearnerState, learner_of
from mastac.learning.schedule import exploration
from mastac.runs import plan_run, resolve
from slopes import later_returns

DRAWS = 4  # explored actions at each state that slopes are averaged over
# Environment, updates, episodes between two of them, where slopes are taken, first step size.
STUDIES = (
    ("thermal-40", 4800, 2, "policy", 1e-2),
    ("thermal-40", 4800, 2, "policy", 5e-2),
    ("warehouse-40", 600, 8, "policy", 2e-3),
    ("warehouse-40", 600, 8, "explored", 2e-3),
)


def trained_actors(spec: LearnerSpec, slopes: str, updates: int, episodes: int, rate: float) -> Any:
    """A learner whose actors took so many steps by exact slopes."""
    env, settings, learner = spec.env, spec.settings, learner_of(spec)
    adam = optax.adam(optax.linear_schedule(rate, rate * settings.lr_final, updates))
    first = learner.init(jax.random.key(0))

    def explored(state, observed, progress, key):
        return learner.explore(state, observed, *exploration(settings, progress), key)[0]

    def played(state: LearnerState, progress, key):
        """States of an episode with exploration."""

        def one_step(at, time_and_key):
            time, key = time_and_key
            act_key, step_key = jax.random.split(key)
            actions = explored(state, env.observed(at, time), progress, act_key)
            return env.transition(at, actions, time, step_key).state, at

        reset_key, steps_key = jax.random.split(key)
        times = (jnp.arange(env.horizon), jax.random.split(steps_key, env.horizon))
        return jax.lax.scan(one_step, env.reset(reset_key), times)[1]

    def slope(state: LearnerState, at, time, progress, key):
        later = later_returns(spec, state, at, time, key)
        total = jax.grad(lambda actions: later(actions).sum())
        observed = env.observed(at, time)
        if slopes == "policy":
            return total(learner.act(state, observed))
        keys = jax.random.split(jax.random.fold_in(key, 1), DRAWS)
        return jax.vmap(lambda key: total(explored(state, observed, progress, key)))(keys).mean(0)

    def one_update(carry, key_and_progress):
        (state, optimizer), (key, progress) = carry, key_and_progress
        play_key, slope_key = jax.random.split(key)
        keys = jax.random.split(play_key, episodes)
        visited = jax.vmap(lambda key: played(state, progress, key))(keys)
        visited = visited.reshape(-1, *visited.shape[2:])
        times = jnp.tile(jnp.arange(env.horizon), episodes)
        keys = jax.random.split(slope_key, len(times))
        ascent = jax.vmap(lambda at, time, key: slope(state, at, time, progress, key))(
            visited, times, keys
        )

        def descended(actors):
            acted = state._replace(actors=actors)
            actions = jax.vmap(lambda at, time: learner.act(acted, env.observed(at, time)))(
                visited, times
            )
            return -(actions * ascent).sum() / len(times)

        step, optimizer = adam.update(jax.grad(descended)(state.actors), optimizer)
        moved = optax.apply_updates(state.actors, step)
        return (state._replace(actors=moved), optimizer), None

    @jax.jit
    def last(key):
        carry = (first, adam.init(first.actors))
        inputs = (jax.random.split(key, updates), jnp.arange(updates) / updates)
        return jax.lax.scan(one_update, carry, inputs)[0][0]

    return last(jax.random.key(1))


def greedy_return(spec: LearnerSpec, state: LearnerState) -> float:
    """Mean return of the greedy policies."""
    env, learner = spec.env, learner_of(spec)
    play = jax.jit(
        jax.vmap(
            lambda key: mastac.envs.rollout_return(
                env, lambda observed, *_: learner.act(state, observed), key
            )
        )
    )
    return float(env.reported(play(jax.random.split(jax.random.key(2), 4000)).mean(0)))


def main() -> None:
    rows = []
    for env_id, updates, episodes, slopes, rate in STUDIES:
        spec = plan_run(mastac.make(env_id), resolve(env_id, {}, kappa=2)).spec
        state = trained_actors(spec, slopes, updates, episodes, rate)
        rows.append([env_id, slopes, rate, updates, greedy_return(spec, state)])
        print(rows[-1], flush=True)
    write("exact-slopes", ["env", "slopes_at", "actor_lr", "updates", "greedy_return"], rows)


if __name__ == "__main__":
    main()
