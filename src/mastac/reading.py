"""Files from anywhere, read so that whatever they hold ends in values or in one sentence.

A file is read once, as text in UTF-8; JSON is parsed strictly; what came out is compared with a
declared schema by msgspec. Imports nothing heavy, msgspec only where something is checked.
"""

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from unicodedata import category

from mastac.errors import UserError
from mastac.text import shortened

SMALLEST, LARGEST = -(2**63), 2**63 - 1
MOST_DIGITS = 400  # of a number: more than the largest one of double precision has
Checked = TypeVar("Checked")

# What msgspec calls the kinds of values, as a message says it.
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def file_bytes(path: Path) -> bytes:
    """The content of a regular file.

    **Raises:**

    - `UserError` if there is none, it is a folder or a device, or it cannot be read; the sentence
        does not name the file.
    """
    try:
        if path.is_dir():
            raise UserError("cannot be read: it is a folder; name the file")
        if path.exists() and not path.is_file():  # a pipe or a device might never end
            raise UserError("cannot be read: it is no regular file; copy what it gives into one")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError("there is no such file") from error
    except (OSError, MemoryError) as error:
        raise UserError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError("its name has a zero byte; no file can be called that") from error


def file_text(path: Path, otherwise: str | None = None) -> str:
    """The text of a file in UTF-8, with or without a mark of the order of bytes.

    **Arguments:**

    - `path`: the file.
    - `otherwise`: the encoding of what is not UTF-8.

    **Raises:**

    - `UserError` as of [`file_bytes`][], and for other encodings.
    """
    content = file_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if otherwise is not None:
            return content.decode(otherwise)
        raise UserError(
            f"this is not text in UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error


def json_value(text: str, constants: bool = False) -> Any:
    """The value of a JSON text.

    **Arguments:**

    - `text`: the text.
    - `constants`: whether NaN and Infinity are read, which JSON does not know and programs write.

    **Raises:**

    - `UserError` that says where it is no JSON; for a key that stands twice, of which JSON keeps
        the last; for numbers that 64 bits do not hold, and for text that cannot be printed.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_whole,
            parse_float=_real,
            parse_constant=float if constants else _constant,
        )
    except UserError:
        raise
    except json.JSONDecodeError as error:
        raise UserError(
            f"not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except RecursionError as error:
        raise UserError("not valid JSON: brackets are nested too deeply") from error
    if "\\u" in text or unprintable(text) is not None:
        _check_printable(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise UserError(f"the key '{shortened(key)}' stands there twice; leave one of them")
    return found


def _whole(digits: str) -> int:
    # int() takes a time that grows with the square of the digits, and refuses 4,300 of them.
    number = int(digits) if len(digits) < MOST_DIGITS else LARGEST + 1
    if not SMALLEST <= number <= LARGEST:
        raise UserError(f"the number {shortened(digits, 20)} is too large; 64 bits do not hold it")
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise UserError(f"the number {shortened(digits, 20)} is too large; 64 bits do not hold it")
    return number


def _constant(name: str) -> NoReturn:
    raise UserError(f"not valid JSON: it holds {name}, which is no number there; write null")


def _check_printable(value: Any) -> None:
    """Refuse texts that would write to a terminal what nobody sees, and halves of letters."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and (wrong := unprintable(value)) is not None:
            raise UserError(
                f"the text '{shortened(value)}' holds the character U+{ord(wrong):04X}, which "
                "cannot be printed; take it out"
            )


def unprintable(text: str) -> str | None:
    r"""The first character that cannot be printed, as Python says; spaces and ends of lines can.

    Such as those that move a cursor, halves of letters, and letters without width, by which two
    names that look alike differ.

    >>> unprintable("pump\tA"), unprintable("\x1b[2J"), unprintable("pump\u00adA")
    (None, '\x1b', '\xad')
    """
    odd = {letter for letter in set(text) if not letter.isprintable()} - set("\n\r\t")
    found = {letter for letter in odd if category(letter) != "Zs"}  # not the space of "10\xa0kW"
    return min(found, key=text.index) if found else None


def checked(value: Any, schema: type[Checked]) -> Checked:
    """A value as it came, if it has the form that a schema declares.

    **Arguments:**

    - `value`: what JSON gave.
    - `schema`: a type that msgspec knows. Keys that it does not name may be there.

    **Raises:**

    - `UserError` that names the place, what should stand there and what does.
    """
    import msgspec

    try:
        msgspec.convert(value, schema)
    except msgspec.ValidationError as error:
        raise UserError(_in_words(str(error))) from error
    except (RecursionError, OverflowError) as error:
        raise UserError("brackets are nested too deeply, or a number is too large") from error
    return value


def _in_words(complaint: str) -> str:
    """A complaint of msgspec as a sentence that opens with the place.

    >>> _in_words("Expected `int | null`, got `str` - at `$.kappa`")
    'kappa must be a whole number or null, not text'
    """
    what, _, place = complaint.partition(" - at ")
    place = place.strip("`").removeprefix("key in ").strip("`").removeprefix("$").lstrip(".")
    what = re.sub(r"`([^`]*)`", lambda found: _kinds(found[1]), what)
    match = re.fullmatch(r"Expected (.*?)(?:, got (.*))?", what)
    if match is None:
        what = re.sub("^Object missing required field", "lacks", what)
        return f"{place or 'it'} {what[0].lower()}{what[1:]}"
    got = f", not {match[2]}" if match[2] else ""
    return f"{place or 'it'} must be {match[1]}{got}"


def _kinds(names: str) -> str:
    kinds = [KINDS.get(name, f"'{name}'") for name in names.split(" | ")]
    return " or ".join(kinds)
