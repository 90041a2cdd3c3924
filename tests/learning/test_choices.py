"""Choices with slopes: their bias, updates of every kind, a game that is learnt and exported."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from algorithms.small_algorithms import case, history, initial, material
from mastac.agents.actors import straight_through
from mastac.algorithms import ALGORITHMS
from mastac.controllers.serving import load_controller
from mastac.envs.heads import HEADS
from mastac.learning.learner import initial_state
from mastac.learning.spec import LearnerState
from mastac.runs.presets import settings_for

STEPPING = [name for name, how in ALGORITHMS.items() if how.kind.estimator != "model"]
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
                key,
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


@pytest.mark.parametrize("name", STEPPING)
def test_every_algorithm_updates_on_choices(name):
    it = case(name, head="discrete")
    state = initial(it)
    after, _ = jax.eval_shape(it.learner.update, state, material(it), jax.random.key(0), 0)
    assert isinstance(after, LearnerState)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    obs = jnp.zeros((it.env.num_agents, int(it.env.obs_sizes.max())))
    played, _ = it.learner.begin(state, jax.random.key(1), jnp.asarray(0.1))
    actions, _ = it.learner.explore(played, obs, jnp.zeros(()), jnp.zeros(()), jax.random.key(2))
    assert np.isin(np.asarray(actions), (0.0, 1.0)).all()
    assert np.asarray(actions.sum(1)).tolist() == [1.0] * it.env.num_agents


@pytest.mark.parametrize("name", ["matd3", "mastac-coordinated", "facmac", "mastac-sac"])
def test_actors_move_by_what_is_drawn(name):
    it = case(name, head="discrete")
    states, metrics = history(it, updates=2)
    real = it.env.action_sizes > 1  # who has one choice learns nothing
    moved = np.asarray(metrics[0].gradient_norm)
    assert (moved[real] > 0).all()
    if name != "mastac-sac":
        np.testing.assert_allclose(moved[~real], 0.0, atol=1e-6)
    batch, counts = material(it), jnp.int32(0)
    one, other = (it.update(states[0], batch, jax.random.key(k), counts)[0] for k in (0, 1))
    differs = jax.tree.map(lambda a, b: bool((a != b).any()), one.actors, other.actors)
    assert any(jax.tree.leaves(differs))


def test_actors_explore_with_the_chances_of_their_logits():
    it = case("mastac", head="discrete")
    state = initial_state(it.spec, jax.random.key(0))
    obs = jnp.full((4, int(it.env.obs_sizes.max()), 1), 0.7)
    logits = np.asarray(it.spec.actors.logits(state.actors, obs), np.float64)[:, :, 0]
    chances = np.where(np.asarray(it.spec.actors.constants.mask), np.exp(logits), 0.0)
    chances /= chances.sum(1, keepdims=True)
    many = jnp.repeat(obs, 6000, axis=2)
    nothing = jnp.zeros(())
    drawn = it.spec.actors.explore(
        state.actors, many, nothing, nothing, jax.random.key(1), draws=True
    )
    np.testing.assert_allclose(np.asarray(drawn).mean(2), chances, atol=0.03)


def test_entropies_of_choices_and_their_slopes_are_exact():
    it = case("mastac-sac", head="discrete")
    weights = initial_state(it.spec, jax.random.key(3)).actors
    obs = jnp.full((4, int(it.env.obs_sizes.max()), 2), 0.4)

    def found(weights):
        return it.spec.stochastic.actions_and_log_prob(weights, obs, jax.random.key(0))[1].sum()

    def exact(weights):
        logits = it.spec.actors.logits(weights.mean_network, obs)
        mask = it.spec.actors.constants.mask[:, :, None]
        logs = jax.nn.log_softmax(jnp.where(mask, logits, -1e9), axis=1)
        return jnp.where(mask, jnp.exp(logs) * logs, 0.0).sum()

    np.testing.assert_allclose(found(weights), exact(weights), rtol=1e-5)
    slopes = [jax.grad(function)(weights).mean_network.weights[-1] for function in (found, exact)]
    np.testing.assert_allclose(*slopes, atol=1e-5)


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
        epochs=800,
        out=tmp_path / "run",
        progress=False,
        evaluation_interval=800,
        evaluation_episodes=1,
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
