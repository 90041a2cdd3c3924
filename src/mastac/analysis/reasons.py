"""Why an agent is in another agent's set, or is not, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from mastac.checks import whole_number
from mastac.structure.bayesian_network import Node
from mastac.structure.couplings import Couplings
from mastac.structure.paths import WORDS, Explanation, clock, explain
from mastac.structure.sequences import CouplingSequence

LONGEST = 12
"""Steps of a path that a sentence tells; of a longer path the middle is left out."""


class Reason(NamedTuple):
    """Whether `other` is in the set of `agent` at `kappa`, and why; as text, the answer in words.

    - `agent`, `other`: names.
    - `kappa`: the window asked for; `None` for the exact set.
    - `is_member`: whether the set of that window has `other`.
    - `explanation`: the shortest path at the smallest window that has `other`; `None` where no
        window has it.
    - `reverse`: the same for `agent` in the set of `other`, where no window has `other`: the
        direction of an edge is easily mistaken.
    - `last`: of a sequence, the number of steps from `at` to its last reward; otherwise `None`.
    """

    agent: str
    other: str
    kappa: int | None
    is_member: bool
    explanation: Explanation | None
    reverse: Explanation | None
    last: int | None

    def __str__(self) -> str:
        window = "" if self.kappa is None else f" of kappa = {self.kappa}"
        path = self.explanation
        if path is None:
            return self._never()
        if self.is_member:
            is_member, since = "is", f", and in all from kappa = {path.kappa} on"
        else:
            is_member, since = "is not", f"; it enters at kappa = {path.kappa}"
        place = f"in the set{window} of '{self.agent}'"
        return f"'{self.other}' {is_member} {place}{since}: {sentence(path)}"

    def _never(self) -> str:
        """The answer where no window has `other`."""
        end = "" if self.last is None else f" up to the last one at {clock(self.last)}"
        text = (
            f"'{self.other}' is in no set of '{self.agent}', whatever kappa: neither its state nor "
            f"its action at t reaches a reward of '{self.agent}'{end}."
        )
        if self.reverse is None:
            return text
        return (
            f"{text} The other way round, '{self.agent}' is in the set of '{self.other}' from "
            f"kappa = {self.reverse.kappa} on."
        )

    def to_dict(self) -> dict[str, object]:
        """The answer, ready for JSON."""
        path = self.explanation
        nodes = [] if path is None else path.nodes
        return {
            "agent": self.agent,
            "other": self.other,
            "kappa": self.kappa,
            "member": self.is_member,
            "from_kappa": None if path is None else path.kappa,
            "path": [[WORDS[kind], name, time] for kind, name, time in nodes] or None,
            "text": str(self),
        }


def reason(
    couplings: Couplings | CouplingSequence,
    agent: str | int,
    other: str | int,
    kappa: int | None = None,
    minimal: bool = True,
    at: int = 0,
) -> Reason:
    """Why `other` is in the set of `agent`, or from which window on it would be.

    **Arguments:**

    - `couplings`: the same at all times, or a sequence.
    - `agent`: whose set, by name or row.
    - `other`: the agent that is looked for in it.
    - `kappa`, `minimal`, `at`: which set, as in [`mastac.value_dependency`][].

    **Raises:** `UserError` for an unknown agent, and as [`mastac.value_dependency`][].

    !!! example

        >>> line = Couplings(["mine", "mill"], state=[("mine", "mill")])
        >>> print(reason(line, "mill", "mine"))
        'mine' is in the set of 'mill', and in all from kappa = 1 on: The state of 'mine' at t
        enters the state of 'mill' at t+1, which enters the reward of 'mill' at t+1.
        >>> print(reason(line, "mine", "mill"))
        'mill' is in no set of 'mine', whatever kappa: neither its state nor its action at t reaches
        a reward of 'mine'. The other way round, 'mine' is in the set of 'mill' from kappa = 1 on.
    """
    i, j = couplings.index(agent), couplings.index(other)
    path = explain(couplings, i, j, None, minimal, at)
    if kappa is not None:
        kappa = whole_number("kappa", kappa)
    return Reason(
        agent=couplings.agents[i],
        other=couplings.agents[j],
        kappa=kappa,
        is_member=path is not None and (kappa is None or path.kappa <= kappa),
        explanation=path,
        reverse=explain(couplings, j, i, None, minimal, at) if path is None else None,
        last=couplings.horizon - at if isinstance(couplings, CouplingSequence) else None,
    )


def sentence(explanation: Explanation, longest: int = LONGEST) -> str:
    """A path as one sentence; times count from that of the value.

    **Arguments:**

    - `explanation`: the path, an [`Explanation`][mastac.structure.Explanation].
    - `longest`: of more steps the middle is left out.
    """
    kind, name, start = explanation.nodes[0]
    clauses = list(_clauses(explanation.nodes, start))
    if len(clauses) > longest:
        half = longest // 2
        clauses[half:-half] = [f"… ({len(clauses) - 2 * half} more steps) …"]
    return f"The {WORDS[kind]} of '{name}' at t {', '.join(clauses)}."


def _clauses(nodes: tuple[Node, ...], start: int) -> Iterator[str]:
    """A clause for each edge of the path; steps in which a state only stays are told together."""
    link = ""
    for place, ((source, owner, _), (kind, name, time)) in enumerate(pairwise(nodes), 1):
        when = clock(time - start)
        waits = source == kind == "s" and owner == name
        if waits and nodes[place + 1][:2] == ("s", name):
            continue
        if waits:
            yield f"{link}stays with '{name}' until {when}"
        elif kind == "a":
            yield f"{link}is seen by '{name}' at {when}"
        else:
            # The clause before has named the agent of an action within a path.
            actor = "whose action then " if link and source == "a" else link
            yield f"{actor}enters the {WORDS[kind]} of '{name}' at {when}"
        link = "which "
