"""Games to check theorems on: random ones for any couplings, and two with a meaning."""

from collections.abc import Sequence

import numpy as np

from mastac.errors import UserError, unknown
from mastac.structure import Couplings, chain, grid, ring, star
from mastac.theory.games import Game


def random_game(
    couplings: Couplings,
    seed: int = 0,
    num_states: Sequence[int] | int = 2,
    num_actions: Sequence[int] | int = 2,
    discount: float = 0.9,
) -> Game:
    r"""A game with the given couplings whose tables are drawn at random.

    Transition and start laws are uniform on the simplex, rewards standard normal. Every parent
    matters, almost surely.

    **Arguments:**

    - `couplings`: who depends directly on whom.
    - `seed`: of all tables.
    - `num_states`, `num_actions`: of each agent, or one number for all.
    - `discount`: $\gamma$, at least 0 and below 1.

    **Raises:**

    - [`mastac.errors.UserError`][] if the game would be too large to enumerate.
    """
    random = np.random.default_rng(seed)
    n = couplings.num_agents
    states = tuple(np.broadcast_to(num_states, n).tolist())
    actions = tuple(np.broadcast_to(num_actions, n).tolist())

    def sizes(state_graph: str, action_graph: str, agent: int) -> tuple[int, ...]:
        state_row, action_row = (
            getattr(couplings, graph)[[agent]].toarray()[0] for graph in (state_graph, action_graph)
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
    """Logits of tabular softmax policies, normal with standard deviation `scale`."""
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
    repair: float = 0.9,
    price: float = 0.5,
) -> Game:
    r"""Computers on a ring that fail and infect their neighbours.

    After the SysAdmin problem of Guestrin et al. (JAIR 2003).
    State 0 works and state 1 has failed; action 1 reboots. A computer sees itself and its
    neighbours. All work at first. In each step a computer earns one if it works and is not
    rebooted.

    **Arguments:**

    - `num_agents`: number of computers.
    - `discount`: $\gamma$, at least 0 and below 1.
    - `failure`: probability that a working computer that is not rebooted fails, without failed
        neighbours. A failed one that is not rebooted stays so.
    - `infection`: what each failed neighbour adds to that probability.
    - `repair`: probability that a rebooted computer works next.
    - `price`: cost of a reboot, in rewards of a step.

    **Raises:**

    - [`mastac.errors.UserError`][] if a probability is not between 0 and 1.
    """
    if min(failure, infection, repair) < 0 or max(failure + 2 * infection, repair) > 1:
        raise UserError("failure + 2 infection and repair must be probabilities; make them smaller")
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
            table[states] = [[1 - fails, fails], [repair, 1 - repair]]
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
    """Two uncoupled agents with constant rewards, whose two actions have no effect.

    With rewards (-1, -1) and (1, -1) these are the counterexamples to Theorem 4.2 in
    docs/theorems.md.
    """
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
    """Couplings by name: ring, chain, star, grid or stream.

    A grid is as square as the number of agents allows. A stream is a chain that runs one way: each
    agent affects the next, which observes it.

    **Raises:**

    - [`mastac.errors.UserError`][] for another name.
    """
    if name == "grid":
        rows = max(k for k in range(1, int(num_agents**0.5) + 1) if num_agents % k == 0)
        return grid(rows, num_agents // rows)
    if name == "stream":
        onward = [(i, i + 1) for i in range(num_agents - 1)]
        return Couplings(num_agents, state=onward, observation=onward)
    topologies = {"ring": ring, "chain": chain, "star": star}
    if name not in topologies:
        raise unknown("game", name, [*topologies, "grid", "stream"])
    return topologies[name](num_agents)
