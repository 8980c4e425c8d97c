"""The history of the demo's project as data: who committed what, when, after which commits.

What a commit changed stands in `files/teashop/*.in`: every line there says from which commit on (`#@7`) and up to
which (`#@7-12`, the last not included) it is part of the file; a line without a mark is as old as its file
(`#@file 7` on top). So the whole history is in one readable copy of each file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

_FILE = re.compile(r"#@file (\d+)\n")
_MARK = re.compile(r"(.*?)  #@(\d+)(?:-(\d+))?\n")
_BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

DORA = "Dora Lindqvist <dora@teashop.example>"
EMIL = "Emil Novak <emil@teashop.example>"
FATOU = "Fatou Diop <fatou@teashop.example>"


@dataclass(frozen=True, slots=True)
class DemoCommit:
    """One commit. `day` counts from the project's first; `parents` are numbers of commits, the first one main's."""

    number: int
    day: int
    author: str
    message: str
    parents: tuple[int, ...]

    @property
    def at(self) -> datetime:
        """Return when it was committed; always the same."""
        return _BEGIN + timedelta(days=self.day, minutes=37 * self.number)


HISTORY = (
    DemoCommit(1, 0, DORA, "feat: show the teas on a page\n\nTEA-1", ()),
    DemoCommit(2, 1, EMIL, "build: pack the shop as a reproducible archive\n\nTEA-2", (1,)),
    DemoCommit(3, 1, DORA, "test: run the tests with the standard library alone", (2,)),
    DemoCommit(4, 3, FATOU, "feat(api): list the teas as JSON\n\nTEA-3", (3,)),
    DemoCommit(5, 7, EMIL, "feat(ops): start, stop and restart the shop\n\nTEA-4", (4,)),
    DemoCommit(6, 8, FATOU, "docs: say how to run the shop on a server", (5,)),
    DemoCommit(7, 10, DORA, "feat(api): tell the running version\n\nTEA-6", (6,)),
    DemoCommit(8, 11, EMIL, "fix(ops): wait until the shop answers\n\nTEA-7", (7,)),
    DemoCommit(9, 21, FATOU, "feat(catalog): add green teas from Japan\n\nTEA-12", (8,)),
    DemoCommit(10, 22, DORA, "fix(pages): escape the names of teas\n\nTEA-13", (9,)),
    DemoCommit(11, 24, EMIL, "refactor(server): find the answer in a table of routes", (10,)),
    DemoCommit(12, 28, FATOU, "test(catalog): every tea has a kind\n\nTEA-14", (11,)),
    DemoCommit(13, 28, DORA, "feat(prices): show prices in euros\n\nTEA-15", (11,)),
    DemoCommit(14, 29, DORA, "test(prices): cover texts and amounts\n\nTEA-15", (13,)),
    DemoCommit(15, 30, FATOU, "feat(api): search teas by kind\n\nTEA-14", (12,)),
    DemoCommit(16, 31, EMIL, "Merge branch 'tea-15-prices'", (15, 14)),
    DemoCommit(17, 35, EMIL, "perf(catalog): find a tea by its key at once\n\nTEA-26", (16,)),
    DemoCommit(18, 36, FATOU, "fix(prices): round half a cent up\n\nTEA-17", (17,)),
    DemoCommit(19, 38, DORA, "feat(pages): say when a tea is sold out\n\nTEA-18", (18,)),
    DemoCommit(20, 42, EMIL, "ci: release with Gare, read the version once", (19,)),
    DemoCommit(21, 43, FATOU, "docs: describe the API\n\nTEA-20", (20,)),
    DemoCommit(22, 44, DORA, "fix(api): say in JSON that nothing is there\n\nTEA-20", (21,)),
)
"""Up to what is released as 1.3.0; the tags are below."""

NEXT = (
    DemoCommit(23, 51, FATOU, "feat(prices): take a discount off every price\n\nTEA-30", (22,)),
    DemoCommit(24, 52, FATOU, "feat(api): tell the settings beside the version\n\nTEA-31", (23,)),
)
"""What is released as 1.4.0. Its tests pass and staging runs it; but production's settings have a key `version` of
their own, which hides the shop's: production does not say any more which version runs, and is put back."""

HOTFIX = (DemoCommit(25, 53, EMIL, "fix(server): no cache may keep old prices\n\nTEA-33", (22,)),)
"""A fix on a branch from 1.3.0; released as 1.3.1 while main already has what did not hold."""

TAGS = {"v1.0.0": 3, "v1.1.0": 6, "v1.2.0": 8}


def tree_at(number: int, values: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Return the text of every file as of a commit, by path; `@key@` in them is replaced from `values`."""
    known = _and_before(number)
    tree = {}
    for path, text in _templates().items():
        if (made := _as_of(text, known)) is not None:
            tree[path] = filled(made, values)
    return tree


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with `@key@` replaced from `values`."""
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _and_before(number: int) -> frozenset[int]:
    parents = {commit.number: commit.parents for commit in (*HISTORY, *NEXT, *HOTFIX)}
    known: set[int] = set()
    open_ends = [number]
    while open_ends:
        if (found := open_ends.pop()) not in known:
            known.add(found)
            open_ends += parents[found]
    return frozenset(known)


def _as_of(text: str, known: frozenset[int]) -> str | None:
    lines = text.splitlines(keepends=True)
    born = _FILE.fullmatch(lines[0])
    if born is None:
        raise AssertionError(lines[0])
    if int(born[1]) not in known:
        return None
    kept = []
    for line in lines[1:]:
        mark = _MARK.fullmatch(line)
        if mark is None:
            kept.append(line)
        elif int(mark[2]) in known and not (mark[3] and int(mark[3]) in known):
            kept.append(mark[1] + "\n")
    return "".join(kept)


def _templates() -> dict[str, str]:
    found: dict[str, str] = {}

    def walk(folder: Traversable, prefix: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.is_dir():
                walk(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith(".in"):
                found[prefix + entry.name.removesuffix(".in")] = entry.read_text(encoding="utf-8")

    walk(files("gare.demo") / "files" / "teashop", "")
    return found
