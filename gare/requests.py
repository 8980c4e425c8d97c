"""What starts a release, typed: the one parameter of the flow, the form in Prefect's UI, the body of the REST call.

Unknown keys are refused by Prefect's server too: it checks parameters against this model's JSON Schema.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from gare.domain.plan import Kind

ProjectName = Annotated[
    str,
    Field(
        title="Project",
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$",
        description="Name of the project, as in its gare.yaml.",
        examples=["shop"],
    ),
]
RequestedBy = Annotated[
    str,
    Field(
        title="Requested by",
        pattern=r"^([a-z0-9][a-z0-9._-]{0,62})?$",
        description="Your name in station.yaml. A rule may keep the requester from voting.",
    ),
]
Reason = Annotated[
    str, Field(title="Reason", max_length=500, description="Why now; kept in the record.")
]


def _people_last(schema: dict[str, Any]) -> None:
    """Put what everybody can fill in at the end of the form, after what the kind is about."""
    fields = schema["properties"]
    for name in ("requested_by", "reason"):
        fields[name] = fields.pop(name)


class Request(BaseModel):
    """What is common to all that can be asked for. Each kind has a deployment of its own in the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_people_last)

    kind: ClassVar[Kind]

    requested_by: RequestedBy = ""
    reason: Reason = ""

    @property
    def subject(self) -> str:
        """Return what the run is about, for its name until it has planned."""
        raise NotImplementedError

    @property
    def stored_plan(self) -> str:
        """Return the digest of the plan that is to be executed; empty when it is planned first."""
        return ""

    @property
    def is_fixed(self) -> bool:
        """Whether the release ends rather than be planned anew when another one was faster."""
        return False


class ReleaseRequest(Request):
    """A release to make."""

    model_config = ConfigDict(title="Release")

    kind = Kind.RELEASE

    project: ProjectName
    version: Annotated[
        str,
        Field(
            title="Version",
            pattern=r"^([0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]{0,80})?$",
            description="Version to release. Empty: computed from the commits since the last release.",
            examples=["1.4.0"],
        ),
    ] = ""
    prerelease: Annotated[
        str,
        Field(
            title="Pre-release",
            pattern=r"^([a-z][a-z0-9]{0,15})?$",
            description="Make a pre-release with this label, such as rc for 1.4.0-rc.1. Empty: a full release.",
        ),
    ] = ""
    ref: Annotated[
        str,
        Field(
            title="Branch or commit",
            pattern=r"^([0-9A-Za-z_][0-9A-Za-z._/@+-]{0,199})?$",
            description="What to release from. Empty: the project's branch.",
        ),
    ] = ""
    plan: Annotated[
        str,
        Field(
            title="Stored plan",
            pattern=r"^(sha256:[0-9a-f]{64})?$",
            description="Digest of a plan made with `gare plan`: exactly that is executed. Empty: planned first.",
        ),
    ] = ""
    replan: Annotated[
        bool,
        Field(
            title="Plan anew when overtaken",
            description="When another release took the stored plan's version or commits first: plan anew. "
            "Otherwise the release ends as cancelled.",
        ),
    ] = False
    allow_dirty: Annotated[
        bool,
        Field(
            title="Allow uncommitted changes",
            description="Release although the repository has uncommitted changes; they are not part of it.",
        ),
    ] = False
    train: Annotated[
        str,
        Field(
            title="Train",
            pattern=r"^(R-[1-9][0-9]{0,8})?$",
            description="The train that this release is a member of. Trains set it; leave it empty.",
        ),
    ] = ""

    @property
    def subject(self) -> str:
        """Return the project."""
        return self.project

    @property
    def stored_plan(self) -> str:
        """Return the digest of the plan to execute."""
        return self.plan

    @property
    def is_fixed(self) -> bool:
        """Whether exactly that plan was asked for."""
        return bool(self.plan) and not self.replan


REQUESTS: Mapping[Kind, type[Request]] = {Kind.RELEASE: ReleaseRequest}


def request_of(kind: str, fields: Mapping[str, Any]) -> Request:
    """Return the request of a kind. Raises ValueError for a kind or fields that cannot be."""
    return REQUESTS[Kind(kind)].model_validate(fields)
