"""What all benchmarks use: timing, the name of the machine, CSV files."""

import csv
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def median_seconds(call: Callable[[], Any], repeats: int) -> float:
    """Median time of `repeats` calls, after one call that compiles."""
    import jax

    jax.block_until_ready(call())
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def machine() -> str:
    """Processor, cores and versions, for the record beside the figures."""
    import jax

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if "model name" in line
        ]
        name = models[0] if models else name
    device = jax.devices()[0].device_kind
    versions = f"jax {metadata.version('jax')}, Python {platform.python_version()}"
    return f"{name}, {os.cpu_count()} cores, device {device}, {versions}"


def training_of(env: Any, config: Any) -> tuple[Any, Any, Any]:
    """The plan of a run, its program and its keys, without a run folder."""
    import jax
    import jax.numpy as jnp

    from mastac.learning.learner import buffer_of, learner_of
    from mastac.learning.loop import training_program
    from mastac.runs import plan_run

    plan, settings, epochs = plan_run(env, config), config.settings, config.epochs
    parts = learner_of(plan.spec), buffer_of(env, settings, epochs)
    keys = jax.vmap(jax.random.key)(jnp.asarray(config.seeds))
    return plan, training_program(env, *parts, settings, epochs), keys


def shared_knobs(env_id: str) -> dict[str, Any]:
    """What the default preset says to all algorithms, where it says something else to `mastac`.

    Committed studies were trained so: `mastac` had no settings of its own then.
    """
    from mastac.learning import Settings
    from mastac.runs.presets import STRUCTURED, preset_for

    shared = preset_for("default", env_id)
    own = [knobs for pattern, knobs in STRUCTURED.items() if fnmatchcase(env_id, pattern)]
    names = {name for knobs in own for name in knobs}
    return {name: shared.get(name, getattr(Settings(), name)) for name in sorted(names)}


def write(name: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write `results/<name>.csv` and print it."""
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*header, "machine"])
        name_of_machine = machine()
        for row in rows:
            writer.writerow([*map(rounded, row), name_of_machine])
    print(",".join(header))
    for row in rows:
        print(",".join(str(rounded(value)) for value in row))


def rounded(value: Any) -> Any:
    """Four digits of a float; other values as they are."""
    return f"{value:.4g}" if isinstance(value, float) else value
