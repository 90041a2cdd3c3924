"""The domains of rddlrepository as JAX programs, through pyRDDLGym-jax.

The same agents, graphs, observations and rewards as `reservoirs` and `hvac`, compiled: training
needs no processes and is much faster. Needs the extra `rddl-jax`.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

import mastac
from mastac.examples.outside import hvac as rooms
from mastac.examples.outside import reservoirs as basins
from mastac.examples.outside.rddl import RddlTeam
from mastac.examples.outside.team import outside


def reservoirs() -> mastac.Environment:
    """`Reservoir_Continuous`; an action of -50 releases nothing, of 50 all."""
    return _compiled(basins.env())


def hvac() -> mastac.Environment:
    """`HVAC`; an action of -5 blows no air, of 5 most."""
    return _compiled(rooms.env())


def _compiled(team: RddlTeam) -> mastac.Environment:
    """The environment of a team's domain. Actions count from the middle of their range."""
    compiler = outside("pyRDDLGym_jax.core.compiler", "rddl-jax").JaxRDDLCompiler(
        team.simulator.model
    )
    compiler.compile()
    transition = compiler.compile_transition(cache_path_info=True)
    fluents, constants = compiler.split_fluent_nonfluent(compiler.init_values)
    parameters = compiler.model_aux["params"]
    middle, half = (team.low + team.high) / 2, (team.high - team.low) / 2
    number = team.couplings.num_agents
    seen = list(team.seen.values())
    width = max(map(len, seen))
    # A row that is too short is filled from an agent beyond the last one, whose state is 0.
    rows = np.array([[*row, *[number] * (width - len(row))] for row in seen])

    def step(state: Any, actions: Any, time: Any, key: Any) -> mastac.Transition:
        given = jnp.clip(actions[:, 0] + middle, team.low, team.high)
        before = {**fluents, team.state_fluent: state[:, 0]}
        after, log, _ = transition(key, {team.action_fluent: given}, before, constants, parameters)
        known = {**constants, **log["fluents"], **after, "before": state[:, 0]}
        return mastac.Transition(after[team.state_fluent][:, None], team.paid(known, given))

    return mastac.Environment(
        id=f"{team.problem}-compiled",
        couplings=team.couplings,
        horizon=team.max_cycles,
        reset=lambda key: jnp.asarray(fluents[team.state_fluent], jnp.float32)[:, None],
        step=step,
        observe=lambda state: jnp.append(state[:, 0], 0.0)[rows],
        state_sizes=np.ones(number, int),
        obs_sizes=np.array([len(row) for row in seen]),
        action_sizes=np.ones(number, int),
        action_head="tanh",
        action_limit=float(half[0]),
        simple_actions=lambda state, time: jnp.full((number, 1), -float(half[0])),
    )
