"""What a build makes: named files that are told apart by their content."""

import re
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


def other_version(name: str, version: str) -> str:
    """Return the version in a wheel's file name (PEP 427) when it is not the released one; else nothing."""
    parts = PurePosixPath(name).name.removesuffix(".whl").split("-")
    if not name.endswith(".whl") or len(parts) < 5 or _spelled(parts[1]) == _spelled(version):
        return ""
    return parts[1]


def _spelled(version: str) -> str:
    """Spell a SemVer or PEP 440 version in one way: 1.2.0-rc.1 and 1.2rc1 are the same."""
    text = version.lower().partition("+")[0].replace("alpha", "a").replace("beta", "b")
    text = re.sub(r"[-_.]?([a-z]+)[-_.]?", r"\1", text)
    text = f"{text}0" if text[-1:].isalpha() else text
    return re.sub(r"(\.0)+(?=[a-z]|$)", "", text)
