"""What gare.yaml says about tickets: how commits name them, where they live, and what a release tells them."""

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from gare.connectors.registry import TrackerSettings, is_written
from gare.settings import Settings

PLACEHOLDERS = ("project", "title", "version", "tag", "release")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _text(value: str) -> str:
    for name in _PLACEHOLDER.findall(value):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            raise ValueError(f"`{{{name}}}` is not known here; known are {known}")
    return value


Fields = dict[str, JsonValue]
"""Values by a field's id: words, numbers, lists, or an object as the tracker's API takes it."""

Text = Annotated[str, AfterValidator(_text)]
"""A text with `{project}`, `{title}`, `{version}`, `{tag}` and `{release}` filled in."""


class OnRelease(Settings):
    """What the tracker is told once a version is published. Tickets are those with code in it."""

    version: bool = True
    """Create the version where it is missing, add it to the tickets, and mark it as released."""
    transition: str = ""
    """Status that the tickets are moved to, by its name, or by `todo`, `doing` or `done`."""
    fields: Fields = Field(default_factory=dict)
    """Fields that the screen of the transition asks for, by id, such as `resolution: Done`."""
    comment: Text = ""
    """Markdown that is added to each ticket, such as `Out with {version}`."""
    link: Text = ""
    """Address that each ticket is linked to, such as the page of the release."""
    move_open_to: Literal["", "next"] = ""
    """`next`: what is open of the version goes to the next one that the tracker has, as it is released."""
    archive_after: Annotated[int, Field(ge=0)] = 0
    """How many released versions stay; older ones are archived. 0: all stay."""
    refused: Literal["fail", "warn"] = "fail"
    """Whether the step fails, once all are told, for tickets that the tracker refuses to change; or only says so."""

    @model_validator(mode="after")
    def _has_version(self) -> "OnRelease":
        if not self.version and (self.move_open_to or self.archive_after):
            raise ValueError(
                "`move_open_to` and `archive_after` are about versions: leave `version` on"
            )
        return self


class ChangePhase(StrEnum):
    """The phases of a release that a change ticket follows."""

    DEPLOYING = "deploying"
    RELEASED = "released"
    STOPPED = "stopped"


class ChangeTicket(Settings):
    """A ticket per release that follows it."""

    project: str = ""
    """Key of the project it is made in; empty: that of the tracker."""
    type: str = "Task"
    """Its type in the tracker."""
    phases: dict[ChangePhase, str] = Field(
        default={ChangePhase.DEPLOYING: "doing", ChangePhase.RELEASED: "done"}
    )
    """Status by phase, by its name or by `todo`, `doing` or `done`; a phase left out changes nothing."""
    fields: Fields = Field(default_factory=dict)
    """Fields that the screens of its transitions ask for, by id."""


class TicketRule(Settings):
    """How tickets are found in commits and where they live."""

    pattern: str = r"\b[A-Z][A-Z0-9]+-\d+\b"
    """Regular expression of a ticket key in a commit message."""
    tracker: TrackerSettings | None = None
    """Where tickets live; without it no scope is checked."""
    on_release: OnRelease | None = None
    """What the tracker is told when a version is out; without it nothing is written there."""
    change: ChangeTicket | None = None
    """A change ticket per release."""

    @model_validator(mode="after")
    def _writes(self) -> "TicketRule":
        if (self.on_release or self.change) and not is_written(self.tracker):
            raise ValueError(
                "`on_release` and `change` write into a tracker: write `tracker: {type: jira, …}`"
            )
        return self
