"""Random couplings, and the sets by brute force, independent of the code under test."""

import networkx as nx
import numpy as np
from hypothesis import strategies as st

from mastac.structure import Couplings, CouplingSequence

GRAPHS = ("state", "observation", "reward", "action", "reward_action")


@st.composite
def edge_sets(draw, size: int):
    """Edges among `size` agents; from none to all of them."""
    pairs = [(i, j) for i in range(size) for j in range(size)]
    return draw(
        st.lists(
            st.sampled_from(pairs), max_size=draw(st.sampled_from([0, size, 3 * size])), unique=True
        )
    )


@st.composite
def graphs_of(draw, size: int, finer: bool):
    """The keywords of `Couplings`: edges of each graph."""
    names = GRAPHS if finer else GRAPHS[:3]
    return {name: draw(edge_sets(size)) for name in names}


@st.composite
def systems(draw, largest: int = 6):
    """Couplings, with or without action graphs of their own."""
    size = draw(st.integers(1, largest))
    return Couplings(size, **draw(graphs_of(size, draw(st.booleans()))))


@st.composite
def sequences(draw, largest: int = 4, longest: int = 4):
    """A coupling sequence; the entries have nothing but the agents in common."""
    size, length = draw(st.integers(1, largest)), draw(st.integers(1, longest))
    return CouplingSequence(
        [Couplings(size, **draw(graphs_of(size, draw(st.booleans())))) for _ in range(length)]
    )


def entry(couplings: Couplings | CouplingSequence, time: int) -> Couplings:
    return couplings if isinstance(couplings, Couplings) else couplings[time]


def unrolled(couplings: Couplings | CouplingSequence, first: int, last: int) -> nx.DiGraph:
    """The network from time `first` to `last` by its definition (section 3.1); rows as agents."""
    network = nx.DiGraph()
    for time in range(first, last + 1):
        now = entry(couplings, time)
        dense = {name: getattr(now, name).toarray() for name in GRAPHS}
        for i in range(couplings.num_agents):
            network.add_nodes_from([("s", i, time), ("a", i, time), ("z", i, time)])
            for j in range(couplings.num_agents):
                if dense["observation"][i, j]:
                    network.add_edge(("s", j, time), ("a", i, time))
                if dense["reward"][i, j]:
                    network.add_edge(("s", j, time), ("z", i, time))
                if dense["reward_action"][i, j]:
                    network.add_edge(("a", j, time), ("z", i, time))
                if time < last and dense["state"][i, j]:
                    network.add_edge(("s", j, time), ("s", i, time + 1))
                if time < last and dense["action"][i, j]:
                    network.add_edge(("a", j, time), ("s", i, time + 1))
    return network


def ancestor_sets(couplings: Couplings | CouplingSequence, at: int, last: int) -> np.ndarray:
    """The paper's sets (Property 3.3): `[agents, agents]`, row depends on column."""
    network = unrolled(couplings, at, last)
    result = np.zeros((couplings.num_agents, couplings.num_agents), bool)
    for i in range(couplings.num_agents):
        for time in range(at, last + 1):
            for kind, j, when in nx.ancestors(network, ("z", i, time)):
                # The property allows any time from `at` on; members are counted at every time.
                assert at <= when <= time
                result[i, j] |= kind in "sa"
    return result


def separated_sets(
    couplings: Couplings | CouplingSequence, at: int, last: int
) -> tuple[np.ndarray, np.ndarray]:
    """States and actions at `at` that the others at `at` do not d-separate from the rewards."""
    size = couplings.num_agents
    network = unrolled(couplings, at, last)
    arguments = {(kind, j, at) for kind in "sa" for j in range(size)}
    result = {kind: np.zeros((size, size), bool) for kind in "sa"}
    for i in range(size):
        rewards = {("z", i, time) for time in range(at, last + 1)}
        for kind, j, _ in arguments:
            one = {(kind, j, at)}
            result[kind][i, j] = not nx.is_d_separator(network, one, rewards, arguments - one)
    return result["s"], result["a"]
