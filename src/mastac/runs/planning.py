"""From the arguments of `mastac.train` to a plan, with every mistake heard before anything slow."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mastac.envs.modules import is_environment
from mastac.errors import UserError
from mastac.runs.config import configuration_of
from mastac.runs.folder import RunFolder

if TYPE_CHECKING:
    from mastac.envs.base import Environment
    from mastac.envs.naming import ImportedEnvironment
    from mastac.envs.registry import NamedEnvironment
    from mastac.runs.plan import RunPlan

AnyNamed: TypeAlias = "NamedEnvironment | ImportedEnvironment"


def prepared(
    env: "Environment | AnyNamed | str",
    out: str | Path | None = None,
    env_options: Mapping[str, Any] | None = None,
    **choices: Any,
) -> "RunPlan":
    """The plan of a run; nothing is written or compiled.

    **Arguments:**

    - `env`, `env_options`, `choices`: as for [`train`][mastac.runs.run.train].
    - `out`: the folder to create, which must be free.

    **Raises:**

    - `UserError` if an argument is wrong.
    """
    from mastac.envs.naming import ImportedEnvironment, environment_from
    from mastac.envs.registry import NamedEnvironment

    if env_options and not isinstance(env, str):
        raise UserError("env_options go with an environment's name; this one is built already")
    chosen = environment_from(env, env_options) if isinstance(env, str) else env
    is_named = isinstance(chosen, NamedEnvironment | ImportedEnvironment)
    if not is_named and not is_environment(chosen):
        raise UserError(f"env is a {type(env).__name__}; give a mastac.Environment or a name")
    config = configuration_of(chosen, **choices)
    if out is not None:
        RunFolder(out).check_is_free()
    # JAX is imported only now: mistakes in arguments are heard of at once.
    from mastac.runs.compilation_cache import compilation_cache
    from mastac.runs.plan import plan_run

    with compilation_cache():
        return plan_run(chosen.build() if is_named else chosen, config)
