"""`gare fixes`: which lines have the fixes of hotfixes, and who answers for those that go without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gare.domain.fixes import Fix
    from gare.wiring import Gare


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

    `gare fixes [PROJECT]` looks and shows, `gare fixes waive R-… LINE` lets a line go without.
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
@click.argument("release_id", metavar="R-…")
@click.argument("line")
@click.option("--reason", required=True, help="Why the line goes without; kept in the record.")
def waive(release_id: str, line: str, reason: str) -> None:
    """Let LINE go without the fixes of the hotfix R-…, on your word, with your personal token in GARE_TOKEN."""
    from gare.cli.output import clean
    from gare.cli.station_here import gare_here
    from gare.cli.token import person_here
    from gare.config.rights import check_waive_right

    gare = gare_here()
    person = person_here(gare)
    found = gare.ledger.releases.get(release_id)
    project = gare.project(found.project).config
    check_waive_right(gare.voter(person), gare.station.config, project)
    waived = gare.ledger.fixes.waive(found.id, line, person=person, reason=reason)
    names = ", ".join(clean(fix.name) for fix in waived)
    click.echo(f"{found.id}: {clean(line)} goes without {names}, on {person}'s word.")


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
        "by": fix.changed_by,
        "at": fix.changed_at.isoformat() if fix.changed_at else None,
    }
