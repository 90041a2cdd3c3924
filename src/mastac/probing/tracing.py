"""A JAX environment's functions, traced and run so that what they raise reaches the user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax

from mastac.errors import UserError

LIBRARIES = ("jax", "jaxlib", "equinox")
"""An exception raised in one of these says what cannot be done, not what went wrong."""


def traced_shape(env: str, name: str, function: Callable[..., Any], *given: Any) -> Any:
    """The shape and dtype of what an environment's function gives.

    **Arguments:**

    - `env`, `name`: the environment and the function, as a message is to call them.
    - `function`, `given`: what is traced, and on what.

    **Raises:** `UserError` if the function raises, cannot be traced, or gives no single array.
    """
    with _whole_tracebacks():
        try:
            shape = jax.eval_shape(function, *given)
        except UserError:
            raise
        except Exception as error:
            if _raised_by_library(error):
                raise UserError(
                    f"{name} of environment '{env}' cannot be traced by JAX ({_said(error)}); if "
                    "it is no JAX code, describe it by a mastac.Simulator"
                ) from error
            raise UserError(f"{name} of environment '{env}' raised {_said(error)}") from error
    if not hasattr(shape, "shape"):
        raise UserError(
            f"{name} of environment '{env}' gives {type(shape).__name__}, expected one array"
        )
    return shape


def can_be_traced(env: str, function: Callable[..., Any], *given: Any) -> bool:
    """Whether JAX can trace the function; what the environment itself raises is an error.

    **Raises:** `UserError` for an exception that is not one of the libraries'.
    """
    with _whole_tracebacks():
        try:
            jax.eval_shape(function, *given)
        except UserError:
            raise
        except Exception as error:
            if _raised_by_library(error):
                return False
            raise UserError(f"a derivative of environment '{env}' raised {_said(error)}") from error
    return True


@contextmanager
def naming(env: str, what: str) -> Iterator[None]:
    """Raise what callbacks or run-time checks of an environment raise as a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if "RESOURCE_EXHAUSTED" in str(error):  # not the environment's doing
            raise
        raise UserError(f"environment '{env}' raised {_said(error)} ({what})") from error


@contextmanager
def _whole_tracebacks() -> Iterator[None]:
    """JAX takes its own frames out of tracebacks, and with them where an exception was raised."""
    before = jax.config.jax_traceback_filtering  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_traceback_filtering", "off")
    try:
        yield
    finally:
        jax.config.update("jax_traceback_filtering", before)


def _raised_by_library(error: Exception) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else trace.tb_frame.f_globals.get("__name__", "")
    return module.partition(".")[0] in LIBRARIES


def _said(error: Exception) -> str:
    """The exception's type, and what it says: the first line, or of a callback's the last one."""
    lines = str(error).strip().splitlines() or [""]
    from_callback = len(lines) > 1 and any("Traceback" in line for line in lines)
    return f"{type(error).__name__}: {lines[-1] if from_callback else lines[0]}".rstrip(": ")
