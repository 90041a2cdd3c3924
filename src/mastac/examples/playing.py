"""Reference figures of the examples: what two given policies attain in the same episodes."""

import dataclasses
from collections.abc import Callable

import jax
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
        simple = env.simple_actions
        assert simple is not None
        return mastac.Reference(
            simple=_mean_return(env, lambda obs, state, time: simple(state, time)),
            best_known=_mean_return(env, lambda obs, state, time: rule(obs)),
            notes=NOTES,
        )

    return dataclasses.replace(env, reference=reference)


def _mean_return(env: mastac.Environment, policy: Callable) -> float:
    keys = jax.random.split(jax.random.key(0), EPISODES)
    returns = jax.jit(jax.vmap(lambda key: rollout_return(env, policy, key)))(keys)
    return float(env.reported(returns).mean())
