"""Makes a typed release request of command-line words, with messages that name the option."""

from pydantic import ValidationError

from gare.errors import ConfigError
from gare.requests import ReleaseRequest
from gare.wiring import Gare


def request_of(gare: Gare, project: str | None, **fields: object) -> ReleaseRequest:
    """Return the request for a project of the station. Raises ConfigError for a value that cannot be."""
    name = gare.station.project(project).config.name
    try:
        return ReleaseRequest.model_validate({"project": name, **fields})
    except ValidationError as error:
        wrong = error.errors()[0]
        option = str(wrong["loc"][0])
        described = ReleaseRequest.model_fields[option].description or ""
        raise ConfigError(
            f"--{option.replace('_', '-')} {wrong['input']!r} cannot be used.",
            where=f"release of {name}",
            hint=described,
        ) from error
