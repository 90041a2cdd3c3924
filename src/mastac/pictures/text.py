"""How wide text is, and short labels for agents with long names."""

from collections.abc import Sequence
from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

POINTS = 72
LINE = 1.3
"""Height of a line of text over its size."""
MOST_CHARACTERS = 16
SEPARATORS = "-_.:/ "


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of text of `size` points, in inches."""
    font = FontProperties(family="sans-serif", size=size, weight="bold" if bold else "normal")
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / POINTS


def line_height(size: float) -> float:
    """The height of a line of text of `size` points, in inches."""
    return LINE * size / POINTS


def wrapped(text: str, width: float, size: float) -> str:
    """Text broken between words into lines that are at most `width` inches wide."""
    lines: list[str] = []
    for whole in text.split("\n"):
        lines.append("")
        for word in whole.split():
            longer = f"{lines[-1]} {word}".strip()
            if not lines[-1] or text_width(longer, size) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
    return "\n".join(lines)


def short_labels(names: Sequence[str]) -> tuple[list[str], str]:
    """Labels that fit into nodes, all different, and a remark on what was left out.

    What all names begin with is left out (`zone-1`, `zone-2`, …), up to a sign or before a number.
    Names that stay long lose their middle, or make way for numbers.

    >>> short_labels(["zone-1", "zone-2"])
    (['1', '2'], 'agents are zone-1 … zone-2')
    >>> short_labels(["pump", "tank"])
    (['pump', 'tank'], '')
    """
    prefix = _beginning(min(names), max(names)) if len(names) > 1 else ""
    while prefix and prefix[-1] not in SEPARATORS:
        prefix = prefix[:-1]
    labels = [name[len(prefix) :] for name in names]
    if not all(labels):
        labels, prefix = list(names), ""
    remark = f"agents are {names[0]} … {names[-1]}" if prefix else ""
    if max(map(len, labels)) <= MOST_CHARACTERS:
        return labels, remark
    keep = (MOST_CHARACTERS - 1) // 2
    cut = [
        label if len(label) <= MOST_CHARACTERS else f"{label[:keep]}…{label[-keep:]}"
        for label in labels
    ]
    if len(set(cut)) == len(cut):
        return cut, remark
    return [str(k + 1) for k in range(len(names))], "agents by number, in the order of the file"


def _beginning(first: str, last: str) -> str:
    """What two names begin with; of the first and last in order it is what all begin with."""
    pairs = zip(first, last, strict=False)
    same = next((k for k, (one, two) in enumerate(pairs) if one != two), len(first))
    return first[:same]
