"""The versions of a tracker's project that are ours by their names: which comes next, which are old. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from semver import Version


class TrackerVersion(Protocol):
    """A version as a tracker has it."""

    @property
    def name(self) -> str:
        """What it is called there."""

    @property
    def is_released(self) -> bool:
        """Whether it is out."""

    @property
    def is_archived(self) -> bool:
        """Whether nothing is planned for it any more."""


def following(name: str, versions: Iterable[TrackerVersion], pattern: str) -> str:
    """Return the lowest of ours above `name` that is neither released nor archived; empty when there is none."""
    here = _number(name, pattern)
    known = ((_number(one.name, pattern), one) for one in versions)
    above = [
        (number, one.name)
        for number, one in known
        if here is not None
        and number is not None
        and number > here
        and not (one.is_released or one.is_archived)
    ]
    return min(above, default=(None, ""))[1]


def before(name: str, versions: Iterable[TrackerVersion], pattern: str) -> str:
    """Return the highest of ours below `name`; empty when there is none."""
    here = _number(name, pattern)
    numbered = ((_number(one.name, pattern), one.name) for one in versions)
    below = [one for one in numbered if here is not None and one[0] is not None and one[0] < here]
    return max(below, default=(None, ""))[1]


def outdated(versions: Iterable[TrackerVersion], keep: int, pattern: str) -> list[str]:
    """Return those of ours that are out and not archived, all but the `keep` highest, the lowest first."""
    numbered = [
        (number, one.name)
        for one in versions
        if one.is_released
        and not one.is_archived
        and (number := _number(one.name, pattern)) is not None
    ]
    return [name for _, name in sorted(numbered)[:-keep]]


def _number(name: str, pattern: str) -> Version | None:
    """Return the version in a name such as `shop 1.4.0`; None for a name that is not ours."""
    from semver import Version

    begin, _, end = pattern.partition("{version}")
    found = re.fullmatch(f"{re.escape(begin)}(.+){re.escape(end)}", name)
    try:
        return Version.parse(found[1], optional_minor_and_patch=True) if found else None
    except ValueError:
        return None
