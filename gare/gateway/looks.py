"""What can be asked: `GET /health`, `/api/v1/runs/{id}`, `/api/v1/releases`, `/api/v1/releases/{id}`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict

from gare.errors import NotFound
from gare.gateway.engine_errors import asking_engine
from gare.gateway.problems import documented
from gare.gateway.starts import RUNS
from gare.gateway.station import Desk
from gare.lookup import NEWEST, page, release_lines
from gare.requests import ProjectName

_ANSWERS = documented(400, 408, 413, 415, 422)
ReleaseName = Annotated[str, Path(pattern=r"^R-[1-9][0-9]{0,8}$", examples=["R-7"])]


class Health(BaseModel):
    """The gateway answers. Whether ledger and engine do is `gare doctor`'s to say."""

    status: str = "ok"


class RunState(BaseModel):
    """How a run is doing."""

    run: str
    name: str
    state: str
    """Prefect's: SCHEDULED, PENDING, RUNNING, PAUSED (it waits), COMPLETED, FAILED, CRASHED, CANCELLING, CANCELLED."""
    state_name: str
    """More exact: Suspended, Released, RolledBack, Rejected and so on."""
    message: str
    release: str
    """Id of its release, such as R-7; empty until it is planned."""
    address: str
    """Where a person looks at the run: Prefect's UI."""


class Asked(BaseModel):
    """Which releases are asked about."""

    model_config = ConfigDict(extra="forbid")

    project: ProjectName | None = None
    newest: Annotated[int, Query(ge=0, le=200, description="So many, and every open one.")] = NEWEST


def health() -> Health:
    """Answer, whoever asks."""
    return Health()


def add_looks(router: APIRouter, desk: Desk) -> None:
    """Add the routes that only look."""

    @router.get(
        RUNS + "/{run_id}",
        operation_id="run",
        summary="How a run is doing",
        responses=_ANSWERS | documented(404, 502),
    )
    def run(run_id: UUID) -> RunState:
        unknown = NotFound(
            f"There is no run {run_id}.",
            where=f"{RUNS}/{run_id}",
            hint="`Location` of the answer that started it has its address.",
        )
        with asking_engine(unknown):
            found = desk.gare.engine.run(str(run_id))
        release = desk.gare.ledger.releases.of_run(found.id)
        return RunState(
            run=found.id,
            name=found.name,
            state=found.state_type,
            state_name=found.state_name,
            message=found.state_message,
            release=release.id if release else "",
            address=desk.gare.engine.run_address(found.id),
        )

    @router.get(
        "/api/v1/releases",
        operation_id="releases",
        summary="The newest releases and every open one",
        responses=_ANSWERS,
    )
    def releases(asked: Annotated[Asked, Query()]) -> list[dict[str, Any]]:
        return release_lines(desk.gare.ledger, asked.project or "", newest=asked.newest)

    @router.get(
        "/api/v1/releases/{release_id}",
        operation_id="release",
        summary="One release: steps, votes, what was changed outside",
        responses=_ANSWERS | documented(404),
    )
    def release(release_id: ReleaseName) -> dict[str, Any]:
        return page(desk.gare, release_id)
