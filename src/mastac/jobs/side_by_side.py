"""Runs that differ in their rates, side by side in one compiled program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from mastac.runs.config import ExperimentConfig

if TYPE_CHECKING:
    from jax import Array

    from mastac.envs.base import Environment


def returns_by_tenth(
    env: "Environment", config: ExperimentConfig, episodes: int, chunk: int
) -> "Callable[[Mapping[str, Any], Any], Array]":
    """`(rates, seeds) -> returns` of greedy policies `[runs, tenths]`, after each tenth of a run.

    `rates`: for each knob its value in every run. Compiled once; NaN from the tenth on in which a
    number overflowed. `chunk`: as in [`learner_spec`][mastac.learning.learner.learner_spec].
    """
    import jax
    import jax.numpy as jnp

    from mastac.learning.learner import buffer_of, learner_of, learner_spec, update_schedule
    from mastac.learning.loop import one_seed
    from mastac.runs.evaluation import evaluation_key
    from mastac.runs.plan import layout_of

    settings, layout = config.settings, layout_of(env, config)
    buffer = buffer_of(env, settings, config.epochs)
    updates = update_schedule(env, settings).total(config.epochs)
    tenths = jnp.arange(config.epochs).reshape(10, -1)

    def one(rates: Mapping[str, Any], number: Any) -> Any:
        here = replace(settings, **rates)
        learner = learner_of(learner_spec(env, layout, here, updates, chunk))
        seed, key = one_seed(env, learner, buffer, here, config.epochs), jax.random.key(number)

        def tenth(state: Any, epochs: Any) -> tuple[Any, Any]:
            state, _ = jax.lax.scan(
                lambda state, epoch: seed.one_epoch(state, key, epoch), state, epochs
            )
            played = env.reported(
                seed.play(state.learner, jax.random.split(evaluation_key(), episodes)).returns
            ).mean()
            return state, jnp.where(state.failed_epoch < 0, played, jnp.nan)

        return jax.lax.scan(tenth, seed.init(key), tenths)[1]

    return jax.jit(jax.vmap(one))


def side_by_side(rates: Sequence[Mapping[str, float]]) -> dict[str, Float[np.ndarray, " runs"]]:
    """The values of each knob in every run."""
    return {name: np.array([each[name] for each in rates], np.float32) for name in rates[0]}
