"""What ruff cannot check: files and functions stay short, and lines of documents too.

    python tools/check_sizes.py

A file of code has at most 300 lines, a function at most 60, a line of a document at most 100
characters. Tables, code blocks and links of documents may be longer: they cannot be broken.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES, FUNCTION_LINES, LINE_CHARACTERS = 300, 60, 100
CODE = ("src", "benchmarks", "examples", "tools")


def tracked(*patterns: str) -> list[Path]:
    """The files of the repository that match."""
    listed = subprocess.run(
        ["git", "ls-files", *patterns], capture_output=True, text=True, check=True
    )
    return [path for path in map(Path, listed.stdout.splitlines()) if path.is_file()]


def long_code(path: Path) -> Iterator[str]:
    """What is too long in a file of Python."""
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{path}: {lines} lines; at most {FILE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)
            if size > FUNCTION_LINES:
                place = f"{path}:{node.lineno}: {node.name}"
                yield f"{place} has {size} lines; at most {FUNCTION_LINES}"


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's docstring, which do not count: nobody should save on them."""
    if ast.get_docstring(node) is None:
        return 0
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1


def long_text(path: Path) -> Iterator[str]:
    """Lines of a document that are too long and could be broken."""
    in_code = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        in_code ^= line.lstrip().startswith("```")
        fixed = in_code or line.startswith(("|", "    ")) or not re.search(r"\S\s+\S", line.strip())
        if not fixed and len(line) > LINE_CHARACTERS:
            yield f"{path}:{number}: {len(line)} characters; at most {LINE_CHARACTERS}"


def main() -> int:
    """Print what is too long; the exit code is 1 if anything is."""
    code = [path for path in tracked("*.py") if path.parts[0] in CODE]
    found = [line for path in code for line in long_code(path)]
    found += [line for path in tracked("*.md") for line in long_text(path)]
    print("\n".join(found) or "sizes are fine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
