"""Makes a typed request of command-line words, with messages that name the option."""

from typing import TypeVar

from pydantic import ValidationError

from gare.cli.output import clean, cut
from gare.errors import ConfigError
from gare.requests import Request
from gare.wiring import Gare

HINTS = {
    "version": "Write MAJOR.MINOR.PATCH without the tag's prefix, such as 1.4.0 (semver.org).",
    "prerelease": "Write a short word in lower case, such as rc or beta; Gare adds the number.",
    "again": "Write MAJOR.MINOR.PATCH without the tag's prefix, such as 1.4.0 (semver.org).",
    "to": "Write MAJOR.MINOR.PATCH without the tag's prefix, such as 1.4.0 (semver.org).",
    "environment": "Write the name of an environment as in the files: lower case, digits, dots, dashes.",
    "ref": "Write the name of a branch or tag, or a full commit id.",
    "plan": "Write the whole digest that `gare plan` printed, such as sha256:0c2b….",
    "reason": "Write at most 500 characters.",
    "commits": "Write the id of a commit, or at least its first 7 characters.",
    "parents": "Write SHA=N, such as 4f2c9e1=1.",
    "merge_requests": "Write the number of a merge request, such as 12.",
    "ticket": "Write the key of a ticket, such as SHOP-142.",
    "line": "Write the name of a branch, such as maintenance/1.4.",
}
"""What to write instead, by option."""


_OPTIONS = {
    "commits": "commit",
    "environment": "env",
    "merge_requests": "mr",
    "parents": "parent",
}
"""Options that are called otherwise than their fields."""
_Wanted = TypeVar("_Wanted", bound=Request)


def request_of(gare: Gare, project: str | None, model: type[_Wanted], **fields: object) -> _Wanted:
    """Return a request about a project of the station. Raises ConfigError for a value that cannot be."""
    name = gare.station.project(project).config.name
    return checked(model, name, project=name, **fields)


def checked(model: type[_Wanted], about: str, **fields: object) -> _Wanted:
    """Return a request of these fields. Raises ConfigError that names the option of a value that cannot be."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors()[0]
        field = str(wrong["loc"][0])
        option = _OPTIONS.get(field, field).replace("_", "-")
        raise ConfigError(
            f"--{option} {cut(clean(repr(wrong['input'])), 80)} cannot be used.",
            where=f"{model.kind} of {about}",
            hint=HINTS.get(field, model.model_fields[field].description or ""),
        ) from error
