"""From a PettingZoo `ParallelEnv`, or what has its methods, to an environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from mastac.checks import real_number
from mastac.envs.host.declared import (
    couplings_of,
    horizon_of,
    local_states_of,
    name_of,
    promised,
)
from mastac.envs.host.simulator import OBSERVATIONS, HostSimulator, LocalStates, Recipe, close
from mastac.envs.host.spaces import Wrong, heads, said
from mastac.envs.modules import told
from mastac.errors import UserError, unknown

if TYPE_CHECKING:
    from mastac.envs.host.environment import HostEnvironment

DECLARABLE = (
    *("state_center", "state_scale", "obs_center", "obs_scale", "action_center", "action_scale"),
    *("reward_scale", "report", "reference", "units", "view"),
)
STAND_IN = (
    "no local states are given, so that each agent's observation stands for its state: critics "
    "read the observations of their dependency sets, and are exact only if those tell all that "
    "rewards depend on"
)


def is_simulator(value: Any) -> bool:
    """Whether something has the methods of a PettingZoo `ParallelEnv`."""
    has = all(callable(getattr(value, name, None)) for name in ("reset", "step"))
    lists = any(hasattr(value, name) for name in ("possible_agents", "observation_spaces"))
    return has and lists and not isinstance(value, type)


def from_pettingzoo(
    make: Callable[[], Any],
    couplings: Any = None,
    horizon: SupportsIndex | None = None,
    local_states: LocalStates | None = None,
    *,
    id: str | None = None,
    timeout: float = 120.0,
    one_per_process: bool | None = None,
    fixed_length: bool | None = None,
    **declared: Any,
) -> HostEnvironment:
    """A simulator with the methods of a PettingZoo `ParallelEnv`, as an environment to train in.

    One simulator is built here, reset and stepped once, to see that it does what it declares.

    **Arguments:**

    - `make`: `() -> simulator`; its class will do. It is called once for each simulator, also in
        worker processes.
    - `couplings`: [`mastac.Couplings`][] or a [`mastac.CouplingSequence`][] over the simulator's
        agents, by their names; a file of them; or pairs of names, for edges of the state, the
        observation and the reward graph alike. By default the simulator's attribute `couplings`.
    - `horizon`: steps of an episode, at most; by default the simulator's `max_cycles`,
        `max_episode_steps` or the like. Its end is a time limit.
    - `local_states`: where each agent's own state comes from: "local_state", a method `agent ->
        numbers` of the simulator; the name of a key of the agents' infos; for each agent a slice or
        a list of the entries of `state()`; or "observations", which then stand for it. By default
        the first of the method, the key "state" and the observations that there is.
    - `id`: a name for folders and tables; by default the simulator's.
    - `timeout`: seconds that a worker process may take for one answer.
    - `one_per_process`: whether a process can hold one simulator only, as with libsumo; by default
        the simulator's attribute of this name, and else not.
    - `fixed_length`: whether every episode lasts for all `horizon` steps with all agents. Then
        nothing has to be stored or learnt of who is there. By default the simulator's attribute of
        this name, and else not.
    - `declared`: scales, `report`, `reference`, `units` and `view` of [`mastac.Environment`][].

    **Raises:**

    - `UserError` that names the agent, the space and what was expected.
    """
    for name in declared:
        if name not in DECLARABLE:
            raise unknown("argument of from_pettingzoo", name, DECLARABLE)
    if not callable(make):
        raise UserError(
            f"from_pettingzoo takes a function that makes a simulator, not one "
            f"{type(make).__name__}: several are played at the same time; give its class"
        )
    how = {"id": id, "timeout": timeout, "one_per_process": one_per_process}
    how |= {"fixed_length": fixed_length, **declared}
    return adapted(_made(make), make, couplings, horizon, local_states, **how)


def adapted(
    world: Any,
    make: Callable[[], Any],
    couplings: Any = None,
    horizon: SupportsIndex | None = None,
    local_states: LocalStates | None = None,
    *,
    id: str | None = None,
    timeout: float = 120.0,
    one_per_process: bool | None = None,
    fixed_length: bool | None = None,
    **declared: Any,
) -> HostEnvironment:
    """As [`mastac.from_pettingzoo`][], of a simulator that `make` gave; it is tried and closed."""
    name = name_of(world) if id is None else id
    try:
        if hasattr(world, "agent_iter"):
            raise UserError(
                f"'{name}' is an AECEnv, whose agents act one after the other; give a ParallelEnv, "
                "as by pettingzoo.utils.conversions.aec_to_parallel"
            )
        timeout = real_number("timeout", timeout, least=0, least_excluded=True)
        graphs = couplings_of(world, couplings, name)
        source = local_states_of(world, local_states, graphs.agents)
        simulator = HostSimulator(Recipe(lambda: world, graphs.agents, source))
        steps = horizon_of(world, horizon, name)
        is_single = promised(world, "one_per_process", one_per_process, name)
        is_fixed = promised(world, "fixed_length", fixed_length, name)
        _tried(simulator)
    except Wrong as wrong:
        raise UserError(f"simulator '{name}': {wrong}") from wrong
    finally:
        close(world)
    return _environment(
        simulator,
        id=name,
        couplings=graphs,
        horizon=steps,
        action_head=heads(simulator.acting),
        recipe=Recipe(make, graphs.agents, source, fixed_length=is_fixed),
        timeout=timeout,
        one_per_process=is_single,
        notes=(STAND_IN,) if source == OBSERVATIONS and local_states is None else (),
        **_declarations(declared),
    )


def _environment(simulator: HostSimulator, recipe: Recipe, **fields: Any) -> HostEnvironment:
    """The environment of a simulator that was tried, with what its spaces say filled in."""
    from mastac.envs.host.environment import HostEnvironment, not_in_jax

    is_state = recipe.local_states == OBSERVATIONS
    obs_sizes = np.array([space.size for space in simulator.observed])
    state_sizes = np.maximum(obs_sizes, 1) if is_state else np.array(simulator.state_sizes)
    offset = _rows([acting.center for acting in simulator.acting])
    return HostEnvironment(
        reset=not_in_jax,
        step=not_in_jax,
        reward=not_in_jax,
        observe=(lambda state: state) if is_state else not_in_jax,
        state_sizes=state_sizes,
        obs_sizes=obs_sizes,
        action_sizes=np.array([acting.size for acting in simulator.acting]),
        action_limit=_rows([acting.limit for acting in simulator.acting], fill=1.0),
        action_offset=offset if offset.any() else None,
        recipe=replace(recipe, state_sizes=None if is_state else tuple(state_sizes.tolist())),
        spaces={
            seen.agent: (said(seen.space), said(acts.space))
            for seen, acts in zip(simulator.observed, simulator.acting, strict=True)
        },
        **fields,
    )


def _made(make: Callable[[], Any]) -> Any:
    try:
        world = make()
    except (Exception, SystemExit) as error:
        raise UserError(f"making the simulator raised {told(error)}") from error
    if not is_simulator(world):
        raise UserError(
            f"the function gives {type(world).__name__}, which lacks reset, step or "
            "possible_agents; give one that makes a PettingZoo ParallelEnv"
        )
    return world


def _tried(simulator: HostSimulator) -> None:
    """One reset and one step, with actions in the middle or the first choice."""
    simulator.reset(0)
    rows = np.zeros((len(simulator.acting), max(acting.size for acting in simulator.acting)))
    simulator.step(rows)


def _rows(entries: list[np.ndarray], fill: float = 0.0) -> np.ndarray:
    rows = np.full((len(entries), max(map(len, entries))), fill, np.float32)
    for row, values in zip(rows, entries, strict=True):
        row[: len(values)] = values
    return rows


def _declarations(declared: Mapping[str, Any]) -> dict[str, Any]:
    from mastac.envs.base import Reference

    fields = dict(declared)
    if isinstance(reference := fields.get("reference"), Reference):
        fields["reference"] = lambda: reference
    return fields
