"""Networks, terms, mixers and policies in plain float64 loops.

They share no code with what they are compared with.
"""

import jax
import numpy as np


def in_float64(tree):
    """The same tree of numpy arrays in double precision, writable."""
    return jax.tree.map(lambda leaf: np.array(leaf, np.float64), tree)


def forward(weights, biases, x):
    """One perceptron on `[batch, inputs]`."""
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        x = x @ w + b
        x = np.maximum(x, 0.0) if layer < len(weights) - 1 else x
    return x


def read_by(spec, states, actions, state, chosen, time):
    """States and actions of the named agents in the critics' units, and the time."""
    env = spec.env
    columns = [
        (np.asarray(state)[:, j, : env.state_sizes[j]] - env.state_center) / env.state_scale
        for j in states
    ]
    columns += [
        (chosen[:, j, : env.action_sizes[j]] - env.action_center) / env.action_scale
        for j in actions
    ]
    columns.append(2.0 * np.asarray(time)[:, None] / env.horizon - 1.0)
    return np.concatenate(columns, axis=1).astype(np.float64)


def term_value(spec, critics, term, reads, state, chosen, time, twin=None):
    """The value `[batch]` of one term, which reads states and actions of the agents in `reads`."""
    for bucket, stack in zip(spec.buckets, critics, strict=False):
        for place in np.flatnonzero(bucket.terms == term):
            at = place if twin is None else (place, twin)
            is_state = bucket.state_rows[place] < spec.env.num_agents * spec.env.state_sizes.max()
            is_action = (
                bucket.action_rows[place] < spec.env.num_agents * spec.env.action_sizes.max()
            )
            real = np.concatenate(
                [is_state, is_action, [True]]
            )  # padding has weights, but reads zeros
            weights = [np.asarray(w)[at] for w in stack.weights]
            x = read_by(spec, reads[0], reads[1], state, chosen, time)
            return forward(
                [weights[0][real], *weights[1:]], [np.asarray(b)[at] for b in stack.biases], x
            )[:, 0]
    raise AssertionError(f"no network for term {term}")


def plain_actions(spec, actors, state):
    """What every agent's tanh policy does, `[batch, agents, act]`."""
    env = spec.env
    obs = np.asarray(jax.vmap(env.observe)(state), np.float64)
    actions = np.zeros((len(obs), env.num_agents, int(env.action_sizes.max())))
    for i in range(env.num_agents):
        x = (obs[:, i] - env.obs_center) / env.obs_scale
        out = forward([w[i] for w in actors.weights], [b[i] for b in actors.biases], x)
        size = env.action_sizes[i]
        actions[:, i, :size] = env.action_limit * np.tanh(out[:, :size])
    return actions


def plain_mixture(mixer, terms, state, monotonic):
    """FACMAC's mixing network, number by number: `terms` and `state` are `[batch, …]`."""

    def network(net, x):
        return forward(net.weights, net.biases, x[None])[0]

    mixed = []
    for q, s in zip(terms, state, strict=True):
        inner, outer = network(mixer.inner, s), network(mixer.outer, s)
        if monotonic:
            inner, outer = np.abs(inner), np.abs(outer)
        total = network(mixer.outer_bias, s)[0]
        for e, bias in enumerate(network(mixer.inner_bias, s)):
            h = bias + sum(inner[e * len(q) + t] * q[t] for t in range(len(q))) / len(q)
            total += outer[e] * (h if h > 0 else np.expm1(h))
        mixed.append(total)
    return np.array(mixed)


def slope(function, leaf, at, step=1e-6):
    """Central difference of `function()` in one entry of an array that it reads."""
    values, before = [], leaf[at]
    for sign in (1, -1):
        leaf[at] = before + sign * step
        values.append(function())
    leaf[at] = before
    return (values[0] - values[1]) / (2 * step)
