"""What holds learning back on a warehouse network: `python benchmarks/limits.py [ENV] [option=value …]`.

The simulator is differentiable, so the same actors can climb the exact gradient instead of learnt
critics. Without truncation this gives the limit of the policy class; with every actor climbing only
the returns of the agents that a window of κ steps credits it with (the layout's gradient dependency
set), the cost of truncating the credit. What a training run falls short of these figures is
learning.
"""

import json
import sys

import jax
import jax.numpy as jnp
import optax

import mastac
from common import write
from mastac.agents.actors import actors
from mastac.structure import gradient_dependency, value_dependency

STEPS, RATE, HIDDEN = 400, 2e-3, (64, 64)


def best_return(env: mastac.Environment, kappa: int | None, seed: int) -> float:
    """Return of actors trained by the exact gradient of the credited agents' undiscounted returns."""
    heads = actors(env, HIDDEN)
    weights = heads.init(jax.random.key(seed))
    adam = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))
    credit = jnp.asarray(
        gradient_dependency(value_dependency(env.couplings, kappa)).toarray(), jnp.float32
    )

    def returns(weights):
        def one_step(state, time):
            actions = heads.apply(weights, env.observed(state, time)[:, :, None])[:, :, 0]
            return env.step(state, actions, time, jax.random.key(0)), env.reward(
                state, actions, time
            )

        return jax.lax.scan(one_step, env.reset(jax.random.key(0)), jnp.arange(env.horizon))[1].sum(
            0
        )

    def credited_gradient(weights):
        _, pull_back = jax.vjp(returns, weights)
        by_value = jax.vmap(lambda one: pull_back(one)[0])(jnp.eye(env.num_agents))
        return jax.tree.map(lambda leaf: jnp.einsum("va...,av->a...", leaf, credit), by_value)

    @jax.jit
    def climb(weights):
        def step(carry, _):
            weights, state = carry
            ascent = jax.tree.map(jnp.negative, credited_gradient(weights))
            change, state = adam.update(ascent, state, weights)
            return (optax.apply_updates(weights, change), state), None

        (weights, _), _ = jax.lax.scan(step, (weights, adam.init(weights)), length=STEPS)
        return env.reported(returns(weights))

    return float(climb(weights))


def main(env_id: str = "warehouse-40", *options: str) -> None:
    given = dict(option.split("=", 1) for option in options)
    env = mastac.make(env_id, **given)
    rows = [
        [
            env_id,
            json.dumps(given),
            "exact" if kappa is None else kappa,
            seed,
            best_return(env, kappa, seed),
        ]
        for kappa in (0, 1, 2, 3, None)
        for seed in range(2)
    ]
    write(
        "limits-" + "-".join([env_id, *given.values()]),
        ["env", "options", "kappa", "seed", "return"],
        rows,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
