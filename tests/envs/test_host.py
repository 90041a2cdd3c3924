"""Simulators outside JAX: spaces, mistakes, episodes, and workers that fail."""

import pickle
import re
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from gymnasium import spaces

import mastac
from host_worlds import Choices, Faulty, Tanks, Twin, Works
from mastac.envs.host.playing import Job, Player
from mastac.envs.host.simulator import HostSimulator
from mastac.envs.host.spaces import acting, observed
from mastac.envs.mixed_heads import mask_of
from mastac.envs.naming import environment_from

CHAIN = [("upper", "middle"), ("middle", "lower")]


def proportional(numbers: np.ndarray) -> Any:
    """A policy of what is observed and of the time, the same for all episodes."""
    return lambda obs, time: (np.tanh(obs[:, :, :1] - 0.1 * time) * np.ones(2, np.float32), [])


def played(env: Any, episodes: int, **choices: Any) -> tuple[list[Any], list[str]]:
    """Tracks of episodes, and what was reported."""
    said: list[str] = []
    player = Player(env.recipe, env.sizes, say=said.append, **choices)
    try:
        jobs = [Job(seed, f"seed {seed} in epoch 9") for seed in range(episodes)]
        return player.play(jobs, proportional), said
    finally:
        player.close()


def test_declares_what_the_simulator_declares() -> None:
    env = mastac.from_pettingzoo(Tanks)
    assert env.id == "tanks" and env.horizon == 5 and env.agents == ("upper", "middle", "lower")
    assert env.obs_sizes.tolist() == [2, 1, 3] and env.action_sizes.tolist() == [2, 1, 1]
    assert env.state_sizes.tolist() == [1, 1, 1]  # of its method local_state
    assert (
        env.couplings.to_dict()
        == mastac.Couplings(
            list(env.agents), state=CHAIN, observation=CHAIN, reward=CHAIN
        ).to_dict()
    )
    assert env.terminates and not env.notes


def test_observations_stand_in_and_it_is_said() -> None:
    env = mastac.from_pettingzoo(Tanks, local_states=None, horizon=3)
    assert not env.notes
    env = mastac.from_pettingzoo(Twin, [("a", "b")], horizon=3)
    (note,) = env.notes
    assert "stands for its state" in note and "exact only if" in note
    assert mastac.from_pettingzoo(Twin, [], 3, "observations").notes == ()


def test_episodes_with_early_ends() -> None:
    env = mastac.from_pettingzoo(Tanks)
    (track,), _ = played(env, 1, slots=1)
    lower = env.agents.index("lower")
    assert track.length == 5
    assert track.alive[:, lower].tolist() == [True] * 3 + [False] * 2
    assert track.terminated[:, lower].tolist() == [False, False, True, False, False]
    assert track.alive[:, :lower].all() and not track.terminated[:, :lower].any()
    assert (track.actions[3:, lower] == 0).all() and (track.rewards[3:, lower] == 0).all()
    assert (track.states[3:, lower] == track.states[3, lower]).all()
    level = track.states[:, 0, 0]
    np.testing.assert_allclose(level[1:] - level[:-1], 0.5 * track.actions[:, 0].mean(1), atol=1e-6)
    np.testing.assert_allclose(track.rewards[:, 0], -(level[1:] ** 2), rtol=1e-5)


def test_choices_of_a_simulator_without_a_class() -> None:
    env = mastac.from_pettingzoo(Choices)
    assert env.action_head == "discrete" and env.action_sizes.tolist() == [6, 2]
    assert env.obs_sizes.tolist() == [5, 5] and env.state_sizes.tolist() == [1, 2]
    rows = np.eye(6, dtype=np.float32)
    seven = acting("7", spaces.MultiDiscrete([2, 3]))
    assert [seven.action(row).tolist() for row in rows[[0, 2, 5]]] == [[0, 0], [0, 2], [1, 2]]
    assert acting("8", spaces.Discrete(2, start=5)).action(rows[1]) == 6


def test_boxes_are_rescaled_about_their_middle() -> None:
    ends = np.array([-1, 2], np.float32), np.array([3, 2], np.float32)
    space = acting("a", spaces.Box(*ends))
    assert space.action(np.array([2.0, 0.5])).tolist() == [3.0, 2.0]
    assert space.action(np.array([-2.0, -0.5])).tolist() == [-1.0, 2.0]
    whole = acting("a", spaces.Box(0, 10, (1,), np.int64))
    assert whole.action(np.array([1.6])).tolist() == [7]


MISTAKES: dict[str, tuple[Any, str]] = {
    "an instance": (lambda: mastac.from_pettingzoo(cast(Any, Tanks())), "not one Tanks"),
    "no couplings": (
        lambda: mastac.from_pettingzoo(Twin, horizon=3),
        r"who affects whom in 'Twin'.*mastac discover.*mastac\.complete",
    ),
    "no horizon": (lambda: mastac.from_pettingzoo(Twin, []), "horizon= in Python"),
    "a missing agent": (
        lambda: mastac.from_pettingzoo(Twin, mastac.Couplings(["a"]), 3),
        "lack its agent 'b'",
    ),
    "a foreign agent": (
        lambda: mastac.from_pettingzoo(Twin, mastac.Couplings(["a", "b", "c"]), 3),
        "unknown agent in the couplings of 'Twin', 'c'",
    ),
    "no limits": (
        lambda: acting("pump", spaces.Box(-np.inf, 1, (1,))),
        r"action space of agent 'pump' is Box\(-inf.*no finite limits",
    ),
    "too many choices": (
        lambda: acting("pump", spaces.MultiDiscrete([10, 10, 10])),
        "1000 joint choices",
    ),
    "a text space": (lambda: observed("pump", spaces.Text(5)), "agent 'pump' is Text"),
    "unknown argument": (lambda: mastac.from_pettingzoo(Tanks, obs_scal=1), "mean 'obs_scale'"),
    "no info": (
        lambda: mastac.from_pettingzoo(Tanks, local_states="level"),
        "local state of agent 'upper' raised KeyError",
    ),
    "not a simulator": (lambda: mastac.from_pettingzoo(dict), "lacks reset, step"),
    "it raises": (
        lambda: mastac.from_pettingzoo(partial(Tanks, horizon=cast(Any, "long"))),
        "reset|horizon",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_a_sentence(mistake: str) -> None:
    function, message = MISTAKES[mistake]
    with pytest.raises(mastac.UserError, match=message):
        function()


def test_agents_may_have_different_kinds_of_actions() -> None:
    env = mastac.from_pettingzoo(Works)
    assert env.action_head == ("tanh", "discrete", "discrete")
    assert env.action_sizes.tolist() == [2, 3, 4]
    mask = mask_of(env.action_head, env.action_sizes)
    assert mask.tolist() == [[1, 1, 0, 0], [2, 2, 2, 0], [2, 2, 2, 2]]
    limit = np.broadcast_to(env.action_limit, mask.shape)
    logits = np.random.default_rng(0).normal(size=mask.shape).astype(np.float32)
    rows = env.head.apply(logits, limit, mask)
    np.testing.assert_allclose(rows[0], [*np.tanh(logits[0, :2]), 0, 0], rtol=1e-6)
    assert [row.argmax() for row in rows[1:]] == [logits[1, :3].argmax(), logits[2].argmax()]
    simulator = HostSimulator(env.recipe)
    taken = [act.action(row) for act, row in zip(simulator.acting, rows, strict=True)]
    assert all(
        Works().action_space(name).contains(action)
        for name, action in zip(env.agents, taken, strict=True)
    )


def test_names_of_classes_and_functions() -> None:
    named: Any = environment_from("host_worlds:Tanks", {"dry_at": 2})
    env: Any = named.build()
    assert env.is_host and named.origin.options == {"dry_at": 2}
    assert env.recipe.make().dry_at == 2


def test_a_simulator_that_does_not_say_how_long_is_told() -> None:
    with pytest.raises(mastac.UserError, match="--env-set horizon=N on the command line"):
        environment_from("host_worlds:Endless")
    options = {"dry_at": 2, "horizon": 7}
    named: Any = environment_from("host_worlds:Endless", options)
    for one in (named, pickle.loads(pickle.dumps(named))):
        env = one.build()
        assert env.horizon == 7 and env.recipe.make().dry_at == 2
        assert one.origin.options == options


def test_what_has_a_length_of_its_own_is_given_none() -> None:
    named: Any = environment_from("host_worlds:Tanks", {"horizon": 4})  # an option of its own
    assert named.build().recipe.make().max_cycles == 4
    with pytest.raises(mastac.UserError, match="has no option 'horizon': only a simulator"):
        environment_from("mastac.examples.platoon:env", {"horizon": 4})


@pytest.fixture(scope="module")
def two_workers() -> Any:
    """Six episodes of two workers, in two waves, and of this process."""
    env = mastac.from_pettingzoo(Tanks)
    return played(env, 6, slots=4, workers=2), played(env, 6, slots=1)


def test_workers_play_what_this_process_plays(two_workers: Any) -> None:
    (apart, said), (here, _) = two_workers
    assert said == []
    for one, other in zip(apart, here, strict=True):
        np.testing.assert_array_equal(one.states, other.states)
        np.testing.assert_array_equal(one.obs, other.obs)
        np.testing.assert_array_equal(one.actions, other.actions)
        np.testing.assert_array_equal(one.alive, other.alive)


REPORTS = {
    "dies": "its process ended with exit code 3",
    "hangs": "it did not answer within 3 seconds",
    "raises": "step raised RuntimeError: the pump is stuck",
    "nan": "entry 0 of the observation of agent 'middle' is nan",
    "shape": r"the observation of agent 'middle' has shape \[1, 2\], expected \[1\]",
    "missing": "there is no observation of agent 'middle'",
    "unpaid": "there is no reward of agent 'upper'",
}


@pytest.mark.parametrize("fault", REPORTS)
def test_a_simulator_that_fails_once_is_made_anew(
    fault: str, tmp_path: Path, two_workers: Any
) -> None:
    make = partial(Faulty, fault, str(tmp_path / "once"))
    env = mastac.from_pettingzoo(make)
    outside = fault in ("dies", "hangs")
    tracks, said = played(env, 2, slots=2, workers=int(outside), timeout=3.0)
    assert len(said) == 1
    report = r"the simulator of seed \d in epoch 9 failed at step 1: " + REPORTS[fault]
    assert re.match(report, said[0]), said[0]
    for track, other in zip(tracks, two_workers[1][0], strict=False):
        np.testing.assert_array_equal(track.states, other.states)


def test_what_fails_three_times_is_given_up() -> None:
    env = mastac.from_pettingzoo(partial(Faulty, "nan"))
    with pytest.raises(mastac.UserError, match=r"of seed 0 in epoch 9 failed at step 1.*3rd time"):
        played(env, 1, slots=1)


def test_one_simulator_cannot_play_two_episodes() -> None:
    only = Tanks()
    env = mastac.from_pettingzoo(lambda: only)
    _, said = played(env, 2, slots=2)
    assert len(said) == 1 and "it must make a new one" in said[0]


def test_functions_of_a_script_reach_workers() -> None:
    env = mastac.from_pettingzoo(lambda: Tanks(dry_at=4))
    (track,), _ = played(env, 1, slots=1, workers=1)
    assert track.alive[:, 2].sum() == 4


def test_what_promises_a_fixed_length_keeps_it() -> None:
    env = mastac.from_pettingzoo(Tanks, fixed_length=True)
    assert not env.terminates
    with pytest.raises(mastac.UserError, match="agent 'lower' left before step 5"):
        played(env, 1, slots=1)


def test_couplings_from_a_file_and_states_from_a_slice(tmp_path: Path) -> None:
    class Whole(Twin):
        def state(self) -> np.ndarray:
            return np.array([4.0, 5.0, 9.0])

        def action_space(self, agent: str) -> spaces.Space:
            return spaces.Box(-1, 1, (2,))

        def reset(self, seed: int) -> Any:
            seen = {agent: np.zeros(1) for agent in self.possible_agents}
            return seen, {}

        def step(self, actions: Any) -> Any:
            no = dict.fromkeys(self.possible_agents, False)
            seen = {agent: np.zeros(1) for agent in self.possible_agents}
            return seen, dict.fromkeys(self.possible_agents, 0.0), no, no, {}

    file = tmp_path / "couplings.csv"
    file.write_text("source,target\na,b\n")
    entries = {"a": [0], "b": slice(1, 3)}
    env = mastac.from_pettingzoo(Whole, file, horizon=2, local_states=entries)
    (track,), _ = played(env, 1, slots=1)
    assert track.states[0].tolist() == [[4.0, 0.0], [5.0, 9.0]]
