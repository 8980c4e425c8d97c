"""What the jobs of a rehearsed pipeline make: the files of the last real pipeline, or made-up ones in their place.

Only for the jobs whose artifacts the release takes. The archives are read into memory, so large ones are not fetched.
"""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from gare.connectors.gitlab_site import GitLabSite
from gare.domain.plan import Plan
from gare.errors import NotFound, PermissionDenied

Row = Mapping[str, Any]

_LARGEST = 64 * 1024 * 1024
_EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
_DEEP, _WILD, _CHOICE = re.compile(r"\*\*/"), re.compile(r"\*+"), re.compile(r"\[!?(.)[^\]]*\]")


def taken(plan: Plan) -> dict[str, list[str]]:
    """Return the patterns of the artifacts that a release takes, by job."""
    found: dict[str, list[str]] = {}
    for step in plan.steps:
        for job, patterns in (step.settings.get("artifacts") or {}).items() if _runs(step) else ():
            found.setdefault(job, []).extend(patterns)
    return found


def played(plan: Plan) -> list[str]:
    """Return the manual jobs that a release starts itself."""
    return [job for step in plan.steps if _runs(step) for job in step.settings.get("play") or ()]


def _runs(step: Any) -> bool:
    return bool(step.type == "pipeline")


def last_made(site: GitLabSite, job: Row) -> dict[str, bytes]:
    """Return the files that a real job made (REST v4, job artifacts); none when there are none, or too large ones."""
    if int((job.get("artifacts_file") or {}).get("size") or 0) > _LARGEST:
        return {}
    try:
        with site.asking(f"fetch the artifacts of job {job['name']}"):
            packed = site.project.jobs.get(job["id"], lazy=True).artifacts()
    except (NotFound, PermissionDenied):
        return {}
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            files = [one for one in archive.infolist() if not one.is_dir()]
            if sum(one.file_size for one in files) > _LARGEST:
                return {}
            return {one.filename: archive.read(one) for one in files}
    except zipfile.BadZipFile:
        return {}


def made_up(patterns: Sequence[str]) -> dict[str, bytes]:
    """Return a file for each pattern, of a name that it matches."""
    names = [_matching(pattern) for pattern in patterns]
    return {name: _EMPTY_ZIP if name.endswith(".zip") else b"rehearsed\n" for name in names}


def _matching(pattern: str) -> str:
    deep = _DEEP.sub("", pattern.removeprefix("./"))
    chosen = _CHOICE.sub(lambda found: found[1], _WILD.sub("rehearsal", deep))
    return chosen.replace("?", "r").rstrip("/")
