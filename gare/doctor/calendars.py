"""Looks at the calendar files that freezes are read from."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from gare.doctor.check import Check, Site, failed, ok
from gare.errors import GareError


def calendars(site: Site) -> Iterator[Check]:
    """See that each calendar file can be read: one that cannot closes all that it may be about."""
    from gare.calendars import read_feed

    if site.station is None:
        return
    for one in site.station.config.calendars:
        try:
            read_feed(site.station.root / one.file, ZoneInfo(one.zone))
        except GareError as error:
            yield failed(error, f"Calendar {one.name}: ")
        else:
            yield ok(f"Calendar {one.name} in {one.file}")
