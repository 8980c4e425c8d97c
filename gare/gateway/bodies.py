"""The bodies of requests: what `gare.requests` asks for, without what the gateway fills in itself."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from gare.gateway.problems import Unacceptable
from gare.requests import Request

KEY_PATTERN = r"^[\x21-\x7e]{1,128}$"
Key = Annotated[
    str,
    Field(
        title="Idempotency key",
        pattern=KEY_PATTERN,
        description="The same key again gives the run that it gave before. The header `Idempotency-Key` does the same.",
        examples=["SHOP-142"],
    ),
]
_NOT_ASKED = ("requested_by", "train")
"""The token says who asks; only a train makes releases that are part of it."""
_WORDS = {"extra_forbidden": "this key is not known", "missing": "this is missing"}
"""What pydantic says less plainly."""


def body_of(request: type[Request]) -> type[BaseModel]:
    """Return the model of the body that starts a request of this kind."""
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in request.model_fields.items()
        if name not in _NOT_ASKED
    }
    fields["idempotency_key"] = (Key | None, None)
    config = ConfigDict(extra="forbid", json_schema_extra={"anyOf": _ways(request)})
    if not request.either:
        config = ConfigDict(extra="forbid")
    return create_model(f"{request.kind.capitalize()}Body", __config__=config, **fields)


def _ways(request: type[Request]) -> list[Any]:
    """Describe for programs that exactly one group of fields is given."""
    named = [name for group in request.either for name in group]
    empty: dict[str, Any] = {name: _sized(request, name, "max", 0) for name in named}
    return [
        {
            "required": [name],
            "properties": {
                **{other: empty[other] for other in named if other not in group},
                name: _sized(request, name, "min", 1),
            },
        }
        for group in request.either
        for name in group
    ]


def _sized(request: type[Request], name: str, bound: str, size: int) -> dict[str, int]:
    what = "Length" if request.model_fields[name].default == "" else "Items"
    return {f"{bound}{what}": size}


def _check_either(kind: type[Request], fields: Mapping[str, Any]) -> None:
    """Raise Unacceptable unless exactly one group of fields says what is asked for."""
    given = [group for group in kind.either if any(fields[name] for name in group)]
    if len(given) == 1 or not kind.either:
        return
    ways = " or ".join("/".join(f"`{name}`" for name in group) for group in kind.either)
    what = "only one of them" if given else "one of them"
    named = [name for group in given or kind.either for name in group if not given or fields[name]]
    raise Unacceptable(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"A {kind.kind} is asked for by {ways}: send {what}.",
        hint="/api/v1/openapi.json describes every field. Nothing was started.",
        fields=[(name, f"{what} is to be sent") for name in named],
    )


def request_of(kind: type[Request], body: BaseModel, person: str) -> Request:
    """Return the typed request that a person's body asks for. Raises Unacceptable for fields that do not fit."""
    fields = body.model_dump(exclude={"idempotency_key"})
    _check_either(kind, fields)
    try:
        return kind.model_validate({**fields, "requested_by": person})
    except ValidationError as error:
        raise invalid(error.errors()) from None


def invalid(errors: Sequence[Any]) -> Unacceptable:
    """Return what pydantic found, field by field."""
    fields = [(_path(error["loc"]), _WORDS.get(error["type"], error["msg"])) for error in errors]
    return Unacceptable(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{fields[0][0]}: {fields[0][1]}",
        hint="Correct what `fields` names; /api/v1/openapi.json describes every field. Nothing was started.",
        fields=fields,
    )


def _path(parts: Sequence[str | int]) -> str:
    """Spell where in a request something is: `commits[0]`, `query: limit`."""
    place, *keys = (
        parts if parts and parts[0] in ("body", "query", "path", "header") else ("body", *parts)
    )
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    return (path if place == "body" else f"{place}: {path}") or "body"
