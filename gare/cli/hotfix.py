"""`gare hotfix`: chosen fixes on the last released version, started at once and followed."""

from __future__ import annotations

import click

from gare.cli.options import ALLOW_OLDER, FOLLOW, UNTIL
from gare.domain.counts import counted


@click.command()
@click.argument("project", required=False)
@click.option(
    "--commit", "commits", multiple=True, metavar="SHA", help="A fix; again for more, in order."
)
@click.option(
    "--mr", "merge_requests", multiple=True, type=int, metavar="N", help="A merge request of fixes."
)
@click.option("--ticket", default="", help="The ticket of what is fixed.")
@click.option("--reason", default="", help="Why now; kept in the record.")
@click.option("--line", default="", help="Branch or tag to fix; default: the last version.")
@click.option(
    "--parent",
    "parents",
    multiple=True,
    metavar="SHA=N",
    help="The parent that a merge commit was merged into, usually 1.",
)
@ALLOW_OLDER
@click.option("--plan-only", is_flag=True, help="Show what it would do, and start nothing.")
@click.option(
    "--plan",
    "plan_digest",
    default="",
    metavar="DIGEST",
    help="Execute exactly this plan, which --plan-only showed; instead of fixes.",
)
@FOLLOW
@UNTIL
@click.option("--json", "as_json", is_flag=True, help="Print as JSON instead of following it.")
def hotfix(
    project: str | None,
    commits: tuple[str, ...],
    merge_requests: tuple[int, ...],
    ticket: str,
    reason: str,
    line: str,
    parents: tuple[str, ...],
    plan_digest: str,
    *,
    allow_older: bool,
    plan_only: bool,
    no_follow: bool,
    until_waiting: bool,
    as_json: bool,
) -> None:
    """Release PROJECT's last version with chosen fixes on top, before everything else of it.

    With your personal token in GARE_TOKEN it is requested in your name.
    """
    from gare.cli.plan import print_plan
    from gare.cli.release import requester
    from gare.cli.requesting import request_of
    from gare.cli.starting import check_right, start
    from gare.cli.station_here import gare_to_plan
    from gare.errors import ConfigError
    from gare.requests import HotfixRequest

    if plan_digest and (commits or merge_requests or ticket or line or parents or allow_older):
        raise ConfigError(
            "--plan names a stored plan, which has its fixes already.",
            where="--commit, --mr, --ticket, --line, --parent, --allow-older",
            hint="Leave these out, or plan anew with them.",
        )
    gare = gare_to_plan()
    request = request_of(
        gare,
        project,
        HotfixRequest,
        commits=commits,
        merge_requests=merge_requests,
        ticket=ticket,
        line=line,
        parents=dict(map(_parent, parents)),
        allow_older=allow_older,
        plan=plan_digest,
        reason=reason,
        requested_by=requester(gare),
    )
    if not plan_only:
        check_right(gare, request)
    # Planned here first, so that what is wrong is said at once. The run makes the same plan, unless something moved.
    digest, made = (
        (plan_digest, gare.plan(plan_digest)) if plan_digest else gare.drafting.make(request)
    )
    if plan_only:
        print_plan(gare, digest, made, as_json=as_json)
        return
    if not as_json:
        click.echo(
            f"{made.project} {made.version}: {counted(len(made.commits), 'commit')} on {made.previous_tag}, "
            f"plan {digest[:19]}…"
        )
    start(gare, request, no_follow=no_follow, until_waiting=until_waiting, as_json=as_json)


def _parent(text: str) -> tuple[str, int | str]:
    """Split SHA=N; what is no number is told with the option."""
    commit, _, number = text.partition("=")
    return commit, int(number) if number.isdecimal() else number
