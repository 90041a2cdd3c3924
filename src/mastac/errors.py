"""Mistakes of the user, said in one sentence that names the thing and the mend."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake that the user can mend; the command line prints it on one line and exits with 2."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that does not exist, offering the nearest one that does.

    >>> str(unknown("algorithm", "mastak", ["mastac", "maddpg"]))
    "unknown algorithm 'mastak'; did you mean 'mastac'? (known: mastac, maddpg)"
    """
    names = [str(each) for each in known]
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return UserError(f"unknown {kind} '{name}'{hint} (known: {listed})")
