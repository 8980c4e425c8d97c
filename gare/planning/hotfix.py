"""Makes the plan of a hotfix: chosen commits on the last released version, a patch version, a short list of skips.

Writes nothing but the commit that is going to be released, which nobody sees until the hotfix publishes it.

`Plan.details` of a hotfix: `base` (version, tag, commit, line), `picks` (commit, made, patch, subject), `left_out`
(commit, subject: what the line had already), `skipped` (step, later), `ticket`, `merge_requests`, `lines`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gare.config.checks import standard_steps
from gare.config.models import ProjectConfig, StationConfig, Step, StepType
from gare.domain.commits import Change, planned, read_changes
from gare.domain.notes import render
from gare.domain.plan import Kind, Plan, PlannedEffect, PlannedStep, Reversibility
from gare.domain.versions import Released, is_prerelease, next_patch, pick_previous, released
from gare.errors import Refused
from gare.planning.dag import environments, plan_steps, rule_for
from gare.planning.planner import Earlier, TrackerAt, check_tag, read_tickets, refuse_lost
from gare.ports.picker import Line, Picked, Picker, Wanted
from gare.ports.source import Head, Source
from gare.requests import HotfixRequest

BRANCH_STEP, MERGE_BACK_STEP = "branch", "merge-back"
_OF_ENVIRONMENT = ("approve", "deploy", "verify", "soak")
_TIMEOUT_S = 600.0


class _Base(NamedTuple):
    """What the fixes are put on. `line` is the maintenance branch, or empty for a released version."""

    line: str
    commit: str
    last: Released


def make_hotfix(
    project: ProjectConfig,
    station: StationConfig,
    source: Source,
    picker: Picker,
    tracker_at: TrackerAt,
    request: HotfixRequest,
    commits: Sequence[str],
    earlier: Earlier,
) -> Plan:
    """Return everything the hotfix will do. The same inputs give an equal plan, and the same commit.

    `commits` are the fixes in order, those of the merge requests among them. Raises Refused when there is no released
    version, no fix that is not in it, or one that does not fit; ConfigError and ConnectorError with what to do.
    """
    # A hotfix is made aside: what lies about in the working copy is no part of it.
    warnings = source.check(allow_dirty=True)
    base = _base(project, source, request.line)
    picked = _pick(picker, base, commits, request)
    changes = _changes(project, source, base, picked)
    taken = released(source.tags(), project.source.tag_prefix)
    version = next_patch(base.last.version, {tag.version for tag in taken} | set(earlier.deployed))
    tag, branch = f"{project.source.tag_prefix}{version}", f"hotfix/{version}"
    check_tag(source, project, tag)
    head = Head(base.line or branch, picked.commit)
    refuse_lost(source, earlier.fixes, head, since=base.last.version, version=version)
    shortened = _shortened(project, station)
    tickets, scope_warnings = read_tickets(tracker_at(picked.commit), changes, version)
    steps, approvals = plan_steps(shortened, station, version=version, tag=tag, tickets=tickets)
    lines = _lines(source, picker, project, base)
    titles = {ticket.key: ticket.title for ticket in tickets if ticket.commits and ticket.title}
    deployed = {step.environment for step in steps if step.type == StepType.DEPLOY}
    return Plan(
        project=project.name,
        title=project.title or project.name,
        version=version,
        previous_version=base.last.version,
        previous_tag=base.last.tag,
        previous_commit=base.last.commit,
        tag=tag,
        branch=branch,
        commit=picked.commit,
        bump="patch",
        source=project.source.model_dump(mode="json") | {"branch": branch},
        commits=tuple(planned(change) for change in changes),
        tickets=tickets,
        notes=render(version, changes, titles=titles),
        steps=_with_branch(steps, project, branch, lines),
        approvals=approvals,
        environments=tuple(name for name in environments(project, station) if name in deployed),
        env=project.env,
        warnings=(*warnings, *_told(base, picked, changes), *scope_warnings),
        authors=tuple(sorted({change.author_email.lower() for change in changes})),
        kind=Kind.HOTFIX,
        details={
            "base": {**base.last._asdict(), "line": base.line, "from": base.commit},
            "picks": [pick._asdict() for pick in picked.picks if pick.made],
            "left_out": [
                {"commit": pick.commit, "subject": pick.subject}
                for pick in picked.picks
                if not pick.made
            ],
            "skipped": [skip.model_dump() for skip in project.hotfix.skip],
            "ticket": request.ticket,
            "merge_requests": list(request.merge_requests),
            "lines": list(lines),
        },
    )


def _base(project: ProjectConfig, source: Source, line: str) -> _Base:
    """Return the last released version, or the head of a maintenance line and the last version in it."""
    prefix = project.source.tag_prefix
    if line:
        head = source.head(line)
        last = pick_previous(source.tags(reachable_from=head.commit), prefix).final
        if last is not None:
            return _Base(line, head.commit, last)
    else:
        finals = [tag for tag in released(source.tags(), prefix) if not is_prerelease(tag.version)]
        if finals:
            return _Base("", finals[0].commit, finals[0])
    where = f"line {line}" if line else project.name
    raise Refused(
        f"{where} has no released version, so there is nothing to put a fix on.",
        where=project.name,
        hint=f"Release it: `gare release {project.name}`. (Tags not here? `git fetch --tags`.)",
    )


def _pick(picker: Picker, base: _Base, commits: Sequence[str], request: HotfixRequest) -> Picked:
    parents = {picker.find_commit(name): number for name, number in request.parents.items()}
    wanted = list(dict.fromkeys(picker.find_commit(name) for name in commits))
    if not wanted:
        raise Refused(
            "A hotfix needs at least one fix.",
            where=request.project,
            hint="Name a commit (`--commit SHA`) or a merge request (`--mr 12`).",
        )
    if strangers := [commit[:12] for commit in parents if commit not in wanted]:
        raise Refused(
            f"A parent was named for {', '.join(strangers)}, which is none of the fixes.",
            where=request.project,
            hint="Leave it out, or name the commit as well.",
        )
    onto = Line(base.line or base.last.tag, base.commit)
    picked = picker.pick(
        onto, [Wanted(commit, parents.get(commit, 0)) for commit in wanted], keep=True
    )
    if not any(pick.made for pick in picked.picks):
        named = ", ".join(f"{pick.commit[:12]} ({pick.subject})" for pick in picked.picks)
        raise Refused(
            f"{onto.name} has it already: {named}.",
            where=request.project,
            hint="Nothing is left to fix there; name the commits that are missing.",
        )
    return picked


def _changes(project: ProjectConfig, source: Source, base: _Base, picked: Picked) -> list[Change]:
    since, paths = base.last.commit, project.source.paths
    changes = read_changes(source.commits(since, picked.commit, paths), project.tickets.pattern)
    made = {pick.made for pick in picked.picks if pick.made}
    if not any(change.sha in made for change in changes):
        raise Refused(
            "None of the fixes changes what belongs to this project.",
            where=f"{project.name}: source: paths",
            hint="Name commits that change one of its paths.",
        )
    return changes


def _told(base: _Base, picked: Picked, changes: Sequence[Change]) -> list[str]:
    """Return what a person should know of the picks."""
    told = [
        f"{pick.commit[:12]} ({pick.subject}) is left out: {base.line or base.last.tag} has it already"
        for pick in picked.picks
        if not pick.made
    ]
    more = len(changes) - sum(bool(pick.made) for pick in picked.picks)
    if base.line and more > 0:
        told.append(f"{more} commit(s) of {base.line} since {base.last.tag} are released with it")
    return told


def _lines(
    source: Source, picker: Picker, project: ProjectConfig, base: _Base
) -> Mapping[str, str]:
    """Return the lines that need the fix: the project's branch, and its maintenance lines."""
    head = source.head()
    return {head.branch: head.commit, **picker.lines(project.hotfix.lines)}


def _shortened(project: ProjectConfig, station: StationConfig) -> ProjectConfig:
    """Return the project as a hotfix sees it: without what is skipped, with the hotfix's own approval."""
    standard = standard_steps(project, station)
    gone = list(
        dict.fromkeys(step for skip in project.hotfix.skip for step in _with_its_own(skip.step))
    )
    kept = [step for step in project.steps if step.id not in gone]
    skips = [Step(id=name, type=standard[name], skip=True) for name in gone if name in standard]
    return project.model_copy(
        update={"steps": (*kept, *skips), "environments": _environments(project, station)}
    )


def _with_its_own(step: str) -> list[str]:
    """Return a step; a deployment with what is nothing without it."""
    kind, _, name = step.partition("-")
    return [step] if kind != "deploy" else [f"{kind}-{name}" for kind in _OF_ENVIRONMENT]


def _environments(project: ProjectConfig, station: StationConfig) -> Mapping[str, object]:
    rule, names = project.hotfix.approval, environments(project, station)
    if rule is None:
        return project.environments
    asking = {name for name in names if rule_for(project, station, name) is not None} | set(
        names[-1:]
    )
    return {
        name: there.model_copy(update={"approval": rule}) if name in asking else there
        for name, there in project.environments.items()
    }


def _with_branch(
    steps: Sequence[PlannedStep], project: ProjectConfig, branch: str, lines: Mapping[str, str]
) -> tuple[PlannedStep, ...]:
    """Put the branch before everything that is built, and the way back into the lines after what is published."""
    push = project.publish.push
    remote = getattr(project.source, "remote", "") if push else ""
    settings = {"branch": branch, "push": push}
    where = f"branch {branch}{f' on {remote}' if remote else ' in the repository'}"
    effect = PlannedEffect(
        f"create branch {branch}", where, Reversibility.REVERSIBLE, "deleted when nobody needs it"
    )
    first = PlannedStep(
        BRANCH_STEP, BRANCH_STEP, f"Branch {branch}", ("plan",), settings=settings, retries=2,
        timeout_s=_TIMEOUT_S, effects=(effect,), reversibility=Reversibility.REVERSIBLE,
    )  # fmt: skip
    plan, *middle, close = (
        replace(step, needs=tuple(BRANCH_STEP if need == "plan" else need for need in step.needs))
        for step in steps
    )
    last = PlannedStep(
        MERGE_BACK_STEP, MERGE_BACK_STEP, f"Bring the fix into {', '.join(lines)}", close.needs,
        settings={"branch": branch, "lines": list(lines)}, retries=2, timeout_s=_TIMEOUT_S,
    )  # fmt: skip
    return (plan, first, *middle, last, replace(close, needs=(last.id,)))
