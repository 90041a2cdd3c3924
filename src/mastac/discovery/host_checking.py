"""What a simulator outside JAX does in episodes, and whether its graphs agree with them."""

import numpy as np
from gymnasium.spaces import Box

from mastac.discovery.host_recording import RESETS, begun, counted, episode, log_of, random_actions
from mastac.discovery.log_checking import LogCheck, check_log
from mastac.envs.host.environment import HostEnvironment
from mastac.envs.host.playing import Track
from mastac.envs.host.simulator import METHOD, OBSERVATIONS, HostSimulator
from mastac.probing.findings import Declared


def check_host(env: HostEnvironment, couplings: Declared, episodes: int, seed: int) -> LogCheck:
    """Episodes under random actions; what they say of the graphs, and of the simulator.

    Shapes, numbers that are not finite and missing agents are looked for at every step, and the
    first episode is played again at the end.

    **Raises:** `UserError` with step and seed where the simulator fails.
    """
    random = np.random.default_rng(seed)
    resets = random.integers(RESETS, size=episodes).tolist()
    simulator = begun(env)
    try:
        tracks = [
            episode(env, simulator, reset, random_actions(env, random, held=False))
            for reset in counted(resets)
        ]
        first = tracks[0]
        again = episode(env, simulator, resets[0], lambda time: first.actions[time])
        notes = [
            f"local states: {_source(env)}",
            *_left_spaces(env, simulator, tracks),
            *_repeats(env, first, again, resets[0]),
            *_resets(tracks),
            *_left(env, tracks),
            *_paid_alike(tracks),
        ]
    finally:
        simulator.close()
    return check_log(log_of(env, tracks), couplings, seed, env.observes_state, tuple(notes))


def _source(env: HostEnvironment) -> str:
    source = env.recipe.local_states
    if source == OBSERVATIONS:
        return (
            "the agents' observations; whether these tell all that rewards depend on cannot be "
            "decided here"
        )
    if source == METHOD:
        return "the method local_state"
    return f"the key '{source}' of infos" if isinstance(source, str) else "entries of state()"


def _left_spaces(env: HostEnvironment, simulator: HostSimulator, tracks: list[Track]) -> list[str]:
    """Observations that are outside their boxes; the first of each agent."""
    notes = []
    for i, seen in enumerate(simulator.observed):
        if not isinstance(seen.space, Box):
            continue
        low, high = (np.ravel(end).astype(np.float32) for end in (seen.space.low, seen.space.high))
        slack = 1e-5 * np.maximum(1.0, np.abs(np.where(np.isfinite(high - low), high - low, 1.0)))
        for number, track in enumerate(tracks):
            rows = (track.states if track.obs is None else track.obs)[:, i, : seen.size]
            outside = (rows < low - slack) | (rows > high + slack)
            outside[track.length + 1 :] = False
            if outside.any():
                time, entry = np.argwhere(outside)[0]
                notes.append(
                    f"the observation of agent '{seen.agent}' leaves its space: entry {entry} is "
                    f"{rows[time, entry]:.6g} after {time} steps of episode {number}, and the "
                    f"limits are {low[entry]:g} and {high[entry]:g}"
                )
                break
    return notes


def _repeats(env: HostEnvironment, first: Track, again: Track, reset: int) -> list[str]:
    """Whether the same seed and actions give the same episode."""
    for time in range(min(first.length, again.length) + 1):
        differs = np.any(first.states[time] != again.states[time], -1)
        if first.obs is not None and again.obs is not None:
            differs |= np.any(first.obs[time] != again.obs[time], -1)
        if time:
            differs |= first.rewards[time - 1] != again.rewards[time - 1]
        if differs.any():
            agent = env.agents[int(differs.argmax())]
            what = f"after step {time - 1}" if time else f"after reset(seed={reset})"
            return [
                f"it does not repeat: from the same seed and the same actions agent '{agent}' "
                f"differs {what}; runs can be trained and resumed, but not repeated exactly"
            ]
    return []


def _resets(tracks: list[Track]) -> list[str]:
    if all(np.array_equal(track.states[0], tracks[0].states[0]) for track in tracks):
        return ["every episode begins in the same state, whatever the seed"]
    return []


def _left(env: HostEnvironment, tracks: list[Track]) -> list[str]:
    """Who left before the end, and who came back."""
    notes = []
    for i, agent in enumerate(env.agents):
        early = [
            int(np.logical_and.accumulate(track.alive[:, i]).sum())
            for track in tracks
            if not track.alive[: env.horizon, i].all()
        ]
        if early:
            ended = sum(bool(track.terminated[:, i].any()) for track in tracks)
            notes.append(
                f"agent '{agent}' left before the horizon in {len(early)} of {len(tracks)} "
                f"episodes, first after {min(early)} steps, and was terminated in {ended}; the "
                "graphs are looked at up to the first step at which anybody left, and who can end "
                "whose episode is not decided"
            )
        if any((np.diff(track.alive[:, i].astype(int)) > 0).any() for track in tracks):
            notes.append(
                f"agent '{agent}' comes back after it left; what it does between is not learnt from"
            )
    return notes


def _paid_alike(tracks: list[Track]) -> list[str]:
    rewards = np.concatenate([track.rewards[: track.length] for track in tracks])
    if rewards.shape[1] > 1 and rewards.std() > 0 and np.all(rewards == rewards[:, :1]):
        return [
            "all agents are paid the same, so that each is paid for what all do; critics are small "
            "where each agent gets its own part"
        ]
    return []
