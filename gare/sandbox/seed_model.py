"""What a seed may say, as models: a mistake is told with its key. The simulators read the seed itself."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from gare.errors import ConfigError

_SHOWN = 5


class Section(BaseModel):
    """A section of a seed: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid")


def check(where: str, said: Any, model: type[Section]) -> None:
    """Raise ConfigError that names what is wrong in a section, and where."""
    try:
        model.model_validate(said)
    except ValidationError as error:
        told = list(dict.fromkeys(_told(error, model)))
        more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        raise ConfigError(
            f"The sandbox's seed is wrong: {'; '.join(told[:_SHOWN])}{more}.",
            where=where,
            hint="Correct it; docs/how-to/sandbox.md and docs/how-to/jira.md show what a seed may say.",
        ) from error


def _told(error: ValidationError, model: type[Section]) -> Iterator[str]:
    below = set(_below(model))
    branches = {"str", "bool", "[key]", *(one.__name__ for one in below)}
    keys = {field.alias or name for one in below for name, field in one.model_fields.items()}
    for one in error.errors(include_url=False):
        # pydantic names the shapes of which one would have done, too; they are nobody's keys.
        parts = [str(part) for part in one["loc"] if part not in branches]
        path = ".".join(part for part in parts if not part.startswith("literal["))
        match one["type"]:
            case "extra_forbidden":
                near = get_close_matches(str(one["loc"][-1]), keys, n=1)
                yield f"`{path}` is not known" + (f" (did you mean `{near[0]}`?)" if near else "")
            case "missing":
                yield f"`{path}` is missing"
            case "value_error":
                yield f"`{path or 'it'}`: {one['msg'].removeprefix('Value error, ')}"
            case _:
                yield f"`{path or 'it'}`: {one['msg'][0].lower()}{one['msg'][1:]}"


def _below(model: type[Section]) -> Iterator[type[Section]]:
    """Yield a model and every one below it."""
    yield model
    for field in model.model_fields.values():
        for one in _models(field.annotation):
            yield from _below(one)


def _models(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


def named(mapping: Mapping[str, Any] | None) -> str:
    """Spell the names there are."""
    return ", ".join(mapping or ()) or "none"
