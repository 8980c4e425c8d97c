"""Looks at the trains: whether the engine boards each by the timetable of its file."""

from collections.abc import Iterator

from gare.doctor.check import Check, Site, ok, warn


def timetables(site: Site) -> Iterator[Check]:
    """See that the engine's schedules are those of the trains' files, which one stands still or has come to its end."""
    from gare.boardings import unboarded
    from gare.timetables import differences
    from gare.wiring import Gare

    if site.station is None or site.record is None or not site.station.trains:
        return
    wired = Gare(site.station)
    odd = list(differences(wired))
    for name, what in odd:
        todo = f"`gare train apply`; one that was paused in the UI: `gare train resume {name}`."
        yield warn(f"The train {name} {what}", todo)
    stops = {name: wired.ledger.trains.stopped(name) for name in site.station.trains}
    for name, stop in stops.items():
        if stop is not None:
            # A failure that let it stand still brings whole lines of a log along.
            why = (stop.reason.strip().splitlines() or ["nobody said why"])[0]
            yield warn(f"The train {name} stands still: {why}", f"`gare train resume {name}`.")
    if not odd and (good := [name for name, stop in stops.items() if stop is None]):
        yield ok(f"Timetables of {', '.join(good)}")
    for name, train in site.station.trains.items():
        for slot in unboarded(wired, train):
            todo = f"`gare train board {name} --slot {slot.name}`."
            yield warn(f"Nobody has boarded the train {name} for {slot.name}", todo)
        table = train.timetable
        if table.rule is not None and next(table.after(wired.ledger.now()), None) is None:
            todo = "Write a later UNTIL, or take its `schedule` out."
            yield warn(f"The train {name} has no departure ahead", todo)
