"""Asks the ledger where releases stand, for whoever shows it: the command line and the gateway. Changes nothing.

What is told about a release is in gare/reports/status.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gare.domain.plan import Plan
    from gare.domain.releases import Release
    from gare.ledger.ledger import Ledger
    from gare.reports.owed import Owed
    from gare.reports.status import Asked
    from gare.wiring import Gare

NEWEST = 20
_MOST_OPEN = 1000


def release_lines(ledger: Ledger, project: str, *, newest: int = NEWEST) -> list[dict[str, Any]]:
    """Return a line for each of the newest releases and each open one, the newest first."""
    from gare.reports.status import release_line

    releases = ledger.releases
    found = {
        release.id: release
        for release in (
            *releases.find(project=project, limit=newest),
            *releases.find(is_open=True, project=project, limit=_MOST_OPEN),
        )
    }
    done = releases.done_counts(list(found))
    now, places = ledger.now(), ledger.locks.places(project)
    steps = ledger.plans.step_counts({release.plan for release in found.values()})
    return [
        release_line(
            as_now(ledger, release),
            steps=steps[release.plan],
            done=done[release.id],
            now=now,
            place=places.get(release.id),
        )
        for release in found.values()
    ]


def as_now(ledger: Ledger, release: Release) -> Release:
    """Return a release; a train that waits, with how its members stand now: it looks at them only when it is woken."""
    from gare.domain import journey
    from gare.domain.plan import Kind
    from gare.domain.releases import ReleaseState

    if release.kind is not Kind.TRAIN or release.state is not ReleaseState.WAITING:
        return release
    return journey.as_now(release, ledger.releases.members(release.id), ledger.locks.places())


def page(gare: Gare, release_id: str) -> dict[str, Any]:
    """Return everything about one release. Raises NotFound."""
    from gare.errors import GareError
    from gare.reports.status import Done, release_page

    ledger = gare.ledger
    release = as_now(ledger, ledger.releases.get(release_id))
    plan = gare.plan(release.plan)
    try:
        address = gare.engine.run_address(release.flow_run_id)
    except GareError:
        address = ""  # the station is down: there is nothing to look at
    effects = [
        Done(one.step, one.target, one.intent, one.receipt, one.is_adopted)
        for one in ledger.effects.of(release.id)
    ]
    told = release_page(
        release,
        plan,
        ledger.releases.steps(release.id),
        asked(gare, release, plan),
        effects,
        now=ledger.now(),
        address=address,
        place=ledger.locks.place(release.id),
    )
    checks = [one.as_json() for one in ledger.later.of(release=release.id)]
    return told | {
        "later_checks": checks,
        "owed": [one.as_json() for one in owed_by(ledger, release)],
    }


def owed_of(ledger: Ledger, project: str = "") -> list[Owed]:
    """Return what the hotfixes of a project (of all) owe after their end."""
    from gare.domain.fixes import is_release
    from gare.reports.owed import owed

    checks, fixes = ledger.later.of(project, is_open=True), ledger.fixes.of(project)
    ids = {check.release for check in checks} | {fix.release for fix in fixes}
    ids |= {fix.line for fix in fixes if not fix.state.is_settled and is_release(fix.line)}
    return owed(checks, fixes, {one: ledger.releases.get(one) for one in ids})


def owed_by(ledger: Ledger, release: Release) -> list[Owed]:
    """Return what one release owes; nothing but a hotfix does."""
    from gare.domain.plan import Kind

    if release.kind is not Kind.HOTFIX:
        return []
    return [one for one in owed_of(ledger, release.project) if one.release == release.id]


def asked(gare: Gare, release: Release, plan: Plan) -> list[Asked]:
    """Return every approval that the plan names, as it stands."""
    from gare.reports.status import Asked

    found = []
    for rule in plan.approvals:
        request = gare.ledger.approvals.get(release.id, rule.step)
        found.append(
            Asked(
                rule,
                request.manifest if request else "",
                request.expires_at if request else None,
                gare.ledger.approvals.standing(release.id, rule),
                gare.ledger.approvals.votes(release.id, rule.step),
            )
        )
    return found
