"""What policies do while simulators outside JAX play, compiled for a group of them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mastac.envs.host.environment import HostEnvironment
from mastac.envs.host.playing import Act
from mastac.learning.buffer import Episode
from mastac.learning.loop import OneSeed


class Acting:
    """What policies do, compiled for a group of simulators; it runs on the CPU.

    There, small networks answer soonest, and an accelerator is left to the learner.

    - `drawn`: the structure of what `explore` draws at a step.
    """

    def __init__(self, seed: OneSeed, horizon: int) -> None:
        self.seed, self.horizon = seed, horizon
        self.device = _cpu()
        shapes = jax.eval_shape(self._one_step, jax.random.key(0))
        self.begun_shape, self.drawn_shape = shapes
        self.drawn = jax.tree.structure(self.drawn_shape)
        self._begin, self._explore = jax.jit(self._begun), jax.jit(self._explored)
        self._greedy = jax.jit(jax.vmap(seed.learner.act))

    def snapshot(self, learner_state: Any) -> Any:
        """A copy of what acts in a learner's state, which training goes on to overwrite."""
        keeps = self.seed.settings.estimator == "model"
        acting = learner_state._replace(
            critics=learner_state.critics if keeps else (),
            target_actors=(),
            target_critics=(),
            actor_optimizer=(),
            critic_optimizers=(),
            scales=(),
            model=(),
        )
        return jax.tree.map(lambda leaf: np.array(leaf), acting)

    def exploring(
        self, policies: Any, seeds: np.ndarray, keys: np.ndarray, epochs: np.ndarray
    ) -> tuple[Act, Any]:
        """How a group of simulators is played, and what the buffer is to know of each beginning.

        **Arguments:**

        - `policies`: a snapshot.
        - `seeds`, `keys`, `epochs`: of each simulator the seed's place, the episode's key and
            epoch.
        """
        with jax.default_device(self.device):
            mine = jax.tree.map(lambda leaf: leaf[seeds], policies)
            played, begun = self._begin(mine, keys, epochs)

        def act(obs: np.ndarray, time: int) -> tuple[np.ndarray, list[np.ndarray]]:
            with jax.default_device(self.device):
                actions, drawn = self._explore(played, obs, np.int32(time))
            if drawn is None:
                return np.asarray(actions), []
            return np.asarray(actions), [np.asarray(leaf) for leaf in jax.tree.leaves(drawn)]

        return act, None if begun is None else jax.device_get(begun)

    def greedy(self, policies: Any, seeds: np.ndarray) -> Act:
        """How a group of simulators is played without exploration."""
        with jax.default_device(self.device):
            mine = jax.tree.map(lambda leaf: jnp.asarray(leaf[seeds]), policies)

        def act(obs: np.ndarray, time: int) -> tuple[np.ndarray, list[np.ndarray]]:
            with jax.default_device(self.device):
                return np.asarray(self._greedy(mine, obs)), []

        return act

    def episode_shape(self, env: HostEnvironment) -> Episode:
        """The shapes of an episode."""
        steps, agents, state, obs, action = env.sizes

        def shape(*sizes: int, dtype: Any = jnp.float32) -> Any:
            return jax.ShapeDtypeStruct(sizes, dtype)

        def along(leaf: Any) -> Any:
            return shape(steps, *leaf.shape, dtype=leaf.dtype)

        drawn = self.begun_shape
        if drawn is None:
            drawn = jax.tree.map(along, self.drawn_shape)
        return Episode(
            states=shape(steps + 1, agents, state),
            actions=shape(steps, agents, action),
            rewards=shape(steps, agents),
            drawn=drawn,
            observations=shape(steps + 1, agents, obs) if env.stores_observations else None,
            alive=shape(steps, agents, dtype=bool) if env.terminates else None,
            terminated=shape(steps, agents, dtype=bool) if env.terminates else None,
            length=shape(dtype=jnp.int32) if env.terminates else None,
        )

    def _one_step(self, key: Array) -> tuple[Any, Any]:
        env, learner, nothing = self.seed.env, self.seed.learner, jnp.zeros(())
        played, begun = learner.begin(learner.init(key), key, nothing)
        obs = jnp.zeros((env.num_agents, int(env.obs_sizes.max())))
        return begun, learner.explore(played, obs, nothing, nothing, key)[1]

    def _begun(self, policies: Any, keys: Array, epochs: Array) -> tuple[Any, Any]:
        learner = self.seed.learner

        def one(state: Any, data: Array, epoch: Array) -> tuple[Any, Any]:
            key = jax.random.wrap_key_data(data)
            exploration = self.seed.exploration(epoch)
            played, begun = learner.begin(state, jax.random.fold_in(key, 2), exploration[0])
            steps = jax.random.split(jax.random.split(key)[1], self.horizon)
            action_keys = jax.vmap(lambda step: jax.random.split(step)[0])(steps)
            return (played, *exploration, jax.random.key_data(action_keys)), begun

        return jax.vmap(one)(policies, keys, epochs)

    def _explored(self, played: Any, obs: Array, time: Array) -> tuple[Array, Any]:
        def one(state: Any, noise: Array, fraction: Array, keys: Array, obs: Array) -> Any:
            key = jax.random.wrap_key_data(keys[time])
            return self.seed.learner.explore(state, obs, noise, fraction, key)

        state, noise, fraction, keys = played
        return jax.vmap(one)(state, noise, fraction, keys, obs)


def reset_seeds(keys: Array) -> list[int]:
    """What simulators are reset with: 31 bits from each episode's key."""
    return np.asarray(_all_reset_bits(keys)).tolist()


def reset_bits(key: Array) -> Array:
    """What the simulator is reset with, from its episode's key."""
    return jax.random.bits(jax.random.split(key)[0], (), jnp.uint32) >> 1


_all_reset_bits = jax.jit(jax.vmap(reset_bits))


def _cpu() -> Any:
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # told to use an accelerator alone
        return jax.devices()[0]
