"""Members of one kind, that share a network, and in which order they are computed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import csr_array

from mastac.structure.boolean import row_of_entry, within


class Kinds(NamedTuple):
    """Members that share one network.

    - `of`: the kind of each member.
    - `first`: one member of each kind.
    """

    of: Int[np.ndarray, " members"]
    first: Int[np.ndarray, " kinds"]

    @property
    def sizes(self) -> Int[np.ndarray, " kinds"]:
        """How many members each kind has."""
        return np.bincount(self.of, minlength=len(self.first))

    def among(self, members: Int[np.ndarray, " some"]) -> "Kinds":
        """The kinds of some of the members, which are counted anew."""
        _, first, of = np.unique(self.of[members], return_index=True, return_inverse=True)
        return Kinds(of.reshape(-1).astype(np.int32), first)


class Blocks(NamedTuple):
    """Members of kinds in blocks, all of one kind in a block, for one product at a time.

    - `kinds`: the kinds of all members.
    - `members`: `[blocks, size]`; the last block of a kind is filled up with a member of it.
    - `is_real`: where `members` is not filled up.
    - `kind`: of each block.
    - `place`: where in the flattened `members` each member stands.
    """

    kinds: Kinds
    members: Int[np.ndarray, "blocks size"]
    is_real: Bool[np.ndarray, "blocks size"]
    kind: Int[np.ndarray, " blocks"]
    place: Int[np.ndarray, " members"]


def kinds_of_rows(rows: Sequence[bytes]) -> Kinds:
    """Members whose rows are equal are of one kind; kinds are numbered as they appear."""
    numbers: dict[bytes, int] = {}
    of = np.array([numbers.setdefault(row, len(numbers)) for row in rows], np.int32)
    return kinds_numbered(of)


def kinds_numbered(of: Int[np.ndarray, " members"]) -> Kinds:
    """Kinds from the number of each member's, all of which some member has."""
    return Kinds(of, np.unique(of, return_index=True)[1])


def blocks_of(kinds: Kinds, largest: int) -> Blocks:
    """Blocks of at most `largest` members, and of fewer where most kinds have fewer.

    The size is the power of two that fills up fewest places; a block counts as four more.
    """
    sizes = kinds.sizes
    most = max(1, min(largest, int(sizes.max())))
    choices = [most, *(2**k for k in range(most.bit_length()) if 2**k < most)]
    size = min(choices, key=lambda size: (int((-(-sizes // size) * (size + 4)).sum()), -size))
    number = -(-sizes // size)
    order = np.argsort(kinds.of, kind="stable")
    own = within(sizes)
    start = np.cumsum(number) - number
    flat = np.repeat(start * size, sizes) + own
    members = np.repeat(kinds.first[np.repeat(np.arange(len(sizes)), number)], size)
    is_real = np.zeros(len(members), bool)
    members[flat], is_real[flat] = order, True
    place = np.empty(len(order), np.int32)
    place[order] = flat
    return Blocks(
        kinds,
        members.reshape(-1, size).astype(np.int32),
        is_real.reshape(-1, size),
        np.repeat(np.arange(len(sizes), dtype=np.int32), number),
        place,
    )


def from_own(matrix: csr_array) -> csr_array:
    """The same rows, each from its own agent on: itself, then those after it, round to the first.

    Indices are in this order and not sorted. Where a graph looks the same from every agent, as a
    ring or the inside of a grid does, the member at a place is as far from each of them.
    """
    row, size = row_of_entry(matrix), len(matrix.indptr) - 1
    order = np.lexsort(((matrix.indices - row) % size, row))
    data = np.asarray(matrix.data)[order]
    return csr_array((data, matrix.indices[order], matrix.indptr), shape=(size, size))
