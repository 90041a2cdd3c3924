"""Games to check theorems on: random tables for any couplings, computers on a ring, two agents on their own."""

import numpy as np

from mastac.errors import UserError, unknown
from mastac.structure import Couplings, chain, grid, ring, star
from mastac.theory.games import Game


def random_game(
    couplings: Couplings,
    seed: int = 0,
    num_states: tuple[int, ...] | int = 2,
    num_actions: tuple[int, ...] | int = 2,
    discount: float = 0.9,
) -> Game:
    """A game with the given couplings whose tables are drawn at random: every parent matters, almost surely."""
    random = np.random.default_rng(seed)
    n = couplings.num_agents
    states = (num_states,) * n if isinstance(num_states, int) else tuple(num_states)
    actions = (num_actions,) * n if isinstance(num_actions, int) else tuple(num_actions)

    def sizes(state_graph: str, action_graph: str, agent: int) -> tuple[int, ...]:
        state_row, action_row = (
            getattr(couplings, g)[[agent]].toarray()[0] for g in (state_graph, action_graph)
        )
        read = [states[j] for j in np.flatnonzero(state_row)] + [
            actions[j] for j in np.flatnonzero(action_row)
        ]
        return tuple(read)

    return Game(
        couplings=couplings,
        num_states=states,
        num_actions=actions,
        transitions=tuple(
            random.dirichlet(np.ones(states[i]), sizes("state", "action", i)) for i in range(n)
        ),
        rewards=tuple(random.normal(size=sizes("reward", "reward_action", i)) for i in range(n)),
        starts=tuple(random.dirichlet(np.ones(states[i])) for i in range(n)),
        discount=discount,
    )


def random_logits(game: Game, seed: int = 0, scale: float = 1.0) -> list[np.ndarray]:
    """Tabular softmax policies drawn at random."""
    random = np.random.default_rng([seed, 1])
    shapes = [
        (*game.table_shape("observation", None, i), game.num_actions[i])
        for i in range(len(game.num_states))
    ]
    return [scale * random.normal(size=shape) for shape in shapes]


def infection_ring(
    num_agents: int,
    discount: float = 0.9,
    failure: float = 0.05,
    infection: float = 0.3,
    mend: float = 0.9,
    price: float = 0.5,
) -> Game:
    """Computers on a ring that fail and infect their neighbours (after the SysAdmin of Guestrin et al., 2003).

    State 0 works and state 1 has failed; action 1 reboots. A working computer that is not rebooted
    fails with probability `failure`, and `infection` more for each failed neighbour; a rebooted one
    works next with probability `mend`; a failed one stays so. Each step earns one where a computer
    works and is not rebooted; a reboot costs `price`. Everybody sees itself and its neighbours. All
    work at first.

    **Raises:** [`mastac.errors.UserError`][] if a probability is none.
    """
    if min(failure, infection, mend) < 0 or max(failure + 2 * infection, mend) > 1:
        raise UserError("failure + 2 infection and mend must be probabilities; make them smaller")
    edges = ring(num_agents)
    couplings = Couplings(
        edges.agents, state=edges.edges("state"), observation=edges.edges("state"), action=[]
    )
    transitions = []
    for i in range(num_agents):
        parents = np.flatnonzero(couplings.state[[i]].toarray()[0]).tolist()
        table = np.zeros((2,) * len(parents) + (2, 2))
        for states in np.ndindex(*(2,) * len(parents)):
            own = states[parents.index(i)]
            fails = 1.0 if own else failure + infection * (sum(states) - own)
            table[states] = [[1 - fails, fails], [mend, 1 - mend]]
        transitions.append(table)
    return Game(
        couplings=couplings,
        num_states=(2,) * num_agents,
        num_actions=(2,) * num_agents,
        transitions=tuple(transitions),
        rewards=(np.array([[1.0, -price], [0.0, -price]]),) * num_agents,
        starts=(np.array([1.0, 0.0]),) * num_agents,
        discount=discount,
    )


def constant_pair(first: float, second: float, discount: float = 0.0) -> Game:
    """Two agents without any coupling, two actions that decide nothing, constant rewards: the counterexamples."""
    return Game(
        couplings=Couplings(2),
        num_states=(1, 1),
        num_actions=(2, 2),
        transitions=(np.ones((1, 2, 1)),) * 2,
        rewards=(np.full((1, 2), first), np.full((1, 2), second)),
        starts=(np.ones(1),) * 2,
        discount=discount,
    )


def game_couplings(name: str, num_agents: int) -> Couplings:
    """Couplings by name: ring, chain, grid (as square as the number allows), star; stream, a chain one way only.

    **Raises:** [`mastac.errors.UserError`][] for another name.
    """
    if name == "grid":
        rows = max(k for k in range(1, int(num_agents**0.5) + 1) if num_agents % k == 0)
        return grid(rows, num_agents // rows)
    if name == "stream":
        onward = [(i, i + 1) for i in range(num_agents - 1)]
        return Couplings(num_agents, state=onward, observation=onward)
    makers = {"ring": ring, "chain": chain, "star": star}
    if name not in makers:
        raise unknown("game", name, [*makers, "grid", "stream"])
    return makers[name](num_agents)
