"""Output heads: the same in numpy and JAX, valid actions only, methods that agree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mastac.envs.heads import HEADS
from mastac.envs.mixed_heads import head_of, mask_of

MASK = np.array([[True, False, False], [True, True, False], [True, True, True]])
LIMIT = np.array([[0.5, 1.0, 1.0], [2.0, 3.0, 1.0], [1.0, 1.0, 4.0]], np.float32)


def is_valid(name: str, actions: np.ndarray) -> bool:
    """Whether rows `[agents, act]` are actions of this head."""
    if (actions[~MASK] != 0).any() or not np.isfinite(actions).all():
        return False
    if name == "tanh":
        return bool((np.abs(actions) <= LIMIT).all())
    if name == "softmax":
        return bool((actions >= 0).all()) and np.allclose(actions.sum(1), 1, atol=1e-5)
    if name == "discrete":
        return set(np.unique(actions)) <= {0, 1} and bool((actions.sum(1) == 1).all())
    return True


def results(name: str, values: np.ndarray, xp) -> dict[str, np.ndarray]:
    """What every method gives for numbers in [0, 1) or of any size, in one array library."""
    head, uniform = HEADS[name], 1 / (1 + np.exp(-values))
    arguments = (xp.asarray(LIMIT), xp.asarray(MASK))
    logits, noise = xp.asarray(values), xp.asarray(values[::-1].copy())
    log_std = xp.asarray(0.1 * values)
    return {
        "apply": head.apply(logits, *arguments),
        "project": head.project(logits, *arguments),
        "perturb": head.perturb(logits, noise, *arguments),
        "from_uniform": head.from_uniform(xp.asarray(uniform), *arguments),
        "log_stretch": head.log_stretch(logits, 0.3 * noise, log_std, arguments[1]),
        "invert": head.invert(head.apply(logits, *arguments), arguments[0]),
    }


@pytest.mark.parametrize("name", HEADS)
def test_numpy_and_jax_agree_and_actions_are_valid(name):
    random = np.random.default_rng(0)
    for size in (0.3, 3.0):
        values = size * random.standard_normal((3, 3)).astype(np.float32)
        host, device = results(name, values, np), results(name, values, jnp)
        for method, result in host.items():
            assert isinstance(result, np.ndarray) and isinstance(device[method], jax.Array)
            assert result.dtype == device[method].dtype == np.float32
            np.testing.assert_allclose(result, device[method], rtol=2e-5, atol=1e-6)
            if method not in ("log_stretch", "invert"):
                assert is_valid(name, result), method
    for action in HEADS[name].probes(random, LIMIT, MASK, 20):
        assert is_valid(name, action.astype(np.float32))


@pytest.mark.parametrize("name", HEADS)
def test_axis_is_where_the_entries_are(name):
    values = np.random.default_rng(1).standard_normal((3, 3, 4)).astype(np.float32)
    head, limit, mask = HEADS[name], LIMIT[:, :, None], MASK[:, :, None]
    for method in (head.apply, head.project, head.from_uniform):
        uniform = 1 / (1 + np.exp(-values))
        batch = method(uniform, limit, mask)
        for k in range(4):
            np.testing.assert_allclose(batch[:, :, k], method(uniform[:, :, k], LIMIT, MASK))
        for agent in range(3):
            one = method(uniform[agent], limit[agent], mask[agent], axis=0)
            np.testing.assert_allclose(batch[agent], one)


@pytest.mark.parametrize("name", HEADS)
def test_inverse_and_projection_keep_what_is_an_action(name):
    head = HEADS[name]
    uniform = np.random.default_rng(2).random((3, 3)).astype(np.float32)
    action = head.from_uniform(uniform, LIMIT, MASK)
    again = head.apply(head.invert(action, LIMIT), LIMIT, MASK)
    np.testing.assert_allclose(again, action, atol=2e-5)
    np.testing.assert_allclose(head.project(action, LIMIT, MASK), action, atol=1e-6)


def test_projection_onto_shares_is_the_nearest_point():
    """What is left over makes no acute angle with the way to any corner."""
    values = np.random.default_rng(3).normal(scale=2, size=(50, 3))
    whole = np.ones((50, 3), bool)
    nearest = HEADS["softmax"].project(values, np.ones((50, 3)), whole)
    assert (nearest >= 0).all() and ((nearest == 0).any(1)).any()
    np.testing.assert_allclose(nearest.sum(1), 1)
    for corner in np.eye(3):
        assert (((values - nearest) * (corner - nearest)).sum(1) < 1e-12).all()


@pytest.mark.parametrize("name", ["tanh", "linear"])
def test_log_stretch_is_that_of_the_jacobian(name):
    head, logits = HEADS[name], np.array([0.3, -1.2, 0.7])
    whole = jnp.ones((3, 1), bool)
    jacobian = jax.jacobian(lambda z: head.apply(z[:, None], jnp.ones((3, 1)), whole, axis=0)[:, 0])
    expected = -np.log(abs(np.linalg.det(np.asarray(jacobian(jnp.asarray(logits))))))
    found = head.log_stretch(logits[None], np.zeros(3), np.zeros(3), np.ones((1, 3), bool))
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)


def test_shares_are_drawn_evenly():
    """Of three shares each has mean 1/3 and variance 1/18 (a flat Dirichlet distribution)."""
    uniform = np.random.default_rng(4).random((20_000, 3))
    drawn = HEADS["softmax"].from_uniform(uniform, np.ones(3), np.ones(3, bool))
    np.testing.assert_allclose(drawn.mean(0), 1 / 3, atol=0.01)
    np.testing.assert_allclose(drawn.var(0), 1 / 18, rtol=0.05)


def test_mixed_heads_are_those_of_their_agents():
    """In numpy and JAX, one agent or all; what has no head of a kind gets nothing from it."""
    names, sizes = ("discrete", "tanh", "discrete"), np.array([1, 2, 3])
    mask, head = mask_of(names, sizes), head_of(names)
    random = np.random.default_rng(4)
    values, noise = random.standard_normal((2, 3, 3, 5)).astype(np.float32)
    limit = LIMIT[:, :, None]
    for xp in (np, jnp):
        given = [xp.asarray(array) for array in (values, noise, limit, mask[:, :, None])]
        apart = xp.asarray(MASK)[:, :, None]
        for of in (
            lambda head, z, noise, limit, mask: head.apply(z, limit, mask),
            lambda head, z, noise, limit, mask: head.project(z, limit, mask),
            lambda head, z, noise, limit, mask: head.perturb(z, noise, limit, mask),
            lambda head, z, noise, limit, mask: head.from_uniform(abs(z) % 1, limit, mask),
            lambda head, z, noise, limit, mask: head.saturation(3 * z, mask),
            lambda head, z, noise, limit, mask: head.log_stretch(z, noise, 0.1 * noise, mask),
        ):
            found = np.asarray(of(head, *given))
            assert np.isfinite(found).all()
            for agent, name in enumerate(names):
                z, noise, limit, _ = given
                alone = np.asarray(of(HEADS[name], z, noise, limit, apart))
                np.testing.assert_allclose(found[agent], alone[agent], rtol=1e-6)
    alone = [HEADS[name].entropy_aim(-1.0, MASK)[agent] for agent, name in enumerate(names)]
    np.testing.assert_allclose(head.entropy_aim(-1.0, mask), alone)
    assert (head.choices(mask) == MASK * [[True], [False], [True]]).all()
    for action in head.probes(random, LIMIT, mask, 20):
        assert set(action[[0, 2]].ravel()) == {0.0, 1.0} and (action[[0, 2]].sum(1) == 1).all()
        assert (abs(action[1]) <= LIMIT[1]).all() and action[1, 2] == 0
