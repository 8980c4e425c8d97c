"""Lets nobody in without a personal token, except to ask whether the gateway lives."""

import asyncio
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gare.errors import AuthenticationFailed, RateLimited
from gare.gateway.access_log import PERSON
from gare.gateway.problems import Unacceptable
from gare.gateway.station import Desk

HEALTH = "/health"
WRONG_TOKEN_S = 1.0
_LONGEST_TOKEN = 200
_MOST_WAITING = 20


class Door:
    """ASGI middleware. What stands behind it, 404 included, is seen by people of the station only."""

    def __init__(self, app: ASGIApp, desk: Desk, wrong_token_s: float) -> None:
        self._app, self._desk, self._wrong = app, desk, _WrongTokens(wrong_token_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find out who asks."""
        if (scope["method"], scope["path"]) != ("GET", HEALTH):
            token = _token(Headers(scope=scope))
            try:
                scope[PERSON] = await run_in_threadpool(self._person, token)
            except AuthenticationFailed:
                await self._wrong.wait(scope["client"][0] if scope.get("client") else "")
                raise
        await self._app(scope, receive, send)

    def _person(self, token: str) -> object:
        try:
            return self._desk.person(token)
        except AuthenticationFailed as error:
            raise AuthenticationFailed(error.what, where="Authorization", hint=error.hint) from None


class _WrongTokens:
    """Lets wrong tokens of one address wait, one after the other. A right one is never kept waiting."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._lines: dict[str, tuple[asyncio.Lock, list[None]]] = {}

    async def wait(self, address: str) -> None:
        """Wait until it is this one's turn. Raises RateLimited when too many do."""
        lock, waiting = self._lines.setdefault(address, (asyncio.Lock(), []))
        if len(waiting) >= _MOST_WAITING:
            raise RateLimited(
                "There are too many wrong tokens from your address.",
                where="Authorization",
                hint="Correct the token, then try again in a minute.",
                retry_after_s=self._pause_s * _MOST_WAITING,
            )
        waiting.append(None)
        try:
            async with lock:
                await asyncio.sleep(self._pause_s)
        finally:
            waiting.pop()
            if not waiting:
                del self._lines[address]


def _token(headers: Headers) -> str:
    """Return the bearer token (RFC 6750, section 2.1: in the header, nowhere else)."""
    given = headers.getlist("authorization")
    if not given:
        raise AuthenticationFailed(
            "Who are you? There is no personal token.",
            where="Authorization",
            hint="Send `Authorization: Bearer TOKEN` with the token that `gare token create NAME` printed.",
        )
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or len(token) > _LONGEST_TOKEN:
        raise Unacceptable(
            HTTPStatus.BAD_REQUEST,
            "This is no single personal token.",
            where="Authorization",
            hint="Send one `Authorization: Bearer TOKEN`.",
        )
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthenticationFailed(
            "The gateway takes bearer tokens only.",
            where="Authorization",
            hint="Send `Authorization: Bearer TOKEN`.",
        )
    return token
