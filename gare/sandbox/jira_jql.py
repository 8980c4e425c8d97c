"""The part of JQL that the simulated Jira answers. What it does not know it refuses, as Jira refuses what is wrong.

Clauses over project, key, fixVersion, status, statusCategory, issuetype, labels and sprint, with `= != in not in is
empty`; for fixVersion also `in releasedVersions(…)`, for status `was`, `was in` and `changed from to after`; AND, OR,
NOT, brackets, ORDER BY key.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from gare.sandbox.jira_state import CATEGORIES, Change, Issue, State

Test = Callable[[Issue], bool]

_TOKEN = re.compile(r'\s*("(?:\\.|[^"\\])*"|!=|=|\(|\)|,|[^\s=!(),"]+)')
_RELEASED = "releasedversions"
"""A function: `fixVersion in releasedVersions(SHOP)`."""
_ALIASES = {"issue": "key", "issuekey": "key", "type": "issuetype"}
_FIELDS = {
    "project": "project",
    "key": "key",
    "fixversion": "fixVersion",
    "status": "status",
    "statuscategory": "statusCategory",
    "issuetype": "issuetype",
    "labels": "labels",
    "sprint": "sprint",
}


class JqlError(Exception):
    """What is wrong with a query, one sentence each, in Jira's words."""

    def __init__(self, *told: str) -> None:
        super().__init__(*told)
        self.told = told


def compiled(jql: str, state: State, *, is_strict: bool = True) -> Test | None:
    """Return the test of a query, None when it restricts nothing. Raises JqlError; not strict, for its form alone."""
    parser = _Parser(_tokens(jql), state)
    test = parser.query()
    if parser.wrong and is_strict:
        raise JqlError(*parser.wrong)
    return test


def _tokens(jql: str) -> list[str]:
    tokens, at, jql = [], 0, jql.rstrip()
    while at < len(jql):
        found = _TOKEN.match(jql, at)
        if found is None:
            raise JqlError(f"Error in the JQL Query: the character {jql[at]!r} at {at + 1}.")
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Parser:
    """Reads a query from left to right. `wrong` gathers values that do not exist: Jira names them all."""

    def __init__(self, tokens: list[str], state: State) -> None:
        self._tokens, self._state, self._at = tokens, state, 0
        self.wrong: list[str] = []

    def query(self) -> Test | None:
        """Read all of it."""
        test = None if self._peek() in ("", "order") else self._any_of()
        if self._peek() == "order":
            self._order()
        if self._peek():
            raise JqlError(f"Error in the JQL Query: {self._tokens[self._at]!r} is not expected.")
        return test

    def _any_of(self) -> Test:
        tests = [self._all_of()]
        while self._took("or"):
            tests.append(self._all_of())
        return lambda issue: any(test(issue) for test in tests)

    def _all_of(self) -> Test:
        tests = [self._one()]
        while self._took("and"):
            tests.append(self._one())
        return lambda issue: all(test(issue) for test in tests)

    def _one(self) -> Test:
        if self._took("not"):
            inner = self._one()
            return lambda issue: not inner(issue)
        if self._took("("):
            inner = self._any_of()
            self._need(")")
            return inner
        return self._clause()

    def _clause(self) -> Test:
        said = self._next()
        name = said.lower()
        field = _ALIASES.get(name, name)
        if field not in _FIELDS:
            raise JqlError(
                f"Field '{said}' does not exist or you do not have permission to view it."
            )
        if self._took("is"):
            return self._empty(field)
        if field == "status" and self._took("was"):
            values = self._values() if self._took("in") else [self._value()]
            return self._was(values)
        if field == "status" and self._took("changed"):
            return self._changed()
        is_not = self._peek() in ("!=", "not")
        values = self._compared()
        if field == "fixversion" and values[:1] == [_RELEASED]:
            wanted = self._released(values[1:])
        else:
            wanted = {self._checked(field, value) for value in values}
        return lambda issue: bool(wanted & self._of(field, issue)) != is_not

    def _compared(self) -> list[str]:
        if self._took("=") or self._took("!="):
            return [self._value()]
        self._took("not")
        self._need("in")
        if self._took(_RELEASED):
            return [_RELEASED, *self._values()]
        return self._values()

    def _released(self, projects: list[str]) -> set[str]:
        """Return the ids of the released versions of some projects."""
        known = {self._checked("project", key) for key in projects}
        every = (p for p in self._state.projects.values() if p.key.lower() in known)
        return {version.id for project in every for version in project.versions if version.released}

    def _empty(self, field: str) -> Test:
        is_not = self._took("not")
        self._need("empty")
        return lambda issue: bool(self._of(field, issue)) == is_not

    def _was(self, values: list[str]) -> Test:
        wanted = {self._checked("status", value) for value in values}
        return lambda issue: bool(
            wanted & {issue.status.lower(), *(change.origin.lower() for change in issue.history)}
        )

    def _changed(self) -> Test:
        tests: list[Callable[[Change], bool]] = []
        while self._peek() in ("from", "to", "after", "before"):
            word = self._next().lower()
            if word in ("from", "to"):
                values = self._values() if self._peek() == "(" else [self._value()]
                wanted = {self._checked("status", value) for value in values}
                tests.append(
                    lambda change, wanted=wanted, word=word: (  # type: ignore[misc]
                        (change.origin if word == "from" else change.to).lower() in wanted
                    )
                )
            else:
                at = _instant(self._value())
                tests.append(lambda change, at=at, word=word: (change.at > at) == (word == "after"))  # type: ignore[misc]
        return lambda issue: any(all(test(change) for test in tests) for change in issue.history)

    def _checked(self, field: str, value: str) -> str:
        """Return a value to compare with; one that does not exist is noted as wrong."""
        if field == "key":
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*-\d+", value):
                self.wrong.append(f"The issue key '{value}' for field 'key' is invalid.")
            elif value.upper() not in self._state.issues:
                self.wrong.append(f"An issue with key '{value}' does not exist for field 'key'.")
        elif field not in ("labels",) and value.lower() not in self._known(field):
            self.wrong.append(
                f"The value '{value}' does not exist for the field '{_FIELDS[field]}'."
            )
        if field == "statuscategory":
            return next(
                (k for k, (_, name, _) in CATEGORIES.items() if name.lower() == value.lower()), ""
            )
        return value.lower()

    def _known(self, field: str) -> set[str]:
        projects = self._state.projects.values()
        match field:
            case "project":
                return {name.lower() for p in projects for name in (p.key, p.name, p.id)}
            case "fixversion":
                return {n.lower() for p in projects for v in p.versions for n in (v.name, v.id)}
            case "status":
                return {name.lower() for p in projects for name in p.statuses}
            case "statuscategory":
                return {name.lower() for _, name, _ in CATEGORIES.values()}
            case "issuetype":
                return {kind.lower() for p in projects for kind in p.kinds}
            case _:
                return {
                    n.lower() for s in self._state.sprints.values() for n in (s.name, str(s.id))
                }

    def _of(self, field: str, issue: Issue) -> set[str]:
        """Return every spelling of what an issue has in a field, in lower case."""
        project = self._state.projects[issue.project]
        match field:
            case "project":
                return {project.key.lower(), project.name.lower(), project.id}
            case "key":
                return {issue.key.lower()}
            case "fixversion":
                ids = {version.id for version in project.versions if version.name in issue.versions}
                return ids | {name.lower() for name in issue.versions}
            case "status":
                return {issue.status.lower()}
            case "statuscategory":
                return {self._state.category(issue)}
            case "issuetype":
                return {issue.kind.lower()}
            case "labels":
                return {label.lower() for label in issue.labels}
            case _:
                names = {self._state.sprints[number].name.lower() for number in issue.sprints}
                return names | {str(number) for number in issue.sprints}

    def _order(self) -> None:
        self._next()
        self._need("by")
        if self._next().lower() not in ("key", "issuekey"):
            raise JqlError("Error in the JQL Query: the sandbox orders by key alone.")
        self._took("asc")

    def _values(self) -> list[str]:
        self._need("(")
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        self._need(")")
        return values

    def _value(self) -> str:
        token = self._next()
        if token in ("(", ")", ",", "=", "!="):
            raise JqlError(f"Error in the JQL Query: Expecting a value but got '{token}'.")
        return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token

    def _need(self, word: str) -> None:
        if not self._took(word):
            got = self._tokens[self._at] if self._peek() else "the end"
            raise JqlError(f"Error in the JQL Query: Expecting '{word}' but got '{got}'.")

    def _took(self, word: str) -> bool:
        if self._peek() != word:
            return False
        self._at += 1
        return True

    def _next(self) -> str:
        if not self._peek():
            raise JqlError("Error in the JQL Query: it ends too early.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str:
        return self._tokens[self._at].lower() if self._at < len(self._tokens) else ""


def _instant(text: str) -> datetime:
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise JqlError(
        f"Date value '{text}' for field 'status' is invalid. Valid formats include: 'yyyy-MM-dd'."
    )
