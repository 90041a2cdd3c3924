"""Choices with slopes: their bias, updates of every kind, a game that is learnt and exported."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_world import small_environment

import mastac
from algorithms.small_algorithms import case, history, material
from mastac.agents.actors import actors, straight_through
from mastac.agents.stochastic import StochasticActors
from mastac.algorithms import ALGORITHMS
from mastac.controllers.serving import load_controller
from mastac.envs.heads import HEADS
from mastac.envs.mixed_heads import head_of, mask_of
from mastac.runs.presets import settings_for

# What imagines is given the whole replay, and has tests of its own.
OFF_POLICY = [
    name
    for name, how in ALGORITHMS.items()
    if how.kind.estimator == "pathwise" and not how.kind.imagined_data
]
PAYOFF = np.array([[5.0, -3.0, 0.0], [-3.0, 1.0, 2.0]])
"""Of two agents together. The best needs both: against even odds the other row is not worse."""


def exact_slopes(logits):
    """Of the expected payoff in both agents' logits, by enumeration."""

    def value(logits):
        one, other = (jax.nn.softmax(row) for row in logits)
        return one @ jnp.asarray(PAYOFF) @ other

    return jax.grad(value)(logits)


def mean_slopes(logits, draws=40_000):
    """The estimator's, over many draws of both agents."""

    def value(logits):
        keys = jax.random.split(jax.random.key(0), 2)
        one, other = (
            straight_through(
                HEADS["discrete"],
                jnp.broadcast_to(row[:, None], (len(row), draws)),
                jnp.ones((len(row), 1)),
                jnp.ones((len(row), 1), bool),
                jax.random.gumbel(key, (len(row), draws)),
                axis=0,
            )
            for row, key in zip(logits, keys, strict=True)
        )
        return jnp.einsum("ib,ij,jb->b", one, jnp.asarray(PAYOFF, jnp.float32), other).mean()

    return jax.jit(jax.grad(value))(logits)


def test_slopes_of_drawn_choices_point_where_enumeration_does():
    even = (jnp.zeros(2), jnp.array([0.5, -0.5, 0.2]))
    found, exact = mean_slopes(even), exact_slopes(even)
    # E[s (1 - s)] of the logistic distribution's s, which is even on [0, 1], is 1/6; exact is 1/4.
    np.testing.assert_allclose(found[0], 2 / 3 * exact[0], rtol=0.06)
    uneven = (jnp.array([1.0, -1.0]), jnp.array([0.5, -1.5, 1.0]))
    for one, other in zip(mean_slopes(uneven), exact_slopes(uneven), strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one @ other > 0.97 * np.linalg.norm(one) * np.linalg.norm(other)
        assert 0.5 < np.linalg.norm(one) / np.linalg.norm(other) < 1.5  # not its length
        assert abs(one.sum()) < 1e-5  # a shift of all logits means nothing


@pytest.mark.parametrize("name", OFF_POLICY)
def test_every_off_policy_algorithm_updates_on_choices(name):
    it = case(name, head="discrete")
    key = jax.eval_shape(jax.random.key, 0)
    state = jax.eval_shape(it.learner.init, key)
    after, _ = jax.eval_shape(it.learner.update, state, material(it), key, 0)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert jax.tree.map(np.shape, after) == jax.tree.map(np.shape, state)


def test_agents_in_sequence_move_by_what_is_drawn():
    it = case("mastac-coordinated", head="discrete")
    states, metrics = history(it, updates=1)
    learns = it.env.action_sizes > 1  # there is nothing to choose from one
    moved = np.asarray(metrics[0].gradient_norm)
    assert (moved[learns] > 0).all()
    np.testing.assert_allclose(moved[~learns], 0.0, atol=1e-6)
    batch, count = material(it), jnp.int32(0)
    one, other = (it.update(states[0], batch, jax.random.key(k), count)[0] for k in (0, 1))
    differs = jax.tree.map(lambda a, b: bool((a != b).any()), one.actors, other.actors)
    assert any(jax.tree.leaves(differs))


SIDE_BY_SIDE = ("tanh", "discrete", "tanh", "discrete")


@pytest.fixture(scope="module")
def stochastic():
    """Policies of the small environment whose agents all choose, and with boxes beside choices."""
    env = small_environment("discrete")
    chooses = StochasticActors(actors(env, ()), 0.5)
    mask = jnp.asarray(mask_of(SIDE_BY_SIDE, env.action_sizes))
    constants = chooses.actors.constants._replace(mask=mask)
    mixed = replace(chooses.actors, head=head_of(SIDE_BY_SIDE), constants=constants)
    weights = chooses.init(jax.random.key(3))
    obs = jnp.full((4, int(env.obs_sizes.max()), 1), 0.7)
    return {"discrete": chooses, "mixed": replace(chooses, actors=mixed)}, weights, obs


def chances_of(policies, weights, obs):
    """The probability of every choice, by hand."""
    made = policies.actors
    logits = np.asarray(made.logits(weights.mean_network, obs), np.float64)
    real = np.asarray(made.head.choices(made.constants.mask))[:, :, None]
    odds = np.where(real, np.exp(logits), 0.0)
    return odds / np.maximum(odds.sum(1, keepdims=True), 1e-30)


@pytest.mark.parametrize("head", ["discrete", "mixed"])
def test_choices_are_explored_with_the_chances_of_their_logits(stochastic, head):
    policies, weights, obs = stochastic
    chances, made = chances_of(policies[head], weights, obs), policies[head].actors
    choices = np.asarray(made.head.choices(made.constants.mask))
    many, nothing = jnp.repeat(obs, 6000, axis=2), jnp.zeros(())
    network, key = weights.mean_network, jax.random.key(1)
    drawn = np.asarray(made.explore(network, many, nothing, nothing, key, draws=True))
    np.testing.assert_allclose(drawn.mean(2)[choices], chances[choices, 0], atol=0.03)
    # Without noise, what is no choice is as it is.
    np.testing.assert_allclose(drawn[~choices].std(-1), 0.0, atol=1e-6)


@pytest.mark.parametrize("head", ["discrete", "mixed"])
def test_entropies_of_choices_and_their_slopes_are_exact(stochastic, head):
    policies, weights, obs = stochastic
    made = policies[head].actors
    choices = np.asarray(made.head.choices(made.constants.mask))
    chances = chances_of(policies[head], weights, obs)[:, :, 0]
    logs = np.log(np.where(choices, chances, 1.0))
    entropy = -(chances * logs).sum(1)
    of_bias = jax.grad(
        lambda weights: (
            policies[head]
            .actions_and_log_prob(weights, obs, jax.random.key(0))[1][choices.any(1)]
            .sum()
        )
    )(weights)
    slopes = np.asarray(of_bias.mean_network.biases[-1])
    expected = chances * (logs + entropy[:, None])
    np.testing.assert_allclose(slopes[choices], expected[choices], atol=1e-5)


def test_boxes_and_choices_have_the_densities_of_their_own_heads(stochastic):
    policies, weights, obs = stochastic
    draw = policies["mixed"].draw(weights, obs, jax.random.key(5))
    found = policies["mixed"].log_prob_and_entropy(weights, obs, draw.drawn)
    chosen = policies["discrete"].log_prob_and_entropy(weights, obs, draw.drawn)
    boxes = replace(
        policies["discrete"],
        actors=replace(policies["discrete"].actors, head=HEADS["tanh"]),
    ).log_prob_and_entropy(weights, obs, draw.drawn)
    for which, one, other in zip(found, boxes, chosen, strict=True):
        np.testing.assert_allclose(which[::2], one[::2], rtol=1e-5)
        np.testing.assert_allclose(which[1::2], other[1::2], rtol=1e-5)


def test_the_preset_keeps_choices_undecided_while_critics_learn():
    for name in ("mastac", "mastac-coordinated", "maddpg", "facmac"):
        assert settings_for(name, "mine", "default", {}, discrete=True)[0].saturation_cost > 0
        assert settings_for(name, "mine", "default", {})[0].saturation_cost == 0
        assert settings_for(name, "mine", "paper", {}, discrete=True)[0].saturation_cost == 0
    for name in ("mastac-ppo", "mastac-model", "zeroth-order"):
        on = settings_for(name, "computers-4", "default", {}, discrete=True)
        assert on == settings_for(name, "computers-4", "default", {})


def together(actions):
    """The payoff of one-hot rows."""
    return actions[0, :2] @ jnp.asarray(PAYOFF, jnp.float32) @ actions[1, :3]


def game() -> mastac.Environment:
    """One step, in which two agents are paid together for what they choose."""
    return mastac.Environment(
        id="game",
        couplings=mastac.Couplings(["row", "column"], reward=[(0, 1), (1, 0)]),
        horizon=1,
        reset=lambda key: jnp.ones((2, 1)),
        step=lambda state, actions, time, key: state,
        reward=lambda state, actions, time: jnp.full(2, together(actions)),
        observe=lambda state: state,
        state_sizes=np.array([1, 1]),
        obs_sizes=np.array([1, 1]),
        action_sizes=np.array([2, 3]),
        action_head="discrete",
    )


def test_a_game_is_learnt_and_the_exported_policy_plays_alike(tmp_path):
    env = game()
    run = mastac.train(
        env,
        epochs=400,
        out=tmp_path / "run",
        progress=False,
        evaluation_interval=400,
        evaluation_episodes=1,
        updates_per_epoch=8,
        actor_lr=1e-2,
        critic_lr=1e-2,
        batch_size=32,
        actor_hidden=[8],
        critic_hidden=[16],
    )
    policy = run.policy(0)
    chosen = policy.act(np.ones((2, 1), np.float32))
    best = np.unravel_index(PAYOFF.argmax(), PAYOFF.shape)
    assert (chosen[0].argmax(), chosen[1].argmax()) == best
    run.export(tmp_path / "out", format="numpy")
    for row, size, agent in zip(chosen, (2, 3), ("row", "column"), strict=True):
        controller = load_controller(tmp_path / "out", agent)
        np.testing.assert_array_equal(controller.act(np.ones(1, np.float32)), row[:size])
