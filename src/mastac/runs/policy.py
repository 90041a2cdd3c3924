"""Trained policies that run on numpy alone: one small file for each seed."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
from jaxtyping import Float
from msgspec import Meta
from numpy.typing import ArrayLike

from mastac.archives import read_arrays
from mastac.envs.mixed_heads import check_head, head_of, mask_of
from mastac.errors import UserError
from mastac.files import write_bytes
from mastac.reading import checked, json_value
from mastac.structure.edges import agent_names

EVALUATION_SEED = 2**30  # no training seed is as likely to be chosen
FINAL_EPISODES = 100  # of the evaluation after training

ARRAYS = ("obs_sizes", "action_sizes", "obs_center", "obs_scale", "action_limit")

Observations = Mapping[str, ArrayLike] | Float[np.ndarray, "agents obs"]


@dataclass(frozen=True)
class Policy:
    """The greedy policies of all agents of one seed.

    Observations and actions are in the environment's own units and order; scaling, limits, shares
    and choices are applied here. `weights[k]` is `[agents, inputs, outputs]`. `action_offset` is
    the middle of actions whose limits are not the same on both sides; `None`: zero. `kinds` is the
    network of each agent where agents share them: weights are then `[networks, inputs, outputs]`.
    """

    agents: tuple[str, ...]
    obs_sizes: np.ndarray
    action_sizes: np.ndarray
    action_head: str | tuple[str, ...]
    obs_center: np.ndarray
    obs_scale: np.ndarray
    action_limit: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    action_offset: np.ndarray | None = None
    kinds: np.ndarray | None = None

    def __repr__(self) -> str:
        widths = [len(bias[0]) for bias in self.biases]
        return f"Policy({len(self.agents)} agents, layers of {widths}, head {self.action_head!r})"

    def act(self, observations: Observations) -> Any:
        """The actions for one time step.

        `observations`: an array `[agents, obs]` (padded rows as in `Environment.observe`) gives an
        array `[agents, act]`; a mapping from agents' names to their observations gives a mapping to
        their actions. A choice is a row with a one in its place and zeros elsewhere (`argmax` gives
        its number).

        **Raises:** `UserError` if an agent is missing or an observation has the wrong length.
        """
        if not isinstance(observations, Mapping):
            rows = np.asarray(observations, dtype=np.float32)
            if rows.shape != self.obs_center.shape:
                raise UserError(
                    f"observations have shape {rows.shape}; expected {self.obs_center.shape}"
                )
            return self._shifted(self.actions(rows))
        rows = np.zeros(self.obs_center.shape, np.float32)
        for i, name in enumerate(self.agents):
            if name not in observations:
                raise UserError(f"observations lack agent '{name}'; give one entry for every agent")
            seen = np.asarray(observations[name], dtype=np.float32).ravel()
            if len(seen) != self.obs_sizes[i]:
                raise UserError(
                    f"agent '{name}' observes {self.obs_sizes[i]} numbers, got {len(seen)}"
                )
            rows[i, : len(seen)] = seen
        actions = self._shifted(self.actions(rows))
        return {name: actions[i, : self.action_sizes[i]] for i, name in enumerate(self.agents)}

    def _shifted(self, actions: np.ndarray) -> np.ndarray:
        return actions if self.action_offset is None else actions + self.action_offset

    def actions(self, rows: Float[np.ndarray, "agents obs"]) -> Float[np.ndarray, "agents act"]:
        """What the heads give for padded rows of observations: actions about their middles."""
        x = self.logits(rows)
        mask = mask_of(self.action_head, self.action_sizes)
        return head_of(self.action_head).apply(x, self.action_limit, mask)

    def head_name(self, i: int) -> str:
        """The output head of one agent."""
        return self.action_head if isinstance(self.action_head, str) else self.action_head[i]

    def logits(self, rows: Float[np.ndarray, "agents obs"]) -> Float[np.ndarray, "agents act"]:
        """The outputs of all agents' networks for their (padded) observations."""
        x = (rows - self.obs_center) / self.obs_scale
        if self.kinds is not None:
            return self._logits_of_kinds(x, self.kinds)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = np.einsum("ai,aio->ao", x, weight) + bias
            if layer < len(self.weights) - 1:
                x = np.maximum(x, 0.0)
        return x

    def _logits_of_kinds(self, x: np.ndarray, kinds: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(x), self.biases[-1].shape[1]), x.dtype)
        for kind in range(len(self.biases[-1])):
            members = np.flatnonzero(kinds == kind)
            y = x[members]
            for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
                y = y @ weight[kind] + bias[kind]
                y = np.maximum(y, 0.0) if layer < len(self.weights) - 1 else y
            logits[members] = y
        return logits

    def alone(self) -> "Policy":
        """The same with weights that stand once for each agent."""
        if self.kinds is None:
            return self
        weights, biases = (
            tuple(array[self.kinds] for array in arrays) for arrays in (self.weights, self.biases)
        )
        return replace(self, weights=weights, biases=biases, kinds=None)

    def save(self, path: Path) -> None:
        """Write the policy, whole or not at all, as a numpy archive."""
        layers: dict[str, Any] = {f"weight_{k}": w for k, w in enumerate(self.weights)}
        layers |= {f"bias_{k}": b for k, b in enumerate(self.biases)}
        head = json.dumps({"agents": list(self.agents), "action_head": self.action_head})
        if self.action_offset is not None:
            layers["action_offset"] = self.action_offset
        if self.kinds is not None:
            layers["kinds"] = self.kinds
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            head=np.array(head),
            **{name: getattr(self, name) for name in ARRAYS},
            **layers,
        )
        write_bytes(path, buffer.getvalue())

    @staticmethod
    def load(path: Path) -> "Policy":
        """Inverse of `save`; `UserError` if there is no such file or it is damaged."""
        if not path.exists():
            raise UserError(f"there is no policy '{path}'; train or resume the run first")
        try:
            return _checked_policy(read_arrays(path))
        except (UserError, KeyError, ValueError, OverflowError) as error:
            what = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise UserError(
                f"policy '{path}' is damaged ({what}); resume the run to write it again"
            ) from error


class Head(TypedDict):
    """What a policy file says in words."""

    agents: Annotated[list[str], Meta(min_length=1)]
    action_head: str | list[str]


def _checked_policy(data: dict[str, np.ndarray]) -> Policy:
    """The policy that the arrays of a file make; `UserError` for shapes and kinds that do not."""
    head = checked(json_value(str(data["head"])), Head)
    names = head["action_head"]
    policy = Policy(
        agents=agent_names(head["agents"]).names,
        action_head=names if isinstance(names, str) else tuple(names),
        weights=tuple(data[f"weight_{k}"] for k in range(_layers(data))),
        biases=tuple(data[f"bias_{k}"] for k in range(_layers(data))),
        action_offset=data.get("action_offset"),
        kinds=data.get("kinds"),
        **{name: data[name] for name in ARRAYS},
    )
    check_head(policy.action_head, "policy", len(policy.agents))
    if policy.action_head == "mixed":
        raise UserError("its action_head is not a name for each agent")
    for name, array in data.items():
        kinds = (
            "iu" if name.endswith("_sizes") or name == "kinds" else "U" if name == "head" else "f"
        )
        if array.dtype.kind not in kinds:
            raise UserError(f"the array '{name}' has the type {array.dtype}")
        if kinds == "f" and not np.isfinite(array).all():
            raise UserError(f"the array '{name}' holds a number that is not finite")
    if (policy.obs_scale == 0).any():
        raise UserError("an observation's scale is zero")
    if not _shapes_fit(policy):
        raise UserError("shapes of its arrays do not go together")
    return policy


def _layers(data: Mapping[str, Any]) -> int:
    return sum(name.startswith("weight_") for name in data)


def _shapes_fit(policy: Policy) -> bool:
    """Whether all arrays are of the same agents, inputs and outputs, and layers follow in turn."""
    agents, widths = len(policy.agents), [policy.obs_center.shape[-1:]]
    widths += [bias.shape[-1:] for bias in policy.biases]
    layers = list(pairwise(widths))
    inputs, outputs = (agents, *widths[0]), (agents, *widths[-1])
    offset = policy.action_offset
    networks = agents if policy.kinds is None else policy.biases[-1].shape[0] if layers else 0
    return (
        policy.obs_sizes.shape == policy.action_sizes.shape == (agents,)
        and policy.obs_center.shape == policy.obs_scale.shape == inputs
        and policy.action_limit.shape == outputs
        and (offset is None or offset.shape == outputs)
        and len(layers) > 0
        and [w.shape for w in policy.weights] == [(networks, *one, *two) for one, two in layers]
        and [b.shape for b in policy.biases] == [(networks, *two) for _, two in layers]
        and (policy.kinds is None or _are_kinds(policy.kinds, agents, networks))
        and _is_padded(policy.obs_sizes, inputs)
        and _is_padded(policy.action_sizes, outputs)
    )


def _are_kinds(kinds: np.ndarray, agents: int, networks: int) -> bool:
    """Whether every agent has one of the networks, and each network is some agent's."""
    return kinds.shape == (agents,) and np.array_equal(np.unique(kinds), np.arange(networks))


def _is_padded(sizes: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether sizes are those of rows of so many entries, the longest of which fills them."""
    return len(shape) == 2 and bool((sizes >= 0).all()) and int(sizes.max()) == shape[1]
