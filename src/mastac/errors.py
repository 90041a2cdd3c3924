"""Mistakes of the user, each told in one sentence that names the thing and the fix."""

import difflib
from collections.abc import Iterable, Sequence

from mastac.text import one_line, shortened

MOST_NAMES = 20
LONGEST_NAME, MOST_COMPARED = 200, 10_000


class UserError(ValueError):
    """A mistake that the user can fix.

    The command line prints it and exits with `exit_code`. Whatever of a user's values the message
    echoes, it is one line of at most 500 characters that can be printed.
    """

    exit_code = 2

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class StorageError(UserError):
    """The system refuses to store what a run writes; asked again when that is mended, it works."""

    exit_code = 1


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that does not exist, which offers the nearest one that does.

    **Arguments:**

    - `kind`: what the name is the name of, such as "algorithm".
    - `name`: what the user gave.
    - `known`: the names that exist; at most 20 of them are listed.

    **Returns:**

    The error, for the caller to raise.

    >>> str(unknown("algorithm", "mastak", ["mastac", "maddpg"]))
    "unknown algorithm 'mastak'; did you mean 'mastac'? (known: mastac, maddpg)"
    """
    names = [str(candidate) for candidate in known]
    listed = ", ".join(map(shortened, names[:MOST_NAMES])) + (
        ", …" if len(names) > MOST_NAMES else ""
    )
    hint = nearest(name, names)
    return UserError(f"unknown {kind} '{shortened(name)}'{hint} (known: {listed})")


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of a sentence that offers the nearest name; empty where none is near.

    >>> nearest("mastak", ["mastac", "maddpg"]), nearest("x", ["mastac"])
    ("; did you mean 'mastac'?", '')
    """
    if len(str(name)) > LONGEST_NAME or len(known) > MOST_COMPARED:  # would take seconds
        return ""
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"; did you mean '{shortened(near[0])}'?" if near else ""
