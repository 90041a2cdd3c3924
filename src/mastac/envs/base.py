"""What an environment is: pure functions on arrays with one row for each agent, and its sizes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.checks import real_number, whole_number
from mastac.envs.fields import checked_numbers, checked_sizes, json_ready, takes_time
from mastac.envs.heads import Head
from mastac.envs.mixed_heads import check_head, head_of
from mastac.envs.transitions import Alive, Transition, transition_of
from mastac.envs.views import View, check_view
from mastac.errors import UserError
from mastac.structure import Couplings, CouplingSequence

State = Float[Array, "agents state"]
Obs = Float[Array, "agents obs"]
Actions = Float[Array, "agents act"]
Rewards = Float[Array, " agents"]
Time = Int[Array, ""] | int

SCALES = (
    *("state_center", "state_scale", "obs_center", "obs_scale"),
    *("action_center", "action_scale", "reward_scale"),
)


class Undeclared(float):
    """The number that stands where an environment leaves a centre or a scale open."""


OPEN_CENTER, OPEN_SCALE = Undeclared(0.0), Undeclared(1.0)
ORDER_ONE: dict[str, Any] = {name: 0.0 if name.endswith("center") else 1.0 for name in SCALES}
"""Fields that declare all numbers to be of order one already, about zero."""


@dataclass(frozen=True)
class Reference:
    """The exact figures that a result is held against, in the unit of `Environment.report`.

    **Arguments:**

    - `simple`: the return of the simple policy, whose score is 0.
    - `best_known`: the best return that is known to be attained; score 1.
    - `bound`: a proven upper bound on every policy's return, or `None`.
    - `policies`: returns of further policies by name.
    - `notes`: how the figures were found.

    **Raises:**

    - `UserError` if a figure is no finite number.
    """

    simple: float
    best_known: float
    bound: float | None = None
    policies: Mapping[str, float] = field(default_factory=dict)
    notes: str = ""

    def __post_init__(self) -> None:
        for name in ("simple", "best_known", "bound"):
            if name != "bound" or self.bound is not None:
                object.__setattr__(self, name, _figure(name, getattr(self, name)))
        policies = {
            name: _figure(f"policy '{name}'", self.policies[name]) for name in self.policies
        }
        object.__setattr__(self, "policies", policies)

    def score(self, value: float) -> float:
        """0 for the simple policy, 1 for the best known one; NaN where these two are equal."""
        if self.best_known == self.simple:
            return math.nan
        return (value - self.simple) / (self.best_known - self.simple)


def _figure(name: str, value: Any) -> float:
    """A figure of a reference; scalars of numpy and JAX are numbers, too."""
    is_scalar = getattr(value, "ndim", None) == 0
    return real_number(f"{name} of a reference", value.item() if is_scalar else value)


@dataclass(frozen=True, eq=False, kw_only=True)
class Environment:
    """A simulator as pure functions, its couplings, and the sizes and scales of its spaces.

    Rows are agents. Where agents differ in size, rows are padded with zeros on the right and the
    `…_sizes` say how many entries are real.

    **Arguments:**

    - `id`, `options`: the name and keywords that [`mastac.make`][] built it from (stored with a
        run).
    - `couplings`: who affects whom; [`mastac.Couplings`][] with named agents, or a
        [`mastac.CouplingSequence`][] with an entry for each step of the episode.
    - `horizon`: number of steps of an episode, at most. Its end is a time limit, not a terminal
        state.
    - `reset`: `key -> state`, the first state of an episode.
    - `step`: `(state, actions, time, key) -> state` at `time + 1`, or a [`mastac.Transition`][],
        which may also hold rewards and say whose episode ends.
    - `reward`: `(state, actions, time) -> rewards`, each agent's own reward at `time`; left out
        where `step` gives rewards.
    - `observe`: `state -> obs`; every agent's observation, a function of the states it observes.
        Where that changes with the time, `(state, time) -> obs`.
    - `state_sizes`, `obs_sizes`, `action_sizes`: real entries of each agent's rows. An agent may
        have no action (0), though not all of them, and not where actions are shares or choices.
    - `action_head`: a name in `mastac.envs.heads.HEADS`: "tanh" (each entry within ±
        `action_limit`), "softmax" (shares that sum to one), "linear" (unbounded; `action_limit` is
        then its natural scale) or "discrete" (one of `action_sizes[i]` choices, as a row of zeros
        with a one in its place). Of a simulator outside JAX it may be a name for each agent.
    - `state_center`, `state_scale`, `obs_center`, `obs_scale`, `action_center`, `action_scale`:
        the value that a good policy settles at and the standard deviation around it, used to bring
        what networks read to order one; one number, or rows like the arrays they belong to. Critics
        resolve slopes only on this scale (docs/learning.md). What is not given is measured while
        training; elsewhere 0 stands for an open centre, 1 for an open scale, the limit for that of
        actions.
    - `reward_scale`: the size of an ordinary reward, by which rewards are divided before they reach
        critics; measured likewise.
    - `report`: "sum" or "mean": whether returns are reported summed or averaged over agents.
    - `simple_actions`: `(state, time) -> actions` of the policy whose score is 0.
    - `reference`: `() -> Reference | None`, the exact figures; computed when first called.
    - `units`: unit of each quantity, for labels and documentation.
    - `view`: a [`mastac.View`][], how `mastac rollout` draws it; all states by default.

    Two environments are equal only if they are the same object.

    **Raises:**

    - `UserError` if a field is not what is said here; what the functions give is compared with the
        sizes by [`mastac.envs.validation.check_environment`][], before training.
    """

    id: str
    couplings: Couplings | CouplingSequence
    horizon: int
    reset: Callable[[PRNGKeyArray], State]
    step: Callable[[State, Actions, Time, PRNGKeyArray], Any]  # State, or Transition
    reward: Any = None  # Callable[[State, Actions, Time], Rewards], or None
    observe: Callable[..., Obs]
    state_sizes: np.ndarray
    obs_sizes: np.ndarray
    action_sizes: np.ndarray
    action_head: str | tuple[str, ...]
    action_limit: np.ndarray | float = 1.0
    state_center: np.ndarray | float = OPEN_CENTER
    state_scale: np.ndarray | float = OPEN_SCALE
    obs_center: np.ndarray | float = OPEN_CENTER
    obs_scale: np.ndarray | float = OPEN_SCALE
    action_center: np.ndarray | float = OPEN_CENTER
    action_scale: np.ndarray | float | None = None
    reward_scale: float = OPEN_SCALE
    report: str = "sum"
    simple_actions: Callable[[State, Time], Actions] | None = None
    reference: Callable[[], Reference | None] = lambda: None
    units: Mapping[str, str] = field(default_factory=dict)
    view: View | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    is_host: ClassVar[bool] = False
    """Whether episodes are played by a simulator outside JAX."""

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id.strip():
            raise UserError(
                f"id of an environment must be a text that is not empty, got {self.id!r}"
            )
        if not isinstance(self.couplings, Couplings | CouplingSequence):
            raise UserError(
                f"couplings of {self._name} must be a mastac.Couplings or a "
                f"mastac.CouplingSequence, got {self.couplings!r}"
            )
        for name in ("reset", "step", "reward", "observe", "simple_actions", "reference"):
            if not callable(function := getattr(self, name)) and (
                name not in ("reward", "simple_actions") or function is not None
            ):
                raise UserError(f"{name} of {self._name} must be a function, got {function!r}")
        check_head(self.action_head, self.id, self.num_agents if self.is_host else 0)
        self._check_spaces()
        if not isinstance(self.options, Mapping):
            raise UserError(
                f"options of {self._name} must be a mapping by name, got {self.options!r}"
            )
        object.__setattr__(self, "options", json_ready(f"options of {self._name}", self.options))
        if self.report not in ("sum", "mean"):
            raise UserError(f"report of {self._name} is '{self.report}'; use 'sum' or 'mean'")
        horizon = whole_number(f"horizon of {self._name}", self.horizon, least=1)
        object.__setattr__(self, "horizon", horizon)
        if isinstance(self.couplings, CouplingSequence) and len(self.couplings) != horizon:
            raise UserError(
                f"the coupling sequence of {self._name} has {len(self.couplings)} entries; "
                f"give one for each of its {horizon} steps"
            )
        object.__setattr__(self, "_sees_time", takes_time(self.observe))
        check_view(self)

    def __repr__(self) -> str:
        return f"Environment({self.id!r}, {self.num_agents} agents, {self.horizon} steps)"

    def _check_spaces(self) -> None:
        """Sizes as whole numbers, centres and scales as numbers that fit them."""
        may_be_zero = {"obs_sizes": True, "action_sizes": self.head.may_lack_action}
        for name in ("state_sizes", "obs_sizes", "action_sizes"):
            least = 0 if may_be_zero.get(name) else 1
            sizes = checked_sizes(
                f"{name} of {self._name}", getattr(self, name), self.num_agents, least
            )
            object.__setattr__(self, name, sizes)
        if not self.action_sizes.any():
            raise UserError(f"no agent of {self._name} has an action; give one at least one entry")
        for name in ("action_limit", *SCALES):
            value, space = getattr(self, name), name.split("_")[0]
            if name in self.undeclared:
                continue
            # One number for the whole team: rewards of agents are added up.
            width = 1 if space == "reward" else int(getattr(self, f"{space}_sizes").max())
            positive = not name.endswith("center")
            numbers = checked_numbers(
                f"{name} of {self._name}", value, self.agents, width, positive
            )
            if space == "reward" and not isinstance(numbers, float):
                raise UserError(f"reward_scale of {self._name} must be one number, got {numbers!r}")
            object.__setattr__(self, name, numbers)

    @property
    def undeclared(self) -> frozenset[str]:
        """Which of the centres and scales are left open, to be measured while training."""
        is_open = lambda name: isinstance(getattr(self, name), Undeclared | None)  # noqa: E731
        return frozenset(filter(is_open, SCALES))

    @property
    def stores_observations(self) -> bool:
        """Whether episodes hold what was observed, since it cannot be computed from states."""
        return False

    @property
    def _name(self) -> str:
        return f"environment '{self.id}'"

    @property
    def num_agents(self) -> int:
        return self.couplings.num_agents

    @property
    def agents(self) -> tuple[str, ...]:
        return self.couplings.agents

    @property
    def head(self) -> Head:
        """How the outputs of a policy's network become actions."""
        return head_of(self.action_head)

    @cached_property
    def terminates(self) -> bool:
        """Whether episodes may end before the horizon, for the team or for single agents."""
        shape = (self.num_agents, int(self.action_sizes.max()))

        def ends(key: PRNGKeyArray) -> Any:
            state, actions = self.reset(key), jnp.zeros(shape)
            return self.transition(state, actions, jnp.asarray(0), key).terminated

        return jax.eval_shape(ends, jax.random.key(0)) is not None

    def transition(
        self, state: Any, actions: Any, time: Time, key: PRNGKeyArray, alive: Alive = None
    ) -> Transition:
        """One step with all that it gives, wherever the environment gives it.

        **Arguments:**

        - `alive`: who is there. The others keep their states, and earn nothing. `None`: everyone.

        **Returns:** the next state, rewards, and who left, `[agents]`, or `None` where nobody ever
        does.

        **Raises:** `UserError` if neither or both of `step` and `reward` give rewards.
        """
        return transition_of(self, state, actions, time, key, alive)

    def observed(self, state: Any, time: Time) -> Any:
        """Every agent's observation of the state at a time, `[agents, obs]`."""
        return self.observe(state, time) if self.__dict__["_sees_time"] else self.observe(state)

    def reported(self, returns: Float[Array, "... agents"]) -> Float[Array, "..."]:
        """Per-agent returns as the one number that is reported."""
        return returns.sum(-1) if self.report == "sum" else returns.mean(-1)


def observed_agents(couplings: Couplings) -> list[list[int]]:
    """For each agent the agents that it observes: itself first, the others in order."""
    graph = couplings.observation
    starts, seen = np.asarray(graph.indptr).tolist(), np.asarray(graph.indices).tolist()
    rows = (seen[start:end] for start, end in pairwise(starts))
    return [[i, *(j for j in row if j != i)] for i, row in enumerate(rows)]
