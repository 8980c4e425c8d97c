"""The embedded tracker: tickets in a YAML file of the repository, read as of the planned commit.

The file is a list of tickets, or a section of tickets by key, alone or under `tickets:`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Annotated, Any, Literal, NoReturn

from pydantic import StringConstraints, ValidationError

from gare.domain.versions import is_planned_for
from gare.errors import ConfigError, NotFound
from gare.ports.tracker import Ticket
from gare.settings import Settings

_EXAMPLE = """Write a list such as `- key: SHOP-1`, `  title: …`, `  status: done`."""


class FileTrackerSettings(Settings):
    """Tickets in a YAML file."""

    type: Literal["file"] = "file"
    path: Annotated[str, StringConstraints(min_length=1)] = "tickets.yaml"
    """The file, relative to the repository's top."""


class _Entry(Settings):
    """One ticket as the file has it."""

    key: Annotated[str, StringConstraints(min_length=1, pattern=r"^\S+$")]
    title: Annotated[str, StringConstraints(min_length=1)]
    type: str = "task"
    status: Literal["todo", "doing", "done", "reopened"] = "todo"
    version: str = ""


class FileTracker:
    """The tickets of one file. Implements `Tracker`."""

    def __init__(self, settings: FileTrackerSettings, read: Callable[[str], str]) -> None:
        """Take the settings, and a function that gives a file's text at the planned commit."""
        self._path, self._read, self._text = settings.path, read, ""

    def tickets(
        self, keys: Iterable[str], version: str, since: datetime | None = None
    ) -> list[Ticket]:
        """Return the tickets named in `keys` and those planned for `version`, sorted by key.

        The file says itself which were reopened; since when, it does not know.
        Raises ConfigError naming file, line and key when the file is absent or wrong.
        """
        wanted = set(keys)
        return sorted(
            (
                ticket
                for ticket in self._all()
                if ticket.key in wanted or is_planned_for(ticket.version, version)
            ),
            key=lambda ticket: ticket.key,
        )

    def _all(self) -> Iterator[Ticket]:
        seen: dict[str, int] = {}
        for line, value in self._entries():
            entry = self._validated(line, value)
            if entry.key in seen:
                self._refuse(
                    line,
                    f"Ticket {entry.key} is there already, in line {seen[entry.key]}.",
                    "Keep one.",
                )
            seen[entry.key] = line
            yield Ticket(entry.key, entry.title, entry.type, entry.status, entry.version)

    def _entries(self) -> list[tuple[int, Any]]:
        """Return (line, fields) of each ticket, lines counted from 1."""
        from ruamel.yaml.comments import CommentedMap, CommentedSeq

        document: Any = self._document()
        if isinstance(document, dict) and set(document) == {"tickets"}:
            document = document["tickets"]
        if document is None:
            return []
        if isinstance(document, CommentedSeq):
            return [(document.lc.item(i)[0] + 1, value) for i, value in enumerate(document)]
        if not isinstance(document, CommentedMap):
            self._refuse(1, "The file holds no list of tickets.", _EXAMPLE)
        found = []
        for key, value in document.items():
            line = document.lc.key(key)[0] + 1
            if not isinstance(value, dict):
                self._refuse(
                    line,
                    f"Ticket {key} is {_kind(value)}, not a section.",
                    f"Write `{key}:` and below it `  title: …`.",
                )
            value.setdefault("key", str(key))
            found.append((line, value))
        return found

    def _document(self) -> Any:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            self._text = self._read(self._path)
            return YAML(typ="rt").load(self._text)
        except NotFound as error:
            raise ConfigError(
                f"The tickets file {self._path} is not in the repository at the planned commit.",
                where="tickets: tracker",
                hint="Commit the file, or correct `path`.",
            ) from error
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            problem = str(error.problem).partition(" with value")[0]
            self._refuse(line, f"The file is not valid YAML: {problem}.", "Correct it.", error)
        except YAMLError as error:
            self._refuse(1, "The file is not valid YAML.", "Save it as UTF-8 text.", error)

    def _validated(self, line: int, value: Any) -> _Entry:
        if not isinstance(value, dict):
            self._refuse(line, f"A ticket is {_kind(value)}, not a section.", _EXAMPLE)
        try:
            return _Entry.model_validate(value)
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
            name = str(found["loc"][0])
            places: Any = getattr(value, "lc", None)
            at = places.data.get(name) if places and places.data else None
            written = self._written(at[2], at[3]) if at else ""
            told = _told(name, found["type"], found["input"], written)
            self._refuse(at[0] + 1 if at else line, *told, error)

    def _written(self, line: int, column: int) -> str:
        """Return a plain value as the file spells it: YAML has made a number of 1.10 by now."""
        found = re.match(r"[^\s,}\]#]*", self._text.split("\n")[line][column:])
        return found[0] if found else ""

    def _refuse(
        self, line: int, what: str, hint: str, cause: BaseException | None = None
    ) -> NoReturn:
        raise ConfigError(what, where=f"{self._path}, line {line}", hint=hint) from cause


def _told(name: str, problem: str, value: Any, written: str) -> tuple[str, str]:
    """Say in our words what is wrong with a key, and what to write."""
    if problem == "missing":
        return f"A ticket has no {name}.", f"Write `{name}: …`."
    if problem == "extra_forbidden":
        return f"A ticket has no key {name!r}.", f"Keys are {', '.join(_Entry.model_fields)}."
    if problem == "literal_error":
        return f"{name} cannot be {value!r}.", "Write todo, doing, done or reopened."
    if problem == "string_type" and isinstance(value, int | float | date):
        return (
            f"{name} is {_kind(value)}, not a text.",
            f'Write it in quotes: `{name}: "{written}"`.',
        )
    if problem == "string_pattern_mismatch":
        return f"{name} cannot be {_kind(value)}.", f"Write it without spaces: `{name}: …`."
    return f"{name} cannot be {_kind(value)}.", f"Write a text: `{name}: …`."


def _kind(value: Any) -> str:
    for types, words in (
        ((type(None),), "empty"),
        ((bool,), "true or false"),
        ((int, float), "a number"),
        ((date,), "a date"),
        ((list,), "a list"),
        ((dict,), "a section"),
        ((str,), f"the text {str(value)!r}"),
    ):
        if isinstance(value, types):
            return words
    return "something else"
