"""Looks at the calendar files that freezes are read from."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from gare.doctor.check import Check, Site, failed, ok, warn
from gare.errors import GareError


def calendars(site: Site) -> Iterator[Check]:
    """See that each calendar file can be read: one that cannot closes all that it may be about."""
    from gare.feeds import read_feed

    if site.station is None:
        return
    for one in site.station.config.calendars:
        try:
            feed = read_feed(
                site.station.root / one.file, ZoneInfo(one.zone), has_free=one.free == "closes"
            )
        except GareError as error:
            yield failed(error, f"Calendar {one.name}: ")
            continue
        count = feed.count()
        told = f"Calendar {one.name} in {one.file}: {count.closing} of {count.total} events close"
        if count.closing or not count.total:
            yield ok(told)
        else:
            todo = "Write `free: closes` beside it." if count.free else "Look into the file."
            yield warn(f"{told}; {count.free} are marked free", todo)
