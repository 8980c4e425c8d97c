"""Reads a request's body within limits, and refuses what no honest request holds, before anything looks at it."""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_plus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gare.gateway.problems import Unacceptable

BODY_BYTES = 64 * 1024
DEPTH = 16
READ_S = 15.0
TEMPLATE = "__prefect_kind"
"""The engine renders an object with this key as a template (Prefect 3.8, prefect.utilities.schema_tools.hydration)."""
_NO_TEXT = frozenset(map(chr, (0, *range(0xD800, 0xE000))))
"""What databases do not keep as text: NUL, and halves of characters."""


class Sieve:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, read_s: float = READ_S) -> None:
        self._app, self._read_s = app, read_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at query and body, then hand the request on."""
        _check_query(scope["query_string"])
        body = await _read(Headers(scope=scope), receive, self._read_s)
        if body is None:
            return
        if body:
            _check_type(Headers(scope=scope))
            _check(_parse(body), "", DEPTH)
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, again, send)


def _check_query(query: bytes) -> None:
    text = query.decode("latin-1")
    if TEMPLATE in unquote_plus(text) or TEMPLATE in unquote_plus(unquote_plus(text)):
        raise _template("query")


def _check_type(headers: Headers) -> None:
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json":
        raise Unacceptable(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body is not said to be JSON.",
            where="Content-Type",
            hint="Send `Content-Type: application/json`.",
        )


async def _read(headers: Headers, receive: Receive, read_s: float) -> bytes | None:
    """Return the whole body; None when the caller has left. It is not read beyond the limit, nor waited for long."""
    if int(_digits(headers.get("content-length", "0"))) > BODY_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(read_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > BODY_BYTES:
                    raise _too_large()
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Unacceptable(
            HTTPStatus.REQUEST_TIMEOUT,
            f"The body did not come within {read_s:g} s.",
            hint="Send it again at once.",
        ) from None


def _digits(text: str) -> str:
    return text if text.isascii() and text.isdigit() and len(text) < 20 else "0"


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body, object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Unacceptable(
            HTTPStatus.BAD_REQUEST,
            f"The body is no JSON: {said}.",
            where="body",
            hint="Send one JSON object (RFC 8259) in UTF-8.",
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # Which of the two counts is read differently by different programs.
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _check(value: Any, path: str, depth: int) -> None:
    if not depth:
        raise Unacceptable(
            HTTPStatus.BAD_REQUEST,
            f"The body is nested deeper than {DEPTH} levels.",
            where="body",
            hint="No request needs that.",
        )
    if isinstance(value, str):
        if not _NO_TEXT.isdisjoint(value):
            raise Unacceptable(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "A text holds a character that cannot be kept (NUL, or half of one).",
                where="body",
                hint="Take it out.",
                fields=[(path or "body", "holds a character that cannot be kept")],
            )
    elif isinstance(value, Mapping):
        if TEMPLATE in value:
            raise _template(path or "body")
        for key, item in value.items():
            _check(key, path, depth)
            _check(item, f"{path}.{key}".lstrip("."), depth - 1)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _check(item, f"{path}[{place}]", depth - 1)


def _template(where: str) -> Unacceptable:
    return Unacceptable(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"The key `{TEMPLATE}` is not allowed: the engine would render the object as a template.",
        where=where,
        hint="Send plain values.",
        fields=[(where, f"holds the key {TEMPLATE}")],
    )


def _too_large() -> Unacceptable:
    return Unacceptable(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body is larger than {BODY_BYTES // 1024} KiB.",
        where="body",
        hint="No request needs that.",
    )
