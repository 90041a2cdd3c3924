"""The controller of one agent, as it was trained; this file needs numpy alone.

    from controller import Controller

    controller = Controller.load("heater.npz")
    action = controller.act([21.5, None, 19.0])

Observations and actions are in the units of the environment: `controller.about` says which number
is what, in which unit. `None` stands for an input that did not arrive.

As a program it answers lines of JSON: a list of observations in, a list of actions out.

    python controller.py heater.npz
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np


class Network:
    """The function from observations to actions, with scales and limits inside.

    - `center`, `scale`: `[obs]`, in the units of the observations.
    - `weights`, `biases`: of the layers, each weight `[inputs, outputs]`; between them is a ReLU.
    - `head`: how the last layer's numbers become an action: "tanh", "linear", "softmax" or
        "discrete".
    - `limit`: `[act]`, of the actions in their units; for "linear" their natural scale.
    - `offset`: `[act]`, what is added to an action: the middle of its range.
    """

    def __init__(
        self,
        center: np.ndarray,
        scale: np.ndarray,
        weights: list[np.ndarray],
        biases: list[np.ndarray],
        head: str,
        limit: np.ndarray,
        offset: np.ndarray,
    ) -> None:
        if head not in ("tanh", "linear", "softmax", "discrete"):
            raise ValueError(f"there is no action head '{head}'")
        self.center, self.scale, self.head, self.limit = center, scale, head, limit
        self.weights, self.biases, self.offset = weights, biases, offset
        widths = [len(center), *(len(bias) for bias in biases)]
        layers = list(zip(widths, widths[1:]))  # noqa: B905, RUF007 - runs on old Pythons
        shapes = [weight.shape for weight in weights]
        if shapes != layers or not layers or scale.shape != center.shape:
            raise ValueError("shapes of its arrays do not go together")
        if not limit.shape == offset.shape == biases[-1].shape:
            raise ValueError("its limits do not go with its actions")

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """Actions `[batch, act]` of observations `[batch, obs]`."""
        return self._headed(self.logits(np.asarray(observations, np.float32))) + self.offset

    def _headed(self, logits: np.ndarray) -> np.ndarray:
        if self.head == "tanh":
            return self.limit * np.tanh(logits)
        if self.head == "linear":
            return self.limit * logits
        if self.head == "softmax":
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            return shares / shares.sum(axis=1, keepdims=True)
        return np.eye(logits.shape[1], dtype=np.float32)[logits.argmax(axis=1)]

    def logits(self, observations: np.ndarray) -> np.ndarray:
        """What the last layer gives, `[batch, act]`."""
        values = (observations - self.center) / self.scale
        for weight, bias in zip(self.weights[:-1], self.biases[:-1]):  # noqa: B905
            values = np.maximum(values @ weight + bias, 0.0)
        return values @ self.weights[-1] + self.biases[-1]

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers, by the names that they have in a file."""
        layers = {f"weight_{k}": weight for k, weight in enumerate(self.weights)}
        layers.update({f"bias_{k}": bias for k, bias in enumerate(self.biases)})
        names = ("center", "scale", "limit", "offset")
        return {**{name: getattr(self, name) for name in names}, **layers}


class Controller:
    """One agent's controller, and the rule for inputs that did not arrive.

    **The rule.** A missing input keeps its last value. After `hold_steps` steps without a new one
    (`None`: never) it takes its default, and so does an input that never arrived. Both are in
    `about["stale"]`.

    - `about`: what the file says: `agent`, `environment`, `inputs` and `outputs` in order with
      names and units, `action_head`, `stale`, `run`, `mastac`.
    - `actions`: the function from `[batch, obs]` to `[batch, act]`; it remembers nothing.
    """

    def __init__(self, about: dict[str, Any], actions: Callable[[Any], np.ndarray]) -> None:
        self.about, self.actions = about, actions
        self.inputs = [entry["name"] for entry in about["inputs"]]
        steps = about["stale"]["hold_steps"]
        self._hold = math.inf if steps is None else int(steps)
        self._defaults = np.array(about["stale"]["default"], dtype=np.float32)
        if self._defaults.shape != (len(self.inputs),):
            raise ValueError("it does not have one default for each input")
        self.reset()

    @classmethod
    def load(cls, path: Any) -> Controller:
        """Read a file `<agent>.npz`; no code in it is run, whatever it holds.

        **Raises:** `ValueError` if it is not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                stored = {name: file[name] for name in file.files}
            about = json.loads(str(stored.pop("about")))
            stored = {name: array.astype(np.float32) for name, array in stored.items()}
            count = sum(name.startswith("weight_") for name in stored)
            network = Network(
                center=stored["center"],
                scale=stored["scale"],
                weights=[stored[f"weight_{k}"] for k in range(count)],
                biases=[stored[f"bias_{k}"] for k in range(count)],
                head=about["action_head"],
                limit=stored["limit"],
                offset=stored["offset"],
            )
            if len(about["inputs"]) != len(network.center):
                raise ValueError("it does not name every input")
            return cls(about, network)
        except FileNotFoundError:
            raise
        except Exception as error:  # numpy, its archives and JSON raise errors of many kinds
            raise ValueError(f"'{path}' is no controller: {error}") from error

    def reset(self) -> None:
        """Forget what was seen, as before the first step."""
        self._held = self._defaults
        self._age = np.zeros(len(self.inputs))

    def act(self, observation: Any) -> np.ndarray:
        """The action `[act]` for one step.

        **Arguments:**

        - `observation`: one number for each input, in order; `None` where it did not arrive.

        **Raises:** `ValueError` that says which input is wrong; the step then does not count.
        """
        if not hasattr(observation, "__len__") or len(observation) != len(self.inputs):
            given = len(observation) if hasattr(observation, "__len__") else repr(observation)[:40]
            raise ValueError(f"give a list of {len(self.inputs)} numbers, got {given}")
        missing = np.array([value is None for value in observation], dtype=bool)
        pairs = zip(self.inputs, observation)  # noqa: B905
        new = np.array([_number(name, value) for name, value in pairs], dtype=np.float32)
        age = np.where(missing, self._age + 1, 0)
        held = np.where(missing, self._held, new)
        seen = np.where(age > self._hold, self._defaults, held)
        with np.errstate(over="ignore", invalid="ignore"):
            action = self.actions(seen[None])[0]
        if not np.isfinite(action).all():
            raise ValueError("the inputs are so large that the action is not finite")
        self._age, self._held = age, held
        return action

    def respond(self, line: str | bytes) -> str:
        """The answer to a line of JSON: a list of actions, or `{"error": …}`. Never raises."""
        try:
            observation = json.loads(line)
            if not isinstance(observation, list):
                raise ValueError(f"give a JSON list of {len(self.inputs)} numbers")
            return json.dumps(self.act(observation).tolist(), allow_nan=False)
        except (ValueError, RecursionError) as error:
            return json.dumps({"error": str(error)})


def _number(name: str, value: Any) -> float:
    """An input as a number that single precision can hold; zero for a missing one."""
    if value is None:
        return 0.0
    try:
        number = math.nan if isinstance(value, (bool, str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= np.finfo(np.float32).max:
        raise ValueError(f"input '{name}' must be a finite number or null, got {value!r:.40}")
    return number


def main() -> None:
    """Answer the lines of the standard input with a controller, until it is closed."""
    if len(sys.argv) != 2:
        sys.exit("usage: python controller.py AGENT.npz")
    controller = Controller.load(sys.argv[1])
    try:
        for line in sys.stdin.buffer:
            print(controller.respond(line), flush=True)
    except (KeyboardInterrupt, BrokenPipeError):  # the other side has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
