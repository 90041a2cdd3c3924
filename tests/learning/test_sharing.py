"""One network for each kind: stored once, and moved by its members' mean gradient."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_world import SMALL, random_batch, random_rollout, small_environment

import mastac
from mastac.algorithms import ALGORITHMS
from mastac.learning.actor_step import action_gradients, actor_gradient
from mastac.learning.critic_inputs import batch_inputs, rewards_of_values
from mastac.learning.critic_step import term_loss
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.observing import observations
from mastac.learning.sharing import kinds_of, kinds_of_critics
from mastac.learning.spec import optimizer_step


@pytest.fixture(scope="module")
def world():
    return mastac.make("warehouse-9")


@pytest.fixture(scope="module")
def ring():
    return mastac.make("lq-12", reward="neighbours")


def learners(world, algorithm="mastac", chunk=0, **knobs):
    """Parts and learner with these knobs."""
    how = ALGORITHMS[algorithm]
    settings = replace(SMALL, **{**how.defaults, **how.constant_knobs, **knobs})
    layout = how.layout_for(world.couplings, 1, True, "own")
    spec = learner_spec(world, layout, settings, total_updates=100, chunk=chunk)
    return spec, learner_of(spec)


def grouped(kinds):
    """Which members are of one kind."""
    return {
        frozenset(np.flatnonzero(kinds.of == kind).tolist()) for kind in range(len(kinds.first))
    }


def spread(kinds, tree):
    """What kinds have, for each of their members."""
    return jax.tree.map(lambda leaf: leaf[kinds.of], tree)


def mean_of(members, tree):
    """The mean over some members of what all have, worked out in double precision."""
    return jax.tree.map(
        lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)[members].mean(0), jnp.float32), tree
    )


def close(found, expected, rtol=1e-4, atol=2e-6):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def test_agents_of_one_kind_have_equal_sizes_scales_and_limits(world):
    kinds = kinds_of(world)
    sizes = list(zip(world.obs_sizes.tolist(), world.action_sizes.tolist(), strict=True))
    by_size = {frozenset(i for i, each in enumerate(sizes) if each == size) for size in set(sizes)}
    assert grouped(kinds) == by_size and 1 < len(by_size) < 9
    assert all(kinds.of[first] == kind for kind, first in enumerate(kinds.first))
    limits = np.ones((9, 1))
    limits[4] = 2.0
    apart = replace(world, action_limit=limits)
    assert frozenset({4}) in grouped(kinds_of(apart))
    assert len(kinds_of(small_environment()).first) == 4


@pytest.mark.parametrize("algorithm", ["mastac", "mastac-sac", "mastac-ppo"])
def test_weights_stand_once_for_each_kind(world, algorithm):
    spec, learner = learners(world, algorithm, share_actors=True, max_grad_norm=0.1)
    kinds, update = kinds_of(world), jax.jit(learner.update)
    state = jax.jit(learner.init)(jax.random.key(0))
    for leaf in jax.tree.leaves((state.actors, state.target_actors, state.actor_optimizer)):
        assert leaf.shape[0] == len(kinds.first) < 9
    firsts = np.asarray(jax.tree.leaves(state.actors)[0])
    assert all((a != b).any() for k, a in enumerate(firsts) for b in firsts[:k])
    is_on_policy = spec.settings.on_policy
    batch = random_rollout(world, 3, "score") if is_on_policy else random_batch(world, 6)
    after, metrics = update(state, batch, jax.random.key(1), 0)
    assert not (jax.tree.leaves(after.actors)[0] == firsts).all()
    norms = np.asarray(metrics.gradient_norm)
    assert (norms == norms[kinds.first[kinds.of]]).all() and (norms > 0).sum() > 5


def test_a_kind_of_actors_moves_by_the_mean_of_its_members_gradients(world):
    """An update of learners that share nothing, whose gradients are averaged by hand."""
    spec, learner = learners(world, chunk=3, share_actors=True)
    kinds, state, batch = (
        kinds_of(world),
        jax.jit(learner.init)(jax.random.key(0)),
        random_batch(world, 6),
    )
    alone, _ = learners(world)
    weights, targets = spread(kinds, state.actors), spread(kinds, state.target_actors)
    now, _, _ = batch_inputs(alone, batch, targets)
    obs = observations(world, batch.state, batch.time)
    at = lambda rows: action_gradients(alone, state.critics, now, rows)  # noqa: E731
    gradient = jax.jit(lambda weights: actor_gradient(alone, weights, obs, at))(weights)
    found = jax.jit(learner.update)(state, batch, jax.random.key(1))[0].actors
    for kind in range(len(kinds.first)):
        mean = mean_of(np.flatnonzero(kinds.of == kind), gradient)
        own, optimizer = jax.tree.map(
            lambda leaf, k=kind: leaf[k], (state.actors, state.actor_optimizer)
        )
        down = jax.tree.map(jnp.negative, mean)
        expected, _ = optimizer_step(spec.actor_optimizer, own, down, optimizer)
        close(jax.tree.map(lambda leaf, k=kind: leaf[k], found), expected)


@pytest.mark.parametrize(
    ("chunk", "knobs"),
    [(0, {}), (3, {"twin_critics": True, "relative_errors": True, "share_actors": True})],
    ids=["all at once", "twins in blocks"],
)
def test_a_kind_of_critics_moves_by_the_mean_of_its_members_gradients(ring, chunk, knobs):
    spec, learner = learners(ring, chunk=chunk, share_critics=True, **knobs)
    assert len(spec.buckets) == 1
    bucket, batch = spec.buckets[0], random_batch(ring, 6)
    assert bucket.shared is not None and len(bucket.shared.kinds.first) == 1
    state, other = map(jax.jit(learner.init), map(jax.random.key, (0, 1)))
    state = state._replace(target_critics=other.critics)
    now, after, discount = batch_inputs(spec, batch, state.target_actors)
    loss = term_loss(spec, discount, rewards_of_values(spec, batch))

    # From the own agent on, round the ring: states, actions, then the time.
    seen, done = (
        [away for away in range(12) if matrix[0, away]]
        for matrix in (spec.layout.states, spec.layout.actions)
    )
    assert seen == [0, 1, 2, 10, 11] and 1 < len(done) < 5

    def read(inputs, agent):
        rows = [(agent + jnp.array(away)) % 12 for away in (seen, done)]
        return jnp.concatenate([inputs.states[rows[0]], inputs.actions[rows[1]], inputs.time])

    critic, target, optimizer = jax.tree.map(
        lambda leaf: leaf[0],
        (state.critics[0], state.target_critics[0], state.critic_optimizers[0]),
    )
    agents = jnp.arange(12)
    slope = jax.grad(lambda own, i: loss(own, target, i, read(now, i), read(after, i)), 0, True)
    slopes, (losses, _) = jax.jit(jax.vmap(slope, (None, 0)))(critic, agents)
    mean = mean_of(np.arange(12), slopes)
    expected, _ = optimizer_step(spec.critic_optimizer, critic, mean, optimizer)
    found, metrics = jax.jit(learner.update)(state, batch, jax.random.key(1))
    close(jax.tree.map(lambda leaf: leaf[0], found.critics[0]), expected)
    np.testing.assert_allclose(metrics.critic_loss, losses, rtol=1e-5)


def test_actors_follow_shared_critics_as_they_follow_equal_ones(ring):
    """Critics that share nothing but are equal, in the order of the shared ones, say the same."""
    spec, learner = learners(ring, chunk=3, share_critics=True)
    state, batch = jax.jit(learner.init)(jax.random.key(0)), random_batch(ring, 6)
    now, _, _ = batch_inputs(spec, batch, state.target_actors)
    alone = spec._replace(buckets=(spec.buckets[0]._replace(shared=None),))
    equal = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (12, *leaf.shape[1:])), state.critics)
    for how in ("policy", "replay"):
        found, expected = (
            action_gradients(
                each._replace(settings=replace(each.settings, others_actions=how)),
                critics,
                now,
                0.5 * now.actions,
            )
            for each, critics in ((spec, state.critics), (alone, equal))
        )
        close(found, expected, rtol=1e-5, atol=1e-6)


def test_agents_of_a_kind_may_be_off_by_amounts_of_their_own(world):
    """For an episode, where noise lasts for one."""
    spec, learner = learners(world, share_actors=True, episode_noise=2.0)
    state, obs = jax.jit(learner.init)(jax.random.key(0)), random_batch(world, 1).state[0]
    obs = jnp.zeros((9, spec.actors.obs_center.shape[1], 1)) + obs[:, :1, None]
    played, _ = learner.begin(state, jax.random.key(1), jnp.float32(1.0))
    offset = played.actors.biases[-1] - spec.actors.of_agents(state.actors.biases[-1])
    assert len(np.unique(offset[:, 0])) == 9
    before, after = (spec.actors.logits(at.actors, obs) for at in (state, played))
    np.testing.assert_allclose(after, before + offset[:, :, None], rtol=1e-5, atol=1e-6)


def test_kinds_of_critics_have_neighbourhoods_of_one_shape():
    chain = mastac.make("lq-20", graph=[[f"agent-{i}", f"agent-{i + 1}"] for i in range(1, 20)])
    layout = ALGORITHMS["mastac"].layout_for(chain.couplings, 1, True, "own")
    kinds = kinds_of_critics(chain, layout)
    sizes = np.diff(layout.states.indptr)
    assert kinds.sizes.max() == (sizes == sizes.max()).sum() == 18
    assert len({sizes[kinds.of == kind].tobytes() for kind in range(len(kinds.first))}) > 1
    for kind in range(len(kinds.first)):
        assert len(set(sizes[kinds.of == kind].tolist())) == 1


def test_kinds_that_the_user_names(ring):
    named = {name: "odd" if i % 2 else "even" for i, name in enumerate(ring.couplings.agents)}
    graphs = mastac.Couplings.from_dict({**ring.couplings.to_dict(), "kinds": named})
    assert mastac.Couplings.from_dict(graphs.to_dict()).kinds == named
    world = replace(ring, couplings=graphs)
    layout = ALGORITHMS["mastac"].layout_for(graphs, 1, True, "own")
    halves = {frozenset(range(0, 12, 2)), frozenset(range(1, 12, 2))}
    assert grouped(kinds_of(world)) == grouped(kinds_of_critics(world, layout)) == halves
    with pytest.raises(mastac.UserError, match="kinds leave out agent 'agent-2'"):
        mastac.Couplings(["agent-1", "agent-2"], kinds={"agent-1": "odd"})
    with pytest.raises(mastac.UserError, match="the kind of 'agent-1' must be a text"):
        mastac.Couplings(["agent-1"], kinds={"agent-1": 3})
