"""Makes the plan of a version that was rolled back and is released again, as it was. Changes nothing.

Its tag and the artifacts of the release that built it are there; only whether it may go is asked anew: tests, gates,
votes. `Plan.details` has `again`: the release whose artifacts are deployed.
"""

from dataclasses import replace

from gare.config.models import ProjectConfig, StationConfig, Step, StepType
from gare.config.problems import listed
from gare.config.step_checks import standard_steps
from gare.domain.commits import planned, read_changes
from gare.domain.plan import Plan, PlannedEffect, PlannedStep, Reversibility
from gare.domain.standing import RolledBack
from gare.domain.versions import Released, pick_previous, released
from gare.errors import LosesFix, Refused
from gare.planning.dag import environments, plan_steps
from gare.planning.fixed_lines import FixedLines, refuse_lost
from gare.planning.hosting_steps import PAGE
from gare.planning.planner import Earlier, TrackerAt, authors_of, read_tickets
from gare.planning.preflight import Ahead, Foresee
from gare.ports.source import Head, Source
from gare.requests import ReleaseRequest

AGAIN = "again"


def make_again(
    project: ProjectConfig,
    station: StationConfig,
    source: Source,
    tracker_at: TrackerAt,
    request: ReleaseRequest,
    earlier: Earlier,
    *,
    has_artifacts: bool,
    foresee: Foresee,
) -> Plan:
    """Return everything that releasing a version again will do. The same inputs give an equal plan.

    Raises Refused for a version that was not rolled back, or cannot be had any more.
    """
    version, prefix = request.again, project.source.tag_prefix
    told = _rolled_back(project, request, earlier)
    tags = released(source.tags(), prefix)
    tag = next((one for one in tags if one.version == version), None)
    origin = earlier.deployed.get(version, "")
    if tag is None or not has_artifacts:
        raise Refused(
            f"{prefix}{version} is no tag here."
            if tag is None
            else f"The artifacts of {origin or version} are no longer in the store.",
            where=project.name,
            hint=f"Release another version: commit something, then `gare release {project.name}`.",
        )
    head = Head(source.head().branch, tag.commit)
    reached = source.tags(reachable_from=tag.commit)
    own = pick_previous([one for one in reached if one.name != tag.tag], prefix).final
    _refuse_lost(source, project, head, earlier, own.version if own else "", version)
    # What comes with it is what the environment does not run now.
    before = next((one for one in tags if one.version == earlier.live), own)
    since = before.commit if before else ""
    changes = read_changes(
        source.commits(since, tag.commit, project.source.paths),
        project.tickets.pattern,
        earlier.own_commits,
    )
    read = read_tickets(tracker_at(tag.commit), changes, version)
    steps, approvals = plan_steps(
        _without_publishing(project, station),
        station,
        version=version,
        tag=tag.tag,
        tickets=read.tickets,
    )
    steps = tuple(_as_before(step, origin, tag) for step in steps)
    return Plan(
        project=project.name,
        title=project.title or project.name,
        version=version,
        previous_version=before.version if before else "",
        previous_tag=before.tag if before else "",
        previous_commit=since,
        tag=tag.tag,
        branch=head.branch,
        commit=tag.commit,
        bump=AGAIN,
        source=project.source.model_dump(mode="json") | {"branch": head.branch},
        commits=tuple(planned(change) for change in changes),
        tickets=read.tickets,
        notes=read.notes(version, changes),
        steps=steps,
        approvals=approvals,
        environments=tuple(environments(project, station)),
        env=project.env,
        warnings=(
            *(str(one) for one in told),
            f"deployed is what {origin} has built; nothing is tagged or published anew",
            *read.warnings,
            *foresee(Ahead(head.branch, steps, read.examples)),
        ),
        authors=authors_of(changes),
        details={AGAIN: origin},
    )


def _refuse_lost(
    source: Source, project: ProjectConfig, head: Head, earlier: Earlier, since: str, version: str
) -> None:
    """Raise LosesFix when the version lacks the fix of a hotfix that came in between."""
    lines = FixedLines(source, earlier.fixes)
    try:
        refuse_lost(lines, earlier.fixes, head, since=since, version=version)
    except LosesFix as lost:
        hint = f"A later version has it, or can: `gare release {project.name}`."
        raise LosesFix(lost.what, where=lost.where, hint=hint) from None


def _rolled_back(
    project: ProjectConfig, request: ReleaseRequest, earlier: Earlier
) -> list[RolledBack]:
    """Return where the version was rolled back. Raises Refused when it was nowhere, or more than it is asked for."""
    if request.version or request.prerelease or request.ref:
        raise Refused(
            f"{request.again} is to be released again: it has its version and its commit already.",
            where=f"release of {project.name}",
            hint="Leave `version`, `prerelease` and `ref` out.",
        )
    found = [one for one in earlier.rolled_back if one.version == request.again]
    if not found:
        those = listed(dict.fromkeys(one.version for one in earlier.rolled_back))
        raise Refused(
            f"{request.again} was not rolled back, or a later version was good since.",
            where=project.name,
            hint=f"Can be released again: {those}. Another version: `gare release {project.name}`.",
        )
    return found


def _without_publishing(project: ProjectConfig, station: StationConfig) -> ProjectConfig:
    kept = [step for step in project.steps if step.id != StepType.PUBLISH]
    standard = standard_steps(project, station)
    skips = [
        Step(id=name, type=kind, skip=True)
        for name, kind in standard.items()
        if kind is StepType.PUBLISH
    ]
    return project.model_copy(update={"steps": (*kept, *skips)})


def _as_before(step: PlannedStep, origin: str, tag: Released) -> PlannedStep:
    """Let a step that would make something anew take what was made then."""
    if step.id == "build":
        return replace(step, settings={**step.settings, "artifacts_of": origin})
    if step.type == StepType.PIPELINE:
        then = {"artifacts_of": origin} if step.settings["artifacts"] else {}
        ref = step.settings["ref"] or tag.tag
        return replace(step, settings={**step.settings, **then, "ref": ref})
    if step.id == PAGE:
        place = step.effects[-1].target
        effect = PlannedEffect(
            f"say that {tag.version} is released again", place, Reversibility.COMPENSATED
        )
        return replace(
            step, settings={**step.settings, AGAIN: True}, effects=(effect,), reversibility=effect.reversibility
        )  # fmt: skip
    return step
