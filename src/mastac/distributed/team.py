"""The processes of a distributed run, and what carries messages between them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from mastac.errors import UserError

Make = Callable[[], Any]
"""What makes a node; with Ray, in the process that the node is to live in."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""The environment of a process: small networks gain nothing from threads that others need."""


class Team(Protocol):
    """All nodes, wherever they are. A node is asked by the name of its method."""

    def call(self, name: str, arguments: Sequence[Sequence[Any]]) -> list[Any]:
        """What each node answers to its own arguments."""
        ...

    def replace(self, makes: Sequence[Make]) -> None:
        """Other nodes in the places of those that were."""
        ...

    def chain(self, names: Sequence[str], arguments: Sequence[Sequence[Any]]) -> list[Any]:
        """Several methods in a row: each gives a bundle for every node, the next one hears them.

        **Arguments:**

        - `arguments`: of the first method, for each node.

        **Returns:** what the last one gives.
        """
        ...


class LocalTeam:
    """All nodes in this process."""

    def __init__(self, makes: Sequence[Make]) -> None:
        self.nodes = [make() for make in makes]

    def replace(self, makes: Sequence[Make]) -> None:
        """As of a `Team`."""
        self.nodes = [make() for make in makes]

    def call(self, name: str, arguments: Sequence[Sequence[Any]]) -> list[Any]:
        """As of a `Team`."""
        return [
            getattr(node, name)(*given) for node, given in zip(self.nodes, arguments, strict=True)
        ]

    def chain(self, names: Sequence[str], arguments: Sequence[Sequence[Any]]) -> list[Any]:
        """As of a `Team`."""
        first, *others = names
        said = self.call(first, arguments)
        for name in others:
            heard = [[bundles[k] for bundles in said] for k in range(len(self.nodes))]
            said = self.call(name, heard)
        return said


class Host:
    """A node in a process of Ray's; a bundle goes from process to process and not through ours."""

    def __init__(self, make: Make) -> None:
        from mastac.runs.compilation_cache import compilation_cache

        self.compiled = compilation_cache()
        self.compiled.__enter__()  # for as long as the process lives
        self.node = make()

    def become(self, make: Make) -> None:
        """Another node in the same process."""
        self.node = make()

    def ask(self, name: str, *given: Any) -> Any:
        """What the node answers."""
        return getattr(self.node, name)(*given)

    def say(self, name: str, *given: Any) -> Any:
        """The same for a list of bundles, of which Ray makes as many objects."""
        bundles = self.ask(name, *given)
        return bundles[0] if len(bundles) == 1 else tuple(bundles)


class RayTeam:
    """Each node in a process of its own, as an actor of Ray."""

    def __init__(self, ray: Any, makes: Sequence[Make]) -> None:
        self.ray = ray
        host = ray.remote(num_cpus=1)(Host)
        self.hosts = [host.remote(make) for make in makes]

    def replace(self, makes: Sequence[Make]) -> None:
        """As of a `Team`."""
        changes = zip(self.hosts, makes, strict=True)
        self._answers([host.become.remote(make) for host, make in changes])

    def call(self, name: str, arguments: Sequence[Sequence[Any]]) -> list[Any]:
        """As of a `Team`."""
        return self._answers(
            [
                host.ask.remote(name, *given)
                for host, given in zip(self.hosts, arguments, strict=True)
            ]
        )

    def chain(self, names: Sequence[str], arguments: Sequence[Sequence[Any]]) -> list[Any]:
        """As of a `Team`."""
        number = len(self.hosts)
        given: Sequence[Sequence[Any]] = arguments
        for name in names[:-1]:
            said = [
                host.say.options(num_returns=number).remote(name, *words)
                for host, words in zip(self.hosts, given, strict=True)
            ]
            rows = [[one] if number == 1 else one for one in said]
            given = [[row[k] for row in rows] for k in range(number)]
        return self.call(names[-1], given)

    def _answers(self, asked: list[Any]) -> list[Any]:
        try:
            return self.ray.get(asked)
        except self.ray.exceptions.RayTaskError as error:
            cause: Any = error
            # Whoever was to hear what could not be said fails for the same reason.
            while isinstance(cause, self.ray.exceptions.RayTaskError):
                cause = cause.cause
            raise (cause if isinstance(cause, UserError) else error) from None
        except self.ray.exceptions.RayActorError:
            # Ray's own words name a process and a file of its log, in many lines.
            raise UserError(
                f"one of the {len(self.hosts)} processes that agents live in ended; nothing is "
                "kept. Begin again; if memory was short, with fewer processes (--group)"
            ) from None


def checked_ray() -> None:
    """`UserError` if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UserError("run-distributed needs Ray; install it with: pip install 'mastac[ray]'")


@contextmanager
def ray_team(makes: Sequence[Make]) -> Iterator[RayTeam]:
    """Processes on this machine; all of them end with the block.

    **Raises:** `UserError` if Ray is not installed.
    """
    checked_ray()
    ray = importlib.import_module("ray")
    try:
        with environment(ONE_THREAD), warnings.catch_warnings():
            # Ray starts programs by fork and exec, which harms no thread of JAX's.
            warnings.simplefilter("ignore", RuntimeWarning)
            ray.init(
                address="local",
                num_cpus=len(makes),
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
            )
        yield RayTeam(ray, makes)
    finally:
        ray.shutdown()


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Within, environment variables have other values, which processes started here inherit."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
