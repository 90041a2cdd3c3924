"""Compiling while Ctrl-C is answered and the time is shown."""

import threading
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import read_json, write_json
from mastac.runs.compilation_cache import cache_folder

THREAD = "mastac-compiling"
LOOK = 0.2  # seconds between looks at a compilation
MOST_TIMES = 500


def compile_all(lowered: Iterable[Any], tick: Callable[[float], None]) -> float:
    """Compile programs one after the other, and return the seconds that it took.

    They are traced in this thread, whose settings of JAX hold, and compiled in another one: the
    compiler lets no signal through.

    **Arguments:**

    - `lowered`: programs that JAX has lowered (`jax.stages.Lowered`), or does when asked for the
        next one. JAX finds them compiled when their functions are called.
    - `tick`: takes the seconds so far, again and again.
    """
    began = time.monotonic()
    tick(0.0)
    for program in lowered:
        failure: list[BaseException] = []
        thread = threading.Thread(
            target=_compile, args=(program, failure), name=THREAD, daemon=True
        )
        thread.start()
        while thread.is_alive():
            thread.join(LOOK)
            tick(time.monotonic() - began)
        if failure:
            raise failure[0]
    return time.monotonic() - began


def _compile(program: Any, failure: list[BaseException]) -> None:
    try:
        program.compile()
    except BaseException as error:  # raised where it is waited for
        failure.append(error)


class Compiling:
    """The compilations of one run: each program once, with what is shown meanwhile.

    **Arguments:**

    - `name`: what is trained; another run of it takes about as long.
    - `lowered`: of the [`Program`][mastac.learning.loop.Program].
    - `working`: takes what is done, the seconds so far and those that it usually takes.
    """

    def __init__(
        self,
        name: str,
        lowered: Callable[..., Iterable[Any]] | None,
        working: Callable[[str, float, float | None], None],
    ) -> None:
        self.name, self.lowered, self.working = name, lowered, working
        self.done: set[Hashable] = set()
        self.unread = 0.0
        self.longest = 0.0

    def __call__(self, state: Any, keys: Any, length: int | None, episodes: int) -> None:
        """Compile what a chunk of `length` needs, or with `None` an evaluation over `episodes`."""
        what = (state is None, length, episodes)
        if what in self.done or self.lowered is None:
            return
        self.done.add(what)
        kind = "compiling" if length is not None else "compiling the last evaluation"
        times = CompileTimes(f"{kind}, {self.name}")
        usually = times.usually()
        tick = lambda seconds: self.working(kind, seconds, usually)  # noqa: E731
        seconds = compile_all(
            self.lowered(state, keys, length, episodes),
            tick if state is not None else lambda _: None,  # beginning takes a moment
        )
        times.keep(seconds)
        self.unread += seconds
        self.longest = max(self.longest, seconds)

    def spent(self) -> float:
        """Seconds since this was asked last."""
        seconds, self.unread = self.unread, 0.0
        return seconds

    def to_come(self, length: int, episodes: int) -> float:
        """About how many seconds a chunk of `length` will take to compile."""
        is_known = length == 0 or (False, length, episodes) in self.done
        return 0.0 if is_known or self.lowered is None else self.longest


def is_compiling() -> bool:
    """Whether a compilation that nobody waits for any more still runs."""
    return any(thread.name == THREAD for thread in threading.enumerate())


class CompileTimes:
    """What compiling took here before, kept beside the compiled programs.

    **Arguments:**

    - `what`: what is compiled; another size of it takes about as long.
    """

    def __init__(self, what: str) -> None:
        self.what, self.folder = what, cache_folder()
        self.before = self._programs()

    @property
    def path(self) -> Path | None:
        return None if self.folder is None else self.folder / "seconds.json"

    def usually(self) -> float | None:
        """Seconds that the last compilation took; `None` if there was none."""
        seconds = self._times().get(self.what)
        return float(seconds) if isinstance(seconds, int | float) else None

    def keep(self, seconds: float) -> None:
        """Keep what it took, unless all programs were found compiled."""
        if self.path is None or self._programs() <= self.before:
            return
        times = {**self._times(), self.what: round(seconds, 1)}
        with suppress(OSError):  # it is only a forecast
            write_json(self.path, dict(list(times.items())[-MOST_TIMES:]))

    def _times(self) -> dict[str, Any]:
        if self.path is None or not self.path.is_file():
            return {}
        try:
            return read_json(self.path, dict[str, float])
        except UserError:
            return {}

    def _programs(self) -> set[str]:
        return set() if self.folder is None else {p.name for p in self.folder.glob("*-cache")}
