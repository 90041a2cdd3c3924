"""One episode of a run's greedy policy, and of the simple policy, from the same start."""

from collections.abc import Callable
from typing import TYPE_CHECKING, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mastac.checks import whole_number
from mastac.envs.base import Environment
from mastac.envs.episodes import rollout
from mastac.envs.host.environment import HostEnvironment
from mastac.envs.host.playing import Act, Job, Player
from mastac.envs.mixed_heads import head_of, mask_of
from mastac.envs.rollouts import Episode, Rollout
from mastac.envs.views import view_of
from mastac.errors import UserError
from mastac.learning.acting import reset_seeds
from mastac.runs.evaluation import evaluation_key, greedy_actions
from mastac.runs.policy import EVALUATION_SEED, Policy

if TYPE_CHECKING:
    from mastac.runs.run import Run

IDLE = {
    "tanh": "no control",
    "linear": "no control",
    "softmax": "equal shares",
    "discrete": "always the first choice",
}
"""What stands for the simple policy where an environment has none, by its output head."""


def play(
    run: "Run", seed: SupportsIndex | None = None, episode_seed: SupportsIndex = EVALUATION_SEED
) -> Rollout:
    """Play one episode with the policies of a seed, and the same one with the simple policy.

    The first state and the noise of both are those of the first episode that
    [`Run.evaluate`][mastac.runs.run.Run.evaluate] plays. Of a simulator outside JAX, both are reset
    with the same seed. Where the environment has no simple policy, agents do nothing: zero actions
    (the middle of the range of a simulator's), equal shares, or the first choice.

    **Arguments:**

    - `run`: whose policies.
    - `seed`: one of the run's; the first one unless given.
    - `episode_seed`: chooses the episode, as the seed of `evaluate` does.

    **Raises:**

    - `UserError` for a seed that the run does not have, or that failed, and before its first
        checkpoint.
    """
    seed, episode_seed = run.config.chosen_seed(seed), whole_number("episode_seed", episode_seed)
    if run.is_finished and str(seed) in run.summary.get("failed", {}):
        raise UserError(f"seed {seed} of run '{run.path}' failed in training; choose another seed")
    policy = run.policy(seed)
    env = run.env
    labels = (f"trained policy, seed {seed}", _simple_label(env))
    if isinstance(env, HostEnvironment):
        episodes = _in_simulator(env, policy, episode_seed, labels)
    else:
        episodes = _in_jax(env, policy, episode_seed, labels)
    return Rollout(
        env_id=env.id,
        couplings=env.couplings,
        view=view_of(env),
        state_sizes=env.state_sizes,
        action_sizes=env.action_sizes,
        report=env.report,
        reward_unit=env.units.get("reward", ""),
        episodes=episodes,
    )


def _simple_label(env: Environment) -> str:
    if env.simple_actions is not None:
        return "simple policy"
    # A policy of a simulator acts about the middle of a range, which may be half of full power.
    is_shifted = isinstance(env, HostEnvironment) and env.action_offset is not None
    still = "middle of the range" if is_shifted else IDLE["tanh"]
    if isinstance(env.action_head, str):
        return still if env.action_head == "tanh" else IDLE[env.action_head]
    return f"{still}, or the first choice"


def _idle(env: Environment) -> Float[np.ndarray, "agents act"]:
    """What agents do that do nothing."""
    logits = np.zeros((env.num_agents, int(env.action_sizes.max())), np.float32)
    limit = np.broadcast_to(np.asarray(env.action_limit, np.float32), logits.shape)
    actions = head_of(env.action_head).apply(
        logits, limit, mask_of(env.action_head, env.action_sizes)
    )
    return np.asarray(actions, np.float32)


def _in_jax(
    env: Environment, policy: Policy, episode_seed: int, labels: tuple[str, str]
) -> list[Episode]:
    """Both episodes by one compiled program."""
    trained, idle = greedy_actions(env, policy), _idle(env)
    simple = env.simple_actions or (lambda state, time: jnp.asarray(idle))

    def acting(is_trained: Array) -> Callable[..., Array]:
        return lambda obs, state, time: jnp.where(
            is_trained, trained(obs, state, time), simple(state, time)
        )

    both = jax.vmap(lambda is_trained, key: rollout(env, acting(is_trained), key), (0, None))
    key = jax.random.split(evaluation_key(episode_seed), 1)[0]
    steps, last = jax.device_get(jax.jit(both)(np.array([True, False]), key))
    return [
        _episode(
            ("trained", "simple")[k],
            labels[k],
            np.concatenate([steps.state[k], last[k][None]]),
            steps.actions[k],
            steps.rewards[k],
            np.ones_like(steps.rewards[k], bool) if steps.alive is None else steps.alive[k],
        )
        for k in (0, 1)
    ]


def _episode(
    policy: str,
    label: str,
    states: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
    alive: np.ndarray,
) -> Episode:
    """The episode up to its end: no steps after all agents have left."""
    steps = int(alive.any(1).sum())
    return Episode(
        policy, label, states[: steps + 1], actions[:steps], rewards[:steps], alive[:steps]
    )


def _in_simulator(
    env: HostEnvironment, policy: Policy, episode_seed: int, labels: tuple[str, str]
) -> list[Episode]:
    """Both episodes by one simulator outside JAX, in this process."""
    reset = reset_seeds(jax.random.split(evaluation_key(episode_seed), 1))[0]
    idle = _idle(env)[None]

    def acting(numbers: np.ndarray) -> Act:
        if numbers[0] == 0:
            return lambda obs, time: (np.stack([policy.actions(rows) for rows in obs]), [])
        return lambda obs, time: (idle, [])

    player = Player(env.recipe, env.sizes, slots=1)
    try:
        tracks = player.play([Job(reset, f"the {label}") for label in labels], acting)
    finally:
        player.close()
    return [
        _episode(
            name,
            label,
            track.states,
            env.in_units(track.actions, track.alive),
            track.rewards,
            track.alive,
        )
        for name, label, track in zip(("trained", "simple"), labels, tracks, strict=True)
    ]
