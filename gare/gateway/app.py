"""Puts the gateway together: who may come in, what is let through, what there is, how errors are told."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from gare import __version__
from gare.errors import GareError
from gare.gateway.access_log import REQUEST_ID, AccessLog
from gare.gateway.bodies import invalid
from gare.gateway.door import HEALTH, WRONG_TOKEN_S, Door
from gare.gateway.looks import add_looks, health
from gare.gateway.problems import Problem, Unacceptable, documented, problem
from gare.gateway.sieve import Sieve
from gare.gateway.starts import add_starts
from gare.gateway.station import Desk
from gare.wiring import Gare

OPENAPI = "/api/v1/openapi.json"
_NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
"""Request bodies would go wherever an OTEL variable of the machine points."""
_TOKEN = HTTPBearer(
    auto_error=False,  # the door has seen to it; this is for the description
    scheme_name="token",
    description="A personal token: `gare token create NAME`.",
)


def make_app(gare: Gare, *, wrong_token_s: float = WRONG_TOKEN_S) -> ASGIApp:
    """Return the gateway of a station; a wrong token is answered after so many seconds."""
    desk = Desk(gare)
    api = FastAPI(
        title="Gare",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=OPENAPI,
        redirect_slashes=False,  # whoever follows sends the token once more, to where the Host header says
        telemetry=_NO_TELEMETRY,
    )
    api.add_api_route(HEALTH, health, operation_id="health", summary="Whether the gateway lives")
    router = APIRouter(dependencies=[Security(_TOKEN)], responses=documented(401, 429, 500, 503))
    add_looks(router, desk)
    add_starts(router, desk)
    api.include_router(router)
    api.state.routes = [route for route in router.routes if isinstance(route, APIRoute)]
    api.openapi = lambda: _openapi(api)  # type: ignore[method-assign]
    for kind, tell in _TELLING.items():
        api.add_exception_handler(kind, tell)
    return AccessLog(Door(Sieve(api), desk, wrong_token_s))


def _openapi(api: FastAPI) -> dict[str, Any]:
    """Describe the API (OpenAPI 3.1), once."""
    if not api.openapi_schema:
        found = get_openapi(title=api.title, version=api.version, routes=api.routes)
        told = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        found["components"]["schemas"] |= {**told.pop("$defs"), "Problem": told}
        api.openapi_schema = found
    return api.openapi_schema


async def _of_any(request: Request, error: Exception) -> Response:
    return problem(error, request.scope[REQUEST_ID])


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    return problem(invalid(error.errors()), request.scope[REQUEST_ID])


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    status, path = HTTPStatus(error.status_code), request.url.path
    words = {404: "There is nothing there.", 405: f"{request.method} is not possible there."}
    what = words.get(status, f"{status.phrase}.")
    told = problem(
        Unacceptable(status, what, where=path, hint=f"What there is: {OPENAPI}."),
        request.scope[REQUEST_ID],
    )
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        routes = (route for route in request.app.state.routes if route.path_regex.match(path))
        told.headers["Allow"] = ", ".join(
            sorted({name for route in routes for name in route.methods})
        )
    return told


_TELLING: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    GareError: _of_any,
    Exception: _of_any,
    RequestValidationError: _of_validation,
    HTTPException: _of_http,
}
