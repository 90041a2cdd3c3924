"""Small environments, and data to update on."""

import jax
import jax.numpy as jnp
import numpy as np

from mastac import Couplings, Environment, value_dependency
from mastac.learning.buffer import Batch, Episode
from mastac.learning.learner import learner_of, learner_spec
from mastac.learning.settings import Settings
from mastac.structure.layouts import structured

# Agents of different sizes on a graph without symmetry: a mix-up of agents, slots or entries shows.
SIZES = {"state": np.array([2, 1, 3, 1]), "action": np.array([1, 2, 1, 3])}
EDGES = [(0, 1), (1, 2), (2, 3), (3, 2)]


def small_environment(head: str = "tanh") -> Environment:
    """Four unequal agents, each pulled by the states and actions of the agents that act on it."""
    couplings = Couplings(["a", "b", "c", "d"], state=EDGES, observation=[(2, 0)])
    acts = jnp.asarray(couplings.state.toarray(), jnp.float32)
    sees = couplings.observation.toarray()
    real = np.arange(3) < SIZES["state"][:, None]
    obs_sizes = np.array([SIZES["state"][sees[i]].sum() for i in range(4)])
    picks = np.full((4, obs_sizes.max()), 12)
    for i in range(4):
        flat = [
            3 * j + f
            for j in [i, *np.flatnonzero(sees[i] & (np.arange(4) != i))]
            for f in range(SIZES["state"][j])
        ]
        picks[i, : len(flat)] = flat

    def step(state, actions, time, key):
        pull = acts @ (state.mean(1) + actions.sum(1))
        noise = 0.1 * jax.random.normal(key, state.shape)
        return jnp.where(real, 0.5 * state + 0.3 * jnp.tanh(pull)[:, None] + noise, 0.0)

    return Environment(
        id="small",
        couplings=couplings,
        horizon=5,
        reset=lambda key: jnp.where(real, jax.random.normal(key, (4, 3)), 0.0),
        step=step,
        reward=lambda state, actions, time: -(state**2).sum(1) - 0.1 * (actions**2).sum(1),
        observe=lambda state: jnp.append(state.ravel(), 0.0)[picks],
        state_sizes=SIZES["state"],
        obs_sizes=obs_sizes,
        action_sizes=SIZES["action"],
        action_head=head,
        action_limit=2.0,
        state_center=0.1,
        state_scale=2.0,
        obs_scale=2.0,
        action_center=0.3,
        action_scale=1.5,
    )


def random_batch(env: Environment, size: int, seed: int = 0) -> Batch:
    """Transitions at random states and actions; padding stays zero as environments keep it."""
    random = np.random.default_rng(seed)

    def padded(sizes: np.ndarray) -> np.ndarray:
        mask = np.arange(sizes.max()) < sizes[:, None]
        return np.where(mask, random.normal(size=(size, *mask.shape)), 0.0).astype(np.float32)

    return Batch(
        state=jnp.asarray(padded(env.state_sizes)),
        actions=jnp.asarray(padded(env.action_sizes)),
        rewards=jnp.asarray(random.normal(size=(size, env.num_agents)).astype(np.float32)),
        next_state=jnp.asarray(padded(env.state_sizes)),
        time=jnp.asarray(random.integers(0, env.horizon, size), jnp.int32),
    )


def random_rollout(env: Environment, episodes: int, estimator: str, seed: int = 0) -> Episode:
    """Episodes of random states and rewards, with what policies drew or keys of perturbations."""
    random = np.random.default_rng(seed)
    mask = np.arange(env.state_sizes.max()) < env.state_sizes[:, None]
    states = np.where(mask, random.normal(size=(episodes, env.horizon + 1, *mask.shape)), 0.0)
    shape = (episodes, env.horizon, env.num_agents)
    drawn = random.normal(size=(*shape, int(env.action_sizes.max()))).astype(np.float32)
    about = -1.0 + 0.3 * random.normal(size=shape).astype(
        np.float32
    )  # logarithms of densities, near enough to count
    keys = jax.random.key_data(jax.random.split(jax.random.key(seed), episodes))
    return Episode(
        states=jnp.asarray(states, jnp.float32),
        actions=jnp.asarray(drawn),
        rewards=jnp.asarray(random.normal(size=shape).astype(np.float32)),
        drawn=keys if estimator == "perturbation" else (jnp.asarray(drawn), jnp.asarray(about)),
    )


SMALL = Settings(
    actor_hidden=(8,), critic_hidden=(8, 8), batch_size=6, updates_per_epoch=2, lr_final=1.0
)


def small_learner(
    settings: Settings = SMALL, kappa: int | None = 1, head: str = "tanh", chunk: int = 0
):
    """Environment, parts and learner for the small environment."""
    env = small_environment(head)
    layout = structured(value_dependency(env.couplings, kappa=kappa, minimal=settings.minimal))
    spec = learner_spec(env, layout, settings, total_updates=100, chunk=chunk)
    learner = learner_of(spec)
    # Called outside a program, each would be compiled operation by operation.
    compiled = {name: jax.jit(getattr(learner, name)) for name in ("act", "explore", "update")}
    return env, spec, learner._replace(**compiled)
