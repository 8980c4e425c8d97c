"""Why a train does not depart, from what is known of its timetable and of its departures. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from gare.domain.releases import ReleaseState
from gare.reports.why_view import Blocker, Explanation

_STEERS = "who may steer trains"


def explain_train(page: Mapping[str, Any], next_word: str) -> Explanation:
    """Say what keeps a train from its departures. `page` is what `gare train status` tells of it.

    `next_word` tells when it departs next.
    """
    return Explanation(_sentence(page, next_word), tuple(_blockers(page)), "")


def _sentence(page: Mapping[str, Any], next_word: str) -> str:
    name = page["name"]
    if page["stopped"]:
        return f"{name} does not depart by its timetable."
    if page["next"]:
        return f"{name} departs next at {next_word}."
    if page["has_timetable"]:
        return f"{name} has no departure ahead: {next_word}."
    return f"{name} has no timetable: it departs by `gare train depart {name}`."


def _blockers(page: Mapping[str, Any]) -> Iterator[Blocker]:
    name = page["name"]
    if page["stopped"]:
        what = f"The schedule stands still: {page['stopped']}"
        yield Blocker(what, _STEERS, f"`gare train resume {name}`.")
    for one in page["departures"]:
        slot = one["slot"]
        if one["skipped"]:
            do = f"`gare train unskip {name} {slot}`, before the departure."
            yield Blocker(f"{slot} is {one['skipped']}", _STEERS, do)
        elif one["has_nobody"]:
            do = f"`gare train board {name} --slot {slot}`."
            yield Blocker(f"Nobody has boarded for {slot}: boarding has ended.", _STEERS, do)
        elif one["closed_by"]:
            what = f"{slot} is in a freeze for some of its members: {one['closed_by']}"
            do = f"Nothing: they wait until it is over. `gare train plan {name} --slot {slot}` names them."
            yield Blocker(what, "nobody", do)
    for one in page["last"]:
        if not ReleaseState(one["state"]).is_closed:
            held = " and held" if one["is_held"] else ""
            what = f"{one['release']} of {one['slot']} is {one['state']}{held}: the others depart after it."
            yield Blocker(what, "see there", f"`gare why {one['release']}`.")
