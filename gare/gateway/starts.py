"""`POST /api/v1/releases`, `hotfixes`, `rollbacks`: each starts a run and answers at once with its addresses.

Nothing is planned here: the run does that, and tells what is wrong.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel

from gare.domain.approvals import Voter
from gare.domain.plan import Kind
from gare.engine import deployment_of
from gare.errors import Conflict, Unavailable
from gare.gateway.access_log import PERSON
from gare.gateway.bodies import KEY_PATTERN, body_of, request_of
from gare.gateway.engine_errors import asking_engine
from gare.gateway.problems import documented
from gare.gateway.station import Desk
from gare.requests import REQUESTS
from gare.run_lists import Run

RUNS = "/api/v1/runs"
_PATHS: Mapping[Kind, str] = {
    Kind.RELEASE: "/api/v1/releases",
    Kind.HOTFIX: "/api/v1/hotfixes",
    Kind.ROLLBACK: "/api/v1/rollbacks",
}
_ANSWERS = documented(400, 403, 404, 408, 409, 413, 415, 422, 502)


class Started(BaseModel):
    """A run that was started now, or before with the same key."""

    run: str
    """Id of the run. Its release gets an id, `R-…`, as soon as it is planned."""
    status: str
    """Where the gateway tells how the run is doing."""
    address: str
    """Where a person looks at the run: Prefect's UI."""


def add_starts(router: APIRouter, desk: Desk) -> None:
    """Add the routes that start what people ask for."""
    for kind, path in _PATHS.items():
        _add_start(router, desk, kind, path)


def _add_start(router: APIRouter, desk: Desk, kind: Kind, path: str) -> None:
    asked = REQUESTS[kind]

    def start(
        request: Request,
        response: Response,
        body: Any,
        idempotency_key: Annotated[str | None, Header(pattern=KEY_PATTERN)] = None,
    ) -> Started:
        person: Voter = request.scope[PERSON]
        wanted = request_of(asked, body, person.name)
        desk.check_start(person, kind, wanted.subject)
        key = _one_key(idempotency_key, body.idempotency_key)
        run = _start(desk, kind, wanted.model_dump(mode="json"), person, key)
        status = f"{RUNS}/{run.id}"
        response.headers["Location"] = status
        return Started(run=run.id, status=status, address=desk.gare.engine.run_address(run.id))

    start.__annotations__["body"] = body_of(asked)
    router.add_api_route(
        path,
        start,
        methods=["POST"],
        status_code=HTTPStatus.ACCEPTED,
        responses=_ANSWERS,
        operation_id=f"start_{kind}",
        summary=f"Start a {kind}",
        description="The answer comes at once, with the id of the run that does it. Take an idempotency key: then the "
        "call can be repeated when its answer was lost.",
    )


def _one_key(header: str | None, body: str | None) -> str:
    if header and body and header != body:
        raise Conflict(
            "There are two idempotency keys, and they differ.",
            where="Idempotency-Key, idempotency_key",
            hint="Send one: in the header or in the body.",
        )
    return header or body or ""


def _start(desk: Desk, kind: Kind, request: Mapping[str, Any], person: Voter, key: str) -> Run:
    unknown = Unavailable(
        f"A {kind} cannot be started now.", where="the engine", hint="Tell the station's keeper: `gare doctor`."
    )  # fmt: skip
    if not key:
        with asking_engine(unknown):
            return desk.gare.engine.start(request, deployment=deployment_of(kind))
    # Keys are each person's own, and none of them can be one that a train takes for its members.
    scoped = f"gateway {person.name} {key}"
    with desk.holding(scoped), asking_engine(unknown):
        # The engine's keys are unique for each kind; ours for all of them together.
        for run_id, asked in desk.gare.engine.requests_of(scoped).items():
            if asked != request:
                raise _used(key, f"run {run_id}")
        try:
            return desk.gare.engine.start(
                request, deployment=deployment_of(kind), idempotency_key=scoped
            )
        except Conflict as error:
            raise _used(key, error.where) from None


def _used(key: str, where: str) -> Conflict:
    return Conflict(
        f"The idempotency key {key!r} was used for another request of yours.",
        where=where,
        hint="Take a new key for a new request, or repeat the first one unchanged.",
    )
