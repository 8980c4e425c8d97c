"""`gare plan`: everything a release would do. Reads only; the plan is stored with its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gare.cli.options import AGAIN, wanted
from gare.domain.counts import counted

if TYPE_CHECKING:
    from typing import Unpack

    from gare.cli.options import Wanted
    from gare.domain.plan import Plan
    from gare.domain.releases import Release
    from gare.wiring import Gare


@click.command()
@wanted
@AGAIN
@click.option("--json", "as_json", is_flag=True, help="Print the stored plan as JSON.")
def plan(project: str | None, again: str, *, as_json: bool, **asked: Unpack[Wanted]) -> None:
    """Show what releasing PROJECT would do: version, notes, steps, effects outside, approvals.

    Changes nothing. Without PROJECT: the station's only one.
    """
    from gare.cli.requesting import request_of
    from gare.cli.station_here import gare_to_plan
    from gare.requests import ReleaseRequest

    gare = gare_to_plan()
    digest, made = gare.drafting.make(
        request_of(gare, project, ReleaseRequest, again=again, **asked)
    )
    print_plan(gare, digest, made, as_json=as_json)


def print_plan(gare: Gare, digest: str, made: Plan, *, as_json: bool) -> None:
    """Print a plan that was just made, and the releases of the project that are under way."""
    from gare.cli.output import clean, print_json
    from gare.departures import going_back
    from gare.domain.plan import Kind
    from gare.reports.freezes import earliest

    under_way = _under_way(gare, made.project)
    ways = gare.freezes.ahead(made)
    if as_json:
        import json

        print_json(
            {
                "digest": digest,
                "plan": json.loads(gare.ledger.plans.body(digest)),
                "under_way": [release.id for release in reversed(under_way)],
                "freezes": [way.as_json() for way in ways],
            }
        )
        return
    then = "a release started now is queued behind it"
    if made.kind in (Kind.HOTFIX, Kind.ROLLBACK):
        then = f"a {made.kind} goes first where it can"
    for release in under_way:
        click.echo(f"note: {_on_its_way(release)}; {then}")
    for note in going_back(gare, made.project):
        click.echo(f"note: {clean(note)}")
    for way in ways:
        click.echo(f"now: {clean(way)}")
    if start := earliest(ways):
        click.echo(f"now: {clean(start)}")
    show_plan(made, digest)


def tell_under_way(gare: Gare, made: Plan) -> None:
    """Tell a release that is about to be started which others of its project are under way."""
    from gare.cli.output import clean

    for release in _under_way(gare, made.project):
        then = "this one is queued behind it"
        if release.version == made.version:
            then += ", and planned anew, or ended, when that version is taken"
        click.echo(f"note: {clean(_on_its_way(release))}; {then}")


def _under_way(gare: Gare, project: str) -> list[Release]:
    """Return the releases of a project that move or wait, the oldest first."""
    found = gare.ledger.releases.find(is_open=True, project=project, limit=200)
    return [release for release in reversed(found) if release.is_moving]


def _on_its_way(release: Release) -> str:
    return f"{release.id} ({release.version}) is {release.state}"


def show_plan(plan: Plan, digest: str) -> None:
    """Print a plan for people."""
    from gare.cli.output import clean, print_table
    from gare.domain.plan import Kind

    since = plan.previous_tag or "the beginning"
    click.echo(f"{clean(plan.title)} {plan.headline}")
    if plan.kind is not Kind.ROLLBACK:
        click.echo(
            f"commit {plan.commit[:12]} of {clean(plan.branch)}, "
            f"{counted(len(plan.commits), 'commit')} since {clean(since)}"
        )
    for warning in plan.warnings:
        click.echo(f"note: {clean(warning)}")
    click.echo("\nSteps")
    print_table(
        ["step", "after", "does outside", "undo"],
        [
            [
                step.id,
                ", ".join(step.needs),
                "; ".join(f"{effect.action}: {effect.target}" for effect in step.effects),
                "" if not step.effects else step.reversibility.value,
            ]
            for step in plan.steps
        ],
    )
    if plan.kind is Kind.HOTFIX:
        click.echo("\nFixes")
        rows = [[p["commit"][:12], p["made"][:12], p["subject"]] for p in plan.details["picks"]]
        print_table(["commit", "becomes", "subject"], rows)
    if plan.approvals:
        click.echo("\nApprovals")
        for rule in plan.approvals:
            votes = ", ".join(f"{count} of {group}" for group, count in sorted(rule.groups.items()))
            click.echo(f"  {rule.environment}: {votes}")
    if plan.tickets:
        click.echo("\nTickets")
        print_table(
            ["ticket", "status", "verdict", "title"],
            [[ticket.key, ticket.status, ticket.verdict, ticket.title] for ticket in plan.tickets],
        )
    click.echo("\nNotes")
    for line in plan.notes.splitlines():
        click.echo("  " + clean(line))
    click.echo(f"\nplan {digest}")
    if plan.kind in (Kind.RELEASE, Kind.HOTFIX):
        click.echo(f"release exactly this: gare {plan.kind} {plan.project} --plan {digest}")
