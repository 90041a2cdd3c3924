"""What the parts of `gpu.py` share: arguments, rows written at once, and a learner to time."""

import argparse
import csv
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from common import machine, rounded
from mastac.envs.base import Environment
from mastac.learning import Learner, LearnerSpec, learner_of, learner_spec
from mastac.learning.buffer import Buffer
from mastac.learning.learner import buffer_of, update_schedule
from mastac.learning.loop import OneSeed, one_seed
from mastac.runs import layout_of, resolve
from mastac.runs.config import ExperimentConfig

LONGEST = 300
"""Characters of a message in a row."""


@dataclass(frozen=True)
class Part:
    """What a part was started with: its folder, when it has to be done, and how little it does."""

    out: Path
    until: float
    tiny: bool

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.until - time.time()

    @staticmethod
    def from_arguments(*more: str) -> tuple["Part", argparse.Namespace]:
        """From the command line; `more` are further arguments that it may have."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--out", type=Path, required=True)
        parser.add_argument("--until", type=float, required=True)
        parser.add_argument("--tiny", action="store_true")
        for name in more:
            parser.add_argument(name)
        args = parser.parse_args()
        return Part(args.out, args.until, args.tiny), args


class Rows:
    """A CSV file that has every row as soon as it is known.

    **Arguments:**

    - `path`: the file.
    - `header`: names of the columns; `message` and `machine` come after them.
    - `keep`: go on with a file that is there, instead of writing it anew.
    """

    def __init__(self, path: Path, header: Sequence[str], keep: bool = False) -> None:
        self.path, self.header = path, [*header, "message", "machine"]
        if keep and path.is_file():
            return
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(self.header)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row; what it has no value for stays empty."""
        unknown = row.keys() - set(self.header)
        if unknown:
            raise ValueError(f"{self.path.name} has no columns {sorted(unknown)}")
        values = [rounded(row.get(name, "")) for name in self.header[:-1]]
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow([*values, machine()])
        print(",".join(map(str, values)), flush=True)

    @contextmanager
    def row(self, **known: Any) -> Iterator[dict[str, Any]]:
        """A row to fill in; one that fails is written with what is known so far, and why."""
        try:
            yield known
        except Exception as error:
            known["message"] = in_one_line(error)
        self.add(known)


def in_one_line(error: Exception) -> str:
    """What went wrong, in so few words that they fit into a cell."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:LONGEST]


@dataclass(frozen=True, eq=False)
class Case:
    """One seed's learner with all that it is made of."""

    env: Environment
    config: ExperimentConfig
    spec: LearnerSpec
    learner: Learner
    buffer: Buffer
    seed: OneSeed

    @staticmethod
    def of(
        env: Environment, algorithm: str, chunk: int, epochs: int, preset: str, **choices: Any
    ) -> "Case":
        """A learner for `epochs` episodes of an environment; `choices` are those of `resolve`."""
        config = resolve(
            env.id, env.options, algorithm=algorithm, epochs=epochs, preset=preset, **choices
        )
        settings, schedule = config.settings, update_schedule(env, config.settings)
        total, layout = schedule.total(epochs), layout_of(env, config)
        spec = learner_spec(env, layout, settings, total, chunk, epochs)
        learner, buffer = learner_of(spec), buffer_of(env, settings, epochs)
        return Case(
            env, config, spec, learner, buffer, one_seed(env, learner, buffer, settings, epochs)
        )

    def update(self, state: Any, store: Any, key: Any) -> tuple[Any, Any]:
        """A batch drawn from the replay, and an update with it."""
        draw_key, update_key = jax.random.split(key)
        batch = self.buffer.draw(store, jnp.asarray(self.config.epochs), draw_key)
        return self.learner.update(state, batch, update_key, jnp.asarray(1))

    def shapes(self) -> tuple[Any, Any, Any]:
        """Shapes of one seed's state and replay, and of a key; nothing is allocated."""
        key = jax.eval_shape(jax.random.key, 0)
        state = jax.eval_shape(self.seed.init, key)
        return state.learner, state.store, key


def with_seeds(tree: Any, seeds: int) -> Any:
    """Shapes with a leading axis of seeds."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((seeds, *x.shape), x.dtype), tree)


def keys_of(seeds: int) -> Any:
    """A key for each seed."""
    return jax.vmap(jax.random.key)(jnp.arange(seeds))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and the seconds until all of it is there."""
    began = time.perf_counter()
    result = jax.block_until_ready(call())
    return result, time.perf_counter() - began
