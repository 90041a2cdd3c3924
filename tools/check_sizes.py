"""Check that files, functions and lines of documents are short.

    python tools/check_sizes.py

Ruff checks the lines of Python. A file of code has at most 300 lines, a function at most 60, and a
line of a document, or of a script or style of a page, at most 100 characters. Tables, code blocks
and links of documents may be longer: they cannot be broken.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES, FUNCTION_LINES, LINE_CHARACTERS = 300, 60, 100
CODE = ("src", "benchmarks", "tools", "docs")


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository that match a pattern."""
    command = ["git", "ls-files", *patterns]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [path for path in map(Path, output.splitlines()) if path.is_file()]


def long_code(path: Path) -> Iterator[str]:
    """Messages about a Python file and its functions."""
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
    """Lines of a function's docstring. They do not count: explanations should not be cut."""
    if ast.get_docstring(node) is None:
        return 0
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1


def long_script(path: Path) -> Iterator[str]:
    """Messages about a script or a style of a page."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > FILE_LINES:
        yield f"{path}: {len(lines)} lines; at most {FILE_LINES}"
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_CHARACTERS:
            yield f"{path}:{number}: {len(line)} characters; at most {LINE_CHARACTERS}"


def long_text(path: Path) -> Iterator[str]:
    """Messages about lines of a document that could be broken."""
    in_code = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        in_code ^= line.lstrip().startswith("```")
        one_word = not re.search(r"\S\s+\S", line.strip())
        cannot_break = in_code or line.startswith(("|", "    ")) or one_word
        if not cannot_break and len(line) > LINE_CHARACTERS:
            yield f"{path}:{number}: {len(line)} characters; at most {LINE_CHARACTERS}"


def main() -> int:
    """Print all messages; the exit code is 1 if there are any."""
    code = [path for path in tracked("*.py") if path.parts[0] in CODE]
    messages = [message for path in code for message in long_code(path)]
    scripts = [path for path in tracked("*.js", "*.css", "*.html") if "vendor" not in path.parts]
    messages += [message for path in scripts for message in long_script(path)]
    messages += [message for path in tracked("*.md") for message in long_text(path)]
    print("\n".join(messages) or "sizes are fine")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
