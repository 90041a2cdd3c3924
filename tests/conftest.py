"""What all tests share: JAX on the CPU, no silent broadcasting, and reproducible examples."""

import os

# Set before anything imports JAX; tests of the structure and of the command line never do.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ.setdefault("MPLBACKEND", "agg")

from hypothesis import HealthCheck, settings

settings.register_profile(
    "mastac", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("mastac")
