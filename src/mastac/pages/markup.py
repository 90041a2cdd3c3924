"""HTML that is built from values: every text is escaped, so none becomes markup."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: object) -> Markup:
    """An element with its children; what is not `Markup` is text, and is escaped.

    **Arguments:**

    - `name`: of the element.
    - `children`: in order.
    - `attributes`: `_` at an end of a name is dropped, others become `-`. `None` and `False`: not
        there; `True`: there without a value.

    >>> print(element("p", "a < b", element("b", "c"), class_="note"))
    <p class="note">a &lt; b<b>c</b></p>
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in ("img", "input", "br"):
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(parts: Iterable[object]) -> Markup:
    """Parts behind each other, escaped where they are text."""
    return Markup(
        "".join(part if isinstance(part, Markup) else html.escape(str(part)) for part in parts)
    )


def table_of(
    caption: str,
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    words: Collection[int] = (),
) -> Markup:
    """A table that scrolls by itself where the window is narrow; the first cells head their rows.

    **Arguments:**

    - `caption`: what it shows, also for screen readers.
    - `head`: of the columns.
    - `rows`: cells, as many as columns.
    - `words`: which columns hold words and begin at the left, as the first one does.
    """
    kinds = ["words" if k == 0 or k in words else "figures" for k in range(len(head))]
    headings = [
        element("th", cell, scope="col", class_=kind)
        for cell, kind in zip(head, kinds, strict=True)
    ]
    lines = [
        element(
            "tr",
            element("th", row[0], scope="row", class_="words"),
            *(
                element("td", cell, class_=kind)
                for cell, kind in zip(row[1:], kinds[1:], strict=True)
            ),
        )
        for row in rows
    ]
    table = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", element("tr", *headings)),
        element("tbody", *lines),
    )
    return element(
        "div",
        table,
        class_="table",
        role="region",
        aria_label=caption,
        tabindex="0",
    )


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
