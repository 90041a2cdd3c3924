"""The multi-agent Bayesian network node by node: the definition of the sets, the source of drawings and explanations.

Nodes are `("s" | "a" | "z", agent, t)`: the state, the action and the reward of a named agent at a
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import networkx as nx
from scipy.sparse import csr_array

from mastac.checks import whole_number
from mastac.errors import UserError
from mastac.structure.couplings import Couplings
from mastac.structure.sequences import CouplingSequence

Node = tuple[str, str, int]
WORDS = {"s": "state", "a": "action", "z": "reward"}


def bayesian_network(
    couplings: Couplings | CouplingSequence, horizon: int | None = None
) -> nx.DiGraph:
    r"""The unrolled network, `t = 0 … horizon` (section 3.1): $3N(T+1)$ nodes.

    **Arguments:**

    - `couplings`: the same at all times, or a sequence.
    - `horizon`: $T$, the time of the last reward; may be left out for a sequence.

    **Raises:**

    - [`mastac.errors.UserError`][] if `horizon` is negative, missing, or past the end of the
        sequence.

    !!! example

        >>> sorted(bayesian_network(Couplings(["a"]), horizon=0).edges)
        [(('a', 'a', 0), ('z', 'a', 0)), (('s', 'a', 0), ('a', 'a', 0)), (('s', 'a', 0), ('z', 'a', 0))]
    """
    last = _last_time(couplings, horizon)
    network = nx.DiGraph()
    for time in range(last + 1):
        now = couplings if isinstance(couplings, Couplings) else couplings[time]
        _add_time(network, now, time)
        if time < last:
            _add_step(network, now, time)
    return network


def folded_network(couplings: Couplings) -> nx.DiGraph:
    r"""Two time steps of the network with the edge between $s_i(t)$ and $s_i(t+1)$ in both directions (appendix B).

    Nodes have time 0 and 1. Each use of an edge from `("s", i, 1)` back to `("s", i, 0)` stands for
    one more step, so what reaches `("z", i, 1)` from time 0 with at most `k` of them is the paper's
    set of the window `kappa = k + 1`.
    """
    if not isinstance(couplings, Couplings):
        raise UserError(
            "only couplings that stay the same can be folded; use bayesian_network for a sequence"
        )
    network = bayesian_network(couplings, horizon=1)
    network.add_edges_from((("s", agent, 1), ("s", agent, 0)) for agent in couplings.agents)
    return network


class Explanation(NamedTuple):
    """Why `other` is in the set of `agent`: the shortest path from its state or action to a reward of `agent`.

    `nodes`: the path, first node at the time of the value; `kappa`: the smallest window that has
    it.
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
    that do. Arguments are those of [`mastac.value_dependency`][].

    !!! example

        >>> line = Couplings(["mine", "mill"], state=[("mine", "mill")])
        >>> print(explain(line, "mill", "mine"))
        state of mine at t -> state of mill at t+1 -> reward of mill at t+1
        >>> explain(line, "mine", "mill") is None
        True
    """
    row, column = couplings.index(agent), couplings.index(other)
    found = _first_paths(couplings, row, kappa, minimal, at)
    return next(
        (_explanation(couplings, row, *each) for each in found if each[0][1] == column), None
    )


def explanations(
    couplings: Couplings | CouplingSequence,
    agent: str | int,
    kappa: int | None = None,
    minimal: bool = True,
    at: int = 0,
    most: int | None = None,
) -> dict[str, Explanation]:
    """[`explain`][] for every member of the set of `agent` (the first `most`), those with the shortest paths first."""
    row = couplings.index(agent)
    found = islice(_first_paths(couplings, row, kappa, minimal, at), most)
    return {each.other: each for each in (_explanation(couplings, row, *path) for path in found)}


def _first_paths(
    couplings: Couplings | CouplingSequence, row: int, kappa: int | None, minimal: bool, at: int
) -> Iterator[tuple[_Place, _Onward, int, int]]:
    """For every member of a set where its path begins, how it goes on, and the times of the reward and the value."""
    kappa = None if kappa is None else whole_number("kappa", kappa)
    at = whole_number("at", at)
    found: set[int] = set()
    for delay, ends, onward in _searches(couplings, row, kappa, minimal, at):
        for end in sorted(ends, key=lambda end: (onward[end][0], end[0] == "a", end[1])):
            if end[1] not in found:
                found.add(end[1])
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
    """The time so many steps after that of the value, in words."""
    return f"t+{steps}" if steps else "t"


def _last_time(couplings: Couplings | CouplingSequence, horizon: int | None) -> int:
    if isinstance(couplings, CouplingSequence):
        last = couplings.horizon if horizon is None else whole_number("horizon", horizon)
        if last > couplings.horizon:
            raise UserError(
                f"horizon = {last} is past the end of the coupling sequence, {couplings.horizon}"
            )
        return last
    if horizon is None:
        raise UserError("the unrolled network of couplings that stay the same needs a horizon")
    return whole_number("horizon", horizon)


def _add_time(network: nx.DiGraph, now: Couplings, time: int) -> None:
    names = now.agents
    network.add_nodes_from((kind, name, time) for kind in "saz" for name in names)
    for kind, matrix, result in (
        ("s", now.observation, "a"),
        ("s", now.reward, "z"),
        ("a", now.reward_action, "z"),
    ):
        network.add_edges_from(
            ((kind, names[j], time), (result, names[i], time)) for i, j in _pairs(matrix)
        )


def _add_step(network: nx.DiGraph, now: Couplings, time: int) -> None:
    names = now.agents
    for kind, matrix in (("s", now.state), ("a", now.action)):
        network.add_edges_from(
            ((kind, names[j], time), ("s", names[i], time + 1)) for i, j in _pairs(matrix)
        )


def _pairs(matrix: csr_array) -> Iterator[tuple[int, int]]:
    rows, columns = matrix.tocoo().coords
    return zip(rows.tolist(), columns.tolist(), strict=True)


_Place = tuple[str, int, int]
"""Kind ("s"; "o": a state as seen by a policy; "a"; "z"), row of the agent, steps before the reward."""
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
            f"at = {at} is past the end of the coupling sequence, whose last time is {couplings.horizon}"
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
    """Layer by layer from a reward back in time; yields where a path may begin that many steps before it.

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
    """The places that an edge leads from to one of `targets`, with the shortest way on written into `onward`."""
    found: dict[_Place, None] = {}
    for target in targets:
        length = onward[target][0] + 1
        for source in matrix.indices[
            matrix.indptr[target[1]] : matrix.indptr[target[1] + 1]
        ].tolist():
            place = (kind, source, steps)
            if place not in onward or length < onward[place][0]:
                onward[place] = (length, target)
            found[place] = None
    return list(found)


def _named_path(
    agents: tuple[str, ...], place: _Place | None, onward: _Onward, reward_time: int
) -> Iterator[Node]:
    while place is not None:
        kind, agent, steps = place
        yield ("s" if kind == "o" else kind, agents[agent], reward_time - steps)
        place = onward[place][1]
