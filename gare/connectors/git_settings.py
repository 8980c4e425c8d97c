"""What gare.yaml says about a Git repository. Light: imported with every configuration."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

from gare.settings import Settings

BAD_REFERENCE = re.compile(r"^[-/.]|\.\.|[\x00-\x20\x7f~^:?*\[\\]|@\{|//|[/.]$|\.lock$")
"""What no name of a branch or tag may hold (git-check-ref-format), or what would be an option."""


def _reference(value: str) -> str:
    if value and BAD_REFERENCE.search(value):
        raise ValueError("write the name of a branch, such as main or release/1.x")
    return value


def _address(value: str) -> str:
    if value.startswith("-") or re.match(r"[A-Za-z0-9+.-]*::", value):
        raise ValueError(
            "write an address such as https://host/group/project.git or git@host:group/project.git"
        )
    if re.match(r"[a-z+]+://[^/@]*:[^/@]*@", value):
        raise ValueError("leave the password out of the address and use a Git credential helper")
    return value


def inside_repository(value: str) -> str:
    """Spell a path within the repository; refuse what leaves it."""
    path = PurePosixPath(value.replace("\\", "/"))
    if (
        not value
        or path.is_absolute()
        or ".." in path.parts
        or "\0" in value
        or re.match(r"[A-Za-z]:", value)
    ):
        raise ValueError("write a path inside the repository, such as services/shop")
    return str(path)


class GitSettings(Settings):
    """A Git repository: a working copy, a bare one, or only a remote one (`url`)."""

    type: Literal["git"] = "git"
    path: str = "."
    """Folder of the working copy or bare repository, or a folder in it; relative to this file."""
    url: Annotated[str, AfterValidator(_address)] = ""
    """Address of a remote repository to use instead of `path`; a mirror is kept in the station's state folder."""
    branch: Annotated[str, AfterValidator(_reference)] = ""
    """Branch to release from; empty: the one checked out (with `url`: the remote's default branch)."""
    remote: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9_./-]*)?$")] = (
        "origin"
    )
    """Where tags are published; empty: nowhere, the repository is only local."""
    tag_prefix: Annotated[
        str, StringConstraints(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_./@+-]*)?$")
    ] = "v"
    """What stands before the version in a tag; several projects in one repository need different ones."""
    paths: tuple[Annotated[str, AfterValidator(inside_repository)], ...] = ()
    """Files and folders of this project, relative to the repository's top; empty: all of it."""
