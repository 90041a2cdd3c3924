"""Why an agent is in a dependency set: shortest paths through the multi-agent Bayesian network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from scipy.sparse import csr_array

from mastac.checks import whole_number
from mastac.errors import UserError
from mastac.structure.bayesian_network import Node
from mastac.structure.couplings import Couplings
from mastac.structure.sequences import CouplingSequence

WORDS = {"s": "state", "a": "action", "z": "reward"}


class Explanation(NamedTuple):
    """Why `other` is in the set of `agent`: a shortest path to a reward of `agent`.

    - `nodes`: the path, from a state or action of `other` at the time of the value.
    - `kappa`: the smallest window that contains it.
    """

    agent: str
    other: str
    nodes: tuple[Node, ...]
    kappa: int

    def __str__(self) -> str:
        start = self.nodes[0][2]
        return " -> ".join(
            f"{WORDS[kind]} of {name} at {clock(time - start)}" for kind, name, time in self.nodes
        )


def explain(
    couplings: Couplings | CouplingSequence,
    agent: str | int,
    other: str | int,
    kappa: int | None = None,
    minimal: bool = True,
    at: int = 0,
) -> Explanation | None:
    """Why the local value of `agent` depends on `other`; `None` where it does not.

    The path ends at the earliest reward that `other` can reach and has the fewest edges among those
    that do.

    **Arguments:**

    - `couplings`, `kappa`, `minimal`, `at`: as those of [`mastac.value_dependency`][].
    - `agent`, `other`: names, or rows.

    **Raises:**

    - [`mastac.errors.UserError`][] for an unknown agent or a bad `kappa` or `at`.

    !!! example

        >>> line = Couplings(["mine", "mill"], state=[("mine", "mill")])
        >>> print(explain(line, "mill", "mine"))
        state of mine at t -> state of mill at t+1 -> reward of mill at t+1
        >>> explain(line, "mine", "mill") is None
        True
    """
    row, column = couplings.index(agent), couplings.index(other)
    paths = _first_paths(couplings, row, kappa, minimal, at)
    return next(
        (_explanation(couplings, row, *path) for path in paths if path[0][1] == column), None
    )


def explanations(
    couplings: Couplings | CouplingSequence,
    agent: str | int,
    kappa: int | None = None,
    minimal: bool = True,
    at: int = 0,
    most: int | None = None,
) -> dict[str, Explanation]:
    """[`explain`][] for every member of the set of `agent`, by name.

    Those with the earliest rewards come first, and among them those with the shortest paths; `most`
    limits their number.
    """
    row = couplings.index(agent)
    paths = islice(_first_paths(couplings, row, kappa, minimal, at), most)
    members = [_explanation(couplings, row, *path) for path in paths]
    return {explanation.other: explanation for explanation in members}


def _first_paths(
    couplings: Couplings | CouplingSequence, row: int, kappa: int | None, minimal: bool, at: int
) -> Iterator[tuple[_Place, _Onward, int, int]]:
    """For every member: where its path begins, how it goes on, times of reward and value."""
    kappa = None if kappa is None else whole_number("kappa", kappa)
    at = whole_number("at", at)
    members: set[int] = set()
    for delay, ends, onward in _searches(couplings, row, kappa, minimal, at):
        for end in sorted(ends, key=lambda end: (onward[end][0], end[0] == "a", end[1])):
            if end[1] not in members:
                members.add(end[1])
                yield end, onward, at + delay, at


def _explanation(
    couplings: Couplings | CouplingSequence,
    row: int,
    end: _Place,
    onward: _Onward,
    reward_time: int,
    at: int,
) -> Explanation:
    nodes = tuple(_named_path(couplings.agents, end, onward, reward_time))
    return Explanation(couplings.agents[row], couplings.agents[end[1]], nodes, reward_time - at)


def clock(steps: int) -> str:
    """The time so many steps after that of the value, as text."""
    return f"t+{steps}" if steps else "t"


_Place = tuple[str, int, int]
"""Kind ("s", "a", "z"; "o" is a state as seen by a policy), row, steps before the reward."""
_Onward = dict[_Place, tuple[int, _Place | None]]
"""Number of edges to the reward and the next place on the way there."""


def _searches(
    couplings: Couplings | CouplingSequence, row: int, kappa: int | None, minimal: bool, at: int
) -> Iterator[tuple[int, list[_Place], _Onward]]:
    """For each delay of the reward: where shortest paths to it may begin, and how they go on."""
    if isinstance(couplings, Couplings):
        onward: _Onward = {("z", row, 0): (0, None)}
        for steps, ends in enumerate(
            _walk_back(lambda _: couplings, row, onward, minimal, only_new=True)
        ):
            if kappa is not None and steps > kappa:
                return
            yield steps, ends, onward
        return
    if at > couplings.horizon:
        raise UserError(
            f"at = {at} is past the end of the coupling sequence, whose last time is "
            f"{couplings.horizon}"
        )
    end = couplings.horizon if kappa is None else min(at + kappa, couplings.horizon)
    for reward_time in range(at, end + 1):
        onward = {("z", row, 0): (0, None)}
        walk = _walk_back(
            lambda steps, now=reward_time: couplings[now - steps],
            row,
            onward,
            minimal,
            only_new=False,
        )
        ends = [next(walk) for _ in range(reward_time - at + 1)][-1]
        yield reward_time - at, ends, onward


def _walk_back(
    couplings_before: Callable[[int], Couplings],
    row: int,
    onward: _Onward,
    minimal: bool,
    only_new: bool,
) -> Iterator[list[_Place]]:
    """From a reward back in time, step by step: the places at which a path may begin.

    The minimal set holds the actions at its own time fixed, so a path may not begin with a state
    that only a policy sees ("o"); further back, that state is as good as any. With `only_new`,
    states walked before are left out: where couplings stay the same, nothing new lies behind them.
    """
    needed: list[_Place] = []
    walked: set[int] = set()
    steps = 0
    while steps == 0 or needed:
        now: Couplings = couplings_before(steps)
        entering = (now.state, now.action) if steps else (now.reward, now.reward_action)
        roots = needed if steps else [("z", row, 0)]
        states = _sources("s", entering[0], roots, steps, onward)
        actions = _sources("a", entering[1], roots, steps, onward)
        observed = _sources("o", now.observation, actions, steps, onward)
        yield states + actions + ([] if minimal else observed)
        best: dict[int, _Place] = {}
        for place in states + observed:
            if place[1] not in best or onward[place][0] < onward[best[place[1]]][0]:
                best[place[1]] = place
        needed = [place for agent, place in best.items() if not (only_new and agent in walked)]
        walked.update(best)
        steps += 1


def _sources(
    kind: str, matrix: csr_array, targets: list[_Place], steps: int, onward: _Onward
) -> list[_Place]:
    """The places with an edge to one of `targets`; writes the shortest ways on into `onward`."""
    places: dict[_Place, None] = {}
    for target in targets:
        length = onward[target][0] + 1
        for source in matrix.indices[
            matrix.indptr[target[1]] : matrix.indptr[target[1] + 1]
        ].tolist():
            place = (kind, source, steps)
            if place not in onward or length < onward[place][0]:
                onward[place] = (length, target)
            places[place] = None
    return list(places)


def _named_path(
    agents: tuple[str, ...], place: _Place | None, onward: _Onward, reward_time: int
) -> Iterator[Node]:
    while place is not None:
        kind, agent, steps = place
        yield ("s" if kind == "o" else kind, agents[agent], reward_time - steps)
        place = onward[place][1]
