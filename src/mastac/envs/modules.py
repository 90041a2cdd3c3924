"""What a user's own module holds, named `module:name`. Imports no JAX itself."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from mastac.errors import UserError, nearest, unknown

PACKAGE = Path(__file__).parents[1]


def is_place(text: str) -> bool:
    """Whether a text names something in a module, and not an environment of the table."""
    return ":" in text


def is_environment(value: Any) -> bool:
    """Whether it is an [`mastac.Environment`][], without importing the module that defines them."""
    base = sys.modules.get("mastac.envs.base")
    return base is not None and isinstance(value, base.Environment)


def imported(place: str, options: Mapping[str, Any] | None = None) -> Any:
    """What `module:name` is, or what it returns if it is a function.

    The module is looked for in the working directory first, then on the path.

    **Arguments:**

    - `place`: `module:name`; the module may be one of a package, as in `package.module:name`.
    - `options`: keyword arguments of the function.

    **Raises:**

    - `UserError` if there is no such module or name, if importing or calling raises, and if the
      options are not those that the function takes.
    """
    found = _found(place)
    if not callable(found):
        if options:
            raise UserError(
                f"'{place}' is no function but an object, and takes no options; leave out "
                f"'{next(iter(options))}', or name a function that takes it"
            )
        return found
    given = dict(options or {})
    _check_arguments(place, found, given)
    try:
        return found(**given)
    except UserError as error:  # it says all itself
        raise UserError(f"'{place}': {error}") from error
    except (Exception, SystemExit) as error:
        raise UserError(f"'{place}' raised {told(error)}") from error


def takes(place: str, option: str) -> bool:
    """Whether what `module:name` names is a function, or class, that has an option of this name."""
    found = _found(place)
    try:
        parameters = inspect.signature(found).parameters if callable(found) else {}
    except (TypeError, ValueError):
        return True
    return option in parameters or any(p.kind == p.VAR_KEYWORD for p in parameters.values())


def is_held(place: str, value: Any) -> bool:
    """Whether something that `module:name` gave is an object that the module keeps."""
    kept = vars(sys.modules[place.partition(":")[0]]).values()
    return any(value is one for one in kept)


def as_module(file: str) -> str:
    """The module that a Python file is, seen from the working directory.

    >>> as_module("./cars/platoon.py")
    'cars.platoon'
    """
    return file.removesuffix(".py").strip(os.sep + ".").replace(os.sep, ".")


def _found(place: str) -> Any:
    """What `module:name` is."""
    module, _, name = place.partition(":")
    if module.endswith(".py") or os.sep in module:
        raise UserError(f"'{module}' is a file; name the module, as in {as_module(module)}:{name}")
    if not all(part.isidentifier() for part in [*module.split("."), name]):
        raise UserError(
            f"'{place}' is not understood; write module:name, as in my_package.my_module:make"
        )
    return _named(_module(module), module, name)


def _module(name: str) -> ModuleType:
    here = os.getcwd()
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)  # as `python -m` does; an installed command would not look here
    importlib.invalidate_caches()  # a file may be younger than what was seen of its folder
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        parts = name.split(".")
        if error.name in {".".join(parts[:count]) for count in range(1, len(parts) + 1)}:
            hint = nearest(name, [module.name for module in pkgutil.iter_modules([here])])
            raise UserError(
                f"there is no module '{name}' in {here} or on the path{hint}"
            ) from error
        raise UserError(
            f"module '{name}' imports '{error.name}', which is not installed"
        ) from error
    except (Exception, SystemExit) as error:
        raise UserError(f"importing module '{name}' raised {told(error)}") from error


def _named(module: ModuleType, place: str, name: str) -> Any:
    if hasattr(module, name):
        return getattr(module, name)
    names = [
        known
        for known, value in vars(module).items()
        if not (
            known.startswith("_") or isinstance(value, ModuleType) or _is_foreign(value, module)
        )
    ]
    raise unknown(f"name in module '{place}'", name, names)


def _is_foreign(value: Any, module: ModuleType) -> bool:
    """Whether it is a class or function that the module imported, which is hardly meant."""
    is_defined = inspect.isclass(value) or inspect.isfunction(value)
    return is_defined and value.__module__ != module.__name__


def _check_arguments(place: str, function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """`UserError` unless the function takes these keyword arguments and needs no others."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # written in C: the call itself will tell
        return
    by_name = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [parameter.name for parameter in by_name]
    for name in given:
        if name not in names and not any(p.kind == p.VAR_KEYWORD for p in parameters):
            if not names:
                raise UserError(f"'{place}' takes no options; leave out '{name}'")
            raise unknown(f"option of '{place}'", name, names)
    needed = [p.name for p in by_name if p.default is p.empty and p.name not in given]
    if needed:
        raise UserError(
            f"'{place}' needs a value for {' and '.join(needed)}; set it with "
            f"--env-set {needed[0]}=VALUE (in Python with env_options), or give it a default"
        )


def told(error: BaseException) -> str:
    """Type and message of an exception, and the line of the user's that it comes from."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    if isinstance(error, SyntaxError) and error.filename is not None:
        file, line = error.filename, error.lineno
    else:
        frames = traceback.extract_tb(error.__traceback__)
        mine = [frame for frame in frames if _is_users(frame.filename)]
        others = [frame for frame in frames if not Path(frame.filename).is_relative_to(PACKAGE)]
        if not (mine or others):  # the call itself failed, as with a wrong number of arguments
            return f"{type(error).__name__}: {said}"
        file, line = (mine or others)[-1].filename, (mine or others)[-1].lineno
    path = Path(file)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{type(error).__name__}: {said} ({path}, line {line})"


def _is_users(file: str) -> bool:
    """Whether a file is in the working directory, and neither installed nor ours."""
    path = Path(file)
    is_foreign = "site-packages" in path.parts or path.is_relative_to(PACKAGE)
    return path.is_relative_to(Path.cwd()) and not is_foreign
