"""Temperature control of a building's zones (paper, Appendix I)."""

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from mastac.envs.base import Environment, observed_agents
from mastac.envs.family import AnyCouplings, Options
from mastac.envs.thermal.policies import best_constants
from mastac.envs.thermal.references import thermal_problem
from mastac.envs.thermal.zones import per_zone, wall_resistances, walls_of, zone_limits
from mastac.envs.views import Flow, Quantity, View
from mastac.structure import Couplings, CouplingSequence


def thermal(id: str, couplings: AnyCouplings, values: Options, options: Options) -> Environment:
    r"""Zones that exchange heat with each other, the outside and a heater or cooler (eq. 84).

    State: the zone's temperature in °C. Action: heating power in kW within ± its limit; a zone
    whose limit is 0 has none. Observation: the temperatures of the observed zones, the own first.
    Reward: the mean of $-(x_j - x^*_j)^2$ over the zones that enter it, minus $\beta_i u_i^2$, at
    the time of the action. Zones that share no wall (no edge) exchange nothing.

    **Arguments:**

    - `couplings`: zones, walls, who is seen and whose comfort counts. Of a sequence each entry says
        which walls conduct in its step (doors that are open), and which zones are seen; of one that
        is not, the own target is read.
    - `values`: the options of `thermal-N` that the simulator reads.
    - `id`, `options`: what the environment says of itself.
    """
    building = Building(couplings, values)
    return Environment(
        id=id,
        couplings=couplings,
        horizon=values["horizon"],
        reset=building.reset,
        step=building.step,
        reward=building.reward,
        observe=building.observe if building.is_seen is None else building.observe_open,
        state_sizes=np.ones(building.num_agents, int),
        obs_sizes=building.obs_sizes,
        action_sizes=building.acts.astype(int),
        action_head="tanh",
        **building.scales(),
        reward_scale=1.0,
        report="mean",
        simple_actions=building.constant_powers,
        units={"state": "°C", "action": "kW", "reward": "°C²"},
        view=building.view(),
        options=options,
    )


class Building:
    """The numbers of a building's zones and walls, and what happens in a step."""

    def __init__(self, couplings: AnyCouplings, values: Options) -> None:
        n = self.num_agents = couplings.num_agents
        self.couplings, self.values = couplings, values
        whole = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
        step, capacitance = values["step_seconds"], per_zone(values["capacitance"], n)
        self.heat, self.target, self.control_cost, self.resistance = (
            per_zone(values[name], n)
            for name in ("heat_kw", "target", "control_cost", "outside_resistance")
        )
        self.limit = zone_limits(n, values)
        self.acts = self.limit > 0
        self.row, self.col = walls_of(whole)
        walls = self.walls = wall_resistances(whole, values["wall_resistance"])
        # Euler steps: per °C of difference through walls and to the outside, per kW.
        self.conduct = step / (capacitance[self.row] * walls)
        self.leak, self.gain = step / (capacitance * self.resistance), step / capacitance
        self.noise_sd = np.sqrt(values["noise_variance"] * step) / capacitance
        self.obs_sizes, self.picks = _observed(whole)
        self.is_open, self.is_seen = (
            _schedules(couplings, self.row, self.col, self.picks)
            if isinstance(couplings, CouplingSequence)
            else (None, None)
        )
        self.shared = whole.reward.tocoo()
        self.share = 1.0 / np.asarray(whole.reward.sum(1), float).ravel()

    def reset(self, key):
        """First temperatures, independent and normal."""
        values, shape = self.values, (self.num_agents, 1)
        return values["start_mean"] + np.sqrt(values["start_variance"]) * jax.random.normal(
            key, shape
        )

    def power(self, actions):
        """The power of every zone; zones without an actuator have none, whatever stands there."""
        return actions[:, 0] if self.acts.all() else jnp.where(self.acts, actions[:, 0], 0.0)

    def step(self, state, actions, time, key):
        """One Euler step of the heat balance (eq. 84)."""
        x, u = state[:, 0], self.power(actions)
        flows = self.conduct * (x[self.col] - x[self.row])
        flows = flows if self.is_open is None else flows * jnp.asarray(self.is_open)[time]
        through_walls = jax.ops.segment_sum(
            flows, self.row, self.num_agents, indices_are_sorted=True
        )
        outside, noise = self.values["outside"], jax.random.normal(key, (self.num_agents,))
        balance = x + self.leak * (outside - x) + through_walls + self.gain * (u + self.heat)
        return (balance + self.noise_sd * noise)[:, None]

    def reward(self, state, actions, time):
        """Comfort, a mean over the zones that count, minus the cost of the power."""
        comfort = -((state[:, 0] - self.target) ** 2)
        if len(self.shared.row) > self.num_agents:
            entries = comfort[self.shared.col]
            comfort = jax.ops.segment_sum(entries, self.shared.row, self.num_agents) * self.share
        return comfort - self.control_cost * self.power(actions) ** 2

    def observe(self, state):
        """Temperatures of the observed zones."""
        return jnp.append(state[:, 0], 0.0)[self.picks]

    def observe_open(self, state, time):
        """Temperatures of the zones seen at a time; the own target in place of the others."""
        unseen = jnp.append(self.target, 0.0)[self.picks]
        return jnp.where(jnp.asarray(self.is_seen)[time], self.observe(state), unseen)

    @cached_property
    def best_constants(self) -> Float[np.ndarray, "agents 1"]:
        """The best constant power of every zone; takes some seconds in large buildings."""
        problem, rows = (
            thermal_problem(self.couplings, self.values),
            np.zeros((self.num_agents, 1)),
        )
        owner = problem.action_owner
        rows[owner, 0] = best_constants(problem, self.limit[owner])
        return rows

    def constant_powers(self, state, time):
        """The simple policy."""
        return jnp.asarray(self.best_constants, state.dtype)

    def view(self) -> View:
        """Temperatures about their targets, powers within their limits, heat through walls."""
        once = np.flatnonzero(self.col < self.row)  # each wall has two entries
        source, target = self.col[once], self.row[once]

        def heat(state: np.ndarray, actions: np.ndarray, time: int) -> np.ndarray:
            flows = (state[source, 0] - state[target, 0]) / self.walls[once]
            return flows if self.is_open is None else flows * self.is_open[time, once]

        limit = np.where(self.acts, self.limit, 0.0)
        return View(
            states=[Quantity("temperature", "°C", target=self.target)],
            actions=[Quantity("power", "kW", low=-limit, high=limit)],
            flow=Flow("heat through walls", np.stack([source, target], 1), heat, "kW"),
        )

    def scales(self) -> dict[str, Any]:
        """Limits, centres and scales: zones at their targets, and the power that holds them."""
        values, target, pad = self.values, self.target, self.picks == self.num_agents
        holding = -(values["outside"] - target) / self.resistance - self.heat
        limit = np.where(self.acts, self.limit, 1.0)[:, None]
        deviation = np.maximum(np.abs(values["start_mean"] - target), 1.0) / 2
        return {
            "action_limit": limit,
            "action_center": np.clip(holding, -self.limit, self.limit)[:, None],
            "action_scale": limit / 5,
            "state_center": target[:, None],
            "state_scale": max(float(np.sqrt(values["start_variance"])), 0.5),
            "obs_center": np.where(pad, 0.0, np.append(target, 0.0)[self.picks]),
            "obs_scale": np.where(pad, 1.0, np.append(deviation, 1.0)[self.picks]),
        }


def _observed(
    couplings: Couplings,
) -> tuple[Int[np.ndarray, " zones"], Int[np.ndarray, "zones obs"]]:
    """How many zones each one observes, and which; padded with one past the last zone."""
    observed = observed_agents(couplings)
    sizes = np.array([len(seen) for seen in observed])
    picks = np.full((len(observed), int(sizes.max())), len(observed), dtype=np.int32)
    for row, seen in zip(picks, observed, strict=True):
        row[: len(seen)] = seen
    return sizes, picks


def _schedules(
    couplings: CouplingSequence, row: np.ndarray, col: np.ndarray, picks: np.ndarray
) -> tuple[Float[np.ndarray, "steps walls"], Bool[np.ndarray, "steps zones obs"]]:
    """Of every step: which walls conduct, and which observations are made."""
    zones = np.arange(couplings.num_agents)[:, None]
    is_open = np.stack([np.asarray(entry.state[row, col]).ravel() for entry in couplings])
    padded = [np.pad(entry.observation.toarray(), ((0, 0), (0, 1))) for entry in couplings]
    # Padding is read as it is at any time.
    is_seen = np.stack([entry[zones, picks] for entry in padded]) | (picks == len(zones))
    return is_open.astype(np.float32), is_seen
