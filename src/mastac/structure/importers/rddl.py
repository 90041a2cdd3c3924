"""Instances of RDDL: `.rddl`."""

import re
from pathlib import Path

from mastac.errors import UserError, unknown
from mastac.structure.importers.rddl_domain import Domain, read_domain
from mastac.structure.importers.topology import Topology, joined, nothing_found

WORD = r"[\w'-]+"
FACT = re.compile(rf"([~!]?)\s*({WORD})\s*\(([^()]*)\)\s*(?:=\s*([^;]*?)\s*)?;")


def read_rddl(text: str, path: str, options: dict[str, str]) -> Topology:
    """The objects that act, and the relations between two objects that the instance states.

    The objects that act are those of the types that action fluents of the domain name first. The
    domain is in the file itself or in `domain.rddl` beside it; without it, the types between whose
    objects relations are stated count. Numbers count as relations where no truth value does, unless
    they are 0. Where the domain is known, the direction of an edge is that in which its
    `cpfs` let a fluent of one object enter that of the other; otherwise edges lead both ways. Paths
    through objects that do not act are edges too.

    **Arguments:**

    - `text`: the content of the file.
    - `path`: the file, beside which the domain may be, and for messages.
    - `options`: `agents`: the type of the objects that act; `edges`: the relation, such as
        `RES_CONNECT`.

    **Raises:**

    - [`mastac.errors.UserError`][] naming the file, if it states no objects or relations.
    """
    text = re.sub(r"//[^\n]*", "", text)
    types = _objects(text, path)
    type_of = {name: kind for kind, names in types.items() for name in names}
    domain = read_domain(text, Path(path))
    facts = _facts(text, path, type_of, options.pop("edges", None))
    acting = _acting(domain, types, facts, type_of, options.pop("agents", None))
    agents = {name: name for kind in acting for name in types[kind]}
    if not agents:
        raise nothing_found(path, "objects that act", "choose agents=TYPE")
    links: list[tuple[str, str]] = []
    for relation, first, second in facts:
        ahead, back = (True, True) if domain is None else domain.directions(relation)
        links += [(first, second)] * ahead + [(second, first)] * back
    relations = ", ".join(dict.fromkeys(relation for relation, *_ in facts))
    both = " either way (the domain, which would tell the direction, is not beside the file)"
    said = f"an agent is a {' or a '.join(acting)}; an edge says that {relations or 'nothing'} " + (
        f"joins two{both if domain is None else ', in the direction of the cpfs'}"
    )
    return Topology(list(agents), joined(agents, links), said)


def _objects(text: str, path: str) -> dict[str, list[str]]:
    """The names of the objects of each type."""
    found = re.search(r"\bobjects\s*\{((?:[^{}]|\{[^{}]*\})*)\}", text)
    if found is None:
        raise UserError(
            f"{path}: no 'objects {{ type : {{names}}; }}' here; give the file that holds the "
            "non-fluents of the instance"
        )
    listed = re.findall(rf"({WORD})\s*:\s*\{{([^{{}}]*)\}}", found[1])
    return {kind: [n.strip() for n in names.split(",") if n.strip()] for kind, names in listed}


def _facts(
    text: str, path: str, type_of: dict[str, str], chosen: str | None
) -> list[tuple[str, str, str]]:
    """What the non-fluents state of two objects: (relation, first, second)."""
    found = re.search(r"\bnon-fluents\s*\{([^{}]*)\}", text)
    true: list[tuple[str, str, str]] = []
    numbers: list[tuple[str, str, str]] = []
    names: dict[str, None] = {}
    for no, name, arguments, value in FACT.findall("" if found is None else found[1]):
        ends = [part.strip() for part in arguments.split(",")]
        if len(ends) != 2 or ends[0] == ends[1]:
            continue
        for end in ends:
            if end not in type_of:
                raise UserError(f"{path}: {name}({', '.join(ends)}) names '{end}', no object here")
        names[name] = None
        if chosen not in (None, name) or no or value == "false":
            continue
        if value in ("", "true"):
            true.append((name, ends[0], ends[1]))
        elif not re.fullmatch(r"[+-]?0*\.?0*", value):
            numbers.append((name, ends[0], ends[1]))
    if chosen is not None and chosen not in names:
        raise unknown("relation", chosen, names)
    return true or numbers


def _acting(
    domain: Domain | None,
    types: dict[str, list[str]],
    facts: list[tuple[str, str, str]],
    type_of: dict[str, str],
    chosen: str | None,
) -> list[str]:
    """The types of the objects that act, in the order of the file."""
    if chosen is not None:
        if chosen not in types:
            raise unknown("type", chosen, types)
        return [chosen]
    if domain is not None:
        return [kind for kind in types if kind in domain.acting]
    ends = {type_of[end] for _, *pair in facts for end in pair}
    return [kind for kind in types if kind in ends or len(types) == 1]
