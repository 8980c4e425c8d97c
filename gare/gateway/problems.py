"""Errors as problem details (RFC 9457): which HTTP status each has, and what its answer says.

The table is part of the public contract (docs/how-to/api.md).
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

from gare import masking
from gare.errors import (
    AuthenticationFailed,
    ConfigError,
    Conflict,
    ConnectorError,
    GareError,
    InternalError,
    NotFound,
    PermissionDenied,
    RateLimited,
    Refused,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
RETRY_S = 5
"""What a caller is asked to wait when the engine or the ledger is away."""
_STATUS: Sequence[tuple[type[GareError], HTTPStatus]] = (
    (AuthenticationFailed, HTTPStatus.UNAUTHORIZED),
    (PermissionDenied, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (Refused, HTTPStatus.CONFLICT),
    (RateLimited, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (ConfigError, HTTPStatus.SERVICE_UNAVAILABLE),
    (ConnectorError, HTTPStatus.BAD_GATEWAY),
    (GareError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""The first class that fits counts. A ConfigError is about the station's files, which the caller cannot mend."""


_NAMES = ("Unacceptable", "LedgerAway", "UnexpectedReply", *(kind.__name__ for kind, _ in _STATUS))
"""Names of errors that callers know (docs/how-to/api.md); any other is told by the first that it is a kind of."""

_DEFECT = InternalError(
    "Gare itself failed.",
    where="the gateway's log has the rest, under this request's id",
    hint="This is a defect of Gare: please report it with the log.",
)


class Unacceptable(Refused):
    """A request that HTTP or its schema does not allow. `fields` says what is wrong with each of its fields."""

    def __init__(
        self,
        status: HTTPStatus,
        what: str,
        *,
        where: str = "request",
        hint: str = "",
        fields: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.status, self.fields = status, fields


def status_of(error: GareError) -> HTTPStatus:
    """Return the HTTP status of an error."""
    if isinstance(error, Unacceptable):
        return error.status
    return next(status for kind, status in _STATUS if isinstance(error, kind))


class Field(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    """Such as `commits[0]`, or `query: limit`."""
    detail: str


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = "about:blank"
    title: str
    """The status in words."""
    status: int
    detail: str
    """What went wrong."""
    where: str
    hint: str
    """What to do next."""
    error: str
    """Class of the error, as in the command line's JSON (docs/exit-codes.md)."""
    retryable: bool
    """Whether the same call may work later by itself; then there is a Retry-After."""
    request_id: str
    """As in the header X-Request-ID and in the gateway's log."""
    fields: list[Field] = []


def problem(failure: Exception, request_id: str, *, has_token: bool = False) -> JSONResponse:
    """Return the answer that tells an error; of a defect, only that it is one. Known secrets are masked."""
    error = failure if isinstance(failure, GareError) else _DEFECT
    status = status_of(error)
    told = masking.current().apply
    fields = error.fields if isinstance(error, Unacceptable) else ()
    body = Problem(
        title=status.phrase,
        status=status.value,
        detail=told(error.what),
        where=told(error.where),
        hint=told(error.hint),
        error=next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _NAMES),
        retryable=error.retryable,
        request_id=request_id,
        fields=[Field(field=name, detail=told(detail)) for name, detail in fields],
    )
    headers = _headers(error, status, has_token=has_token)
    return JSONResponse(body.model_dump(), status, headers, media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of these statuses for the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def _headers(error: GareError, status: HTTPStatus, *, has_token: bool) -> dict[str, str]:
    if status is HTTPStatus.UNAUTHORIZED:
        # RFC 6750, section 3: a request without a token is told no error code.
        return {"WWW-Authenticate": "Bearer" + (' error="invalid_token"' if has_token else "")}
    if error.retryable:
        wait_s = error.retry_after_s if isinstance(error, Unavailable) else 0
        return {"Retry-After": str(round(wait_s) or RETRY_S)}
    return {}
