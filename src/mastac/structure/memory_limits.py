"""How large an answer may be, and the refusal of one that is larger."""

from dataclasses import dataclass

import numpy as np

from mastac.errors import UserError
from mastac.memory import free_memory, size_in_words

MEMORY: int | None = None
"""Bytes that sets may fill. `None`: half of what is free; writing takes the other half."""

SAMPLE = 1024
"""An estimate looks at no more agents than this."""


@dataclass(frozen=True)
class Estimate:
    """The size of the dependency sets before they are written down.

    - `entries`: the stored entries of all matrices together.
    - `error`: the standard error of `entries`; 0 where they were counted.
    - `agents`: from how many of the agents' sets they were estimated.
    - `method`: how the sets will be computed: `components`, `products` or `search`.
    """

    entries: float
    error: float
    agents: int
    method: str

    @property
    def bytes(self) -> int:
        """Bytes of the matrices: a column and a flag for each entry."""
        return bytes_of(self.entries)

    @property
    def fits(self) -> bool:
        """Whether the memory holds them."""
        return self.bytes <= memory_limit()

    def __str__(self) -> str:
        about = (
            f"about {self.entries:.1e} ± {self.error:.0e}" if self.error else f"{self.entries:.0f}"
        )
        return f"{about} entries, {size_in_words(self.bytes)}"


def estimated_total(sizes: np.ndarray, number: int) -> tuple[float, float]:
    """The sum over `number` agents of which some were drawn, and its standard error."""
    drawn = len(sizes)
    if drawn == number:
        return float(sizes.sum()), 0.0
    # Drawn without replacement, so the variance is that of the agents that were left out.
    left_out = np.sqrt(1 - drawn / number)
    error = number * sizes.std(ddof=1) / np.sqrt(drawn) * left_out
    return float(sizes.mean() * number), float(error)


def drawn_agents(number: int, most: int = SAMPLE) -> np.ndarray:
    """Up to `most` of `number` agents, the same ones at every call."""
    return (
        np.arange(number)
        if number <= most
        else np.random.default_rng(0).choice(number, most, replace=False)
    )


def bytes_of(entries: float) -> int:
    """Bytes of a boolean csr matrix: a flag and an index, in 32 bits below 2^31 entries."""
    return int(entries) * (5 if entries < 2**31 else 9)


def memory_limit() -> int:
    """Bytes that sets may fill."""
    if MEMORY is not None:
        return MEMORY
    memory = free_memory()
    return (16 * 2**30 if memory is None else memory) // 2


def check_fits_memory(what: str, estimate: Estimate, fix: str) -> None:
    """Refuse an answer that the memory does not hold.

    **Arguments:**

    - `what`: what would be too large, as the message is to call it, in the plural.
    - `estimate`: its size.
    - `fix`: what to do instead.

    **Raises:**

    - [`mastac.errors.UserError`][] with the size, the limit and the fix.
    """
    if not estimate.fits:
        raise UserError(
            f"{what} have {estimate}; at most {size_in_words(memory_limit())} are held here; {fix}"
        )


class EntryCounter:
    """Counts entries while they are written.

    An estimate from a sample may have missed a few agents with very large sets.
    """

    def __init__(self, what: str, fix: str) -> None:
        self.what, self.fix, self.entries, self.limit = what, fix, 0, memory_limit()

    def add(self, entries: int) -> None:
        """Count so many more. Raises as [`check_fits_memory`][]."""
        self.entries += entries
        if bytes_of(self.entries) > self.limit:
            check_fits_memory(self.what, Estimate(self.entries, 0.0, 0, "products"), self.fix)
