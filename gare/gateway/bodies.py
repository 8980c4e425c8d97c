"""The bodies of requests: what `gare.requests` asks for, without what the gateway fills in itself."""

from collections.abc import Sequence
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
    return create_model(
        f"{request.kind.capitalize()}Body", __config__=ConfigDict(extra="forbid"), **fields
    )


def request_of(kind: type[Request], body: BaseModel, person: str) -> Request:
    """Return the typed request that a person's body asks for. Raises Unacceptable for fields that do not fit."""
    fields = body.model_dump(exclude={"idempotency_key"})
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
