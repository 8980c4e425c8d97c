"""Makes a typed release request of command-line words, with messages that name the option."""

from pydantic import ValidationError

from gare.cli.output import clean, cut
from gare.errors import ConfigError
from gare.requests import ReleaseRequest
from gare.wiring import Gare

HINTS = {
    "version": "Write MAJOR.MINOR.PATCH without the tag's prefix, such as 1.4.0 (semver.org).",
    "prerelease": "Write a short word in lower case, such as rc or beta; Gare adds the number.",
    "ref": "Write the name of a branch or tag, or a full commit id.",
    "plan": "Write the whole digest that `gare plan` printed, such as sha256:0c2b….",
    "reason": "Write at most 500 characters.",
}
"""What to write instead, by option."""


def request_of(gare: Gare, project: str | None, **fields: object) -> ReleaseRequest:
    """Return the request for a project of the station. Raises ConfigError for a value that cannot be."""
    name = gare.station.project(project).config.name
    try:
        return ReleaseRequest.model_validate({"project": name, **fields})
    except ValidationError as error:
        wrong = error.errors()[0]
        option = str(wrong["loc"][0])
        raise ConfigError(
            f"--{option.replace('_', '-')} {cut(clean(repr(wrong['input'])), 80)} cannot be used.",
            where=f"release of {name}",
            hint=HINTS.get(option, ReleaseRequest.model_fields[option].description or ""),
        ) from error
