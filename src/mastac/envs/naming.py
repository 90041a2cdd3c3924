"""From the text that names an environment to the environment. Imports no JAX itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mastac.envs.family import Structure
from mastac.envs.fields import json_ready
from mastac.envs.modules import as_module, imported, is_environment, is_held, is_place, takes
from mastac.envs.registry import NamedEnvironment, named
from mastac.errors import UserError
from mastac.structure.readers import read_graphs

if TYPE_CHECKING:
    from mastac.envs.base import Environment


@dataclass(frozen=True)
class Origin:
    """Where an environment was imported from; a run folder remembers it.

    **Arguments:**

    - `place`: `module:name`.
    - `directory`: the working directory at that time.
    - `options`: keyword arguments that the function was called with.
    - `couplings`: the file of its graphs, where one was given.
    """

    place: str
    directory: str
    options: Mapping[str, Any]
    couplings: str | None = None


@dataclass(frozen=True, eq=False)
class ImportedEnvironment:
    """An environment of a user's own module, and where it was imported from."""

    env: Environment
    origin: Origin

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by where it is from: who unpickles it imports it anew."""
        return _imported_again, (self.origin,)

    @property
    def structure(self) -> Structure:
        """Its couplings, and the sizes of its agents' states and actions."""
        env = self.env
        return Structure(env.couplings, np.asarray(env.state_sizes), np.asarray(env.action_sizes))

    @property
    def discrete(self) -> bool:
        """Whether actions are choices, of all agents or of some."""
        return self.env.head.has_choices

    def build(self) -> Environment:
        """The environment itself."""
        return self.env


def environment_from(
    text: str, options: Mapping[str, Any] | None = None, couplings: str | Path | None = None
) -> NamedEnvironment | ImportedEnvironment:
    """The environment that a text names: what every command does with its argument ENV.

    **Arguments:**

    - `text`: an id, such as `thermal-40`, or `module:name`, where `name` is an
        [`mastac.Environment`][] or a function that returns one, or what makes a PettingZoo
        `ParallelEnv`: its class, or a function that returns one.
    - `options`: options of the environment, or keyword arguments of the function. A simulator
        outside JAX that has no option `horizon` may be given one: the longest episode.
    - `couplings`: a file of graphs for a simulator outside JAX; by default its own.

    **Returns:**

    The environment; one with an id is resolved but not built. `structure` and `discrete` can be
    asked of both, and `build` gives the [`mastac.Environment`][].

    **Raises:**

    - `UserError` as [`mastac.make`][], and for a module or name that cannot be used.
    """
    if text.endswith(".py"):
        raise UserError(f"'{text}' is a file; name what it holds, as in {as_module(text)}:env")
    graphs = None if couplings is None else read_graphs(couplings)
    if not is_place(text):
        if graphs is not None:
            raise _has_couplings(text, couplings)
        return named(text, options or {})
    stored = json_ready(f"options of '{text}'", options or {})
    own, horizon = without_horizon(text, stored)
    env = imported(text, own)
    if not is_environment(env):
        env = environment_of_simulator(text, own, env, graphs, horizon)
    elif horizon is not None:
        raise has_horizon(text)
    elif graphs is not None:
        raise _has_couplings(text, couplings)
    file = None if couplings is None else str(couplings)
    return ImportedEnvironment(env, Origin(text, os.getcwd(), stored, file))


def _imported_again(origin: Origin) -> ImportedEnvironment:
    """The same environment in another process, which may run in another directory."""
    directory = Path(origin.directory)
    if directory.is_dir() and str(directory) not in sys.path:
        sys.path.append(str(directory))
    graphs = None if origin.couplings is None else directory / origin.couplings
    again = environment_from(origin.place, origin.options, graphs)
    assert isinstance(again, ImportedEnvironment)
    return replace(again, origin=origin)


def _has_couplings(text: str, file: str | Path | None) -> UserError:
    return UserError(
        f"'{text}' is an environment with couplings of its own, and those of '{file}' cannot take "
        "their place; give a file to a simulator outside JAX, or name another environment"
    )


def without_horizon(text: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """The options that what a text names has itself, and the horizon that is given beside them."""
    own = dict(options)
    if "horizon" not in own or takes(text, "horizon"):
        return own, None
    horizon = own.pop("horizon")
    return own, horizon


def has_horizon(text: str) -> UserError:
    """What is said where a horizon is given and is not asked for."""
    return UserError(
        f"'{text}' has no option 'horizon': only a simulator outside JAX can be given one; "
        "leave it out"
    )


def environment_of_simulator(
    text: str,
    options: Mapping[str, Any],
    simulator: Any,
    couplings: Any = None,
    horizon: Any = None,
) -> Environment:
    """The environment of a named simulator outside JAX.

    **Arguments:**

    - `simulator`: what the text names, called; it is tried and closed.
    - `couplings`, `horizon`: as for [`mastac.from_pettingzoo`][].

    **Raises:** `UserError` if it is none, or always the same one.
    """
    from mastac.envs.host import adapter

    if not adapter.is_simulator(simulator):
        raise UserError(
            f"'{text}' gives {type(simulator).__name__}; it must be a mastac.Environment, a "
            "PettingZoo ParallelEnv, or a function that returns one"
        )
    if is_held(text, simulator):
        raise UserError(
            f"'{text}' is one simulator, and several are played at the same time; name its class, "
            "or a function that makes it"
        )
    return adapter.adapted(simulator, partial(imported, text, options), couplings, horizon)
