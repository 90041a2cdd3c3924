"""What an epoch of training takes on a GPU, and how many kernels it starts (part of `gpu.py`).

An epoch of `mastac` at κ = 2 with the paper's knobs: an episode, step after step, and an update.
If 128 seeds take about as long as one, the card waits for the next kernel to be started, and not
for numbers.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import mastac
from gpu_common import Case, Part, Rows, keys_of, timed
from mastac.learning.loop import training_program

EPOCHS, TINY_EPOCHS = 50, 4
HEADER = ("env", "seeds", "horizon", "what", "compile_s", "ms", "kernels", "us_per_kernel")
HEADER += ("seed_epochs_per_s",)
NO_KERNEL = {"parameter", "tuple", "get-tuple-element", "constant", "bitcast", "after-all"}
NO_KERNEL |= {"while", "conditional", "call", "opt-barrier", "partition-id"}


class Instruction(NamedTuple):
    """One line of a compiled program."""

    operation: str
    line: str

    @property
    def called(self) -> list[str]:
        """Computations that it runs: a loop's condition and body, branches, what is called."""
        if self.operation not in ("while", "conditional", "call"):
            return []
        names = re.findall(
            r"(?:body|condition|to_apply|(?:true|false)_computation)=%?([\w.\-]+)", self.line
        )
        branches = re.search(r"branch_computations=\{([^}]*)\}", self.line)
        return names + (re.findall(r"[\w.\-]+", branches.group(1)) if branches else [])

    @property
    def times(self) -> int:
        """How often a loop runs, where the compiler knows it."""
        known = re.search(r'known_trip_count[^0-9]*"?n"?[^0-9]*(\d+)', self.line)
        return int(known.group(1)) if known else 1


def computations(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """The computations of a compiled program by name, and the name of the one it begins with."""
    found: dict[str, list[Instruction]] = {}
    entry = name = ""
    for line in text.splitlines():
        if begins := re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            name = begins.group(2)
            entry = name if begins.group(1) else entry
            found[name] = []
        elif is_one := re.match(r"\s+(?:ROOT )?%?[\w.\-]+ = .*? ([a-z][a-z0-9\-]*)\(", line):
            found[name].append(Instruction(is_one.group(1), line))
    return found, entry


def kernels(text: str) -> int:
    """About how many kernels a compiled program starts: of a condition's branches the larger."""
    found, entry = computations(text)

    def within(name: str) -> int:
        return sum(of(instruction) for instruction in found.get(name, ()))

    def of(instruction: Instruction) -> int:
        inside = [within(name) for name in instruction.called]
        if instruction.operation == "conditional":
            return max(inside, default=0)
        here = int(instruction.operation not in NO_KERNEL)
        return here + instruction.times * sum(inside)

    return within(entry)


def programs(case: Case, seeds: int, epochs: int) -> Iterator[tuple[str, int, Any, Any]]:
    """What is timed: its name, how many epochs it is, how it is lowered, and its arguments."""
    given = (case.env, case.learner, case.buffer, case.config.settings, case.config.epochs)
    program, keys = training_program(*given), keys_of(seeds)
    state = program.init(keys)
    late = jnp.asarray(case.config.epochs - epochs)  # updates have begun
    play = jax.jit(jax.vmap(case.seed.played, in_axes=(0, 0, None)))
    # The state is given away and comes back.
    yield "episode", 1, lambda: play.lower(state.learner, keys, late), (state.learner, keys, late)
    lowered = program.lowered
    assert lowered is not None
    advance = lambda: next(lowered(state, keys, epochs, 1))  # noqa: E731
    yield "epochs", epochs, advance, (state, keys, late)


def measure(env: Any, seeds: int, part: Part, rows: Rows) -> None:
    """The rows of so many seeds."""
    epochs = TINY_EPOCHS if part.tiny else EPOCHS
    knobs = {"critic_hidden": [8], "actor_hidden": [8], "batch_size": 8} if part.tiny else {}
    case = Case.of(env, "mastac", 0, 40 * epochs, "paper", kappa=2, **knobs)
    about = {"env": env.id, "seeds": seeds, "horizon": env.horizon}
    for what, length, lower, given in programs(case, seeds, epochs):
        with rows.row(**about, what=what) as row:
            compiled, row["compile_s"] = timed(lambda: lower().compile())  # noqa: B023
            times = []
            for _ in range(3 if part.tiny else 6):
                result, seconds = timed(lambda: compiled(*given))  # noqa: B023
                given = (result[0], *given[1:]) if what == "epochs" else given
                times.append(seconds / length)
            row["ms"] = 1e3 * float(np.median(times[1:]))
            row["kernels"] = round(kernels(compiled.as_text()) / length)
            row["us_per_kernel"] = 1e3 * row["ms"] / max(1, row["kernels"])
            row["seed_epochs_per_s"] = seeds * 1e3 / row["ms"]


def main() -> None:
    """One, fifteen and 128 seeds, as far as the time goes."""
    part, _ = Part.from_arguments()
    rows = Rows(part.out / "gpu-loop.csv", HEADER)
    env = mastac.make("warehouse-9" if part.tiny else "warehouse-40")
    for seeds in (2,) if part.tiny else (15, 1, 128):
        if part.left > 0:
            measure(env, seeds, part, rows)


if __name__ == "__main__":
    main()
