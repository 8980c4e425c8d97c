"""Which version a release starts from and which one it gets: Semantic Versioning 2.0.0. Pure, no Git here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gare.domain.commits import standing
from gare.errors import ConfigError, NothingToRelease, Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from semver import Version

    from gare.domain.commits import Change

_WRITE = "Write MAJOR.MINOR.PATCH, such as 1.4.0 (semver.org)."
_LABEL = re.compile(r"[A-Za-z][0-9A-Za-z-]*")


class Rule(Protocol):
    """How the next version is found (a section of gare.yaml)."""

    @property
    def initial(self) -> str:
        """Version of the first release."""

    @property
    def major_on_zero(self) -> bool:
        """Whether a breaking change moves 0.y.z to 1.0.0."""


class TagLike(Protocol):
    """A tag and the commit it points to."""

    @property
    def name(self) -> str:
        """Name without refs/tags/."""

    @property
    def commit(self) -> str:
        """Full id of the commit."""


class Released(NamedTuple):
    """A version that was released: where its tag is."""

    version: str
    tag: str
    commit: str


class Previous(NamedTuple):
    """What was released before, as far as the commit to release contains it.

    `final` is the greatest final version, `latest` the greatest one of all; they differ after a pre-release.
    """

    final: Released | None = None
    latest: Released | None = None

    def start(self, prerelease: str = "") -> Released | None:
        """Return where the range of commits and notes starts; None means at the first commit.

        A final release starts at the last final one, so that its notes also tell what its pre-releases told.
        """
        return self.latest if prerelease else self.final


class Next(NamedTuple):
    """The version to release. `bump`: major, minor, patch, initial, or prerelease (the next of the same line)."""

    version: str
    bump: str


def released(tags: Iterable[TagLike], prefix: str) -> list[Released]:
    """Return the tags that are versions under `prefix`, greatest first.

    Others (`v1`, `nightly`, `web-v1.0.0` when the prefix is `v`) are ignored: one repository may hold several
    projects, and tags made by hand.
    """
    found = [
        (version, Released(str(version), tag.name, tag.commit))
        for tag in tags
        if tag.name.startswith(prefix) and (version := _parse(tag.name[len(prefix) :]))
    ]
    # Equal but for build metadata: the name decides, so that the order is always the same.
    return [
        entry for _, entry in sorted(found, key=lambda pair: (pair[0], pair[1].tag), reverse=True)
    ]


def pick_previous(tags: Iterable[TagLike], prefix: str) -> Previous:
    """Choose among the tags *reachable from the commit to release*: `Source.tags(reachable_from=commit)`."""
    every = released(tags, prefix)
    finals = (entry for entry in every if not is_prerelease(entry.version))
    return Previous(final=next(finals, None), latest=every[0] if every else None)


def next_version(
    previous: Previous,
    changes: Sequence[Change],
    rule: Rule,
    *,
    override: str = "",
    prerelease: str = "",
    taken: Iterable[Released] = (),
) -> Next:
    """Decide the version of a release that consists of `changes` (those since `previous.start(prerelease)`).

    Breaking changes bump the major version (the minor one below 1.0.0 unless `rule.major_on_zero`), `feat` the
    minor one, and any other commit the patch one: whatever is in the history is going to run, so it needs a
    version of its own. Commits undone in the range do not count. `prerelease` is a label such as `rc`. `taken`
    are the versions of every tag, reachable or not.

    Raises Refused when there is nothing to release, or the version is malformed, not greater, or taken.
    """
    if not changes:
        raise _nothing(previous.start(prerelease))
    if override and prerelease:
        raise Refused(
            f"Both a version ({override}) and a pre-release label ({prerelease}) were given.",
            hint=f"Give one of them; a pre-release can be spelled out, such as {override}-{prerelease}.1.",
        )
    chosen = _given(override) if override else _computed(previous, changes, rule, prerelease)
    _check_free(chosen, previous, taken)
    return Next(str(chosen), _bump(previous, chosen))


def step_over(chosen: Next, deployed: Mapping[str, str], *, is_given: bool = False) -> Next:
    """Return the first version from `chosen` on that was not deployed before; `deployed` gives the release by version.

    Raises Refused when the version was given: what has run somewhere under a version is never replaced.
    """
    version = _known(chosen.version)
    while str(version) in deployed:
        if is_given:
            raise Refused(
                f"Version {version} was deployed by {deployed[str(version)]} already.",
                hint="Choose a greater one with `--version`; a version that has run somewhere never changes.",
            )
        version = version.bump_prerelease() if version.prerelease else version.bump_patch()
    return Next(str(version), chosen.bump)


def next_patch(version: str, taken: Collection[str]) -> str:
    """Return the first patch version after a valid one that is not taken."""
    patch = _known(version).finalize_version().bump_patch()
    while str(patch) in taken:
        patch = patch.bump_patch()
    return str(patch)


def is_between(version: str, low: str, high: str) -> bool:
    """Tell whether a valid version is greater than `low` and less than `high`; an empty `low` is less than all."""
    found = _known(version)
    return (not low or _known(low) < found) and found < _known(high)


def is_newer(version: str, than: str) -> bool:
    """Tell whether a valid version is greater than another one."""
    return _known(version) > _known(than)


def is_prerelease(version: str) -> bool:
    """Tell whether a valid version is a pre-release."""
    return "-" in version.partition("+")[0]


def is_planned_for(planned: str, version: str) -> bool:
    """Tell whether a ticket planned for `planned` belongs to `version`; tickets of 1.4.0 belong to 1.4.0-rc.1 too."""
    planned = planned.strip()
    planned = planned[1:] if planned[:1] in ("v", "V") else planned
    return planned != "" and planned in (version, version.partition("+")[0].partition("-")[0])


def _parse(text: str) -> Version | None:
    from semver import Version  # 25 ms: not for whoever only needs a name from here

    return Version.parse(text) if Version.is_valid(text) else None


def _known(version: str) -> Version:
    found = _parse(version)
    if found is None:
        raise AssertionError(version)
    return found


def _given(text: str) -> Version:
    if found := _parse(text):
        return found
    bare = text.lstrip("vV")
    hint = f"Write {bare}, without the tag's prefix." if text != bare and _parse(bare) else _WRITE
    raise Refused(f"{text!r} is not a version.", hint=hint)


def _computed(
    previous: Previous, changes: Sequence[Change], rule: Rule, prerelease: str
) -> Version:
    if prerelease and not _LABEL.fullmatch(prerelease):
        raise Refused(
            f"{prerelease!r} is not a pre-release label.",
            hint="Write letters, digits and dashes, such as rc or beta; Gare adds the number.",
        )
    base = _final(previous, changes, rule)
    if not prerelease:
        return base
    latest = _known(previous.latest.version) if previous.latest else None
    if latest and latest.prerelease and latest.finalize_version() == base:
        label, _, number = latest.prerelease.rpartition(".")
        if label == prerelease and number.isdigit():
            return base.replace(prerelease=f"{label}.{int(number) + 1}")
    return base.replace(prerelease=f"{prerelease}.1")


def _final(previous: Previous, changes: Sequence[Change], rule: Rule) -> Version:
    """Return the final version the changes lead to, never below one that a pre-release already promised."""
    promised = _known(previous.latest.version).finalize_version() if previous.latest else None
    if not previous.final:
        initial = _parse(rule.initial)
        if initial is None:
            raise ConfigError(
                f"{rule.initial!r} is not a version.", where="version: initial", hint=_WRITE
            )
        return max(initial, promised) if promised else initial
    final = _known(previous.final.version)
    bumped = final.next_version(_needed(final, changes, rule))
    return max(bumped, promised) if promised else bumped


def _needed(final: Version, changes: Sequence[Change], rule: Rule) -> str:
    effective = standing(changes)
    if any(change.is_breaking for change in effective):
        return "major" if final.major or rule.major_on_zero else "minor"
    return "minor" if any(change.kind == "feat" for change in effective) else "patch"


def _bump(previous: Previous, chosen: Version) -> str:
    if not previous.latest:
        return "initial"
    latest = _known(previous.latest.version)
    if (
        latest.prerelease
        and chosen.prerelease
        and latest.finalize_version() == chosen.finalize_version()
    ):
        return "prerelease"
    if not previous.final:
        return "initial"
    final = _known(previous.final.version)
    if chosen.major != final.major:
        return "major"
    return "minor" if chosen.minor != final.minor else "patch"


def _check_free(chosen: Version, previous: Previous, taken: Iterable[Released]) -> None:
    every = [*taken, *(entry for entry in previous if entry)]
    reached = previous.latest and _known(previous.latest.version)
    for entry in every:
        if _known(entry.version) == chosen:
            aside = reached and _known(entry.version) > reached
            raise Refused(
                f"Version {chosen} exists already: tag {entry.tag} at {entry.commit[:7]}"
                + (", which is not in this history." if aside else "."),
                hint="Choose a greater one with `--version`; a released version is never changed.",
            )
    if previous.latest and chosen < _known(previous.latest.version):
        raise Refused(
            f"Version {chosen} is not greater than {previous.latest.version}, the last one in this history.",
            where=f"tag {previous.latest.tag} at {previous.latest.commit[:7]}",
            hint="Choose a greater one with `--version`.",
        )


def _nothing(start: Released | None) -> NothingToRelease:
    if start is None:
        return NothingToRelease(
            "Nothing to release: there is no commit yet.", hint="Commit something first."
        )
    return NothingToRelease(
        f"Nothing to release: there is no commit since {start.version}.",
        where=f"tag {start.tag} at {start.commit[:7]}",
        hint="Merge what shall be released, or name another branch with `--ref`.",
    )
