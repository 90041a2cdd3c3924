"""What all tests share: JAX on the CPU, no silent broadcasting, and reproducible examples."""

import os

# Set before anything imports JAX; tests of the structure and of the command line never do.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compilation dominates test time, and small programs gain nothing from being optimised.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

from hypothesis import HealthCheck, settings

settings.register_profile(
    "mastac",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("mastac")
