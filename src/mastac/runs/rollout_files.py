"""What a rollout is written to and printed as: a table, JSON, CSV, a numpy archive. No JAX."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mastac.envs.rollouts import Episode, Rollout
from mastac.envs.views import Quantity
from mastac.errors import UserError
from mastac.files import as_csv, write_bytes, write_text
from mastac.text import number, table

ENDINGS = (".csv", ".npz")
MOST_ROWS = 40
"""Of more agents, those with the lowest returns are printed."""


def check_file(option: str, path: Path, known: tuple[str, ...]) -> None:
    """`UserError` unless a file has a known ending and a place where it can be written."""
    if path.suffix.lower() not in known:
        raise UserError(f"{option} '{path}' must end in {' or '.join(known)}")
    if path.is_dir():
        raise UserError(f"{option} '{path}' is a folder; name a file in it")
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise UserError(f"{option} '{path}' lies below '{above}', which is a file; name a folder")


def save(rollout: Rollout, path: Path) -> None:
    """Write all states, actions and rewards as CSV or as a numpy archive, whole or not at all.

    **Raises:**

    - [`mastac.errors.UserError`][] for another ending, and where the file cannot be written.
    """
    check_file("--out", path, ENDINGS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".csv":
            write_text(path, as_csv(_rows(rollout)))
            return
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **_arrays(rollout))
        write_bytes(path, buffer.getvalue())
    except OSError as error:
        raise UserError(f"'{path}' cannot be written: {error.strerror or error}") from None


def _rows(rollout: Rollout) -> Iterator[list[Any]]:
    """A head, then a row for each policy, time and agent; empty cells for what there is not."""
    states, actions = _names(rollout, "state"), _names(rollout, "action")
    yield ["policy", "time", "agent", *states, *actions, rollout.reward.title]
    for episode in rollout.episodes:
        for time in range(episode.steps + 1):
            for row, agent in enumerate(rollout.agents):
                if episode.shown[time, row]:
                    cells = _cells(rollout, episode, time, row)
                    yield [episode.policy, time, agent, *cells]


def _cells(rollout: Rollout, episode: Episode, time: int, row: int) -> list[Any]:
    def padded(values: np.ndarray, size: int) -> list[Any]:  # adding 0 makes -0 to 0
        return [*(float(value) + 0.0 for value in values[:size]), *[""] * (len(values) - size)]

    cells = padded(episode.states[time, row], int(rollout.state_sizes[row]))
    if time < episode.steps and episode.alive[time, row]:
        cells += padded(episode.actions[time, row], int(rollout.action_sizes[row]))
        return [*cells, float(episode.rewards[time, row]) + 0.0]
    return [*cells, *[""] * (episode.actions.shape[2] + 1)]


def _names(rollout: Rollout, space: str) -> list[str]:
    """What each entry of states or actions is called; by its place where no quantity names it."""
    quantities: list[Quantity] = list(getattr(rollout.view, f"{space}s"))
    named = {each.entry: each.title for each in quantities if not each.levels}
    for each in quantities:
        named |= {each.entry + k: f"{each.name} {name}" for k, name in enumerate(each.levels)}
    width = getattr(rollout.episodes[0], f"{space}s").shape[2]
    return [named.get(k, f"{space} {k}") for k in range(width)]


def _arrays(rollout: Rollout) -> dict[str, Any]:
    """Arrays of both policies, `trained_states` and so on, and the names of their axes."""
    arrays: dict[str, Any] = {
        "agents": np.array(rollout.agents),
        "state_names": np.array(_names(rollout, "state")),
        "action_names": np.array(_names(rollout, "action")),
        "state_sizes": rollout.state_sizes,
        "action_sizes": rollout.action_sizes,
        "reward_unit": np.array(rollout.reward_unit),
    }
    for episode in rollout.episodes:
        for name in ("states", "actions", "rewards", "alive"):
            arrays[f"{episode.policy}_{name}"] = getattr(episode, name)
    return arrays


def as_json(rollout: Rollout) -> dict[str, Any]:
    """Returns of the episode, for each policy and agent; `None` for what is no finite number."""
    return {
        "env": rollout.env_id,
        "report": rollout.report,
        "policies": {
            episode.policy: {
                "label": episode.label,
                "steps": episode.steps,
                "return": _finite(rollout.reported(episode.returns)),
                "return_by_agent": {
                    name: _finite(value)
                    for name, value in zip(rollout.agents, episode.returns, strict=True)
                },
            }
            for episode in rollout.episodes
        },
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def rollout_table(rollout: Rollout) -> str:
    """Returns of the episode by agent, those of the trained policy beside the simple one's."""
    trained, simple = (episode.returns for episode in rollout.episodes)
    order = np.argsort(trained, kind="stable")[:MOST_ROWS]
    rows = [
        [rollout.agents[row], number(float(trained[row])), number(float(simple[row]))]
        for row in np.sort(order)
    ]
    word = "all, summed" if rollout.report == "sum" else "all, on average"
    rows.append([word, *(number(rollout.reported(returns)) for returns in (trained, simple))])
    unit = f", in {rollout.reward_unit}" if rollout.reward.has_unit else ""
    steps = " and ".join(str(n) for n in dict.fromkeys(e.steps for e in rollout.episodes))
    lines = [f"{rollout.env_id}: returns of one episode of {steps} steps{unit}", ""]
    lines.append(table(("agent", *(episode.label for episode in rollout.episodes)), rows))
    if len(order) < len(rollout.agents):
        lines.append(f"\nthe {MOST_ROWS} agents of {len(rollout.agents):,} with the lowest returns")
    return "\n".join(lines)
