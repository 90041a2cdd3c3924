"""What a domain of RDDL says of types that act, and of the direction of relations."""

import re
from pathlib import Path
from typing import NamedTuple

DECLARED = re.compile(r"([\w-]+)\s*(?:\(([^()]*)\))?\s*:\s*\{\s*([\w-]+)")
CPF = re.compile(r"([\w-]+)'?\s*(?:\(([^()]*)\))?\s*=(?![=>])([^;]*);")


class Domain(NamedTuple):
    """Types named first by action fluents, and the conditional probability functions as text."""

    acting: frozenset[str]
    cpfs: tuple[tuple[frozenset[str], str], ...]
    changing: frozenset[str]

    def directions(self, relation: str) -> tuple[bool, bool]:
        """Whether what holds of a first object enters the next state of a second, and the reverse.

        In a function of `?x`, `R(?y, ?x)` and a fluent of `?y` say that the first enters the
        second. Both, if nothing is said in this form: an edge too many costs only time.
        """
        name, variable = rf"(?<![\w-]){re.escape(relation)}", r"\s*(\?[\w-]+)\s*"
        uses = re.compile(rf"{name}\s*\({variable},{variable}\)")
        ahead = back = False
        for heads, body in self.cpfs:
            for first, second in uses.findall(body):
                ahead |= second in heads and self._enters(first, body)
                back |= first in heads and self._enters(second, body)
        return (ahead, back) if ahead or back else (True, True)

    def _enters(self, variable: str, body: str) -> bool:
        """Whether a fluent of the variable stands in the text of a function."""
        used = re.findall(rf"([\w-]+)'?\s*\([^()]*{re.escape(variable)}(?![\w-])[^()]*\)", body)
        return bool(self.changing & set(used))


def read_domain(text: str, path: Path) -> Domain | None:
    """The domain in the text of a file, else in `domain.rddl` beside it, else `None`."""
    if "action-fluent" not in text:
        beside = path.with_name("domain.rddl")
        text = beside.read_text("utf-8", errors="replace") if beside.is_file() else ""
        text = re.sub(r"//[^\n]*", "", text)
    if "action-fluent" not in text:
        return None
    declared = [(name, kinds.split(","), kind) for name, kinds, kind in DECLARED.findall(text)]
    acting = {kinds[0].strip() for _, kinds, kind in declared if kind == "action-fluent"}
    changing = {
        name for name, _, kind in declared if kind.endswith("-fluent") and kind != "non-fluent"
    }
    _, _, after = text.partition("cpfs")
    cpfs = tuple(
        (frozenset(variable.strip() for variable in variables.split(",")), body)
        for _, variables, body in CPF.findall(after)
    )
    return Domain(frozenset(acting), cpfs, frozenset(changing))
