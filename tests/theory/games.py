"""Random couplings and games of a few agents, and plain loops to hold the tables against."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from mastac.structure import Couplings
from mastac.theory.example_games import random_game, random_logits
from mastac.theory.games import Game, Logits, softmax

GRAPHS = ("state", "observation", "reward", "action", "reward_action")


@st.composite
def couplings_of(draw, size: int) -> Couplings:
    """Couplings of `size` agents, with or without action graphs of their own."""
    pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
    names = GRAPHS if draw(st.booleans()) else GRAPHS[:3]
    edges = st.lists(st.sampled_from(pairs), max_size=size, unique=True) if pairs else st.just([])
    return Couplings(size, **{name: draw(edges) for name in names})


@st.composite
def games(draw, most: int = 4) -> tuple[Game, list[np.ndarray]]:
    """A game and policies; local sizes differ between agents."""
    size = draw(st.integers(2, most))
    couplings = draw(couplings_of(size))
    sizes = (
        tuple(draw(st.lists(st.sampled_from([2, 2, 3]), min_size=size, max_size=size)))
        if size < 4
        else 2
    )
    game = random_game(
        couplings,
        draw(st.integers(0, 10**6)),
        num_states=sizes,
        discount=draw(st.sampled_from([0.5, 0.9])),
    )
    return game, random_logits(game, draw(st.integers(0, 10**6)))


def by_loops(game: Game, logits: Logits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Next-state law, rewards and policy, one joint entry at a time from the local tables."""
    agents = range(game.couplings.num_agents)
    states = list(itertools.product(*(range(k) for k in game.num_states)))
    actions = list(itertools.product(*(range(k) for k in game.num_actions)))
    law = np.ones((len(states), len(actions), len(states)))
    paid = np.zeros((len(agents), len(states), len(actions)))
    policy = np.ones((len(states), len(actions)))

    def read(table: np.ndarray, s: tuple, a: tuple, graphs: tuple[str, str], i: int) -> np.ndarray:
        place = [s[j] for j in game.parents(graphs[0], i)] + [
            a[j] for j in game.parents(graphs[1], i)
        ]
        return table[tuple(place)]

    for (x, s), (y, a) in itertools.product(enumerate(states), enumerate(actions)):
        for i in agents:
            paid[i, x, y] = read(game.rewards[i], s, a, ("reward", "reward_action"), i)
            seen = tuple(s[j] for j in game.parents("observation", i))
            policy[x, y] *= softmax(logits[i])[seen][a[i]]
            following = read(game.transitions[i], s, a, ("state", "action"), i)
            for z, after in enumerate(states):
                law[x, y, z] *= following[after[i]]
    return law, paid, policy
