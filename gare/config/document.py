"""Reads one YAML 1.2 file as plain data that remembers its lines; knows nothing of what the keys mean.

Built on ruamel's node tree instead of its constructors: no tag makes an object, dates stay text, and every
value keeps its line. Aliases are expanded under a budget, so a small file cannot fill the memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gare.config.problems import InvalidFiles, KeyPath, Problem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 30
MAX_VALUES = 20_000

_TAG = "tag:yaml.org,2002:"
_YAML_WORDS = (
    ("'\\t' that cannot start", "a tab indents this line.", "Write spaces."),
    (
        "that cannot start any token",
        "a value starts with a character that YAML keeps for itself.",
        "Put the value in quotes.",
    ),
    (
        "mapping values are not allowed",
        "a second `: ` stands in this line, or the indentation is wrong.",
        "Put the value in quotes, or indent the key as its neighbours.",
    ),
    ("undefined alias", "an alias names no anchor.", "Write the value out."),
    ("duplicate anchor", "an anchor is defined twice.", "Write the value out."),
    (
        "another document",
        "a second document starts here.",
        "Keep one document a file; take `---` out.",
    ),
    ("unexpected end of stream", "a quote is opened and never closed.", "Close the quote."),
    ("could not find expected ':'", "a key has no `: ` after it.", "Write `key: value`."),
    (
        "expected <block end>",
        "the indentation does not fit the lines above.",
        "Indent keys of one section by the same number of spaces.",
    ),
    ("expected ',' or", "a bracket is opened and not closed.", "Write `[a, b]` or `{key: value}`."),
    ("max_depth", f"values are nested more than {MAX_DEPTH} deep.", "Write it flatter."),
    ("depth", f"values are nested more than {MAX_DEPTH} deep.", "Write it flatter."),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data with the line of every key and, for scalars, the text as it was written."""

    file: Path
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    raw: dict[KeyPath, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line(self, path: KeyPath) -> int:
        """Return the line of the nearest thing that is really written at or above `path`."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: KeyPath, what: str, write: str) -> Problem:
        """Make a problem at a key path of this file."""
        return Problem(self.file, self.line(path), path, what, write)


def read_document(file: Path) -> Document:
    """Read a YAML file. Raises ConfigError when it is no readable mapping."""
    text = _text(file)
    node = _compose(file, text)
    if node is None:
        raise _error(
            file, 1, "the file is empty.", "Write `name: …` first; `gare init` writes a full one."
        )
    if not node.tag.endswith(":map"):
        raise _error(
            file, 1, "the file is no mapping.", "Write `key: value` lines at the top level."
        )
    walk = _Walk(file)
    data = walk.value(node, ())
    return Document(file, data, walk.lines, walk.raw, tuple(walk.problems))


def read_name(file: Path, otherwise: str) -> tuple[str, dict[str, Any]]:
    """Return the name that a file says is its own, and all it says, though something in it is wrong."""
    try:
        data = read_document(file).data
    except InvalidFiles:
        data = {}
    name = data.get("name")
    return (name if isinstance(name, str) else otherwise), data


def _error(file: Path, line: int, what: str, write: str) -> InvalidFiles:
    return InvalidFiles([Problem(file, line, (), what, write)])


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise _error(
            file, 0, "there is no such file.", "Create it, or correct the path."
        ) from error
    except IsADirectoryError as error:
        raise _error(file, 0, "this is a folder.", "Put a YAML file in its place.") from error
    except OSError as error:
        raise _error(
            file, 0, f"the file cannot be read: {error.strerror}.", "Correct its path or rights."
        ) from error
    if len(data) > MAX_BYTES:
        raise _error(
            file, 0, "the file is larger than 1 MiB.", "Split it; this is no configuration."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(file, line, "this is no UTF-8 text.", "Save the file as UTF-8.") from error


def _compose(file: Path, text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH
    try:
        return yaml.compose(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _error(
            file, line, "the line holds a character that no text has.", "Delete the character."
        ) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = f"{error.problem or ''} {error.context or ''}"
        raise _error(file, mark.line + 1 if mark else 1, *_plain(said)) from error
    except (YAMLError, RecursionError, ValueError) as error:
        raise _error(
            file, 1, *_plain(f"depth {error}" if isinstance(error, RecursionError) else str(error))
        ) from error


def _plain(said: str) -> tuple[str, str]:
    for part, what, write in _YAML_WORDS:
        if part in said:
            return what, write
    return f"this is no YAML: {' '.join(said.split())}.", "Correct the line."


class _Walk:
    """Turns nodes into data once; collects lines and problems on the way."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: dict[KeyPath, int] = {}
        self.raw: dict[KeyPath, str] = {}
        self.problems: list[Problem] = []
        self._values = 0

    def value(self, node: Any, path: KeyPath) -> Any:
        line = self.lines.setdefault(path, node.start_mark.line + 1)
        self._values += 1
        if self._values > MAX_VALUES:
            raise _error(
                self.file, line, "aliases make this file too large.", "Write the values out."
            )
        if len(path) > MAX_DEPTH:
            raise _error(
                self.file,
                line,
                f"values are nested more than {MAX_DEPTH} deep.",
                "Write it flatter.",
            )
        kind = str(node.tag).removeprefix(_TAG)
        if kind == "map":
            return dict(self._entries(node, path))
        if kind == "seq":
            return [self.value(child, (*path, place)) for place, child in enumerate(node.value)]
        return self._scalar(node, kind, path)

    def _entries(self, node: Any, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key, str) or not key:
                self._found(line, path, "a key is no text.", "Write `key: value`.")
                continue
            if key == "<<":
                self._found(line, path, "YAML 1.2 has no merge key `<<`.", "Write the keys out.")
                continue
            if key in seen:
                self._found(line, (*path, key), "the key is written twice.", "Keep one of them.")
                continue
            seen.add(key)
            self.lines[*path, key] = line
            yield key, self.value(child, (*path, key))

    def _scalar(self, node: Any, kind: str, path: KeyPath) -> Any:
        text = str(node.value)
        self.raw[path] = text
        match kind:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float":
                return _number(text, kind)
            case "str" | "timestamp":
                return text
        self._found(
            self.lines[path], path, f"the tag `{node.tag}` is not known.", "Write a plain value."
        )
        return text

    def _found(self, line: int, path: KeyPath, what: str, write: str) -> None:
        self.problems.append(Problem(self.file, line, path, what, write))


def _number(text: str, kind: str) -> int | float | str:
    try:
        if kind == "float":
            return float(text.replace(".inf", "inf").replace(".nan", "nan"))
        plain = text.lstrip("+-")
        is_base_ten = not plain.startswith(("0o", "0x", "0b"))
        return int(text, 10 if is_base_ten else 0)
    except ValueError:
        return text
