"""The outermost layer: gives each request an id, answers what nobody else has caught, writes one line about it.

The line holds no query string, header or body: a token that somebody put in the wrong place is not kept.
"""

import re
import sys
import time
import traceback
import uuid
from datetime import UTC, datetime
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gare import masking
from gare.errors import GareError
from gare.gateway.problems import problem

ID_HEADER = "X-Request-ID"
REQUEST_ID = "gare.request_id"
PERSON = "gare.person"
"""Where the request's id and the person (gare.domain.approvals.Voter) are in the ASGI scope."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_PATH = 200


class AccessLog:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return
        request_id = scope[REQUEST_ID] = _id_of(scope)
        started, status = time.perf_counter(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[ID_HEADER] = request_id
                headers["Cache-Control"] = "no-store"
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception as error:  # noqa: BLE001 - the edge: callers never see a traceback
            if not isinstance(error, GareError):
                _keep(error)
            if not status:
                has_token = "authorization" in Headers(scope=scope)
                await problem(error, request_id, has_token=has_token)(scope, receive, note)
        finally:
            _say(scope, status, time.perf_counter() - started)


def _id_of(scope: Scope) -> str:
    given = Headers(scope=scope).get(ID_HEADER, "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _keep(error: Exception) -> None:
    kept = masking.current().apply("".join(traceback.format_exception(error)))
    print(kept, file=sys.stderr, flush=True)  # noqa: T201 - its log is its output


def _say(scope: Scope, status: int, took_s: float) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    person = scope[PERSON].name if PERSON in scope else "-"
    path = quote(scope["path"])[:_LONGEST_PATH]
    client = scope["client"][0] if scope.get("client") else "-"
    # Status 0: the caller left before there was an answer.
    words = (at, client, person, scope["method"], path, status, f"{1000 * took_s:.0f}ms")
    print(*words, scope[REQUEST_ID], flush=True)  # noqa: T201
