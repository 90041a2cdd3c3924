"""What a simulator's file says of agents and edges."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mastac.errors import UserError, unknown


class Topology(NamedTuple):
    """Agents and edges of a file, in words what was taken for them, and where the agents are.

    An edge (source, target) says that state and action of the source enter the next state of the
    target.
    """

    agents: list[str]
    edges: list[tuple[str, str]]
    said: str
    positions: Mapping[str, tuple[float, float]] = {}
    """Coordinates of the agents in the file; empty unless all have them."""


def joined(
    agent_of: Mapping[str, str], links: Iterable[tuple[str, str]], ends: Iterable[str] | None = None
) -> list[tuple[str, str]]:
    """The pairs of agents that a path of links joins.

    **Arguments:**

    - `agent_of`: the agent at a node, for nodes that have one. An agent may have several nodes.
    - `links`: pairs of nodes (from, to); a link that can be gone both ways stands there twice.
    - `ends`: nodes past which no path leads; by default all that have an agent.

    **Returns:**

    Pairs (source, target) of different agents, each once, in the order of `agent_of`.
    """
    following: dict[str, list[str]] = {}
    for start, end in links:
        following.setdefault(start, []).append(end)
    ending = set(agent_of if ends is None else ends)
    pairs: dict[tuple[str, str], None] = {}
    for first, agent in agent_of.items():
        seen, waiting = {first}, [first]
        while waiting:
            reached = [node for node in following.get(waiting.pop(), ()) if node not in seen]
            seen.update(reached)
            waiting += [node for node in reached if node not in ending]
            others = (agent_of.get(node) for node in reached)
            pairs |= {(agent, other): None for other in others if other not in (None, agent)}
    return list(pairs)


def both_ways(links: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Links, and the same links backwards."""
    there = list(links)
    return [*there, *((end, start) for start, end in there)]


def choice(options: dict[str, str], option: str, known: Iterable[str]) -> str:
    """Take an option out of `options`: one of the words that are known, the first by default.

    **Raises:**

    - [`mastac.errors.UserError`][] for any other word.
    """
    words = list(known)
    word = options.pop(option, words[0])
    if word not in words:
        raise unknown(f"choice of {option}", str(word), words)
    return word


def nothing_found(path: str, what: str, fix: str) -> UserError:
    """The error for a file in which there are no agents."""
    return UserError(f"{path}: there are no {what} in this file; {fix}")
