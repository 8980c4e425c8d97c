"""Asks in advance what would only be met once things are live: rights, protected names, workflows, screens.

Few questions, never one per ticket: one ticket of each status stands for all of them. What cannot be asked is said
too; nothing here keeps a plan from being made.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gare.domain.plan import PlannedStep
from gare.errors import GareError
from gare.ports.access import HostingAccess
from gare.ports.tracker import TicketForesight

_SOON = timedelta(days=14)
_EXAMPLES = 10
"""How many statuses are asked about."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a plan is going to do, as far as others may refuse it.

    `examples` has one ticket of the release for each status that its tickets have, in the tracker's own words.
    """

    branch: str
    steps: Sequence[PlannedStep]
    examples: Mapping[str, str] = field(default_factory=dict)


Foresee = Callable[[Ahead], list[str]]
"""Says what will be refused, one sentence each."""


def is_told(step: PlannedStep) -> bool:
    """Whether a step writes into the tracker."""
    return step.type in ("tickets", "change")


def of_hosting(access: HostingAccess, ahead: Ahead, now: datetime) -> Iterator[str]:
    """Yield what the hosting will refuse."""
    writing = [step.id for step in ahead.steps if step.settings.get("gitlab")]
    if not writing:
        return
    try:
        if lacking := access.lacking():
            yield f"{access.place}: {lacking}; {', '.join(writing)} will be refused"
            return
        yield from _refs(access, ahead)
        ends = access.ends_on()
        if ends and ends <= (now + _SOON).date():
            yield f"{access.place}: the token ends on {ends}"
    except GareError as error:
        yield _not_asked(access.place, error)


def _refs(access: HostingAccess, ahead: Ahead) -> Iterator[str]:
    """Yield the names that a protection keeps: the tag that is pushed, the branch of the changelog."""
    for step in ahead.steps:
        if step.type != "publish" or not step.settings["push"]:
            continue
        tag, changelog = step.settings["tag"], step.settings["changelog"]
        if tag and (refused := access.refused_tag(step.settings["tag_name"])):
            yield f"{access.place}: {refused}; {_by_whom(ahead)}"
        if changelog and (refused := access.refused_push(ahead.branch)):
            yield f"{access.place}: {refused}; the changelog is pushed with Git's own credentials"


def _by_whom(ahead: Ahead) -> str:
    page = next((step.id for step in ahead.steps if step.type == "page"), "")
    return f"{page} will be refused" if page else "it is pushed with Git's own credentials"


def of_tracker(tracker: TicketForesight, ahead: Ahead) -> Iterator[str]:
    """Yield what the tracker will refuse."""
    steps = {step.type: step for step in reversed(ahead.steps)}
    try:
        if told := steps.get("tickets"):
            rule = told.settings["rule"]
            yield from _lacking(tracker, rights_for(rule, None))
            if rule["version"] and (refused := tracker.refused_version(told.settings["version"])):
                yield f"{tracker.place}: {refused}; {told.id} will be refused: unarchive it, or release another version"
            yield from _moves(tracker, ahead, rule["transition"], rule["fields"])
        if change := steps.get("change"):
            said = change.settings["change"]
            yield from _lacking(tracker, rights_for(None, said))
            if refused := tracker.refused_change(said["project"], said["type"]):
                yield f"{tracker.place}: {refused}; {change.id} will be refused"
    except GareError as error:
        yield _not_asked(tracker.place, error)


def rights_for(rule: Mapping[str, object] | None, change: Mapping[str, object] | None) -> list[str]:
    """Return the rights (Jira's own keys) that it takes to tell tickets by a rule, and to keep change tickets."""
    told, kept = rule or {}, change or {}
    needed = {
        "BROWSE_PROJECTS": True,
        "ADMINISTER_PROJECTS": told.get("version"),
        "EDIT_ISSUES": told.get("version") or told.get("link"),
        "TRANSITION_ISSUES": told.get("transition") or kept,
        "ADD_COMMENTS": told.get("comment"),
        "CREATE_ISSUES": kept and not kept.get("project"),
    }
    return [right for right, is_needed in needed.items() if is_needed]


def _lacking(tracker: TicketForesight, rights: Sequence[str]) -> Iterator[str]:
    if lacking := tracker.lacking(rights):
        yield f"{tracker.place}: the token's account lacks {', '.join(lacking)}"


def _moves(
    tracker: TicketForesight, ahead: Ahead, to: str, fields: Mapping[str, object]
) -> Iterator[str]:
    if not to:
        return
    for status, key in list(ahead.examples.items())[:_EXAMPLES]:
        if refused := tracker.refused_move(key, to, fields):
            yield f"{tracker.place}: tickets that are {status!r}, such as {key}, will be refused: {refused}"


def _not_asked(place: str, error: GareError) -> str:
    return f"{place}: what it will refuse could not be asked: {error.what}"
