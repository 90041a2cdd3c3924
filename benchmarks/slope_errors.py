"""How wrong are the critics' slopes, by graph distance?

    python benchmarks/slope_errors.py RUN [RUN …]

An actor follows a sum: the slopes, in its own action, of the values of all agents that it is
credited with. Here every summand is held against the truth apart. For critic i and acting agent j
the true slope is the derivative, through the simulator, of agent i's discounted rewards still to
come in the action of j, where the policies act afterwards (see `slopes.py`; discount and end of the
episode are those of the critics). Both are taken along greedy episodes of a trained run at the
policies' own actions, and in the logits of the actor: what leaves the set of valid actions, such as
more than all of the stock, has no slope there.

The distance of a pair is the smallest kappa at which critic i reads the action of j, and at least 1
for two agents. Pairs that this run's critics do not read are "unread". `true_rms`, `learnt_rms` and
`error_rms` are root mean squares over all pairs of a distance, states and entries of actions;
`relative_error` is the last over the first, `cosine` that between the two. `share_of_sum` says how
much of the sum over all critics comes from a distance, `share_of_error` the same of the error of
what actors follow; each adds up to 1. The row "sum" compares that whole sum: true of all critics,
learnt of those that the actor is credited with. "gradient" is what becomes of it in the weights of
the actors, averaged over the states.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import mastac
from common import write
from mastac.learning import LearnerSpec, LearnerState, action_units, observations
from mastac.learning.actor_step import action_gradient, first_twins, open_actions
from mastac.learning.critic_inputs import reward_factor
from mastac.learning.critic_step import each_critic
from mastac.structure.layouts import with_distances
from slopes import (
    EPISODES,
    NOISES,
    critics_read,
    greedy_actions,
    greedy_states,
    later_returns,
    times_of,
    trained,
)

HEADER = ["run", "env", "options", "epochs", "seed", "greedy_return", "distance", "pairs"]
HEADER += ["true_rms", "learnt_rms", "error_rms", "relative_error", "cosine"]
HEADER += ["share_of_sum", "share_of_error"]


class Slopes(NamedTuple):
    """True and learnt slopes.

    - `true`, `learnt`: of every critic in every agent's logits, `[critics, agents, act, samples]`.
    - `true_gradient`, `learnt_gradient`: of all actors' weights, one row for each time.
    """

    true: Any
    learnt: Any
    true_gradient: Any
    learnt_gradient: Any


def slope_rows(folder: Path) -> list[list]:
    """Rows of the table for all seeds of one run."""
    run = mastac.load(folder)
    spec, learners = trained(run)
    measure = jax.jit(lambda learner: compared(spec, learner, EPISODES, NOISES))
    greedy = run.evaluate()["greedy_by_seed"]
    usual = mastac.make(run.env.id).options
    changed = {name: value for name, value in run.env.options.items() if usual[name] != value}
    options = ",".join(f"{name}={value}" for name, value in changed.items())
    rows = []
    for place, seed in enumerate(run.config.seeds):
        slopes = measure(jax.tree.map(lambda leaf, place=place: leaf[place], learners))
        about = [folder.name, run.env.id, options, run.config.epochs, seed, greedy[str(seed)]]
        rows += [
            [*about, *figures] for figures in figures_of(spec, jax.tree.map(np.asarray, slopes))
        ]
    return rows


def compared(spec: LearnerSpec, learner: LearnerState, episodes: int, noises: int) -> Slopes:
    """Slopes along greedy episodes, the true ones as means over the noise that follows."""
    states = jax.vmap(lambda key: greedy_states(spec, learner, key))(
        jax.random.split(jax.random.key(1), episodes)
    )
    times = jnp.asarray(times_of(spec.env))
    keys = jax.random.split(jax.random.key(2), (episodes, noises))

    def at_time(state_and_time: tuple[jax.Array, jax.Array]) -> Slopes:
        return slopes_at(spec, learner, *state_and_time, keys)

    by_time = jax.lax.map(at_time, (jnp.moveaxis(states[:, times], 1, 0), times))
    true, learnt = (
        jnp.moveaxis(slopes, 0, -2).reshape(*slopes.shape[1:-1], -1) for slopes in by_time[:2]
    )
    return Slopes(true, learnt, *by_time[2:])


def slopes_at(
    spec: LearnerSpec, learner: LearnerState, state: jax.Array, time: jax.Array, keys: jax.Array
) -> Slopes:
    """Slopes at states of one time."""

    def one_true(state: jax.Array, key: jax.Array) -> jax.Array:
        later = later_returns(spec, learner, state, time, key)
        return jax.jacrev(later)(greedy_actions(spec, learner, state))

    over_noises = jax.vmap(jax.vmap(one_true, (None, 0)))(state, keys).mean(1)
    obs = observations(spec.env, state, jnp.full(len(state), time))
    logits, to_weights = jax.vjp(lambda weights: spec.actors.logits(weights, obs), learner.actors)
    _, to_logits = jax.vjp(spec.actors.actions_of, logits)
    true, learnt = (
        jax.vmap(lambda slopes: to_logits(slopes)[0])(slopes)
        for slopes in (jnp.moveaxis(over_noises, 0, -1), critics_slopes(spec, learner, state, time))
    )
    followed = (credit_of(spec)[:, :, None, None] * learnt).sum(0)
    gradients = (
        ravel_pytree(to_weights(slopes / len(state)))[0] for slopes in (true.sum(0), followed)
    )
    return Slopes(true, learnt, *gradients)


def critics_slopes(
    spec: LearnerSpec, learner: LearnerState, state: jax.Array, time: jax.Array
) -> jax.Array:
    """Of every critic in every agent's action, `[critics, agents, act, samples]`, unscaled."""
    inputs, actions = critics_read(spec, learner, state, time)
    source = inputs._replace(actions=actions)
    slopes = jnp.zeros((spec.layout.num_terms, *actions.shape))
    for bucket, stack in zip(spec.buckets, first_twins(spec, learner.critics), strict=True):
        gradient = each_critic(action_gradient(bucket), bucket, [source], stack, chunk=spec.chunk)
        if bucket.open is not None:
            gradient = gradient * open_actions(bucket, False, inputs.step)
        slopes = slopes.at[bucket.terms[:, None], bucket.action_rows].add(gradient)
    _, scale = action_units(spec.env, learner.scales)
    # The last row is the zeros that padded places read.
    by_agent = slopes[:, :-1].reshape(-1, *scale.shape, len(state)) / scale[None, :, :, None]
    return by_agent / reward_factor(spec, learner.scales)


def credit_of(spec: LearnerSpec) -> np.ndarray:
    """The weight of every critic in what every actor follows, `[critics, agents]`."""
    return spec.layout.useful_credit().toarray().T.astype(np.float32)


def figures_of(spec: LearnerSpec, slopes: Slopes) -> list[list]:
    """One row for each distance, for the sum and for the gradient: what `HEADER` says."""
    true, learnt = slopes.true, slopes.learnt
    credited = credit_of(spec)[:, :, None, None] * learnt
    whole, error = true.sum(0), (credited - true).sum(0)
    is_real = np.arange(true.shape[2]) < spec.env.action_sizes[:, None]
    rows = []
    for name, pairs in by_distance(spec):
        chosen = pairs[:, :, None] & is_real
        rows.append(
            [
                *(name, int(pairs.sum())),
                *agreement(true[chosen], learnt[chosen]),
                float((true * whole)[pairs].sum() / (whole**2).sum()),
                float(((credited - true) * error)[pairs].sum() / (error**2).sum()),
            ]
        )
    agents = spec.env.num_agents
    rows.append(["sum", agents, *agreement(whole[is_real], (whole + error)[is_real]), 1.0, 1.0])
    gradients = agreement(slopes.true_gradient.mean(0), slopes.learnt_gradient.mean(0))
    return [*rows, ["gradient", agents, *gradients, 1.0, 1.0]]


def agreement(true: np.ndarray, learnt: np.ndarray) -> list[float]:
    """Root mean squares of both and of their difference, its ratio to the first, the cosine."""
    sizes = [float(np.sqrt((values**2).mean())) for values in (true, learnt, learnt - true)]
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (true * learnt).mean() / np.float64(sizes[0] * sizes[1])
        return [*sizes, float(np.float64(sizes[2]) / sizes[0]), float(cosine)]


def by_distance(spec: LearnerSpec) -> list[tuple[Any, np.ndarray]]:
    """Pairs of critic and acting agent, `[critics, agents]`, by distance; at last the unread."""
    layout = with_distances(spec.layout, spec.env.couplings, None, spec.settings.minimal)
    assert layout.distances is not None
    entries = layout.distances[1].tocoo()
    distance = np.full((spec.layout.num_terms, spec.env.num_agents), -1)
    distance[entries.row, entries.col] = entries.data
    reads = spec.layout.actions.toarray().astype(bool)
    acts = spec.env.action_sizes[None] > 0
    groups = [(int(d), reads & acts & (distance == d)) for d in np.unique(distance[reads])]
    return [*groups, *([("unread", ~reads & acts)] if (~reads & acts).any() else [])]


def main(*folders: str) -> None:
    write("slope-errors", HEADER, [row for folder in folders for row in slope_rows(Path(folder))])


if __name__ == "__main__":
    main(*sys.argv[1:])
