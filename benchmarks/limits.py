"""What limits learning on a warehouse network: truncation, the policies, or the critics.

    python benchmarks/limits.py [ENV] [option=value …]

The simulator is differentiable, so the same actors can follow the exact gradient instead of learnt
critics. With all returns this gives the limit of the policy class. With the returns that a window
of κ steps credits each actor with (its gradient dependency set), it gives the cost of truncation.
What a training run falls short of these figures is the critics' errors.
"""

import json
import sys

import jax
import jax.numpy as jnp
import optax

import mastac
from common import write
from mastac.agents import actors
from mastac.structure import gradient_dependency, value_dependency

STEPS, RATE, HIDDEN = 400, 2e-3, (64, 64)


def best_return(env: mastac.Environment, kappa: int | None, seed: int) -> float:
    """Return of actors that follow the exact gradient of their credited agents' returns."""
    heads = actors(env, HIDDEN)
    weights = heads.init(jax.random.key(seed))
    adam = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))
    credit = jnp.asarray(
        gradient_dependency(value_dependency(env.couplings, kappa)).toarray(), jnp.float32
    )

    def returns(weights):
        def one_step(state, time):
            actions = heads.apply(weights, env.observed(state, time)[:, :, None])[:, :, 0]
            after = env.transition(state, actions, time, jax.random.key(0))
            return after.state, after.rewards

        start = env.reset(jax.random.key(0))
        _, rewards = jax.lax.scan(one_step, start, jnp.arange(env.horizon))
        return rewards.sum(0)

    def credited_gradient(weights):
        # [v, a]: gradient of the return of agent v in the weights of agent a.
        _, pull_back = jax.vjp(returns, weights)
        by_value = jax.vmap(lambda unit: pull_back(unit)[0])(jnp.eye(env.num_agents))
        return jax.tree.map(lambda leaf: jnp.einsum("va...,av->a...", leaf, credit), by_value)

    @jax.jit
    def trained_return(weights):
        def step(carry, _):
            weights, state = carry
            ascent = jax.tree.map(jnp.negative, credited_gradient(weights))
            change, state = adam.update(ascent, state, weights)
            return (optax.apply_updates(weights, change), state), None

        (weights, _), _ = jax.lax.scan(step, (weights, adam.init(weights)), length=STEPS)
        return env.reported(returns(weights))

    return float(trained_return(weights))


def main(env_id: str = "warehouse-40", *options: str) -> None:
    given = dict(option.split("=", 1) for option in options)
    env = mastac.make(env_id, **given)
    rows = []
    for kappa in (0, 1, 2, 3, None):
        for seed in range(2):
            window = "exact" if kappa is None else kappa
            value = best_return(env, kappa, seed)
            rows.append([env_id, json.dumps(given), window, seed, value])
    name = "limits-" + "-".join([env_id, *given.values()])
    write(name, ["env", "options", "kappa", "seed", "return"], rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
