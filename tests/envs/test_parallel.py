"""Every family as a `pettingzoo.ParallelEnv`: PettingZoo's own tests, and that it is the same."""

import dataclasses
import re
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test
from pettingzoo.utils import parallel_to_aec

import mastac
from mastac.envs import ENVIRONMENTS, rollout_return
from mastac.envs.parallel import ParallelEnvironment
from mastac.errors import UserError
from mastac.examples import EXAMPLES, example

SMALLEST = [id if id[-1].isdigit() else id.replace("N", "2") for id in ENVIRONMENTS]


@cache
def mixed(action_head: str = "tanh", sizes: tuple[int, ...] = (2, 0, 1)) -> mastac.Environment:
    """Agents of different sizes; with the default sizes, one without an action."""
    rows, width = np.array([1, 3, 2]), max(sizes)
    pad = np.arange(3) < rows[:, None]
    return mastac.Environment(
        id="mixed",
        couplings=mastac.Couplings(["a", "b", "c"], state=[("a", "b")]),
        horizon=4,
        reset=lambda key: jnp.where(pad, jax.random.normal(key, (3, 3)), 0.0),
        step=lambda state, action, time, key: jnp.where(
            pad, 0.9 * state + action.sum(1, keepdims=True) + jax.random.normal(key, (3, 3)), 0.0
        ),
        reward=lambda state, action, time: -(action @ jnp.arange(1.0, width + 1)),
        observe=lambda state, time: jnp.where(pad, state + time, 0.0),
        state_sizes=rows,
        obs_sizes=rows,
        action_sizes=np.array(sizes),
        action_head=action_head,
        action_limit=np.array([[3.0] * width, [1.0] * width, [2.0] * width]),
    )


@pytest.fixture(scope="module", params=[*SMALLEST, "mixed"])
def env(request) -> mastac.Environment:
    return mixed() if request.param == "mixed" else mastac.make(request.param)


def drawn(played: ParallelEnvironment, random: np.random.Generator) -> dict[str, Any]:
    """A valid action of every agent that is there."""
    actions = {}
    for agent in played.agents:
        space = played.action_space(agent)
        space.seed(int(random.integers(2**31)))
        actions[agent] = space.sample()
    return actions


def test_pettingzoos_own_tests(env: mastac.Environment) -> None:
    parallel_api_test(mastac.pettingzoo(env), num_cycles=2 * env.horizon)
    parallel_seed_test(lambda: mastac.pettingzoo(env))


@pytest.mark.parametrize("name", EXAMPLES)
def test_pettingzoos_own_tests_of_examples(name: str) -> None:
    test_pettingzoos_own_tests(example(name))


def test_seeds_over_many_episodes(env: mastac.Environment) -> None:
    """Two copies agree step by step over episodes that go on."""
    first, second = mastac.pettingzoo(env), mastac.pettingzoo(env)
    for episode, seed in enumerate([7, None, None, 8]):
        random = np.random.default_rng(episode)
        np.testing.assert_equal(first.reset(seed=seed), second.reset(seed=seed))
        while first.agents:
            actions = drawn(first, random)
            np.testing.assert_equal(first.step(actions), second.step(actions))
            np.testing.assert_equal(first.state(), second.state())
        assert second.agents == []


def test_episodes_of_a_seed_differ_and_come_again() -> None:
    played = mastac.pettingzoo(mixed())
    starts = []
    for seed in (None, None, 7, None, 7, None, 8):
        played.reset(seed=seed)
        starts.append(played.state().tobytes())
    assert starts[2:4] == starts[4:6]
    assert len(set(starts)) == 5


def test_an_episode_is_that_of_the_environment(env: mastac.Environment) -> None:
    """Returns of agents are those of the environment's own functions, for the same key."""
    played, random = mastac.pettingzoo(env), np.random.default_rng(0)
    observed, _ = played.reset(seed=3)
    returns, rows, times = np.zeros(env.num_agents), [], 0
    while played.agents:
        for agent, obs in observed.items():
            i = env.agents.index(agent)
            assert obs.shape == (env.obs_sizes[i],) and played.observation_space(agent).contains(
                obs
            )
            assert played.local_state(agent).shape == (env.state_sizes[i],)
        actions = drawn(played, random)
        if env.action_head == "softmax":
            actions = {agent: shares / shares.sum() for agent, shares in actions.items()}
        rows.append([_padded(env, actions[agent]) for agent in env.agents])
        observed, rewards, terminations, truncations, _ = played.step(actions)
        times += 1
        returns += list(rewards.values())
        assert set(terminations.values()) == {False}
        assert set(truncations.values()) == {times == env.horizon}
    assert times == env.horizon
    taken = jnp.asarray(np.array(rows), jnp.float32)
    key = jax.random.fold_in(jax.random.key(3), 0)
    expected = jax.jit(lambda key: rollout_return(env, lambda obs, state, time: taken[time], key))(
        key
    )
    np.testing.assert_allclose(returns, expected, rtol=1e-4, atol=1e-4)


def _padded(env: mastac.Environment, action: Any) -> np.ndarray:
    width = int(env.action_sizes.max())
    if env.action_head == "discrete":
        return np.eye(width)[action]
    return np.pad(action, (0, width - len(action)))


def test_spaces_have_true_sizes_and_limits() -> None:
    played = mastac.pettingzoo(mixed())
    assert played.possible_agents == ["a", "b", "c"] and played.metadata["name"] == "mixed"
    assert played.couplings.agents == ("a", "b", "c")
    assert [played.observation_space(agent).shape for agent in "abc"] == [(1,), (3,), (2,)]
    assert played.action_space("b").shape == (0,)
    assert played.action_space("a") == Box(-3.0, 3.0, (2,))
    assert played.action_space("c") == Box(-2.0, 2.0, (1,))
    assert mastac.pettingzoo(mixed("linear")).action_space("c") == Box(-np.inf, np.inf, (1,))
    assert mastac.pettingzoo(mixed("softmax", (2, 1, 3))).action_space("c") == Box(0, 1, (3,))
    assert mastac.pettingzoo(mixed("discrete", (2, 1, 3))).action_space("c") == Discrete(3)
    played.reset(seed=0)
    local = [played.local_state(agent) for agent in "abc"]
    np.testing.assert_equal(np.concatenate(local), played.state())
    assert played.state_space.contains(played.state())
    with pytest.raises(NotImplementedError):
        played.render()


def paid(env: mastac.Environment, **actions: Any) -> list[float]:
    played = mastac.pettingzoo(env)
    played.reset(seed=0)
    return list(played.step(actions)[1].values())


def test_what_actions_become() -> None:
    """The reward is minus the action's entries, weighted by 1, 2, …"""
    assert paid(mixed(), a=[9.0, -1.0], b=[], c=[-9]) == pytest.approx([-1.0, 0.0, 2.0])
    assert paid(mixed("linear"), a=[9.0, 1.0], b=[], c=[-9]) == pytest.approx([-11.0, 0.0, 9.0])
    shares = mixed("softmax", (2, 1, 3))
    assert paid(shares, a=[0.2, 0.6], b=[0.3], c=[0, 0, 0]) == pytest.approx([-1.75, -1, -2])
    assert paid(mixed("discrete", (2, 1, 3)), a=1, b=0, c=np.int64(2)) == pytest.approx(
        [-2, -1, -3]
    )


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"a": [0, 0], "b": []}, "no action of agent 'c'; give one of Box"),
    "unknown": ({"d": [0]}, "unknown agent 'd'"),
    "shape": ({"a": [0.0], "b": [], "c": [0]}, "'a' must be of Box.*got an array of shape"),
    "nan": ({"a": [0, np.nan], "b": [], "c": [0]}, "'a' must be finite numbers of Box"),
    "text": ({"a": ["up", 1], "b": [], "c": [0]}, "'a' must be numbers of Box.*'up'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_the_agent(mistake: str) -> None:
    actions, words = MISTAKES[mistake]
    with pytest.raises(UserError, match=words):
        paid(mixed(), **actions)


def test_other_mistakes() -> None:
    with pytest.raises(UserError, match="'c' must be a whole number, from 0 to 2; got 3"):
        paid(mixed("discrete", (2, 1, 3)), a=0, b=0, c=3)
    played = mastac.pettingzoo("lq-2", {"horizon": 2})
    for call in (played.state, lambda: played.step({}), lambda: played.local_state("agent-1")):
        with pytest.raises(UserError, match=r"reset\(\)"):
            call()
    played.reset()
    with pytest.raises(UserError, match="actions must be a mapping by agent, got list"):
        played.step([0.0, 0.0])  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="seed must be a whole number, from 0"):
        played.reset(seed=-1)
    with pytest.raises(UserError, match="env_options"):
        mastac.pettingzoo(mixed(), {"horizon": 3})
    with pytest.raises(UserError, match="env is a int"):
        mastac.pettingzoo(3)  # pyright: ignore[reportArgumentType]
    wrong = dataclasses.replace(mixed(), reward=lambda state, action, time: state)
    with pytest.raises(UserError, match="reward of environment 'mixed' must return"):
        mastac.pettingzoo(wrong)


@pytest.mark.filterwarnings("ignore::UserWarning:pettingzoo.test")  # advice on names and sizes
def test_it_becomes_an_environment_of_turns() -> None:
    api_test(parallel_to_aec(mastac.pettingzoo(mixed())), num_cycles=20)


def test_the_example_of_the_documents_plays_to_the_end() -> None:
    document = Path(__file__).parents[2] / "docs" / "other-libraries.md"
    (block,) = re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["env"].agents == [] and set(names["truncations"].values()) == {True}


def leaving() -> mastac.Environment:
    """Agent number i leaves after step i + 1; rewards come from the step."""
    ones = np.ones(3, int)
    return mastac.Environment(
        id="leaving",
        couplings=mastac.Couplings(["a", "b", "c"]),
        horizon=3,
        reset=lambda key: jnp.zeros((3, 1)),
        step=lambda state, action, time, key: mastac.Transition(
            state + 1.0, state[:, 0] + action[:, 0], jnp.arange(3) < jnp.minimum(time + 1, 2)
        ),
        observe=lambda state: state,
        state_sizes=ones,
        obs_sizes=ones,
        action_sizes=ones,
        action_head="tanh",
    )


def test_agents_leave() -> None:
    parallel_api_test(mastac.pettingzoo(leaving()), num_cycles=9)
    played = mastac.pettingzoo(leaving())
    played.reset(seed=0)
    steps = [played.step({agent: [0.5] for agent in played.agents}) for _ in range(3)]
    assert [list(rewards.items()) for _, rewards, *_ in steps] == [
        [("a", 0.5), ("b", 0.5), ("c", 0.5)],
        [("b", 1.5), ("c", 1.5)],
        [("c", 2.5)],
    ]
    assert [terminations for _, _, terminations, *_ in steps] == [
        {"a": True, "b": False, "c": False},
        {"b": True, "c": False},
        {"c": False},
    ]
    assert [truncations for *_, truncations, _ in steps][1:] == [
        {"b": False, "c": False},
        {"c": True},
    ]
    assert steps[0][0]["a"] == [1.0] and played.state().tolist() == [1.0, 2.0, 3.0]
    played.reset()
    played.step({agent: [0.0] for agent in played.agents})
    with pytest.raises(UserError, match="agent 'a' has left the episode"):
        played.step({agent: [0.0] for agent in "abc"})
