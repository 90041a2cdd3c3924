"""What all tests share: JAX on the CPU, no silent broadcasting, and reproducible examples."""

import gc
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from tempfile import TemporaryDirectory

# Set before anything imports JAX; tests of the structure and of the command line never do.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compilation dominates test time, and small programs gain nothing from being optimised.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# So do they from the older of XLA's two ways to emit loops, and from no code made in parallel. XLA
# ends the process at a flag that it does not know, as later versions do not know the first.
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):
    os.environ["XLA_FLAGS"] = (
        "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1 "
        + os.environ.get("XLA_FLAGS", "")
    )
os.environ.setdefault("MPLBACKEND", "agg")
# No silent broadcasting: axes are lined up where the code says so. (Types may mix: optax's Adam
# multiplies floats by its whole number of steps.)
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")

# A test that finds a program of yesterday's would not be that of a fresh machine.
os.environ.setdefault("MASTAC_CACHE", "off")

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

from shape_checks import checked_modules

# Before anything of the package is imported: arrays are compared with their annotations.
install_import_hook(checked_modules(), "shape_checks.check")

settings.register_profile(
    "mastac",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("mastac")

# Tracing makes millions of small objects, few of them garbage: look for it less often.
gc.set_threshold(100_000, 20, 50)


PROGRAMS = "jax_compilation_cache_dir"


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is compiled once is kept until these tests end: many of them run the same program.

    For this process alone. Others that tests start, and may kill, compile for themselves.
    """
    if "jax" not in sys.modules:
        return
    import jax

    programs = TemporaryDirectory(prefix="mastac-programs-")
    session.config.add_cleanup(programs.cleanup)
    jax.config.update(PROGRAMS, programs.name)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@pytest.fixture(scope="module")
def nothing_kept() -> Iterator[None]:
    """JAX keeps no programs of its own accord, as for a user."""
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    before = getattr(jax.config, PROGRAMS)
    jax.config.update(PROGRAMS, None)
    reset_cache()
    yield
    jax.config.update(PROGRAMS, before)
    reset_cache()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: processes that share the files then end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
