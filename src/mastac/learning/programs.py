"""Programs whose size does not grow with the number of agents."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
from jax.core import Tracer, eval_jaxpr
from jaxtyping import Array

LARGE = 2**15
"""Bytes of an array from which on it is handed to a program instead of being written into it."""


class SmallProgram:
    """`jax.jit` of a function, to which the large arrays that it closes over are arguments.

    What a function closes over, such as the rows that every critic reads, is otherwise written into
    the compiled program: it would grow with the number of agents, and so would the time that the
    compiler takes to look through it. Small arrays stay in the program, where the compiler can make
    use of their values.

    **Arguments:**

    - `function`: of trees of arrays.
    - `static`: numbers of those arguments that are no arrays and choose the program.
    - `donated`: the number of an argument whose memory may be used again; `None`: of none.
    - `compiled`: what compiles it, with the signature of `jax.jit`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        static: Sequence[int] = (),
        donated: int | None = None,
        compiled: Callable[..., Any] = jax.jit,
    ) -> None:
        self.function, self.static, self.donated = function, frozenset(static), donated
        self.compiled = compiled
        self.known: dict[Hashable, tuple[Any, list[Any]]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """What the function gives."""
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(arguments)):
            return self.function(*arguments)  # within another program
        compiled, large = self._program(arguments)
        return compiled(large, *self._arrays(arguments))

    def lower(self, *arguments: Any) -> Any:
        """The program as it is handed to the compiler, `jax.stages.Lowered`."""
        compiled, large = self._program(arguments)
        return compiled.lower(large, *self._arrays(arguments))

    def _arrays(self, arguments: Sequence[Any]) -> list[Any]:
        return [value for place, value in enumerate(arguments) if place not in self.static]

    def _program(self, arguments: Sequence[Any]) -> tuple[Any, list[Any]]:
        """The function for arguments of these shapes, with jit around it, and its large arrays."""
        arrays = self._arrays(arguments)
        leaves, tree = jax.tree.flatten(arrays)
        chosen = tuple(arguments[place] for place in sorted(self.static))
        key = (chosen, tree, *(_type_of(leaf) for leaf in leaves))
        if key not in self.known:
            self.known[key] = self._traced(arguments, arrays)
        return self.known[key]

    def _traced(self, arguments: Sequence[Any], arrays: Sequence[Any]) -> tuple[Any, list[Any]]:
        def of_arrays(*arrays: Any) -> Any:
            rest = iter(arrays)
            whole = [
                value if place in self.static else next(rest)
                for place, value in enumerate(arguments)
            ]
            return self.function(*whole)

        closed, shapes = jax.make_jaxpr(of_arrays, return_shape=True)(*arrays)
        is_large = [_bytes(value) >= LARGE for value in closed.consts]
        small = [value for value, large in zip(closed.consts, is_large, strict=True) if not large]
        large = [
            jax.device_put(value)
            for value, is_one in zip(closed.consts, is_large, strict=True)
            if is_one
        ]

        def run(large: list[Array], *arrays: Any) -> Any:
            few, many = iter(small), iter(large)
            constants = [next(many if is_one else few) for is_one in is_large]
            results = eval_jaxpr(closed.jaxpr, constants, *jax.tree.leaves(arrays))
            return jax.tree.unflatten(jax.tree.structure(shapes), results)

        run.__name__ = getattr(self.function, "__name__", "run")
        if self.donated is None:
            return self.compiled(run), large
        place = 1 + self.donated - sum(number < self.donated for number in self.static)
        return self.compiled(run, donate_argnums=place), large


def _type_of(leaf: Any) -> Hashable:
    return leaf.shape, leaf.dtype, getattr(leaf, "weak_type", False)


def _bytes(value: Any) -> int:
    return int(value.size) * value.dtype.itemsize
