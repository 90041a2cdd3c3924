"""Mistakes of the user, each told in one sentence that names the thing and the fix."""

import difflib
from collections.abc import Iterable

from mastac.text import shortened

MOST_NAMES = 20


class UserError(ValueError):
    """A mistake that the user can fix.

    The command line prints it on one line and exits with 2.
    """


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
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    listed = ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
    return UserError(f"unknown {kind} '{shortened(name)}'{hint} (known: {listed})")
