"""The directive `api`: names of the package, from their docstrings, which are Markdown.

    ```{api} Couplings value_dependency
    ```

Cross references in docstrings, [`name`][] and [`text`][module.name], lead to the entry of a public
name. Other names of the package are shown as code; one that does not exist is a warning.
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import mastac

LOG = logging.getLogger(__name__)
PUBLIC = {id(value): name for name in mastac.__all__ for value in [getattr(mastac, name)]}
REFERENCE = re.compile(r"\[`([^`]+)`\]\[([^\]]*)\]")
EXAMPLE = re.compile(r'^!!! example(?: "(.*)")?$')


def attribute(place: Any, path: str) -> Any:
    """What `path` names below an object, or `None`."""
    for name in path.split("."):
        place = getattr(place, name, None)
    return place


def named(path: str, module: ModuleType) -> tuple[Any, str | None]:
    """The object that a docstring of `module` calls `path`, and its public name if it has one."""
    found, owner = attribute(module, path), attribute(module, path.partition(".")[0])
    rest = path.partition(".")[2]
    if found is None and path.startswith("mastac."):
        head, _, last = path.rpartition(".")
        try:
            found = owner = getattr(importlib.import_module(head), last)
        except ModuleNotFoundError:  # a method of a class
            head, _, class_name = head.rpartition(".")
            owner = getattr(importlib.import_module(head), class_name)
            found = getattr(owner, last)
        rest = "" if owner is found else last
    public = PUBLIC.get(id(owner))
    return found, public and ".".join(filter(None, (f"mastac.{public}", rest)))


def linked(text: str, module: ModuleType, where: str) -> str:
    """A docstring with its cross references in the form of MyST."""

    def link(match: re.Match[str]) -> str:
        shown, path = match[1], match[2] or match[1]
        found, public = named(path, module)
        if found is None:
            LOG.warning("the docstring of %s refers to %r, which does not exist", where, path)
        if public is None:
            return f"`{shown}`"
        return f"{{py:obj}}`{public if shown == path else shown} <{public}>`"

    return REFERENCE.sub(link, text)


def fenced(text: str) -> Iterator[str]:
    """Lines of a docstring; examples, which are indented doctests, become blocks of code."""
    lines = iter(text.splitlines())
    for line in lines:
        example = EXAMPLE.match(line)
        if example is None:
            yield line
            continue
        block = inspect.cleandoc("\n".join(lines)).splitlines()
        yield from [f"**Example.** {example[1] or ''}", "", "```python", *block, "```"]


def signature(value: Any) -> str:
    """Names and defaults of the arguments; the text below says what they are."""
    given = inspect.signature(value)
    bare = [p.replace(annotation=p.empty) for p in given.parameters.values()]
    bare = [p for p in bare if p.name not in ("self", "cls")]
    text = str(given.replace(parameters=bare, return_annotation=given.empty))
    text = re.sub(r"=(<factory>|<function.*?>)", "=…", text)
    return text.replace("'preset'", '"preset"')


def entry(kind: str, name: str, arguments: str, text: list[str], depth: int) -> list[str]:
    """A directive of the Python domain; the outer one has the longer fence."""
    fence = "`" * (12 - 3 * depth)
    return [f"{fence}{{py:{kind}}} {name}{arguments}", "", *text, "", fence, ""]


def members(public: type, name: str, module: ModuleType) -> Iterator[str]:
    """The documented methods and properties of a class."""
    for key, value in vars(public).items():
        function = getattr(value, "__func__", getattr(value, "func", value))
        function = getattr(value, "fget", function)
        if key.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        text = linked(inspect.cleandoc(function.__doc__), module, f"{name}.{key}")
        is_method = inspect.isfunction(value) or isinstance(value, classmethod)
        kind = "method" if is_method else "property"
        arguments = signature(function) if is_method else ""
        yield from entry(kind, f"{name}.{key}", arguments, list(fenced(text)), depth=1)


def described(name: str) -> list[str]:
    """The Markdown of one public name."""
    value, full = getattr(mastac, name), f"mastac.{name}"
    module = importlib.import_module(value.__module__)
    text = list(fenced(linked(inspect.getdoc(value) or "", module, full)))
    if not inspect.isclass(value):
        return entry("function", full, signature(value), text, depth=0)
    if issubclass(value, Exception | KeyboardInterrupt):
        return entry("exception", full, "", text, depth=0)
    # What has no list of arguments is given by functions, not made by the user.
    arguments = signature(value) if "**Arguments:**" in text else ""
    return entry("class", full, arguments, [*text, "", *members(value, full, module)], depth=0)


class Api(SphinxDirective):
    """Entries of the public names that are its arguments."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[Any]:
        lines = [line for name in self.arguments[0].split() for line in described(name)]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("api", Api)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
