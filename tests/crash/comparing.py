"""Compares how a release ended with how an undisturbed one ended. Pure: no I/O.

An outcome is what was seen, by kind: lists of short texts in which nothing of one run (its name, its number) is left.
What is missing was lost, what is there once more was duplicated, an approval asked once more was asked again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Outcome = Mapping[str, Sequence[str]]

SINGLE = frozenset({"end", "engine", "live staging", "live production"})
"""Kinds with one value: another value there is a lost end, not something done twice.

The kinds of a train's member have its name in front: `@-api: end`."""
ASKED = frozenset({"asked"})


class Trouble(StrEnum):
    """What a deviation means."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    ASKED_AGAIN = "asked again"


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that is not as it was without a crash."""

    trouble: Trouble
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.trouble}: {self.kind}: {self.what}"


def compare(wanted: Outcome, found: Outcome) -> list[Deviation]:
    """Return every deviation of what was found from what was wanted."""
    return [
        deviation
        for kind in sorted({*wanted, *found})
        for deviation in _differences(kind, wanted.get(kind, ()), found.get(kind, ()))
    ]


def _differences(kind: str, wanted: Sequence[str], found: Sequence[str]) -> Iterator[Deviation]:
    missing, extra = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    plain = kind.rpartition(": ")[2]
    if plain in SINGLE:
        if missing or extra:
            said = f"{', '.join(found) or 'nothing'} instead of {', '.join(wanted) or 'nothing'}"
            yield Deviation(Trouble.LOST, kind, said)
        return
    for what in missing.elements():
        yield Deviation(Trouble.LOST, kind, what)
    for what in extra.elements():
        yield Deviation(Trouble.ASKED_AGAIN if plain in ASKED else Trouble.DUPLICATED, kind, what)
