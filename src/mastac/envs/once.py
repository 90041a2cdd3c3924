"""Programs that run a few times at the start: compiled in little time, not to run in little."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax


def compiled_for_once(function: Callable[..., Any]) -> Any:
    """`jax.jit` of a function that runs too seldom for the compiler's work to pay.

    On a CPU the compiler leaves its optimisations, which takes a fifth of the time. Elsewhere it
    does as always.
    """
    return jax.jit(function, compiler_options=_quick() if jax.default_backend() == "cpu" else None)


def _quick() -> dict[str, Any]:
    """Options of XLA for processors."""
    quick: dict[str, Any] = {
        "xla_backend_optimization_level": 0,
        "xla_llvm_disable_expensive_passes": True,
    }
    # The older of two ways to emit loops takes less. XLA refuses options that it does not know.
    if version("jaxlib").split(".")[:2] == ["0", "10"]:
        quick["xla_cpu_use_fusion_emitters"] = False
    return quick
