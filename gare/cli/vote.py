"""`gare approve` and `gare reject`: votes in one's own name, about one manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gare.domain.plan import Plan, PlannedApproval

ENV = click.option("--env", "environment", default="", help="Environment that is asked about.")
MANIFEST = click.option(
    "--manifest",
    default="",
    metavar="DIGEST",
    help="Vote only if this manifest is still what is asked about.",
)
COMMENT = click.option("--comment", default="", help="Kept in the record.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print the standing as JSON.")


@click.command()
@click.argument("release_id", metavar="R-…")
@ENV
@MANIFEST
@COMMENT
@JSON
def approve(
    release_id: str, environment: str, manifest: str, comment: str, *, as_json: bool
) -> None:
    """Vote yes, with your personal token in GARE_TOKEN."""
    _vote(release_id, "approve", environment, manifest, comment, as_json=as_json)


@click.command()
@click.argument("release_id", metavar="R-…")
@ENV
@MANIFEST
@COMMENT
@JSON
def reject(
    release_id: str, environment: str, manifest: str, comment: str, *, as_json: bool
) -> None:
    """Vote no, with your personal token in GARE_TOKEN: one no ends the release as rejected."""
    _vote(release_id, "reject", environment, manifest, comment, as_json=as_json)


def _vote(
    release_id: str, answer: str, environment: str, manifest: str, comment: str, *, as_json: bool
) -> None:
    from gare.cli.output import clean, print_json
    from gare.cli.release import wake
    from gare.cli.station_here import gare_here
    from gare.cli.token import person_here
    from gare.domain.approvals import Answer, Decision

    gare = gare_here()
    voter = gare.voter(person_here(gare))
    found = gare.ledger.releases.get(release_id)
    plan = gare.plan(found.plan)
    rule = _rule(plan, found.id, environment)
    request = gare.ledger.approvals.get(found.id, rule.step)
    standing = gare.ledger.approvals.vote(
        found.id,
        rule,
        voter,
        Answer(answer),
        manifest=manifest or (request.manifest if request else ""),
        comment=comment,
        authors=plan.authors,
    )
    if standing.decision is not Decision.PENDING:
        wake(gare, found.flow_run_id)
    if as_json:
        print_json(
            {
                "release": found.id,
                "environment": rule.environment,
                "person": voter.name,
                "answer": answer,
                "decision": standing.decision.value,
                "missing": dict(standing.missing),
                "manifest": request.manifest if request else "",
            }
        )
        return
    about = f" (manifest {request.manifest[:19]}…)" if request else ""
    click.echo(f"{found.id} {rule.environment}: {voter.name} says {answer}{about}; {standing}")
    hold = gare.ledger.holds.get(plan.project, rule.environment)
    if hold is not None and hold.keeps(found):
        click.echo(f"note: {clean(str(hold))}")


def _rule(plan: Plan, release_id: str, environment: str) -> PlannedApproval:
    from gare.errors import Refused

    rules = {rule.environment: rule for rule in plan.approvals}
    if not environment and len(rules) == 1:
        return next(iter(rules.values()))
    if environment not in rules:
        raise Refused(
            f"{release_id} asks for no approval of {environment!r}."
            if environment
            else "Which environment?",
            where=release_id,
            hint=f"Write `--env` with one of: {', '.join(rules) or 'none (no approval is planned)'}.",
        )
    return rules[environment]
