"""What `gare train` shows: a plan, a train with its next departures, a departure with its members."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gare.config.train_files import Train
    from gare.domain.plan import Plan
    from gare.domain.releases import Release
    from gare.domain.timetable import Slot
    from gare.domain.waits import Waited
    from gare.wiring import Gare


def train_page(gare: Gare, found: Train) -> dict[str, Any]:
    """Return what is known about a train: the next departures with what people said, and the last ones."""
    from gare.cli.train_steering import NEXT
    from gare.departures import held_by, outdated_one
    from gare.domain.plan import of_train
    from gare.frozen import closed_at

    line = train_line(gare, found)
    skips = gare.ledger.trains.skips(found.config.name)
    calendar = gare.freezes.whole_calendar()
    releases = gare.ledger.releases.find(project=of_train(found.config.name), limit=10)
    return {
        **line,
        "departures": [
            {
                "slot": slot.name,
                "boards_at": slot.boards_at.isoformat(),
                "departs_at": slot.departs_at.isoformat(),
                "skipped": str(skips.get(slot.name, "")),
                "has_nobody": slot.name in line["unboarded"],
                "closed_by": closed_at(gare, calendar, found, slot.departs_at),
            }
            for slot in islice(found.timetable.after(gare.ledger.now()), NEXT)
        ],
        "outdated": [
            said for one in releases if not one.is_closed and (said := outdated_one(gare, one))
        ],
        "last": [
            {
                "release": one.id,
                "slot": one.version,
                "state": one.state.value,
                "end": one.end,
                "is_held": bool(held_by(gare.ledger, one)),
            }
            for one in releases
        ],
    }


def departure_page(gare: Gare, departure: Release) -> dict[str, Any]:
    """Return where every member of one departure stands."""
    from gare.departures import held_by, kept_now, objections
    from gare.domain.journey import journey, value_of, why_back
    from gare.domain.waits import one_of
    from gare.lookup import as_now
    from gare.reports.train import as_json

    plan = gare.plan(departure.plan)
    ledger = gare.ledger
    steps, releases = ledger.releases.steps(departure.id), ledger.releases.members(departure.id)
    places, is_over = ledger.locks.places(), departure.is_closed
    members = journey(plan, steps, releases, departure.waits, places, is_over=is_over)
    arrived = value_of(steps, "arrival")
    kept = kept_now(ledger, departure, plan)
    return {
        "release": departure.id,
        "train": plan.details["train"],
        "slot": departure.version,
        "state": departure.state.value,
        "end": departure.end,
        "objections": objections(ledger, departure) if is_over else [],
        "held": held_by(ledger, departure),
        "kept": kept._asdict() if kept else None,
        "goes_back": "" if is_over else why_back(plan, steps),
        "waiting": list(as_now(ledger, departure).waiting),
        "ways_on": [
            [wait.step.partition("-")[2], one_of(wait.ways)] for wait in _standing(departure)
        ],
        "members": as_json(members),
        "lead_time_s": arrived.get("lead_time_s"),
        "waiting_s": arrived.get("waiting_s", {}),
        "left_over": value_of(steps, "version").get("left", []),
    }


def _standing(departure: Release) -> list[Waited]:
    """Return what a train stands for that waits for people's choice."""
    from gare.domain.waits import Cause

    waits = departure.waits if departure.is_moving else ()
    return [wait for wait in waits if wait.cause is Cause.FAILED and wait.ways]


def train_line(gare: Gare, found: Train) -> dict[str, Any]:
    """Return a train in a line: when it departs next, and what stands still or is under way."""
    from gare.boardings import unboarded
    from gare.departures import held_by
    from gare.domain.plan import of_train

    name = found.config.name
    without = [slot.name for slot in unboarded(gare, found)]
    skips, skipped = gare.ledger.trains.skips(name), list[str]()
    ahead = found.timetable.after(gare.ledger.now())
    slot = next((one for one in ahead if not _is_passed_over(one, without, skips, skipped)), None)
    stop = gare.ledger.trains.stopped(name)
    under_way = gare.ledger.releases.find(project=of_train(name), is_open=True, limit=5)
    return {
        "name": name,
        "title": found.config.title,
        "members": list(found.members),
        "next": slot.name if slot else "",
        "next_departs_at": slot.departs_at.isoformat() if slot else "",
        "unboarded": without,
        "has_timetable": found.timetable.rule is not None,
        "skipped": skipped,
        "zone": found.timetable.zone,
        "stopped": stop.reason if stop else "",
        "under_way": ", ".join(
            f"{one.id} (held)" if held_by(gare.ledger, one) else one.id for one in under_way
        ),
    }


def _is_passed_over(
    slot: Slot, without: Sequence[str], skips: Collection[str], skipped: list[str]
) -> bool:
    """Tell whether a train does not depart at a slot; note those that people skip."""
    if slot.name in skips:
        skipped.append(slot.name)
    return slot.name in skips or slot.name in without


def next_word(line: dict[str, Any]) -> str:
    """Tell when a train departs next."""
    if line["stopped"]:
        return "stands still"
    are = "is" if len(line["skipped"]) == 1 else "are"
    skipped = f" ({', '.join(line['skipped'])} {are} skipped)" if line["skipped"] else ""
    if line["next"]:
        at = datetime.fromisoformat(line["next_departs_at"])
        return f"{line['next']} {line['zone']}{_in_utc(at, line['zone'])}{skipped}"
    return f"none ahead: its timetable has ended{skipped}" if line["has_timetable"] else "by hand"


def tell_what_keeps(line: dict[str, Any]) -> None:
    """Print why a train stands still, and the departures for which nobody is on board, each with what to do."""
    from gare.boardings import told
    from gare.cli.output import clean, first_line

    if line["stopped"]:
        why, name = clean(first_line(line["stopped"])), line["name"]
        click.echo(f"{name} stands still: {why}; gare train resume {name}")
    for slot in line["unboarded"]:
        click.echo(f"{line['name']}: {told(line['name'], slot)}", err=True)


def show_closed(closed: Mapping[str, Sequence[str]]) -> None:
    """Print what keeps environments of members closed at the departure."""
    from gare.cli.output import clean

    for what, members in closed.items():
        click.echo(f"at the departure: {', '.join(members)}: {clean(what)}")


def show_plan(plan: Plan, digest: str, zone: str) -> None:
    """Print the plan of a departure for people, in the time of the train's zone."""
    from gare.cli.output import clean, clean_block, first_line, print_table

    details = plan.details
    slot = details["slot"]
    click.echo(f"{clean(plan.title)}, {plan.version}")
    click.echo(
        f"boarding ends {_instant(slot['boards_at'], zone)}, departure {_instant(slot['departs_at'], zone)}"
    )
    if details["refusal"]:
        click.echo(f"it does not depart: {clean(details['refusal'])}")
    if details["members"]:
        rows = [
            [one["project"], one["version"], one["commit"][:12], ", ".join(one["needs"])]
            for one in details["members"]
        ]
        click.echo()
        print_table(["member", "version", "commit", "after"], rows)
    for one in details["left_out"]:
        click.echo(f"left out: {one['project']}: {clean(first_line(one['reason']))}")
    for warning in plan.warnings:
        if not warning.startswith(
            tuple(f"{one['project']} is left out" for one in details["left_out"])
        ):
            click.echo(f"note: {clean(warning)}")
    for step in plan.steps:
        for effect in step.effects if step.type == "version" else ():
            click.echo(f"outside: {clean(effect.action)}: {clean(effect.target)}")
    rules = details["rules"]
    click.echo(f"\na member that fails: {rules['on_failure']}; at once: {rules['limit']}")
    for rule in plan.approvals:
        votes = ", ".join(f"{count} of {group}" for group, count in sorted(rule.groups.items()))
        click.echo(f"go or no go: {votes}")
    click.echo(f"\n{clean_block(plan.notes)}\nplan {digest}")
    if details["refusal"]:
        return
    when = _instant(slot["departs_at"], zone)
    click.echo(f"exactly so, at {when}: gare train depart {details['train']} --plan {digest}")


def show_train(page: dict[str, Any]) -> None:
    """Print a train with its departures."""
    from gare.cli.output import clean, first_line, print_table

    click.echo(f"{page['name']}: {', '.join(page['members'])}")
    rows = [
        [
            one["slot"],
            _instant(one["boards_at"], page["zone"]),
            _instant(one["departs_at"], page["zone"]),
            one["skipped"] or ("nobody has boarded" if one["has_nobody"] else ""),
            one["closed_by"],
        ]
        for one in page["departures"]
    ]
    if rows:
        print_table(["departure", "boarding ends", "departs", "note", "closed by"], rows)
    tell_what_keeps(page)
    for said in page["outdated"]:
        click.echo(clean(said))
    if page["last"]:
        click.echo()
        rows = [
            [
                one["release"],
                one["slot"],
                one["state"] + (" (held)" if one["is_held"] else ""),
                first_line(one["end"]),
            ]
            for one in page["last"]
        ]
        print_table(["release", "slot", "state", "end"], rows)


def show_departure(page: dict[str, Any]) -> None:
    """Print where the members of a departure stand, and of one that has arrived how long it took."""
    from gare.cli.output import clean, first_line, print_table
    from gare.domain.releases import how_it_ended
    from gare.reports.arrivals import in_words

    here = sum(one["state"] == "arrived" for one in page["members"])
    total = sum(one["state"] != "left out" for one in page["members"])
    ended = clean(how_it_ended(page["state"], page["end"]))
    click.echo(f"{page['release']} {page['train']} {page['slot']}: {ended}")
    for said in page["objections"]:
        click.echo(clean(said))
    if page["goes_back"]:
        click.echo(f"goes back because of {clean(page['goes_back'])}")
    click.echo(f"{here} of {total} members have arrived")
    if page["kept"]:
        click.echo(f"does not depart: {clean(page['kept']['said'])}; {page['kept']['undo']}")
    if page["held"]:
        click.echo(f"{clean(page['held'])}; gare train resume {page['release']}")
    rows = [
        [one["project"], one["version"], one["state"], one["release"], first_line(one["said"])]
        for one in page["members"]
    ]
    print_table(["member", "version", "state", "release", ""], rows)
    for member, ways in page["ways_on"]:
        click.echo(f"{member}: {clean(ways)}")
    lines = list(page["left_over"])
    if page["lead_time_s"] is not None:
        lines += in_words(page["lead_time_s"], page["waiting_s"])
    for line in lines:
        click.echo(clean(line))


def _instant(text: str, zone: str) -> str:
    """Spell an instant as the train's people have it, with UTC in brackets."""
    at = datetime.fromisoformat(text)
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}{_in_utc(at, zone)}"


def _in_utc(at: datetime, zone: str) -> str:
    """Spell an instant in UTC, in brackets behind its local time; its day only where that is another one."""
    if zone == "UTC":
        return ""
    there, here = at.astimezone(UTC), at.astimezone(ZoneInfo(zone))
    return (
        f" ({there:%H:%M} UTC)" if there.date() == here.date() else f" ({there:%Y-%m-%d %H:%M} UTC)"
    )
