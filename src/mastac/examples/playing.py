"""Reference figures of the examples: what two given policies attain in the same episodes."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import mastac
from mastac.envs import rollout_return

EPISODES = 256
NOTES = (
    f"Means of {EPISODES} episodes. The best known policy is a rule written by hand, by which each "
    "agent acts on its own observation alone."
)

Rule = Callable[[Float[Array, "agents obs"]], Float[Array, "agents act"]]
"""Observations to actions, row by row."""


def with_rule(env: mastac.Environment, rule: Rule) -> mastac.Environment:
    """The environment with reference figures: its simple policy scores 0, and a rule scores 1.

    Both play the same episodes. Nothing is played before the figures are asked for.
    """

    def reference() -> mastac.Reference:
        simple, best = _mean_returns(env, rule)
        return mastac.Reference(simple=simple, best_known=best, notes=NOTES)

    return dataclasses.replace(env, reference=reference)


def _mean_returns(env: mastac.Environment, rule: Rule) -> tuple[float, float]:
    """Mean returns of the simple policy and of the rule, by one compiled program for both."""
    simple_actions = env.simple_actions
    assert simple_actions is not None

    def play(key: jax.Array, by_rule: jax.Array) -> jax.Array:
        return rollout_return(
            env,
            lambda obs, state, time: jnp.where(by_rule, rule(obs), simple_actions(state, time)),
            key,
        )

    keys, by_rule = jax.random.split(jax.random.key(0), EPISODES), jnp.array([False, True])
    returns = jax.jit(jax.vmap(jax.vmap(play, (0, None)), (None, 0)))(keys, by_rule)
    simple, best = env.reported(returns).mean(1)
    return float(simple), float(best)
