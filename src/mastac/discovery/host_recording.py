"""Logs made by playing a simulator outside JAX."""

from collections.abc import Iterator

import numpy as np

from mastac.discovery.logs import TransitionLog
from mastac.envs.host.environment import HostEnvironment
from mastac.envs.host.playing import Act, Job, Player
from mastac.envs.mixed_heads import mask_of
from mastac.errors import UserError

LEAST_STEPS = 2
RESETS = 2**31 - 1


def played(env: HostEnvironment, episodes: int, seed: int, policy: str) -> TransitionLog:
    """Episodes in this process, up to the step at which in one of them an agent left.

    **Raises:** `UserError` for the simple policy, which there is none of, and where agents leave at
    once.
    """
    if policy == "simple":
        raise UserError(f"'{env.id}' has no simple policy; record it under random or held actions")
    random = np.random.default_rng(seed)
    acts = _random_actions(env, random, policy == "held")
    player = Player(env.recipe, env.sizes, slots=1)
    try:
        jobs = [
            Job(int(reset), f"recorded episode {number}")
            for number, reset in enumerate(random.integers(RESETS, size=episodes))
        ]
        tracks = player.play(jobs, lambda numbers: next(acts))
    finally:
        player.close()
    steps = min(int(track.alive.all(1).sum()) for track in tracks)
    if steps < LEAST_STEPS:
        raise UserError(
            f"in '{env.id}' an agent leaves after {steps} steps of an episode; give "
            "the log other actions, or record what happens before"
        )
    seen = [track.states if track.obs is None else track.obs for track in tracks]
    return TransitionLog(
        np.stack([track.states[: steps + 1] for track in tracks]),
        np.stack([track.actions[:steps] for track in tracks]),
        np.stack([track.rewards[:steps] for track in tracks]),
        np.stack([rows[: steps + 1] for rows in seen]),
        env.agents,
        state_sizes=env.state_sizes,
        action_sizes=env.action_sizes,
        obs_sizes=env.obs_sizes,
        name=env.id,
    )


def _random_actions(env: HostEnvironment, random: np.random.Generator, held: bool) -> Iterator[Act]:
    """One way to act after the other, each for an episode: valid actions drawn evenly."""
    mask = mask_of(env.action_head, env.action_sizes)
    limit = np.broadcast_to(env.action_limit, mask.shape)

    def draw() -> np.ndarray:
        return env.head.from_uniform(random.random(mask.shape), limit, mask)[None]

    while True:
        kept = draw()
        yield (
            (lambda obs, time, kept=kept: (kept, [])) if held else (lambda obs, time: (draw(), []))
        )
