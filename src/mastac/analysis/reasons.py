"""Why an agent is in another one's set, or is not, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from mastac.structure.bayesian_network import WORDS, Explanation, Node, clock, explain
from mastac.structure.couplings import Couplings, CouplingSequence

LONGEST = 12
"""Steps of a path that are told; of a longer one the middle is left out."""


class Reason(NamedTuple):
    """Whether `other` is in the set of `agent` at `kappa`, and why; its text is the answer in words.

    - `explanation`: the shortest path at the smallest window that has `other`; `None` where no
        window has.
    - `reverse`: the same for `agent` in the set of `other`, where no window has `other`: edges are
        easily turned round.
    - `is_member`: whether `kappa` is that window or a larger one.
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
            text = f"'{self.other}' is in the set{window} of '{self.agent}', and in all from kappa = {path.kappa} on"
        else:
            text = f"'{self.other}' is not in the set{window} of '{self.agent}'; it enters at kappa = {path.kappa}"
        return f"{text}: {sentence(path)}"

    def _never(self) -> str:
        end = "" if self.last is None else f" up to the last one at {clock(self.last)}"
        text = (
            f"'{self.other}' is in no set of '{self.agent}', whatever kappa: neither its state nor its action at t "
            f"reaches a reward of '{self.agent}'{end}."
        )
        if self.reverse is not None:
            text += f" The other way round, '{self.agent}' is in the set of '{self.other}' from kappa = "
            text += f"{self.reverse.kappa} on."
        return text

    def to_dict(self) -> dict[str, object]:
        """The answer, ready for JSON."""
        path = self.explanation
        return {
            "agent": self.agent,
            "other": self.other,
            "kappa": self.kappa,
            "member": self.is_member,
            "from_kappa": None if path is None else path.kappa,
            "path": None
            if path is None
            else [[WORDS[kind], name, time] for kind, name, time in path.nodes],
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

    Arguments and errors are those of [`mastac.value_dependency`][].

    !!! example

        >>> line = Couplings(["mine", "mill"], state=[("mine", "mill")])
        >>> print(reason(line, "mill", "mine"))
        'mine' is in the set of 'mill', and in all from kappa = 1 on: The state of 'mine' at t enters the state of
        'mill' at t+1, which enters the reward of 'mill' at t+1.
        >>> print(reason(line, "mine", "mill"))
        'mill' is in no set of 'mine', whatever kappa: neither its state nor its action at t reaches a reward of 'mine'.
        The other way round, 'mine' is in the set of 'mill' from kappa = 1 on.
    """
    i, j = couplings.index(agent), couplings.index(other)
    path = explain(couplings, i, j, None, minimal, at)
    if kappa is not None:
        explain(couplings, i, i, kappa, minimal, at)  # to refuse a kappa that is none
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
    """The path of an [`Explanation`][mastac.structure.Explanation] as one sentence; times count from the value's."""
    kind, name, start = explanation.nodes[0]
    clauses = list(_clauses(explanation.nodes, start))
    if len(clauses) > longest:
        half = longest // 2
        clauses[half:-half] = [f"… ({len(clauses) - 2 * half} more steps) …"]
    return f"The {WORDS[kind]} of '{name}' at t {', '.join(clauses)}."


def _clauses(nodes: tuple[Node, ...], start: int) -> Iterator[str]:
    """What each edge of the path does, and to whom; steps that only wait are told together."""
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
            # An action within a path is that of the agent whom the clause before has named.
            actor = "whose action then " if link and source == "a" else link
            yield f"{actor}enters the {WORDS[kind]} of '{name}' at {when}"
        link = "which "
