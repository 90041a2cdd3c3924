"""Trained policies that run on numpy alone: one small file for each seed."""

import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from mastac.envs.mixed_heads import head_of, mask_of
from mastac.errors import UserError
from mastac.files import write_bytes

EVALUATION_SEED = 2**30  # no training seed is as likely to be chosen
FINAL_EPISODES = 100  # of the evaluation after training

ARRAYS = ("obs_sizes", "action_sizes", "obs_center", "obs_scale", "action_limit")
# What numpy, its archives and JSON raise where a file is not what was written.
DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error)

Observations = Mapping[str, ArrayLike] | Float[np.ndarray, "agents obs"]


@dataclass(frozen=True)
class Policy:
    """The greedy policies of all agents of one seed.

    Observations and actions are in the environment's own units and order; scaling, limits, shares
    and choices are applied here. `weights[k]` is `[agents, inputs, outputs]`. `action_offset` is
    the middle of actions whose limits are not the same on both sides; `None`: zero.
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
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = np.einsum("ai,aio->ao", x, weight) + bias
            if layer < len(self.weights) - 1:
                x = np.maximum(x, 0.0)
        return x

    def save(self, path: Path) -> None:
        """Write the policy, whole or not at all, as a numpy archive."""
        layers: dict[str, Any] = {f"weight_{k}": w for k, w in enumerate(self.weights)}
        layers |= {f"bias_{k}": b for k, b in enumerate(self.biases)}
        head = json.dumps({"agents": list(self.agents), "action_head": self.action_head})
        if self.action_offset is not None:
            layers["action_offset"] = self.action_offset
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
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                data = {name: stored[name] for name in stored.files}
            head = json.loads(str(data["head"]))
            count = sum(name.startswith("weight_") for name in data)
            policy = Policy(
                agents=tuple(head["agents"]),
                action_head=_named(head["action_head"]),
                weights=tuple(data[f"weight_{k}"] for k in range(count)),
                biases=tuple(data[f"bias_{k}"] for k in range(count)),
                action_offset=data.get("action_offset"),
                **{name: data[name] for name in ARRAYS},
            )
        except FileNotFoundError as error:
            raise UserError(
                f"there is no policy '{path}'; train or resume the run first"
            ) from error
        except DAMAGE as error:
            raise _damaged(path, error) from error
        if not policy._shapes_fit():
            raise _damaged(path, "shapes of its arrays do not go together")
        return policy

    def _shapes_fit(self) -> bool:
        agents, widths = len(self.agents), [self.obs_center.shape[-1:]]
        widths += [bias.shape[-1:] for bias in self.biases]
        layers = list(pairwise(widths))
        return (
            self.obs_sizes.shape == self.action_sizes.shape == (agents,)
            and self.obs_center.shape == self.obs_scale.shape == (agents, *widths[0])
            and self.action_limit.shape == (agents, *widths[-1])
            and (self.action_offset is None or self.action_offset.shape == self.action_limit.shape)
            and len(layers) > 0
            and [w.shape for w in self.weights] == [(agents, *one, *two) for one, two in layers]
            and [b.shape for b in self.biases] == [(agents, *two) for _, two in layers]
        )


def _named(head: str | list[str]) -> str | tuple[str, ...]:
    return head if isinstance(head, str) else tuple(head)


def _damaged(path: Path, what: object) -> UserError:
    return UserError(f"policy '{path}' is damaged ({what}); resume the run to write it again")
