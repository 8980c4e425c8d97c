"""`gare fixes`: which lines have the fixes of hotfixes, and who answers for those that go without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gare.domain.fixes import Fix
    from gare.domain.releases import Release
    from gare.wiring import Gare

HOTFIX = click.argument("release_id", metavar="R-…")
LINE = click.argument("line")


class _Fixes(click.Group):
    """`gare fixes [PROJECT]` is short for `gare fixes list [PROJECT]`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in when none is named."""
        if not args or args[0] not in (*self.commands, "-h", "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Fixes)
def fixes() -> None:
    """Show which lines have the fixes of hotfixes.

    `gare fixes [PROJECT]` looks and shows. For what it cannot see, people answer: `gare fixes waive R-… LINE` lets a
    line go without, `gare fixes merged R-… LINE --commit SHA` says which commit of the line is the fix.
    """


@fixes.command(name="list")
@click.argument("project", required=False)
@click.option("--owed", is_flag=True, help="Only what somebody has to do.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_fixes(project: str | None, *, owed: bool, as_json: bool) -> None:
    """Look where every line stands now, and show it."""
    from gare.cli.output import clean, print_json, print_table
    from gare.cli.station_here import gare_here

    gare = gare_here()
    found = [fix for fix in _look(gare, project or "") if not (owed and fix.state.is_settled)]
    if as_json:
        print_json([_line(fix) for fix in found])
        return
    if not found:
        click.echo("No fix of a hotfix is " + ("owed to a line." if owed else "known."))
        return
    print_table(
        ["hotfix", "version", "fix", "line", "stands", "by"],
        [
            [
                fix.release,
                f"{fix.project} {fix.version}",
                clean(fix.name),
                clean(fix.line),
                fix.state.value + (f": {clean(fix.detail)}" if fix.detail else ""),
                fix.changed_by,
            ]
            for fix in found
        ],
    )


@fixes.command()
@HOTFIX
@LINE
@click.option("--reason", required=True, help="Why the line goes without; kept in the record.")
def waive(release_id: str, line: str, reason: str) -> None:
    """Let LINE go without the fixes of the hotfix R-…: a branch, or an open release (R-…).

    On your word, with your personal token in GARE_TOKEN.
    """
    from gare import fixing
    from gare.cli.output import clean

    gare, hotfix, person = _answering(release_id)
    waived = fixing.waive(gare, hotfix, line, person=person, reason=reason)
    click.echo(f"{hotfix.id}: {clean(line)} goes without {_names(waived)}, on {person}'s word.")


@fixes.command()
@HOTFIX
@LINE
def unwaive(release_id: str, line: str) -> None:
    """Take a waiver back: LINE needs the fixes of the hotfix R-… again.

    In your name, with your personal token in GARE_TOKEN.
    """
    from gare import fixing
    from gare.cli.output import clean

    gare, hotfix, person = _answering(release_id)
    found = fixing.unwaive(gare, hotfix, line, person=person)
    click.echo(f"{hotfix.id}: {clean(line)} needs {_names(found)} again: {_stand(found)}.")


@fixes.command()
@HOTFIX
@LINE
@click.option("--commit", required=True, metavar="SHA", help="The commit of LINE that is the fix.")
@click.option("--comment", default="", help="How it got there; kept in the record.")
def merged(release_id: str, line: str, commit: str, comment: str) -> None:
    """Say that a commit of LINE is the fix of the hotfix R-…, such as one that was made to fit.

    On your word, with your personal token in GARE_TOKEN. The commit must be in the line, and not reverted there.
    """
    from gare import fixing
    from gare.cli.output import clean

    gare, hotfix, person = _answering(release_id)
    found = fixing.tell_merged(gare, hotfix, line, person=person, commit=commit, comment=comment)
    click.echo(f"{hotfix.id}: {clean(line)} has {_names(found)}, on {person}'s word.")


def _answering(release_id: str) -> tuple[Gare, Release, str]:
    """Return the station, the hotfix, and the person who answers for its lines. Raises PermissionDenied."""
    from gare.cli.station_here import gare_here
    from gare.cli.token import person_here
    from gare.config.rights import check_waive_right
    from gare.fixing import check_hotfix

    gare = gare_here()
    person = person_here(gare)
    found = gare.ledger.releases.get(release_id)
    check_hotfix(found)
    project = gare.project(found.project).config
    check_waive_right(gare.voter(person), gare.station.config, project)
    return gare, found, person


def _names(found: Sequence[Fix]) -> str:
    from gare.cli.output import clean

    return ", ".join(clean(fix.name) for fix in found)


def _stand(found: Sequence[Fix]) -> str:
    return ", ".join(dict.fromkeys(fix.state.value for fix in found))


def _look(gare: Gare, project: str) -> list[Fix]:
    """Return the fixes of a project or of all, looked at now; what cannot be looked at is shown as it was."""
    from gare.errors import GareError
    from gare.fixing import look_again

    if project:
        return look_again(gare, gare.project(project).config.name)
    known = gare.ledger.fixes.of()
    for name in sorted({fix.project for fix in known}):
        try:
            look_again(gare, name)
        except GareError as error:
            click.echo(f"note: {name} is shown as it was: {error}", err=True)
    return gare.ledger.fixes.of()


def _line(fix: Fix) -> dict[str, Any]:
    return {
        "hotfix": fix.release,
        "project": fix.project,
        "version": fix.version,
        "commit": fix.commit,
        "made": fix.made,
        "subject": fix.subject,
        "line": fix.line,
        "state": fix.state.value,
        "detail": fix.detail,
        "seen": fix.seen,
        "by": fix.changed_by,
        "at": fix.changed_at.isoformat() if fix.changed_at else None,
    }
