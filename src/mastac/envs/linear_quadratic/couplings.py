"""The couplings of linear-quadratic networks, and how their draws repeat (numpy)."""

from mastac.envs.actuators import spacing
from mastac.envs.family import Options
from mastac.envs.named_graphs import couplings_on, edges_of, ring
from mastac.errors import UserError
from mastac.structure import Couplings

GRAPHS = {"ring": ring}


def lq_couplings(num_agents: int, options: Options) -> Couplings:
    """States are coupled along the graph; an agent's action drives its own state."""
    graph = edges_of(options["graph"], num_agents, GRAPHS)
    return couplings_on(graph, num_agents, "agent", options, action=[])


def period_of(num_agents: int, options: Options) -> int:
    """After how many agents the draws of a network repeat; all of them where they do not.

    **Raises:**

    - `UserError` if a network that is to repeat itself cannot: `repeat` must divide the number of
        agents, be a multiple of the K of `actuators`, and all agents must be coupled and sized
        alike.
    """
    period = options["repeat"]
    if period == 0:
        return num_agents
    if num_agents % period:
        raise UserError(
            f"option repeat is {period}, which does not divide {num_agents} agents; "
            "choose a number that does, or 0"
        )
    if period % spacing(options["actuators"]):
        raise UserError(
            f"option repeat is {period}, not a multiple of the {spacing(options['actuators'])} "
            "of option actuators; choose one, or 0"
        )
    for name in ("graph", "observation", "reward", "state_size"):
        if isinstance(options[name], list):
            raise UserError(
                "option repeat asks for agents that are alike; "
                f"leave {name} at a name or one number"
            )
    return period
