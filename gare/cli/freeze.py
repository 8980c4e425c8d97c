"""`gare freeze`: add a window, stop the line, list, lift, preview, override."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gare.config.freeze_problems import Known
    from gare.domain.approvals import Voter
    from gare.domain.clearance import Clearance
    from gare.domain.releases import Release
    from gare.wiring import Gare

Command = Callable[..., Any]
JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
NAME = click.argument("name")
_SCOPE = (
    click.option("--project", "projects", multiple=True, help="Project or pattern; several times."),
    click.option("--env", "environments", multiple=True, help="Environment or pattern; several."),
    click.option(
        "--lets",
        multiple=True,
        help="Kind of release let through, or none; default: rollback.",
    ),
)
_WINDOW = (
    click.option("--start", default="", help="Local day and time, such as '2026-12-18 18:00'."),
    click.option("--end", default="", help="Local day and time; a day alone is its end."),
    click.option("--day", "days", multiple=True, help="With --after, --before: a day of the week."),
    click.option("--after", default="", help="Hour of the day, such as 15:00."),
    click.option("--before", default="", help="Hour of the day; default: the end of the day."),
    click.option("--rrule", default="", help="RFC 5545 rule from --start on, each time --lasts."),
    click.option("--lasts", default="", help="Length of each time of --rrule, such as 4h."),
    click.option("--holidays", default="", help="Public holidays of a country, such as FR."),
    click.option("--region", default="", help="Region with further holidays."),
    click.option("--zone", default="", help="Time zone; default: Europe/Paris."),
    click.option("--allow", is_flag=True, help="Closed at all other times instead."),
    click.option("--refuse", is_flag=True, help="Releases are refused instead of waiting."),
    *_SCOPE,
    click.option("--owner", default="", help="Whom to ask; default: you."),
    click.option("--reason", default="", help="Why; shown to whoever waits."),
)


def _with(options: Sequence[Command]) -> Command:
    def put(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return put


@click.group()
def freeze() -> None:
    """Say when environments may not be changed, stop the line, let a release through."""


@freeze.command()
@NAME
@_with(_WINDOW)
def add(name: str, **said: Any) -> None:
    """Add the freeze window NAME, after saying what it hits. In your name: with your token in GARE_TOKEN.

    When: --start and --end, or --day with --after and --before, or --rrule with --start and --lasts, or --holidays.
    """
    from gare.cli.freeze_pages import show_hits, tell_vain
    from gare.cli.station_here import gare_here
    from gare.config.freeze_problems import read_freeze
    from gare.config.rights import check_freeze_right
    from gare.domain.freezes import WindowKind
    from gare.freezing import WINDOW, body_of
    from gare.frozen import foresee

    gare = gare_here()
    person = _person(gare)
    check_freeze_right(person, "freeze", gare.station.config)
    _refuse_taken(gare, name)
    told = {"name": name, **_given(said)}
    known = _known(gare)
    made = read_freeze("gare freeze add", told, known, gare.ledger.now())
    window = made.window(made.times(), "")
    show_hits(foresee(gare, window))
    tell_vain(made, known)
    gare.ledger.freezes.add(
        name,
        body_of(WINDOW, made),
        person=person.name,
        until=made.over_at(),
        wakes=window.scope.covers_project if window.kind is WindowKind.ALLOW else None,
    )
    again = f" and {_FOR_EVER}" if made.is_endless else ""
    click.echo(f"{name} is added{again}; take it away with `gare freeze lift {name}`.")


@freeze.command()
@NAME
@click.option("--reason", required=True, help="Why the line is stopped.")
@click.option("--link", default="", help="Address of the incident.")
@click.option(
    "--for", "lasts", default="", metavar="TIME", help="It ends by itself after, say, 4h."
)
@_with(_SCOPE)
def stop(name: str, **said: Any) -> None:
    """Stop the line at once, as NAME, until it is lifted. In your name: with your token in GARE_TOKEN.

    With `--lets none` rollbacks are kept, too.
    """
    from gare.cli.freeze_pages import show_hits, tell_vain
    from gare.cli.station_here import gare_here
    from gare.config.freeze_problems import read_stop
    from gare.config.rights import check_freeze_right
    from gare.domain.clearance import when
    from gare.freezing import STOP, as_added, body_of
    from gare.frozen import foresee, zone_of

    gare = gare_here()
    person = _person(gare)
    check_freeze_right(person, "freeze", gare.station.config)
    _refuse_taken(gare, name)
    known = _known(gare)
    order = read_stop("gare freeze stop", {"name": name, **_given(said)}, known)
    until = gare.ledger.now() + order.lasts if order.lasts else None
    record = gare.ledger.freezes.add(name, body_of(STOP, order), person=person.name, until=until)
    made = as_added(record)
    end = "until somebody lifts it"
    if until:
        end = f"until {when(until, zone_of(made))} at the latest"
    click.echo(f"{name}: the line is stopped, {end}: `gare freeze lift {name}`.")
    show_hits(foresee(gare, made))
    tell_vain(order, known)


@freeze.command()
@NAME
@click.option("--reason", default="", help="Why it is over; kept in the record.")
def lift(name: str, reason: str) -> None:
    """Lift the freeze or stop NAME; who waits for it goes on. In your name: with your token in GARE_TOKEN."""
    from gare.cli.station_here import gare_here
    from gare.config.rights import check_freeze_right
    from gare.freezing import as_added

    gare = gare_here()
    person = _person(gare)
    mine = [one for one in gare.ledger.freezes.in_force() if one.name == name]
    if any(one.made_by != person.name for one in mine):
        check_freeze_right(person, "lift", gare.station.config)
    scopes = [as_added(one).scope for one in mine]
    lifted = gare.ledger.freezes.lift(
        name,
        person=person.name,
        reason=reason,
        wakes=lambda project: any(scope.covers_project(project) for scope in scopes),
    )
    click.echo(f"{lifted.name} is lifted; who waits for it alone goes on by itself.")


@freeze.command(name="list")
@JSON
def list_freezes(*, as_json: bool) -> None:
    """Show every freeze of the station and its projects, what closes now, and until when."""
    from gare.cli.closures import tell_unreadable
    from gare.cli.output import print_json, print_table
    from gare.cli.station_here import gare_to_plan
    from gare.reports.freezes import lines

    gare = gare_to_plan()
    calendar = gare.freezes.whole_calendar()
    found = lines(calendar, gare.ledger.now())
    if as_json:
        print_json(found)
    elif found:
        keys = ("name", "kind", "now", "next", "projects", "environments", "owner", "origin")
        print_table(keys, [[line[key] for key in keys] for line in found])
        tell_unreadable(calendar)
    else:
        click.echo(
            "There is no freeze. Write `freezes:` into station.yaml, or add one with `gare freeze add`."
        )


@freeze.command()
@NAME
@_with(_WINDOW)
@JSON
def preview(name: str, *, as_json: bool, **said: Any) -> None:
    """Say which open releases and trains a freeze hits: NAME as the options describe it, or one that there is.

    Changes nothing.
    """
    from gare.cli.freeze_pages import show_hits, tell_over, tell_vain
    from gare.cli.output import print_json
    from gare.cli.station_here import gare_to_plan
    from gare.config.freeze_problems import read_freeze
    from gare.domain.freezes import WindowKind
    from gare.frozen import foresee, known_freeze

    gare, made = gare_to_plan(), None
    known = _known(gare)
    if given := _given(said):
        told = {"name": name, **given}
        made = read_freeze("gare freeze preview", told, known, gare.ledger.now())
    freeze = made.window(made.times(), "") if made else known_freeze(gare, name)
    found = foresee(gare, freeze)
    if as_json:
        print_json([hit.as_json() for hit in found.found])
        return
    show_hits(found)
    if made is None:
        tell_over(freeze, gare.ledger.now())
        return
    tell_vain(made, known)
    if made.is_endless:
        click.echo(f"It {_FOR_EVER}.")
    if made.kind is WindowKind.ALLOW:
        click.echo("It allows: one more that allows opens what others of the station keep closed.")


@freeze.command()
@click.argument("release_id", metavar="R-…")
@click.option("--env", "environment", default="", help="Environment; default: the closed one.")
@click.option("--reason", required=True, help="Why it cannot wait; kept in the evidence.")
def override(release_id: str, environment: str, reason: str) -> None:
    """Let one release go on in a closed environment. In your name: with your token in GARE_TOKEN.

    Sets aside what closes the environment now, for this release alone, until it would be over. The next Friday, another
    stop, whatever begins later counts again.
    """
    from gare.cli.station_here import gare_here
    from gare.frozen import closed_for
    from gare.ledger.freezes import Spared

    gare = gare_here()
    person = _person(gare)
    release = gare.ledger.releases.get(release_id)
    closed = closed_for(gare, release, environment)
    _check_override(gare, person, release, closed)
    now = gare.ledger.now()
    gare.ledger.freezes.override(
        release.id,
        closed.environment,
        [Spared(one.key, one.what, one.spared_until(now)) for one in closed.closings],
        person=person.name,
        reason=reason,
    )
    names = ", ".join(str(closing.name) for closing in closed.closings)
    click.echo(
        f"{release.id} goes on in {closed.environment} in spite of {names}, on {person.name}'s word."
    )


def _check_override(gare: Gare, person: Voter, release: Release, closed: Clearance) -> None:
    """Raise PermissionDenied unless the person may override each of the closings: the project's own by its rights."""
    from gare.config.rights import check_freeze_right

    for closing in closed.closings:
        own = gare.project(closing.project).config if closing.project else None
        check_freeze_right(person, "override", gare.station.config, own)


_FOR_EVER = "comes again for ever"
_FLAGS = {"allow": ("kind", "allow"), "refuse": ("on_closed", "refuse")}


def _given(said: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as the keys and values of a file."""
    found: dict[str, Any] = {}
    for option, value in said.items():
        if value:
            key, wanted = _FLAGS.get(option, (option, value))
            found[key] = list(wanted) if isinstance(wanted, tuple) else wanted
    if found.get("lets") == ["none"]:
        found["lets"] = []
    return found


def _known(gare: Gare) -> Known:
    """Return what a freeze can be about. While a project's file does not say its name, nobody knows all projects."""
    from gare.config.freeze_problems import Known

    projects = gare.station.projects
    names = projects.names if projects.are_named else ()
    return Known(gare.station.config.environments, names)


def _refuse_taken(gare: Gare, name: str) -> None:
    """Refuse a name that stands in station.yaml: `gare freeze lift` would be thought to lift that one."""
    from gare.errors import Refused

    config = gare.station.config
    if name in {one.name for one in (*config.freezes, *config.calendars)}:
        raise Refused(
            f"There is a freeze `{name}` already.", where="station.yaml", hint="Take another name."
        )


def _person(gare: Gare) -> Voter:
    from gare.cli.token import person_here

    return gare.voter(person_here(gare))
