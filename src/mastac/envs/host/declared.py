"""What a simulator says of itself in its attributes, where the user does not say it. No JAX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from mastac.checks import whole_number
from mastac.envs.host.simulator import (
    METHOD,
    OBSERVATIONS,
    LocalStates,
    by_name,
    called,
    ids_of,
    shown_at_reset,
)
from mastac.errors import UserError, unknown
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.readers import read_graphs

HORIZONS = ("horizon", "max_cycles", "max_steps", "max_episode_steps", "episode_length")


def name_of(world: Any) -> str:
    """What the simulator calls itself, fit for a folder."""
    metadata = getattr(world, "metadata", None)
    named = metadata.get("name") if isinstance(metadata, Mapping) else None
    name = named if isinstance(named, str) and named.strip() else type(_core(world)).__name__
    return re.sub(r"[^\w.-]+", "-", name)


def couplings_of(world: Any, given: Any, name: str) -> Couplings | CouplingSequence:
    """Those that are given, else the simulator's own, over its agents."""
    ids = ids_of(world)
    agents = list(ids)
    if given is None:
        given = getattr(world, "couplings", getattr(_core(world), "couplings", None))
    if given is None:
        raise UserError(
            f"nothing says who affects whom in '{name}'; give couplings=mastac.Couplings({agents}, "
            "state=[(source, target), ...]), a file or a list of pairs (--couplings FILE on the "
            "command line), or the simulator an attribute couplings; 'mastac discover' finds them, "
            "and "
            f"mastac.complete({len(agents)}, {agents}) says that everyone affects everyone"
        )
    if isinstance(given, str | Path):
        given = read_graphs(given)
    if not isinstance(given, Couplings | CouplingSequence) and isinstance(given, Iterable):
        named = {agent: name for name, agent in ids.items()}  # numbers may be names here
        pairs = [tuple(named.get(end, end) for end in pair) for pair in given]
        given = Couplings(agents, state=pairs, observation=pairs, reward=pairs)
    if not isinstance(given, Couplings | CouplingSequence):
        raise UserError(f"couplings of '{name}' are {type(given).__name__}; give mastac.Couplings")
    lacking = [agent for agent in agents if agent not in given.agents]
    if lacking:
        raise UserError(f"couplings of '{name}' lack its agent '{lacking[0]}'; add it")
    foreign = [agent for agent in given.agents if agent not in agents]
    if foreign:
        raise unknown(f"agent in the couplings of '{name}',", foreign[0], agents)
    return given


def local_states_of(world: Any, given: Any, agents: tuple[str, ...]) -> LocalStates:
    """Where local states come from: as given, else the first place that has them."""
    if isinstance(given, Mapping):
        entries = by_name(given, "local_states")
        lacking = [agent for agent in agents if agent not in entries]
        if lacking:
            raise UserError(
                f"local_states lacks agent '{lacking[0]}'; give every agent's entries of state()"
            )
        return entries
    if given is not None:
        if not isinstance(given, str):
            raise UserError(
                f"local_states is {type(given).__name__}; give 'local_state', 'observations', a "
                "key of infos, or the entries of state() by agent"
            )
        return given
    if callable(getattr(world, METHOD, None)):
        return METHOD
    _, infos = shown_at_reset(called("reset", world.reset, seed=0))
    has_state = [isinstance(info, Mapping) and "state" in info for info in infos.values()]
    return "state" if has_state and all(has_state) else OBSERVATIONS


def horizon_of(world: Any, given: SupportsIndex | None, name: str) -> int:
    """As given, else an attribute of the simulator."""
    if given is None:
        places = [(place, word) for place in (world, _core(world)) for word in HORIZONS]
        found = [getattr(place, word, None) for place, word in places]
        given = next((value for value in found if isinstance(value, int | np.integer)), None)
    if given is None:
        raise UserError(
            f"nothing says how long an episode of '{name}' may be; give it (horizon= in Python, "
            "--env-set horizon=N on the command line), or the simulator an attribute max_cycles"
        )
    return whole_number(f"horizon of '{name}'", given, least=1)


def promised(world: Any, what: str, given: bool | None, name: str) -> bool:
    """What is given, or what an attribute of the simulator says."""
    if given is None:
        given = getattr(world, what, getattr(_core(world), what, False))
    if not isinstance(given, bool | np.bool_):
        raise UserError(f"{what} of '{name}' is {given!r}; give True or False")
    return bool(given)


def _core(world: Any) -> Any:
    """What is within the wrappers."""
    return getattr(world, "unwrapped", world)
