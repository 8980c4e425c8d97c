"""What a build makes: named files that are told apart by their content."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from gare.errors import StepFailed


class ArtifactKind(StrEnum):
    """What an artifact is for, by its name."""

    WHEEL = "wheel"
    ARCHIVE = "archive"
    JAVA = "java"
    MOBILE = "mobile"
    INSTALLER = "installer"
    SBOM = "sbom"
    FILE = "file"


_KINDS = {
    (".whl",): ArtifactKind.WHEEL,
    (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip"): ArtifactKind.ARCHIVE,
    (".jar", ".war", ".ear"): ArtifactKind.JAVA,
    (".apk", ".aab", ".ipa"): ArtifactKind.MOBILE,
    (".msi", ".exe", ".dmg", ".pkg", ".deb", ".rpm"): ArtifactKind.INSTALLER,
    (".cdx.json", ".spdx.json"): ArtifactKind.SBOM,
}


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a release. `name` is a relative POSIX path, unique in the release; `sha256` is bare hex."""

    name: str
    size_bytes: int
    sha256: str
    kind: str


def all_made(values: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the artifacts of a release, from the values of its steps: the build's, and those that pipelines made.

    Raises StepFailed when two with other content have one name.
    """
    found: dict[str, dict[str, Any]] = {}
    for value in values:
        for one in value.get("artifacts", ()) if isinstance(value, dict) else ():
            if found.setdefault(one["name"], one)["sha256"] != one["sha256"]:
                raise StepFailed(
                    f"Two artifacts are called `{one['name']}`, and they differ.",
                    where="artifacts of the build and of pipelines",
                    hint="Rename one, or take it from one place alone.",
                )
    return list(found.values())


def kind_of(name: str) -> ArtifactKind:
    """Tell the kind of an artifact by its name."""
    lower = PurePosixPath(name).name.lower()
    for endings, kind in _KINDS.items():
        if lower.endswith(endings):
            return kind
    return ArtifactKind.FILE


def other_version(name: str, version: str) -> str:
    """Return the version in a wheel's file name (PEP 427) when it is not the released one; else nothing."""
    from packaging.version import InvalidVersion, Version  # only where a wheel was built

    parts = PurePosixPath(name).name.removesuffix(".whl").split("-")
    if not name.endswith(".whl") or len(parts) < 5:
        return ""
    try:
        # PEP 440 spells 1.2.0-rc.1 as 1.2.0rc1; what stands behind a plus tells builds apart, not versions.
        built, wanted = (Version(Version(text).public) for text in (parts[1], version))
        is_same = built == wanted
    except InvalidVersion:
        is_same = parts[1] == version
    return "" if is_same else parts[1]
