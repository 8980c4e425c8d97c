"""Lets nobody in without a personal token, except to ask whether the gateway lives."""

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gare.errors import AuthenticationFailed
from gare.gateway.access_log import PERSON
from gare.gateway.problems import Unacceptable
from gare.gateway.station import Desk

HEALTH = "/health"
_LONGEST_TOKEN = 200


class Door:
    """ASGI middleware. What stands behind it, 404 included, is seen by people of the station only."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app, self._desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find out who asks."""
        if (scope["method"], scope["path"]) != ("GET", HEALTH):
            token = _token(Headers(scope=scope))
            scope[PERSON] = await run_in_threadpool(self._person, token)
        await self._app(scope, receive, send)

    def _person(self, token: str) -> object:
        try:
            return self._desk.person(token)
        except AuthenticationFailed as error:
            raise AuthenticationFailed(error.what, where="Authorization", hint=error.hint) from None


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
