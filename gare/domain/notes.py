"""Release notes in Markdown, from what commits say. The same changes give the same text.

Everything people wrote (subjects, scopes, tickets) is escaped: it can neither be HTML nor change the layout.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gare.domain.commits import by_number, standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gare.domain.commits import Change

SECTIONS = ("Breaking changes", "Features", "Fixes", "Performance", "Reverts", "Other changes")

_SECTION_OF_KIND = {"feat": 1, "fix": 2, "perf": 3, "revert": 4, "merge": -1}
_MARKS = r"\\`*_\[\]{}<>&|~\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
_SPECIAL = re.compile(f"[{_MARKS}]")
# Would start a heading, a list or a rule. A `#3` is no heading, and GitLab links no issue behind a backslash.
_LEADING = re.compile(r"(\d+)([.)])(?=\s|$)|#{1,6}(?=\s|$)|[+=-]")
_MAY_LEAD = frozenset("#+=-0123456789")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_HEADING = re.compile(r"^## +\[?v?(\d[^\s\]]*)", re.MULTILINE)


def render(
    title: str, changes: Sequence[Change], *, titles: Mapping[str, str] | None = None
) -> str:
    """Return the notes of one version as Markdown that ends with a newline.

    `title` (a version, perhaps with a date) becomes a heading of level 2; empty leaves the heading out. `titles`
    gives ticket titles by key for the list of tickets. Commits undone in the range and plain merges are left out.
    """
    sections: list[list[str]] = [[] for _ in SECTIONS]
    for change in standing(changes):
        place = 0 if change.is_breaking else _SECTION_OF_KIND.get(change.kind, 5)
        if place >= 0:
            sections[place].append(_entry(change))
    parts = [f"## {escape(title)}\n"] if title else []
    parts += [
        f"### {name}\n\n" + "\n".join(entries) + "\n"
        for name, entries in zip(SECTIONS, sections, strict=True)
        if entries
    ]
    if not any(sections):
        parts.append("No changes to tell.\n")
    if titles:
        parts.append(_tickets(changes, titles))
    return "\n".join(part for part in parts if part)


def filled(pattern: str, project: str, version: str) -> str:
    """Return a file name with its `{project}` and `{version}` filled in, and nothing else."""
    return pattern.replace("{project}", project).replace("{version}", version)


def escape(text: str) -> str:
    """Return text that Markdown shows as it was written, on one line."""
    if _SPECIAL.search(text):
        text = _SPECIAL.sub(_escape_one, text).strip()
    if text[:1] in _MAY_LEAD and (found := _LEADING.match(text)):
        return f"{found[1]}\\{text[len(found[1]) :]}" if found[1] else f"\\{text}"
    return text


def into_changelog(changelog: str, version: str, notes: str) -> str:
    """Put the notes of a version on top of a changelog, below its introduction.

    `notes` start with their own `## version` heading. A version that is there already changes nothing. Headings
    that are no versions (`## Unreleased`) stay above; line ends stay as the file has them.
    """
    headings = list(_HEADING.finditer(changelog))
    if any(found[1] == version for found in headings):
        return changelog
    end = "\r\n" if "\r\n" in changelog else "\n"
    notes = notes.replace("\n", end)
    if not headings:
        intro = changelog.rstrip() or "# Changelog"
        return f"{intro}{end}{end}{notes}"
    at = headings[0].start()
    return f"{changelog[:at]}{notes}{end}{changelog[at:]}"


def _entry(change: Change) -> str:
    subject = escape(change.subject)
    scope = f"**{escape(change.scope)}:** " if change.scope else ""
    keys = escape(", ".join(change.tickets)) + ", " if change.tickets else ""
    breaking = change.breaking
    more = f"\n  {escape(breaking)}" if breaking and breaking != change.subject else ""
    return f"- {scope}{subject} ({keys}{change.sha[:7]}){more}"


def _tickets(changes: Iterable[Change], titles: Mapping[str, str]) -> str:
    keys = sorted({key for c in changes for key in c.tickets if key in titles}, key=by_number)
    if not keys:
        return ""
    return "### Tickets\n\n" + "".join(f"- {escape(key)}: {escape(titles[key])}\n" for key in keys)


def _escape_one(found: re.Match[str]) -> str:
    character = found[0]
    if character in "\t\n\r\x0b\x0c\u2028\u2029":
        return " "
    if not character.isascii() or character < " " or character == "\x7f":
        return ""  # control and direction marks: they only mislead readers
    return _ENTITIES.get(character) or "\\" + character
