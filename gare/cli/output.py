"""Spells things for people and for programs: JSON, tables, times, errors. Knows nothing of releases.

Text that others wrote (commit messages, branch names, tickets) reaches a terminal only through `clean`: it may
hold escape sequences.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any, TextIO
from unicodedata import category, combining, east_asian_width

from gare.errors import GareError

_GAP = "  "
_NARROWEST = 8
_HIDDEN_ORDER = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
)
"""Marks that change the order or the lines of the text around them without being seen."""


def clean(text: object, *, keep: str = "") -> str:
    """Return text with everything a terminal would obey spelled out as escapes, except the characters in `keep`.

    Lines are joined by a space, unless they are kept.
    """
    word = str(text)
    if word.isascii() and word.isprintable():
        return word
    if "\n" in word and "\n" not in keep:
        word = " ".join(filter(None, map(str.strip, word.split("\n"))))
    return "".join(
        letter
        if letter in keep or (category(letter) not in ("Cc", "Cs") and letter not in _HIDDEN_ORDER)
        else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
        for letter in word
    )


def first_line(text: str) -> str:
    """Return the first line of a text; an ellipsis says that there is more (`gare log` and `gare why` have it)."""
    first, more, _ = text.strip().partition("\n")
    return f"{first} …" if more else first


def clean_block(text: object) -> str:
    """Return a text of several lines, clean, with its line breaks and tabs."""
    return clean(str(text).replace("\r\n", "\n"), keep="\n\t")


def to_json(value: Any) -> str:
    """Spell a value as JSON in one way: sorted keys, two spaces; lone surrogates escaped."""
    text = json.dumps(
        value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False, default=str
    )
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def print_json(value: Any, stream: TextIO | None = None) -> None:
    """Print a value as JSON, for programs."""
    (stream or sys.stdout).write(to_json(value) + "\n")


def is_terminal(stream: TextIO | None = None) -> bool:
    """Tell whether a person looks at the stream (standard output when none is given)."""
    try:
        return (stream or sys.stdout).isatty()
    except ValueError:
        return False


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Return the columns of the terminal behind the stream; None when there is none: nothing is cut then."""
    if not is_terminal(stream):
        return None
    from shutil import get_terminal_size

    return max(get_terminal_size((100, 24)).columns, 40)


def width(text: str) -> int:
    """Count the columns a clean text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(letter) or category(letter) in ("Mn", "Me", "Cf") else _columns(letter)
        for letter in text
    )


def _columns(letter: str) -> int:
    return 2 if east_asian_width(letter) in ("W", "F") else 1


def cut(text: str, columns: int) -> str:
    """Return a clean text that takes no more than `columns`; an ellipsis says that something is missing."""
    if width(text) <= columns:
        return text
    kept = ""
    for letter in text:
        if width(kept + letter) > columns - 1:
            break
        kept += letter
    return kept + "…"


def table(
    headers: Sequence[str], rows: Sequence[Sequence[object]], *, columns: int | None = None
) -> str:
    """Align rows under headers; with `columns`, the widest columns are cut until the line fits."""
    lines = [[clean(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(width(line[place]) for line in lines) for place in range(len(headers))]
    if columns is not None:
        _shrink(widths, columns - len(_GAP) * (len(widths) - 1))
    return "\n".join(_GAP.join(_cells(line, widths)).rstrip() for line in lines)


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[object]], stream: TextIO | None = None
) -> None:
    """Print a table, cut to the terminal's width where there is one; in a file nothing is cut."""
    text = table(headers, rows, columns=terminal_width(stream))
    (stream or sys.stdout).write(text + "\n")


def _cells(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    kept = [cut(cell, size) for cell, size in zip(line, widths, strict=True)]
    return [cell + " " * (size - width(cell)) for cell, size in zip(kept, widths, strict=True)]


def _shrink(widths: list[int], room: int) -> None:
    while sum(widths) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1


def error_text(error: GareError) -> str:
    """Spell an error for people: what, where and what to do, each on lines of its own."""
    lines = [f"gare: error: {clean_block(error.what)}"]
    lines += [
        f"  {name}: {clean_block(said)}"
        for name, said in (("where", error.where), ("hint", error.hint))
        if said
    ]
    return "\n".join(lines)


def error_json(error: GareError) -> str:
    """Spell an error for programs: one JSON object on one line."""
    facts = {
        "error": type(error).__name__,
        "exit_code": error.exit_code,
        "hint": error.hint,
        "retryable": error.retryable,
        "what": error.what,
        "where": error.where,
    }
    return json.dumps(facts, sort_keys=True)
