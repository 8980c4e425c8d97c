"""What a build makes: named files that are told apart by their content."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath


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


def kind_of(name: str) -> ArtifactKind:
    """Tell the kind of an artifact by its name."""
    lower = PurePosixPath(name).name.lower()
    for endings, kind in _KINDS.items():
        if lower.endswith(endings):
            return kind
    return ArtifactKind.FILE
