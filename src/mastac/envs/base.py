"""What an environment is: pure functions on arrays with one row for each agent, and what it says of itself."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.envs.heads import HEADS, Head
from mastac.errors import UserError
from mastac.structure import Couplings, CouplingSequence

State = Float[Array, "agents state"]
Obs = Float[Array, "agents obs"]
Actions = Float[Array, "agents act"]
Rewards = Float[Array, " agents"]
Time = Int[Array, ""] | int


@dataclass(frozen=True)
class Reference:
    """The exact figures that a result is held against; returns are in the unit of `Environment.report`.

    `simple` has score 0 and `best_known` score 1; `bound` is a proven upper bound on every policy's
    return, or `None`; `policies` holds further named policies' returns.
    """

    simple: float
    best_known: float
    bound: float | None = None
    policies: Mapping[str, float] = field(default_factory=dict)
    notes: str = ""

    def score(self, value: float) -> float:
        """0 for the simple policy, 1 for the best known one; NaN where the simple policy is the best known."""
        if self.best_known == self.simple:
            return math.nan
        return (value - self.simple) / (self.best_known - self.simple)


@dataclass(frozen=True)
class Environment:
    """A simulator as pure functions, its couplings, and the sizes and scales of its spaces.

    Rows are agents. Where agents differ in size, rows are padded with zeros on the right and the
    `…_sizes` say how many entries are real.

    **Arguments:**

    - `id`, `options`: the name and keywords that [`mastac.make`][] built it from (stored with a
        run).
    - `couplings`: who affects whom; [`mastac.Couplings`][] with named agents, or a
        [`mastac.CouplingSequence`][] with an entry for each step of the episode.
    - `horizon`: number of steps of an episode. Its end is a time limit, not a terminal state.
    - `reset`: `key -> state`, the first state of an episode.
    - `step`: `(state, actions, time, key) -> state` at `time + 1`.
    - `reward`: `(state, actions, time) -> rewards`, each agent's own reward at `time`.
    - `observe`: `state -> obs`; every agent's observation, a function of the states it observes.
        Where that changes with the time, `(state, time) -> obs`.
    - `state_sizes`, `obs_sizes`, `action_sizes`: real entries of each agent's rows. An agent may
        have no action (0), though not all of them, and not where actions are shares or choices.
    - `action_head`: a name in `mastac.envs.heads.HEADS`: "tanh" (each entry within ±
        `action_limit`), "softmax" (shares that sum to one), "linear" (unbounded; `action_limit` is
        then its natural scale) or "discrete" (one of `action_sizes[i]` choices, as a row of zeros
        with a one in its place).
    - `state_center`, `state_scale`, `obs_center`, `obs_scale`, `action_center`, `action_scale`:
        value and spread around the operating point that a good policy settles at, used to bring
        what networks read to order one; rows like the arrays they belong to. Critics resolve slopes
        only on this scale (docs/learning.md). `action_scale` is the limit unless given.
    - `report`: "sum" or "mean": whether returns are reported summed or averaged over agents.
    - `simple_actions`: `(state, time) -> actions` of the policy whose score is 0.
    - `reference`: `() -> Reference | None`, the exact figures; computed when first called.
    - `units`: unit of each quantity, for labels and documentation.
    """

    id: str
    couplings: Couplings | CouplingSequence
    horizon: int
    reset: Callable[[PRNGKeyArray], State]
    step: Callable[[State, Actions, Time, PRNGKeyArray], State]
    reward: Callable[[State, Actions, Time], Rewards]
    observe: Callable[..., Obs]
    state_sizes: np.ndarray
    obs_sizes: np.ndarray
    action_sizes: np.ndarray
    action_head: str
    action_limit: np.ndarray | float = 1.0
    state_center: np.ndarray | float = 0.0
    state_scale: np.ndarray | float = 1.0
    obs_center: np.ndarray | float = 0.0
    obs_scale: np.ndarray | float = 1.0
    action_center: np.ndarray | float = 0.0
    action_scale: np.ndarray | float | None = None
    report: str = "sum"
    simple_actions: Callable[[State, Time], Actions] | None = None
    reference: Callable[[], Reference | None] = lambda: None
    units: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.action_head not in HEADS:
            raise UserError(
                f"action_head of environment '{self.id}' is '{self.action_head}'; "
                f"use one of {', '.join(HEADS)}"
            )
        for name in ("state_sizes", "obs_sizes", "action_sizes"):
            sizes = np.asarray(getattr(self, name))
            may_be_none = name == "obs_sizes" or (
                name == "action_sizes" and self.head.may_lack_action
            )
            if sizes.shape != (self.num_agents,) or (sizes < (0 if may_be_none else 1)).any():
                raise UserError(
                    f"{name} of environment '{self.id}' must give one {'' if may_be_none else 'positive '}number for "
                    f"each of its {self.num_agents} agents"
                )
            object.__setattr__(self, name, sizes.astype(np.int64))
        if not self.action_sizes.any():
            raise UserError(
                f"no agent of environment '{self.id}' has an action; give one at least one entry"
            )
        if self.report not in ("sum", "mean"):
            raise UserError(
                f"report of environment '{self.id}' is '{self.report}'; use 'sum' or 'mean'"
            )
        if self.horizon < 1:
            raise UserError(
                f"horizon of environment '{self.id}' is {self.horizon}; an episode needs at least one step"
            )
        if isinstance(self.couplings, CouplingSequence) and len(self.couplings) != self.horizon:
            raise UserError(
                f"the coupling sequence of environment '{self.id}' has {len(self.couplings)} entries; "
                f"give one for each of its {self.horizon} steps"
            )
        wanted = [
            each
            for each in inspect.signature(self.observe).parameters.values()
            if each.default is each.empty
        ]
        object.__setattr__(self, "_sees_time", len(wanted) > 1)

    @property
    def num_agents(self) -> int:
        return self.couplings.num_agents

    @property
    def agents(self) -> tuple[str, ...]:
        return self.couplings.agents

    @property
    def head(self) -> Head:
        """How the outputs of a policy's network become actions."""
        return HEADS[self.action_head]

    def observed(self, state: State, time: Time) -> Obs:
        """Every agent's observation of the state at a time."""
        return self.observe(state, time) if self.__dict__["_sees_time"] else self.observe(state)

    def reported(self, returns: Float[Array, "... agents"]) -> Float[Array, "..."]:
        """Per-agent returns as the one number that is reported."""
        return returns.sum(-1) if self.report == "sum" else returns.mean(-1)


def observed_agents(couplings: Couplings) -> list[list[int]]:
    """For each agent the agents that it observes: itself first, the others in order."""
    graph = couplings.observation
    return [
        [i, *sorted(set(graph[[i]].indices.tolist()) - {i})] for i in range(couplings.num_agents)
    ]


def rollout_return(
    env: Environment,
    policy: Callable[[Obs, State, Time], Actions],
    key: PRNGKeyArray,
) -> Float[Array, " agents"]:
    """Undiscounted return of each agent over one episode under `policy`, a function of (obs, state, time)."""
    reset_key, step_key = jax.random.split(key)

    def one_step(state: State, at: tuple[Time, PRNGKeyArray]) -> tuple[State, Rewards]:
        time, noise_key = at
        actions = policy(env.observed(state, time), state, time)
        return env.step(state, actions, time, noise_key), env.reward(state, actions, time)

    times = jnp.arange(env.horizon)
    _, rewards = jax.lax.scan(
        one_step, env.reset(reset_key), (times, jax.random.split(step_key, env.horizon))
    )
    return rewards.sum(0)
