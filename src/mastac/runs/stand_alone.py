"""One agent of a run as a controller that needs the run no more, and what is said of it.

Nothing here needs JAX or the environment: names and units of the inputs were stored when the run
began.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from mastac.checks import real_number, whole_number
from mastac.controllers.controller import Controller, Network
from mastac.errors import UserError, unknown
from mastac.runs.environment import read_environment
from mastac.runs.policy import Policy
from mastac.version import __version__

if TYPE_CHECKING:
    from mastac.runs.run import Run

Defaults = float | Mapping[str, Sequence[float]] | None


class StandAlone:
    """The agents of one seed of a run, each apart.

    **Arguments:**

    - `run`: the run.
    - `seed`: one of its seeds; the first one unless given.
    - `hold_steps`: for how many steps a missing input keeps its last value; `None` for ever.
    - `defaults`: what it is afterwards, and what it is before it came for the first time: one
        number, or rows by the names of agents; by default the values that observations are centred
        by. In the units of the observations.

    **Raises:** `UserError` if an argument is wrong.
    """

    def __init__(
        self,
        run: "Run",
        seed: int | None = None,
        hold_steps: int | None = None,
        defaults: Defaults = None,
    ) -> None:
        self.policy, self.seed = run.policy(seed).alone(), run.config.chosen_seed(seed)
        self.hold_steps = None if hold_steps is None else whole_number("hold_steps", hold_steps)
        self.defaults = checked_defaults(defaults, self.policy)
        self.environment = run.config.env
        is_known = run.folder.environment.is_file()
        self.stored = read_environment(run.folder) if is_known else {}
        content = run.folder.policy(self.seed).read_bytes()
        self.identity = {
            "name": run.path.resolve().name,
            "config": _digest(run.folder.config.read_bytes()),
            "policy": _digest(content),
            "algorithm": run.config.algorithm,
            "seed": self.seed,
        }

    def number(self, agent: str) -> int:
        """The place of an agent among all; `UserError` if there is none of this name."""
        if agent not in self.policy.agents:
            raise unknown("agent", agent, self.policy.agents)
        return self.policy.agents.index(agent)

    def controller(self, agent: str) -> Controller:
        """The controller of one agent; `UserError` if it has no action."""
        i = self.number(agent)
        if not self.policy.action_sizes[i]:
            raise UserError(f"agent '{agent}' has no action, and so no controller")
        return Controller(self.about(i), network_of(self.policy, i))

    def about(self, i: int) -> dict[str, Any]:
        """What a file says of agent `i`, ready to be written as JSON."""
        policy, name = self.policy, self.policy.agents[i]
        size = int(policy.obs_sizes[i])
        default = self.defaults.get(name, policy.obs_center[i, :size])
        return {
            "agent": name,
            "environment": self.environment,
            "inputs": self._inputs(i),
            "outputs": self._outputs(i),
            "action_head": policy.head_name(i),
            "stale": {
                "hold_steps": self.hold_steps,
                "default": [float(value) for value in default],
            },
            "run": self.identity,
            "mastac": __version__,
        }

    def _inputs(self, i: int) -> list[dict[str, Any]]:
        size = int(self.policy.obs_sizes[i])
        sources = self.stored.get("inputs", {i: [None] * size})[i]
        state_sizes = self.stored.get("state_sizes", 1)
        entries = []
        for k, source in enumerate(sources):
            if source is None:
                unit = self._unit("observation", k, size)
                entries.append({"name": f"obs[{k}]", "agent": None, "entry": None, "unit": unit})
                continue
            j, entry = source
            width = state_sizes[j] if isinstance(state_sizes, list) else state_sizes
            agent = self.policy.agents[j]
            name = f"{agent}.state" + (f"[{entry}]" if width > 1 else "")
            unit = self._unit("state", entry, width)
            entries.append({"name": name, "agent": agent, "entry": entry, "unit": unit})
        return entries

    def _outputs(self, i: int) -> list[dict[str, Any]]:
        size = int(self.policy.action_sizes[i])
        low = high = [None] * size
        if self.policy.head_name(i) == "tanh":
            limit, offset = self.policy.action_limit[i, :size], action_offset(self.policy)[i, :size]
            low, high = (offset - limit).tolist(), (offset + limit).tolist()
        return [
            {
                "name": "action" + (f"[{k}]" if size > 1 else ""),
                "unit": self._unit("action", k, size),
                "low": low[k],
                "high": high[k],
            }
            for k in range(size)
        ]

    def _unit(self, quantity: str, entry: int, size: int) -> str:
        """The unit of one entry: "m, m/s" are those of two entries."""
        text = self.stored.get("units", {}).get(quantity, "")
        parts = [part.strip() for part in text.split(",")]
        return parts[entry] if len(parts) == size else text


def checked_defaults(defaults: Defaults, policy: Policy) -> dict[str, np.ndarray]:
    """What missing inputs become, by the names of agents for which it is given."""
    if defaults is None:
        return {}
    sizes = dict(zip(policy.agents, policy.obs_sizes.tolist(), strict=True))
    if not isinstance(defaults, Mapping):
        value = real_number("default", defaults)
        return {agent: np.full(size, value, np.float32) for agent, size in sizes.items()}
    for agent in defaults:
        if agent not in sizes:
            raise unknown("agent", agent, sizes)
        if len(defaults[agent]) != sizes[agent]:
            raise UserError(
                f"agent '{agent}' has {sizes[agent]} inputs, got {len(defaults[agent])} defaults"
            )
    return {
        agent: np.array([real_number(f"a default of agent '{agent}'", v) for v in row], np.float32)
        for agent, row in defaults.items()
    }


def network_of(policy: Policy, i: int) -> Network:
    """The network of one agent, without the padding that stacks it with the others.

    An environment pads observations with zeros. Those are centred and scaled like real entries, and
    the network reads them: what they add is the same for every observation, and goes to the bias.
    """
    inputs, outputs = int(policy.obs_sizes[i]), int(policy.action_sizes[i])
    center, scale = policy.obs_center[i], policy.obs_scale[i]
    weights = [weight[i] for weight in policy.weights]
    biases = [bias[i] for bias in policy.biases]
    padded = np.arange(len(center)) >= inputs
    constant = np.where(padded, -center.astype(float) / scale, 0.0)
    biases[0] = (biases[0] + constant @ weights[0].astype(float)).astype(np.float32)
    weights[0] = weights[0][:inputs]
    weights[-1], biases[-1] = weights[-1][:, :outputs], biases[-1][:outputs]
    return Network(
        center=center[:inputs].astype(np.float32),
        scale=scale[:inputs].astype(np.float32),
        weights=[np.ascontiguousarray(weight, np.float32) for weight in weights],
        biases=[np.ascontiguousarray(bias, np.float32) for bias in biases],
        head=policy.head_name(i),
        limit=policy.action_limit[i, :outputs].astype(np.float32),
        offset=action_offset(policy)[i, :outputs],
    )


def action_offset(policy: Policy) -> Float[np.ndarray, "agents act"]:
    """The middle of each action's range; zero where a policy has none."""
    offset = policy.action_offset
    return (np.zeros_like(policy.action_limit) if offset is None else offset).astype(np.float32)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
