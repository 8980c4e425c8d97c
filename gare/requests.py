"""What starts a release, typed: the one parameter of the flow, the form in Prefect's UI, the body of the REST call.

Unknown keys are refused by Prefect's server too: it checks parameters against this model's JSON Schema.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ReleaseRequest(BaseModel):
    """A release to make."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Release")

    project: Annotated[
        str,
        Field(
            title="Project",
            pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$",
            description="Name of the project, as in its gare.yaml.",
            examples=["shop"],
        ),
    ]
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
    requested_by: Annotated[
        str,
        Field(
            title="Requested by",
            pattern=r"^([a-z0-9][a-z0-9._-]{0,62})?$",
            description="Your name in station.yaml. A rule may keep the requester from voting.",
        ),
    ] = ""
    reason: Annotated[
        str, Field(title="Reason", max_length=500, description="Why now; kept in the record.")
    ] = ""
    allow_dirty: Annotated[
        bool,
        Field(
            title="Allow uncommitted changes",
            description="Release although the repository has uncommitted changes; they are not part of it.",
        ),
    ] = False
