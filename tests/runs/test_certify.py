"""Certificates against exact linear-quadratic figures, enumeration, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from host_worlds import Tanks
from mastac.agents.actors import actors
from mastac.envs.base import observed_agents
from mastac.envs.linear_quadratic.dynamics import linear_quadratic, problem_of
from mastac.envs.linear_system import best_structured_gain, episode_return, riccati
from mastac.errors import UserError
from mastac.learning.model_based.imagined import true_dynamics
from mastac.learning.model_based.improvement import _highest, one_step_gains
from mastac.runs.certificate import certificate_table
from mastac.runs.certifying import certificate, has_slopes, proven_figures
from mastac.runs.evaluation import actor_of
from mastac.runs.policy import Policy
from mastac.structure import steady


def linear_policy(env, gain) -> Policy:
    """Networks without hidden layers that act by a linear feedback."""
    seen, shape = observed_agents(env.couplings), (env.num_agents, int(env.obs_sizes.max()))
    weights = np.zeros((*shape, 1), np.float32)
    for i, group in enumerate(seen):
        weights[i, : len(group), 0] = gain[i, group] / env.action_limit
    limit = np.full((env.num_agents, 1), env.action_limit, np.float32)
    return Policy(
        agents=env.agents,
        obs_sizes=env.obs_sizes,
        action_sizes=env.action_sizes,
        action_head=env.action_head,
        obs_center=np.zeros(shape, np.float32),
        obs_scale=np.ones(shape, np.float32),
        action_limit=limit,
        weights=(weights,),
        biases=(np.zeros((env.num_agents, 1), np.float32),),
    )


def exact_one_step(problem, gain) -> float:
    """What the best joint actions of single steps gain, summed over the episode and agents.

    Where the value of the next step is -x'Px, actions Kx cost (K - K*)'(R + B'PB)(K - K*) more
    than the best ones, K*x.
    """
    gain = problem.affine(gain)
    paid = np.diag(problem.action_weights.sum(0))
    cost = problem.state_cost(problem.state_weights.sum(0)) + gain.T @ paid @ gain
    loops = [transition + problem.inputs @ gain for transition in problem.transitions]
    values = [np.zeros_like(cost)]
    for loop in reversed(loops[1:]):
        values.append(cost + loop.T @ values[-1] @ loop)
    moment, total = problem.start, 0.0
    for transition, loop, value in zip(problem.transitions, loops, values[::-1], strict=True):
        curvature = paid + problem.inputs.T @ value @ problem.inputs
        off = gain + np.linalg.solve(curvature, problem.inputs.T @ value @ transition)
        total += np.trace(off.T @ curvature @ off @ moment)
        moment = loop @ moment @ loop.T + problem.noise
    return float(total)


SHARES = (0.0, 0.5, 1.0)  # of the best feedback: no control, half of it, the optimum of the class


@pytest.fixture(scope="module")
def feedbacks():
    """Worse and worse feedback of a network, its exact gaps, and its certificates."""
    env = mastac.make("lq-3", horizon=4)
    problem = problem_of(env)
    best, total = best_structured_gain(problem, constant=False)
    policies = {k: linear_policy(env, share * best[:, :3]) for k, share in enumerate(SHARES)}
    gaps = [(total - episode_return(problem, share * best)[0]) / 3 for share in SHARES]
    found, can_climb = certificate(env, policies, None, 2000, 60, 0, lambda text: None)
    assert can_climb
    return [found[str(k)] for k in policies], gaps, riccati(problem)[2] / 3


def test_the_exact_gap_lies_between_the_figures(feedbacks) -> None:
    figures, gaps, bound = feedbacks
    for about, gap in zip(figures, gaps, strict=True):
        proven = proven_figures(bound, about["return_interval"])
        assert 0 <= about["lower"] <= gap + 1e-6 <= min(about["upper"], proven["upper"])
    low, high = figures[1]["return_interval"]
    assert low < bound - gaps[1] < high


def test_worse_policies_have_larger_figures_and_optimal_ones_none(feedbacks) -> None:
    figures, gaps, _ = feedbacks
    nothing, half, best = figures
    assert nothing["lower"] > 0.8 * gaps[0]
    assert half["lower"] > 0.8 * gaps[1]
    assert best["lower"] < 1e-3
    assert best["upper"] < 0.02 < half["upper"] < nothing["upper"]


@pytest.mark.slow
def test_learnt_models_are_climbed_and_the_simulator_measures() -> None:
    """The simulator is only called, and its slopes are never asked for."""
    made = mastac.make("lq-3", horizon=4)
    problem = problem_of(made)

    @jax.custom_jvp
    def opaque(values):
        return values

    @opaque.defjvp
    def no_slope(*_):
        raise AssertionError("a slope of the simulator was asked for")

    env = dataclasses.replace(
        made,
        step=lambda state, actions, time, key: made.step(opaque(state), actions, time, key),
        reward=lambda state, actions, time: made.reward(opaque(state), actions, time),
    )
    best, total = best_structured_gain(problem, constant=False)
    gap = (total - episode_return(problem, 0.5 * best)[0]) / 3
    policies = {0: linear_policy(env, 0.5 * best[:, :3])}
    figures = certificate(env, policies, None, 2000, 60, 0, lambda text: None, fitting=100)[0]["0"]
    assert 0.7 * gap < figures["lower"] <= gap <= figures["upper"] < 3 * gap


def test_one_step_gains_are_the_exact_ones() -> None:
    made = mastac.make("lq-3", horizon=6)
    problem = dataclasses.replace(
        problem_of(made),
        start_mean=np.array([1.0, -2.0, 0.5]),
        start_variance=np.zeros(3),
        noise_variance=np.zeros(3),
    )
    env = linear_quadratic(steady(made.couplings), problem, limit=2.0)
    best = best_structured_gain(problem, constant=False)[0][:, :3]
    parts, dynamics, key = actors(env, []), true_dynamics(env), jax.random.key(0)
    gains = jax.jit(lambda weights: one_step_gains(env, parts, weights, dynamics, key, 2, 8))
    for gain in (0.3 * best, 1.3 * best):
        found = gains(actor_of(linear_policy(env, gain)))
        exact = exact_one_step(problem, gain) / 3
        assert (0.97 * exact < found).all() and (found < 1.001 * exact).all()


def choosing_environment() -> mastac.Environment:
    """Two agents of three choices, which move a level each and have to agree on a third."""
    amount = jnp.arange(3.0)
    sizes = np.ones(2, int)

    def step(state, actions, time, key):
        return 0.5 * state + (actions @ amount)[:, None] - 1.0

    def reward(state, actions, time):
        chosen = actions @ amount
        return -((state[:, 0] - 0.7) ** 2) - 0.3 * (chosen - chosen[::-1]) ** 2 - 0.1 * chosen

    return mastac.Environment(
        id="choosing",
        couplings=mastac.Couplings(["a", "b"], [], reward_action=[("a", "b"), ("b", "a")]),
        horizon=3,
        reset=lambda key: jnp.array([[1.5], [-1.0]]),
        step=step,
        reward=reward,
        observe=lambda state: state,
        state_sizes=sizes,
        obs_sizes=sizes,
        action_sizes=3 * sizes,
        action_head="discrete",
    )


def test_better_choices_are_those_that_enumeration_finds() -> None:
    env = choosing_environment()
    parts, key = actors(env, [4]), jax.random.key(0)
    weights = parts.init(jax.random.key(1))

    def greedy(state):
        return parts.apply(weights, env.observe(state)[:, :, None])[:, :, 0]

    def total(state, time, actions=None) -> float:
        earned = 0.0
        for t in range(time, 3):
            actions = greedy(state) if actions is None else actions
            earned += float(env.reward(state, actions, t).sum())
            state, actions = env.step(state, actions, t, key), None
        return earned

    state, expected = env.reset(key), 0.0
    for time in range(3):
        joint = [jnp.eye(3)[np.array(pair)] for pair in np.ndindex(3, 3)]
        expected += max(total(state, time, actions) for actions in joint) - total(state, time)
        state = env.step(state, greedy(state), time, key)
    assert expected > 1.0
    dynamics = true_dynamics(env)
    found = jax.jit(lambda weights: one_step_gains(env, parts, weights, dynamics, key, 2, 8))(
        weights
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("head", ["tanh", "linear", "softmax"])
def test_searches_find_the_best_valid_action(head: str) -> None:
    env = dataclasses.replace(choosing_environment(), action_head=head)
    parts = actors(env, [4])
    limit, mask = parts.constants
    played = env.head.from_uniform(jnp.full((2, 3), 0.9), limit, mask)

    def distance(actions, target):
        return ((actions - target) ** 2).sum()

    @jax.jit
    def least_distance(target):
        return -_highest(
            parts, lambda actions: -distance(actions, target), played, jax.random.key(0)
        )

    for wanted in ([[0.2, 0.5, 0.3], [0.9, -0.4, 0.0]], [[2.0, -3.0, 0.0], [0.1, 0.1, 0.1]]):
        target = jnp.asarray(wanted)
        nearest = distance(env.head.project(target, limit, mask), target)
        assert nearest - 1e-5 <= least_distance(target) < nearest + 0.02 * distance(played, target)


def test_what_cannot_be_climbed_is_refused() -> None:
    made = mastac.make("lq-3", horizon=4)
    still = dataclasses.replace(
        made,
        step=lambda state, actions, time, key: state,
        reward=lambda state, actions, time: jnp.round(actions[:, 0]),
    )
    policies = {0: linear_policy(made, np.zeros((3, 3)))}
    with pytest.raises(UserError, match=r"'lq-3' has no slopes .* and no bound"):
        certificate(still, policies, None, 2, 1, 0, print)

    def called_back(state, actions, time):
        shape = jax.ShapeDtypeStruct((3,), jnp.float32)
        return jax.pure_callback(lambda a: -np.square(a[:, 0]), shape, actions)

    outside = dataclasses.replace(made, reward=called_back)
    with pytest.raises(UserError, match="'lq-3' cannot be differentiated"):
        has_slopes(outside, jax.random.key(0))


def test_the_table_says_what_figures_mean() -> None:
    figures = {"return": -1.5, "return_interval": [-1.75, -1.25], "lower": 0.5, "upper": 0.25}
    overflowed = dict.fromkeys(figures) | {"return_interval": [None, None]}
    certified = {
        "upper_kind": "estimated",
        "assumption": "if this and that",
        "bound": None,
        "has_slopes": False,
        "fitting_steps": 2560,
        "episodes": 1000,
        "seeds": {"3": figures, "4": None, "5": overflowed},
    }
    lines = certificate_table(certified).splitlines()
    assert lines[0].split() == ["greedy", "policy", "return", "lower", "upper", "(estimated)"]
    assert lines[2].split() == ["seed", "3", "-1.50", "±", "0.25", "0.50", "0.25"]
    assert lines[3].split() == ["seed", "4", "stopped"]
    assert lines[4].split() == ["seed", "5", "overflowed"]
    for words in (
        "if this and that",
        "seed 3: more was gained",
        "no slopes",
        "1,000 episodes",
        "2,560 steps",
    ):
        assert any(words in line for line in lines)


def test_a_simulator_outside_jax_gets_none() -> None:
    env = mastac.from_pettingzoo(Tanks, horizon=2, fixed_length=True)
    with pytest.raises(UserError, match="'tanks' is a simulator outside JAX, whose state cannot"):
        certificate(env, {}, None, 2, 1, 0, print)
