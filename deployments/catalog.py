"""Every deployment of the station as data: which flow, under which name, with which values.

To add one: a line in CATALOG. Registered by `deployments.apply` at every `gare up`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

POOL = "gare"
TAG = "gare"
"""On every deployment of ours; one that has it and is not in the catalogue any more is taken off the server."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A flow that can be started from Prefect's UI, its REST API and `gare`.

    `flow` is "module:function"; the module is imported by the worker as installed, never read from a folder.
    The flow takes one parameter, a pydantic model with `extra="forbid"`.
    """

    flow: str
    name: str = "gare"
    description: str = ""
    tags: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Return the module that holds the flow."""
        return self.flow.partition(":")[0]

    @property
    def entrypoint(self) -> str:
        """Return the flow as Prefect wants it: with a colon it would be taken for a file's path."""
        return self.flow.replace(":", ".")


CATALOG = (
    Deployment(
        flow="flows.release:release",
        description=(
            "Release one version of one project: plan, build, test, validate, approve, deploy, verify, "
            "publish, announce, close.\n\nStart it here with **Run**, with `gare release PROJECT`, or "
            "through the REST API."
        ),
        tags=("release",),
    ),
    Deployment(
        flow="flows.hotfix:hotfix",
        description=(
            "Release chosen fixes on top of the last released version, before every other release of the project."
            "\n\nStart it here with **Run**, with `gare hotfix PROJECT --commit SHA`, through Gare's gateway "
            "(`POST /api/v1/hotfixes`), or through the REST API."
        ),
        tags=("hotfix",),
    ),
    Deployment(
        flow="flows.rollback:rollback",
        description=(
            "Bring one environment of a project back to a version that was verified good there; automation there is "
            "on hold afterwards.\n\nStart it here with **Run**, with `gare rollback PROJECT --env ENVIRONMENT`, or "
            "through the REST API."
        ),
        tags=("rollback",),
    ),
    Deployment(
        flow="flows.train:train",
        description=(
            "Release several projects together, as a file in trains/ says: board, give notice, go or no go, depart in "
            "order, arrive.\n\nBoards by the schedules here, one of each train, or at once with **Run**, with "
            "`gare train depart NAME`, or through the REST API."
        ),
        tags=("train",),
    ),
)
