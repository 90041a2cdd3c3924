"""Logs made by playing a simulator outside JAX."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mastac.discovery.logs import TransitionLog
from mastac.envs.host.environment import HostEnvironment
from mastac.envs.host.playing import Track
from mastac.envs.host.simulator import HostSimulator
from mastac.envs.host.spaces import Wrong
from mastac.envs.mixed_heads import mask_of
from mastac.errors import UserError
from mastac.text import clock

LEAST_STEPS = 2
RESETS = 2**31 - 1
QUICK, SHARE = 5.0, 0.05
"""Lines come every five seconds, later after a twentieth of the time so far."""

Draw = Callable[[int], np.ndarray]
"""`time -> actions`, rows of all agents."""


def played(env: HostEnvironment, episodes: int, seed: int, policy: str) -> TransitionLog:
    """Episodes in this process, up to the step at which in one of them an agent left.

    **Raises:** `UserError` for the simple policy, which there is none of, where the simulator
    fails, and where agents leave at once.
    """
    if policy == "simple":
        raise UserError(f"'{env.id}' has no simple policy; record it under random or held actions")
    random = np.random.default_rng(seed)
    simulator = begun(env)
    try:
        tracks = [
            episode(env, simulator, reset, random_actions(env, random, policy == "held"))
            for reset in counted(random.integers(RESETS, size=episodes).tolist())
        ]
    finally:
        simulator.close()
    return log_of(env, tracks)


def counted(resets: Sequence[int]) -> Iterator[int]:
    """The same, one episode each; after some seconds lines on stderr say how far it is."""
    began = said = time.monotonic()
    for done, reset in enumerate(resets):
        now = time.monotonic()
        if done and now - said > max(QUICK, SHARE * (now - began)):
            left = clock((now - began) / done * (len(resets) - done))
            print(f"{done} of {len(resets)} episodes played, left {left}", file=sys.stderr)
            said = now
        yield reset


def begun(env: HostEnvironment) -> HostSimulator:
    """One simulator. **Raises:** `UserError` if it cannot be made."""
    try:
        return HostSimulator(env.recipe)
    except Wrong as wrong:
        raise UserError(f"the simulator of '{env.id}' failed: {wrong}") from wrong


def episode(env: HostEnvironment, simulator: HostSimulator, reset: int, draw: Draw) -> Track:
    """One episode. **Raises:** `UserError` that names step and seed where the simulator fails."""
    track, where = Track.empty(env.sizes, env.observes_state), "reset"
    try:
        frame, step = simulator.reset(reset), 0
        while track.see(step, frame):
            track.act(step, draw(step), [])
            where = f"step {step}"
            frame, step = simulator.step(track.actions[step]), step + 1
    except Wrong as wrong:
        raise UserError(
            f"the simulator of '{env.id}' failed at {where} of the episode of seed {reset}: {wrong}"
        ) from wrong
    return track


def random_actions(env: HostEnvironment, random: np.random.Generator, held: bool) -> Draw:
    """Valid actions drawn evenly, anew at every step or once for an episode."""
    mask = mask_of(env.action_head, env.action_sizes)
    limit = np.broadcast_to(env.action_limit, mask.shape)

    def draw(time: int) -> np.ndarray:
        return env.head.from_uniform(random.random(mask.shape), limit, mask)

    kept = draw(0)
    return (lambda time: kept) if held else draw


def log_of(env: HostEnvironment, tracks: list[Track]) -> TransitionLog:
    """The steps of some episodes at which in all of them everybody was there."""
    steps = min(int(np.logical_and.accumulate(track.alive.all(1)).sum()) for track in tracks)
    if steps < LEAST_STEPS:
        raise UserError(
            f"in '{env.id}' an agent leaves after {steps} steps of an episode; give "
            "the log other actions, or let agents stay longer"
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
