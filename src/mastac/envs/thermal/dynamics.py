"""Temperature control of a building's zones (paper, Appendix I)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from mastac.envs.base import Environment, observed_agents
from mastac.errors import UserError
from mastac.structure import Couplings, CouplingSequence

Parameter = float | Sequence[float]


def thermal(
    couplings: Couplings | CouplingSequence,
    limit_kw: Parameter = 10.0,
    start_variance: float = 2.5,
    capacitance: Parameter = 200.0,
    outside_resistance: Parameter = 1.0,
    wall_resistance: float | dict[tuple[str, str], float] = 1.0,
    heat_kw: Parameter = 1.0,
    target: Parameter = 22.0,
    outside: float = 30.0,
    start_mean: float = 30.0,
    control_cost: Parameter = 0.01,
    noise_variance: float = 6.25,
    step_seconds: float = 60.0,
    horizon: int = 40,
    id: str = "thermal",
    options: dict | None = None,
) -> Environment:
    r"""Zones that exchange heat through walls, with the outside and with a heater or cooler of their own (eq. 84).

    State: the zone's temperature in °C. Action: heating power in kW within ± `limit_kw` (scalar or
    one per zone); a zone whose limit is 0 has none. Observation: the temperatures of the observed
    zones, the own first. Reward: the mean of $-(x_j - x^*_j)^2$ over the zones that enter it, minus
    $\beta_i u_i^2$, at the time of the action. `capacitance` in kJ/°C, resistances in °C/kW (one
    number, or one for each pair of names), `noise_variance` in kJ²/s, `start_variance` in °C².
    Zones that share no wall (no edge) exchange nothing. Of a sequence of couplings each entry says
    which walls conduct in its step (doors that are open), and which zones are seen; of one that is
    not, the own target is read.
    """
    num_agents = couplings.num_agents

    def per_zone(value: Parameter, name: str) -> np.ndarray:
        values = np.asarray(value, float)
        if values.ndim and values.shape != (num_agents,):
            raise UserError(
                f"{name} has {values.size} entries for {num_agents} zones; give one number or one per zone"
            )
        return np.broadcast_to(values, num_agents).copy()

    limit = per_zone(limit_kw, "limit_kw")
    nu = per_zone(capacitance, "capacitance")
    zeta = per_zone(outside_resistance, "outside_resistance")
    heat, goal, beta = (
        per_zone(heat_kw, "heat_kw"),
        per_zone(target, "target"),
        per_zone(control_cost, "control_cost"),
    )
    if (limit < 0).any():
        raise UserError(
            f"limit_kw of zone '{couplings.agents[int(np.argmax(limit < 0))]}' must not be negative"
        )
    acts = limit > 0
    for name, values in (("capacitance", nu), ("outside_resistance", zeta)):
        if (values <= 0).any():
            bad = couplings.agents[int(np.argmax(values <= 0))]
            raise UserError(f"{name} of zone '{bad}' must be positive")
    if start_variance < 0 or noise_variance < 0:
        raise UserError("start_variance and noise_variance are variances; they cannot be negative")
    whole = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    graph = whole.state.tocoo()
    off = graph.row != graph.col
    row, col = graph.row[off], graph.col[off]
    if isinstance(wall_resistance, dict):
        names = couplings.agents
        try:
            walls = np.array(
                [
                    wall_resistance.get(
                        (names[i], names[j]), wall_resistance.get((names[j], names[i]))
                    )
                    for i, j in zip(row, col, strict=True)
                ],
                float,
            )
        except TypeError:
            raise UserError(
                "wall_resistance must give a number for every wall of the state graph"
            ) from None
        if np.isnan(walls).any():
            at = int(np.argmax(np.isnan(walls)))
            raise UserError(
                f"wall_resistance gives no number for the wall '{names[row[at]]}'-'{names[col[at]]}'"
            )
    else:
        walls = np.full(len(row), float(wall_resistance))
    if (walls <= 0).any():
        raise UserError(
            "wall_resistance must be positive; zones without a wall are zones without an edge"
        )
    conduct = step_seconds / (nu[row] * walls)
    leak, gain = step_seconds / (nu * zeta), step_seconds / nu
    noise_sd = np.sqrt(noise_variance * step_seconds) / nu

    observed = observed_agents(whole)
    obs_sizes = np.array([len(seen) for seen in observed])
    picks = np.full((num_agents, int(obs_sizes.max())), num_agents, dtype=np.int32)
    for i, seen in enumerate(observed):
        picks[i, : len(seen)] = seen

    is_open, is_seen = (
        (None, None) if whole is couplings else _schedules(couplings, row, col, picks)
    )

    shared = whole.reward.tocoo()
    share = 1.0 / np.asarray(whole.reward.sum(1), float).ravel()
    # What stands in the place of an action that is none does nothing.
    power = (
        (lambda actions: actions[:, 0])
        if acts.all()
        else (lambda actions: jnp.where(acts, actions[:, 0], 0.0))
    )

    def reset(key):
        return start_mean + np.sqrt(start_variance) * jax.random.normal(key, (num_agents, 1))

    def step(state, actions, time, key):
        x, u = state[:, 0], power(actions)
        flows = conduct * (x[col] - x[row])
        flows = flows if is_open is None else flows * jnp.asarray(is_open)[time]
        through_walls = jax.ops.segment_sum(flows, row, num_agents, indices_are_sorted=True)
        noise = noise_sd * jax.random.normal(key, (num_agents,))
        return (x + leak * (outside - x) + through_walls + gain * (u + heat) + noise)[:, None]

    def reward(state, actions, time):
        comfort = -((state[:, 0] - goal) ** 2)
        if len(shared.row) > num_agents:
            comfort = jax.ops.segment_sum(comfort[shared.col], shared.row, num_agents) * share
        return comfort - beta * power(actions) ** 2

    def observe_all(state):
        return jnp.append(state[:, 0], 0.0)[picks]

    def observe_open(state, time):
        return jnp.where(
            jnp.asarray(is_seen)[time], observe_all(state), jnp.append(goal, 0.0)[picks]
        )

    # Around the operating point: the temperatures of zones that are held, the power that holds
    # them.
    state_spread = max(float(np.sqrt(start_variance)), 0.5)
    holding = np.clip(-(outside - goal) / zeta - heat, -limit, limit)
    scale = np.where(acts, limit, 1.0)
    spread = np.maximum(np.abs(start_mean - goal), 1.0) / 2
    pad = picks == num_agents
    return Environment(
        id=id,
        couplings=couplings,
        horizon=horizon,
        reset=reset,
        step=step,
        reward=reward,
        observe=observe_all if is_seen is None else observe_open,
        state_sizes=np.ones(num_agents, int),
        obs_sizes=obs_sizes,
        action_sizes=acts.astype(int),
        action_head="tanh",
        action_limit=scale[:, None],
        state_center=goal[:, None],
        state_scale=state_spread,
        obs_center=np.where(pad, 0.0, np.append(goal, 0.0)[picks]),
        obs_scale=np.where(pad, 1.0, np.append(spread, 1.0)[picks]),
        action_center=holding[:, None],
        action_scale=scale[:, None] / 5,
        report="mean",
        units={"state": "°C", "action": "kW", "reward": "°C²"},
        options=options or {},
    )


def _schedules(
    couplings, row: np.ndarray, col: np.ndarray, picks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of every step: which walls conduct `[steps, walls]`, and which observations are made `[steps, zones, obs]`."""
    zones = np.arange(couplings.num_agents)[:, None]
    is_open = np.stack([np.asarray(each.state[row, col]).ravel() for each in couplings])
    padded = [np.pad(each.observation.toarray(), ((0, 0), (0, 1))) for each in couplings]
    # Padding is read as it is at any time.
    return is_open.astype(np.float32), np.stack([each[zones, picks] for each in padded]) | (
        picks == len(zones)
    )
