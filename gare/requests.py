"""What starts a release, typed: the one parameter of the flow, the form in Prefect's UI, the body of the REST call.

Unknown keys are refused by Prefect's server too: it checks parameters against this model's JSON Schema.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from gare.domain.plan import Kind, of_train

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
    str,
    Field(
        title="Reason",
        max_length=500,
        pattern=r"^[^\x00]*$",  # databases do not keep it as text
        description="Why now; kept in the record.",
    ),
]


BOARDING = "timetable"
"""The slot that a train's schedule asks for."""

CommitName = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{7,64}$"),
]
"""The id of a commit, or its beginning."""


def _whole(value: Any) -> Any:
    """Return 2 for 2.0: to JSON Schema, which the engine and programs go by, they are the same integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Strict: no text, and no true. Bounded: beyond 64 bits the engine's server takes a number and cannot tell it again.
MergeRequestNumber = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True), BeforeValidator(_whole)]
ParentNumber = Annotated[int, Field(ge=1, le=16, strict=True), BeforeValidator(_whole)]
OfTrain = Annotated[
    str,
    Field(
        title="Train",
        pattern=r"^(R-[1-9][0-9]{0,8})?$",
        description="The train that this is part of. Trains set it; leave it empty.",
    ),
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
    either: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of fields of which exactly one says what is asked for; empty when none has to."""

    requested_by: RequestedBy = ""
    reason: Reason = ""

    @property
    @abstractmethod
    def subject(self) -> str:
        """Return what the run is about, for its name until it has planned."""

    @property
    def stored_plan(self) -> str:
        """Return the digest of the plan that is to be executed; empty when it is planned first."""
        return str(getattr(self, "plan", ""))  # a rollback is always planned first

    @property
    def is_fixed(self) -> bool:
        """Whether the release ends rather than be planned anew when another one was faster."""
        return bool(self.stored_plan)

    @property
    def given_version(self) -> str:
        """Return the version that was asked for; empty when it is computed."""
        return ""

    def afresh(self) -> Self:
        """Return the same request without a plan that was made before."""
        return self


AllowOlder = Annotated[
    bool,
    Field(
        strict=True,
        title="Allow going back",
        description="Go on although the last environment runs a newer version than is going to be released.",
    ),
]


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
    again: Annotated[
        str,
        Field(
            title="Again",
            pattern=r"^([0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]{0,80})?$",
            description="Version that was rolled back and shall be released again, as it was: no new tag, the same "
            "artifacts, gates and votes anew. Leave version, pre-release and branch empty then.",
            examples=["1.2.0"],
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
            strict=True,
            title="Plan anew when overtaken",
            description="When another release took the stored plan's version or commits first: plan anew. "
            "Otherwise the release ends as cancelled.",
        ),
    ] = False
    allow_dirty: Annotated[
        bool,
        Field(
            strict=True,
            title="Allow uncommitted changes",
            description="Release although the repository has uncommitted changes; they are not part of it.",
        ),
    ] = False
    allow_older: AllowOlder = False
    train: OfTrain = ""

    @property
    def subject(self) -> str:
        """Return the project."""
        return self.project

    @property
    def is_fixed(self) -> bool:
        """Whether exactly that plan was asked for."""
        return bool(self.plan) and not self.replan

    @property
    def given_version(self) -> str:
        """Return the version that was asked for."""
        return self.version or self.again

    def afresh(self) -> Self:
        """Return the request to plan once more."""
        return self.model_copy(update={"plan": ""})


class RollbackRequest(Request):
    """An environment to bring back to a version that was verified good there."""

    model_config = ConfigDict(title="Rollback")

    kind = Kind.ROLLBACK

    project: ProjectName
    environment: Annotated[
        str,
        Field(
            title="Environment",
            pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$",
            description="The one environment that goes back; the others stay as they are.",
            examples=["production"],
        ),
    ]
    to: Annotated[
        str,
        Field(
            title="Version",
            pattern=r"^([0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]{0,80})?$",
            description="Version to go back to. Empty: the one verified good there before what runs now.",
            examples=["1.3.0"],
        ),
    ] = ""
    train: OfTrain = ""

    @property
    def subject(self) -> str:
        """Return the project."""
        return self.project


class HotfixRequest(Request):
    """A hotfix to make: chosen fixes on top of what was released."""

    model_config = ConfigDict(title="Hotfix")

    kind = Kind.HOTFIX
    either = (("plan",), ("commits", "merge_requests"))

    project: ProjectName
    commits: Annotated[
        tuple[CommitName, ...],
        Field(
            title="Commits",
            max_length=50,
            description="The fixes, in the order in which they are put on the released version.",
            examples=[["4f2c9e1"]],
        ),
    ] = ()
    merge_requests: Annotated[
        tuple[MergeRequestNumber, ...],
        Field(
            title="Merge requests",
            max_length=50,
            description="Numbers of merge requests that are the fixes: what merged them, or their commits while open.",
        ),
    ] = ()
    ticket: Annotated[
        str,
        Field(
            title="Ticket",
            pattern=r"^([A-Za-z0-9#!][A-Za-z0-9#!/_.-]{0,79})?$",
            description="The ticket of what is fixed.",
            examples=["SHOP-142"],
        ),
    ] = ""
    line: Annotated[
        str,
        Field(
            title="Maintenance line",
            pattern=r"^([0-9A-Za-z_][0-9A-Za-z._/@+-]{0,199})?$",
            description="Branch (or tag of an older version) to fix. Empty: the last released version.",
            examples=["maintenance/1.4"],
        ),
    ] = ""
    parents: Annotated[
        dict[CommitName, ParentNumber],
        Field(
            title="Mainline parents",
            description="For each merge commit among the fixes: the number of its mainline parent, usually 1.",
            # pydantic's schema would let the engine's server accept other keys.
            json_schema_extra={"additionalProperties": False},
        ),
    ] = {}
    allow_older: AllowOlder = False
    plan: Annotated[
        str,
        Field(
            title="Stored plan",
            pattern=r"^(sha256:[0-9a-f]{64})?$",
            description="Digest of a plan made with `gare hotfix --plan-only`: exactly that is executed.",
        ),
    ] = ""

    @property
    def subject(self) -> str:
        """Return the project."""
        return self.project


class TrainRequest(Request):
    """A departure of several projects together."""

    model_config = ConfigDict(title="Train")

    kind = Kind.TRAIN

    name: Annotated[
        str,
        Field(
            title="Train",
            pattern=r"^[a-z0-9][a-z0-9._-]{0,49}$",
            description="Name of the train, as in its file in trains/.",
            examples=["fortnightly"],
        ),
    ]
    slot: Annotated[
        str,
        Field(
            title="Departure",
            pattern=rf"^({BOARDING}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{4}})?$",
            description="Local time of the departure. Empty: at once. "
            f"`{BOARDING}`: the one of the timetable that boards now, as its schedule asks for.",
            examples=["2026-11-24T1000"],
        ),
    ] = ""
    plan: Annotated[
        str,
        Field(
            title="Stored plan",
            pattern=r"^(sha256:[0-9a-f]{64})?$",
            description="Digest of a plan made with `gare train plan`: exactly that departs. Empty: boards first.",
        ),
    ] = ""

    @property
    def subject(self) -> str:
        """Return what stands for the train where a release has its project."""
        return of_train(self.name)


REQUESTS: Mapping[Kind, type[Request]] = {
    model.kind: model for model in (ReleaseRequest, RollbackRequest, HotfixRequest, TrainRequest)
}


def request_of(kind: str, fields: Mapping[str, Any]) -> Request:
    """Return the request of a kind. Raises ValueError for a kind or fields that cannot be."""
    return REQUESTS[Kind(kind)].model_validate(fields)
