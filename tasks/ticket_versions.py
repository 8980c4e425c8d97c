"""The versions of a tracker: made and put in their place, released, and old ones archived."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from gare.domain.ticket_versions import before, following, outdated
from gare.ledger.effects import Absent, AsWanted, Different, Effect, EffectRecord, Look, Receipt
from gare.ports.tracker import TicketVersion, VersionWriter
from tasks.step import Work


def make_versions(work: Work, there: VersionWriter) -> Iterator[Effect]:
    """Yield the version, and its place behind the one before it: a new one is made at the end of all."""
    name, begun = work.step.settings["version"], _begun(work)
    version, place = f"version {name} in {there.place}", f"place of {name} in {there.place}"
    # One that was there before the release stays where it is; one whose making was cut off is ours.
    is_new = there.version(name) is None or (version in begun and not begun[version].is_adopted)
    yield Effect(
        version,
        {"version": name},
        _version(there, name, lambda _found: True),
        lambda: there.make_version(name, work.plan.title),
    )
    every = there.versions()
    older = before(name, every, there.pattern)
    if place in begun:
        older = begun[place].intent["after"]
    elif not (is_new and older) or _is_behind(every, name, older):
        return

    def look() -> Look:
        placed = _is_behind(there.versions(), name, older)
        return AsWanted({"version": name, "after": older}) if placed else Absent()

    wanted = {"version": name, "after": older}
    yield Effect(place, wanted, look, lambda: there.place_version(name, older))


def _begun(work: Work) -> dict[str, EffectRecord]:
    """Return what the step has begun before, by target: it gets its receipt also where nothing is left to do."""
    every = work.ledger.effects.of(work.release.id)
    return {one.target: one for one in every if one.step == work.step.id}


def _is_behind(every: Sequence[TicketVersion], name: str, older: str) -> bool:
    names = [one.name for one in every]
    return older in names and names[names.index(older) + 1 :][:1] == [name]


def released(work: Work, there: VersionWriter, name: str, is_moved: str = "") -> Effect:
    """Return the release of a version; `is_moved` hands what is open of it to the next one."""
    wanted: dict[str, Any] = {"version": name, "released": True}
    if is_moved:
        wanted["open_to"] = is_moved

    def act() -> Receipt:
        to = following(name, there.versions(), there.pattern) if is_moved else ""
        if is_moved and not to:
            work.say(f"{there.place} has no version after {name}: what is open of it stays")
        # The day where the station is: a date alone has no zone, and people read it as theirs.
        return there.release_version(name, work.ledger.now().astimezone().date(), to)

    look = _version(there, name, lambda found: found.is_released)
    return Effect(f"release of {name} in {there.place}", wanted, look, act)


def archived(work: Work, there: VersionWriter) -> Iterator[Effect]:
    """Yield the versions that have been out for long enough."""
    if not (keep := work.step.settings["rule"].get("archive_after", 0)):
        return
    begun = [one.intent for one in _begun(work).values() if "archived" in one.intent]
    names = [one["version"] for one in begun]
    for name in dict.fromkeys([*names, *outdated(there.versions(), keep, there.pattern)]):
        yield Effect(
            f"archive of {name} in {there.place}",
            {"version": name, "archived": True},
            partial(_archived, there, name),
            partial(there.archive_version, name),
        )


def _archived(there: VersionWriter, name: str) -> Look:
    found = there.version(name)
    is_archived = found is not None and found.is_archived
    return AsWanted({"version": name, "archived": True}) if is_archived else Absent()


def _version(
    there: VersionWriter, name: str, is_wanted: Callable[[TicketVersion], bool]
) -> Callable[[], Look]:
    """Return a look at a version; an archived one takes no tickets and cannot be released."""

    def look() -> Look:
        found = there.version(name)
        if found is not None and found.is_archived:
            return Different("an archived version of that name; unarchive it, or release another")
        if found is None or not is_wanted(found):
            return Absent()
        return AsWanted({"version": name, "released_on": found.released_on})

    return look
