"""Limits of a view: who is beyond them, and how often in an episode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac.envs.episodes import outcome, rollout
from mastac.envs.limits import limits_of


def leaving(view: mastac.View | None) -> mastac.Environment:
    """Two agents of two and one numbers; the second one leaves after its first step."""
    return mastac.Environment(
        id="leaving",
        couplings=mastac.Couplings(["a", "b"], state=[("a", "b")]),
        horizon=5,
        reset=lambda key: jnp.array([[1.0, 9.0], [5.0, 0.0]]),
        step=lambda state, actions, time, key: mastac.Transition(
            state.at[:, 0].add(actions[:, 0]), jnp.ones(2), jnp.array([False, True])
        ),
        observe=lambda state: state,
        state_sizes=np.array([2, 1]),
        obs_sizes=np.array([2, 1]),
        action_sizes=np.array([1, 1]),
        action_head="linear",
        view=view,
    )


def view_of(**limits: object) -> mastac.View:
    return mastac.View(
        states=[mastac.Quantity("level", **limits)],  # type: ignore[arg-type]
        actions=[mastac.Quantity("pump")],
    )


def test_without_limits_there_is_nothing_to_exceed() -> None:
    assert limits_of(leaving(None)) is None
    assert limits_of(leaving(view_of(target=1.0))) is None


def test_rows_are_held_against_the_narrowest_limits_of_their_agents() -> None:
    quantities = [
        mastac.Quantity("level", low=[0.0, 1.0]),
        mastac.Quantity("level again", high=3.0, low=0.5),
        mastac.Quantity("second number", entry=1, high=4.0),
    ]
    view = mastac.View(states=quantities, actions=[mastac.Quantity("pump", low=-2.0, high=2.0)])
    limits = limits_of(leaving(view))
    assert limits is not None
    within = np.array([[0.5, 4.0], [1.0, 99.0]], np.float32)  # 99 is padding
    still = np.zeros((2, 1), np.float32)
    for row, column, value, who in (
        (0, 0, 0.5, [False, False]),
        (0, 0, 0.4, [True, False]),
        (1, 0, 0.9, [False, True]),
        (1, 0, 3.1, [False, True]),
        (0, 1, 4.1, [True, False]),
    ):
        states = within.copy()
        states[row, column] = value
        assert limits.exceeded(states, still).tolist() == who
        assert limits.exceeded(jnp.asarray(states), still).tolist() == who
    just = np.float32(2.0) * np.array([[1 + 2e-7], [-1.1]], np.float32)
    assert limits.exceeded(within, just).tolist() == [False, True], "rounding is no violation"
    both = limits.exceeded(np.stack([within, within]), np.stack([still, just]))
    assert both.tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize("high", [2.5, 4.0])
def test_shares_are_of_the_steps_at_which_an_agent_is_there(high: float) -> None:
    env, key = leaving(view_of(high=high)), jax.random.key(0)
    policy = lambda obs, state, time: jnp.ones((2, 1))  # noqa: E731
    found, (steps, _) = outcome(env, policy, key), rollout(env, policy, key)
    beyond = np.asarray(steps.state[:, :, 0]) > high
    assert beyond[:, 0].tolist() == [x > high for x in (1, 2, 3, 4, 5)]
    assert found.violations is not None
    np.testing.assert_allclose(found.violations, [beyond[:, 0].mean(), 1.0])
    np.testing.assert_allclose(found.returns, [5.0, 1.0])
