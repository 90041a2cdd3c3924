"""The building as a linear-quadratic problem, and its reference figures (numpy)."""

import dataclasses

import numpy as np
import scipy.sparse as sp

from mastac.envs.family import Figures, Options
from mastac.envs.linear_system import (
    LinearQuadraticProblem,
    best_structured_gain,
    episode_return,
    riccati,
)
from mastac.envs.thermal.bound import connected_parts, saturated_bound
from mastac.envs.thermal.policies import best_constants, best_saturated_policy, saturated_gain
from mastac.envs.thermal.zones import per_zone, wall_resistances, walls_of, zone_limits
from mastac.structure import Couplings, CouplingSequence


def thermal_problem(
    couplings: Couplings | CouplingSequence, values: Options
) -> LinearQuadraticProblem:
    """The building without its actuator limits, from its couplings and its options (eq. 84).

    Zones without an actuator own no column of the input matrix.
    """
    if isinstance(couplings, CouplingSequence):
        whole = thermal_problem(couplings.union(), values)
        entries = {id(entry): entry for entry in couplings}  # a few, repeated
        built = {key: thermal_problem(entry, values).state_matrix for key, entry in entries.items()}
        return dataclasses.replace(
            whole,
            state_matrix=built[id(couplings[0])],
            schedule=np.stack([built[id(entry)] for entry in couplings]),
            gain_schedule=np.stack(
                [entry.observation.toarray()[whole.action_owner] for entry in couplings]
            ),
        )
    n = couplings.num_agents
    acting = np.flatnonzero(zone_limits(n, values))
    shares = couplings.reward.toarray()
    of_zones = {name: per_zone(values[name], n) for name in _PER_ZONE}
    nu, step = of_zones["capacitance"], values["step_seconds"]
    row, col = walls_of(couplings)
    resistance = wall_resistances(couplings, values["wall_resistance"])
    conductance = sp.coo_array((step / (nu[row] * resistance), (row, col)), shape=(n, n)).toarray()
    leak = step / (nu * of_zones["outside_resistance"])
    return LinearQuadraticProblem(
        state_matrix=np.diag(1 - leak - conductance.sum(1)) + conductance,
        input_matrix=np.diag(step / nu)[:, acting],
        offset=leak * values["outside"] + step / nu * of_zones["heat_kw"],
        state_weights=shares / shares.sum(1, keepdims=True),
        action_weights=np.diag(of_zones["control_cost"])[:, acting],
        target=of_zones["target"],
        noise_variance=values["noise_variance"] * step / nu**2,
        start_mean=np.full(n, values["start_mean"]),
        start_variance=np.full(n, values["start_variance"]),
        state_owner=np.arange(n),
        action_owner=acting,
        gain_mask=couplings.observation.toarray()[acting],
        horizon=values["horizon"],
    )


_PER_ZONE = ("capacitance", "outside_resistance", "heat_kw", "target", "control_cost")


def thermal_figures(couplings: Couplings | CouplingSequence, values: Options) -> Figures:
    """Reference figures of a building, per zone, and the best saturated policy found."""
    problem = thermal_problem(couplings, values)
    n = problem.num_agents
    limit = zone_limits(n, values)[problem.action_owner]
    policy = np.round(best_saturated_policy(problem, limit), 4)
    own = dataclasses.replace(problem, gain_mask=np.eye(n, dtype=bool)[problem.action_owner])

    def constant(u: np.ndarray) -> float:
        gain = np.zeros((len(u), n + 1))
        gain[:, -1] = u
        return episode_return(problem, gain)[0] / n

    constants = best_constants(problem, limit)
    simple = constant(constants)
    gained, _ = saturated_gain(problem, limit, policy, constants)
    # A static gain may use only what is seen at all times.
    static = problem.gain_schedule is None
    affine = {}
    if n <= MOST_ZONES:
        affine["static affine feedback without limits, own temperature"] = (
            best_structured_gain(own)[1] / n
        )
    if n <= MOST_ZONES and static:
        affine["static affine feedback without limits"] = best_structured_gain(problem)[1] / n
    full_information = sum(
        count * riccati(part)[2] for part, _, count in connected_parts(problem, limit)
    )
    figures = {
        "simple": simple,
        "best_known": simple + (gained if gained > 1e-6 * abs(simple) else 0.0),
        "bound": saturated_bound(problem, limit) / n,
        "policies": {
            "no control": constant(np.zeros(len(limit))),
            **affine,
            "full information without limits": full_information / n,
        },
        "notes": NOTES,
    }
    return figures, policy


MOST_ZONES = 100
"""Above this number the best feedback without limits would take minutes and is left out."""

NOTES = (
    "Simple: the best constant power. Best known: the best limit * tanh(K o + b) found. Bound: no "
    "policy within the limits returns more (Lagrangian relaxation). Policies without limits are "
    "exact."
)
