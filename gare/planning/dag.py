"""Configuration -> the steps of a release in order: the standard ones, and what the project adds or replaces.

Pure: reads no repository and no clock. Standard order:
plan > build > test > validate > (approve-E > deploy-E > verify-E > soak-E) per environment >
publish > announce > close.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from gare.config.models import ProjectConfig, StationConfig, StepType
from gare.domain.freezes import OUTWARD
from gare.domain.notes import filled
from gare.domain.plan import (
    PlannedApproval,
    PlannedEffect,
    PlannedStep,
    PlannedTicket,
    Reversibility,
)
from gare.domain.schedule import is_check, ordered
from gare.errors import ConfigError
from gare.gates.registry import resolve
from gare.planning.approval_rules import approval_of, rule_for
from gare.planning.draft import MINUTE, Draft, planned
from gare.planning.hosting_steps import page_step, record_effect, record_settings
from gare.planning.said import say, wrong
from gare.planning.ticket_steps import (
    DEPLOYING,
    OPEN,
    RELEASED,
    VendorStep,
    change_steps,
    told_tickets,
)

MIN_PACE_S, MAX_PACE_S = 30.0, 15 * MINUTE


def environments(project: ProjectConfig, station: StationConfig) -> list[str]:
    """Return the project's environments in the station's order, unknown ones after them as written."""
    known = [name for name in station.environments if name in project.environments]
    return known + [name for name in project.environments if name not in known]


def plan_steps(
    project: ProjectConfig,
    station: StationConfig,
    *,
    version: str,
    tag: str,
    tickets: Sequence[PlannedTicket] = (),
) -> tuple[tuple[PlannedStep, ...], tuple[PlannedApproval, ...]]:
    """Return every step in a valid order, and the approvals among them.

    Raises ConfigError for a circle, an unknown need, an approval without a rule.
    """
    drafts = _standard(project, station, version, tag)
    _tell_tracker(drafts, project, tickets, version)
    if page := page_step(project, tag):
        _insert(drafts, page, after="publish")
    for said in project.steps:
        say(drafts, said, project)
    _leave_out(drafts)
    _close_last(drafts)
    _tell_outward(drafts)
    order = ordered({draft.id: draft.needs for draft in drafts.values()})
    steps = tuple(planned(drafts[step_id]) for step_id in order)
    approvals = tuple(
        approval_of(step, project, station) for step in steps if step.type == StepType.APPROVE
    )
    return steps, approvals


def _standard(
    project: ProjectConfig, station: StationConfig, version: str, tag: str
) -> dict[str, Draft]:
    build, test = project.build, project.test
    drafts = [
        Draft("plan", StepType.PLAN, "Plan", []),
        Draft(
            "build",
            StepType.BUILD,
            "Build",
            ["plan"],
            settings={
                "commands": [list(command) for command in build.commands],
                "artifacts": list(build.artifacts),
                "sbom": build.sbom,
            },
        ),
        Draft(
            "test",
            StepType.TEST,
            "Test",
            ["build"],
            settings={
                "commands": [list(command) for command in test.commands],
                "junit": list(test.junit),
                "coverage": list(test.coverage),
            },
        ),
        Draft(
            "validate",
            StepType.VALIDATE,
            "Validate",
            ["test"],
            settings={"gates": resolve(project.gates, has_coverage=bool(test.coverage))},
        ),
    ]
    last = "validate"
    for name in environments(project, station):
        mine = list(_environment(project, station, name, version, last))
        drafts += mine
        last = mine[-1].id
    drafts += [
        Draft(
            "publish",
            StepType.PUBLISH,
            "Publish",
            [last],
            settings={**project.publish.model_dump(mode="json"), "tag_name": tag},
            effects=tuple(_publish_effects(project, version, tag)),
        ),
        Draft(
            "announce",
            StepType.ANNOUNCE,
            "Announce",
            ["publish"],
            settings={"places": [place.model_dump(mode="json") for place in project.announce]},
            effects=tuple(_announce_effects(project)),
        ),
        Draft("close", StepType.CLOSE, "Close", ["announce"]),
    ]
    return {draft.id: draft for draft in drafts}


def _tell_tracker(
    drafts: dict[str, Draft],
    project: ProjectConfig,
    tickets: Sequence[PlannedTicket],
    version: str,
) -> None:
    """Put the steps that write into the tracker into the order."""
    changes = change_steps(project)
    if opened := changes.get(OPEN):
        _insert(drafts, opened, after="validate")
    deploys = [draft.id for draft in drafts.values() if draft.type == StepType.DEPLOY]
    if (deploying := changes.get(DEPLOYING)) and deploys:
        _insert(drafts, deploying, after=drafts[deploys[-1]].needs[0])
    last = "publish"
    for told in (told_tickets(project, tickets, version=version), changes.get(RELEASED)):
        if told is not None:
            _insert(drafts, told, after=last)
            last = told.id


def _insert(drafts: dict[str, Draft], step: VendorStep, *, after: str) -> None:
    """Put a step behind another: what waited for that one waits for this one."""
    for draft in drafts.values():
        draft.needs = [step.id if need == after else need for need in draft.needs]
    drafts[step.id] = Draft(
        step.id, step.type, step.title, [after], settings=step.settings, effects=step.effects
    )


def _environment(
    project: ProjectConfig, station: StationConfig, name: str, version: str, last: str
) -> Iterable[Draft]:
    target = project.environments[name].target.model_dump(mode="json")
    if rule_for(project, station, name) is not None:
        yield Draft(f"approve-{name}", StepType.APPROVE, f"Approve {name}", [last], name)
        last = f"approve-{name}"
    effect = PlannedEffect(
        f"switch {project.name} to {version}",
        f"{name} ({target['type']} {target.get('path', '')})",
        Reversibility.COMPENSATED,
        "put back by itself when verification fails",
    )
    yield Draft(
        f"deploy-{name}",
        StepType.DEPLOY,
        f"Deploy to {name}",
        [last],
        name,
        {"target": target},
        (effect,),
    )
    yield Draft(
        f"verify-{name}",
        StepType.VERIFY,
        f"Verify {name}",
        [f"deploy-{name}"],
        name,
        {"target": target},
    )
    last = f"verify-{name}"
    if soak := project.environments[name].soak:
        yield Draft(
            f"soak-{name}",
            StepType.SOAK,
            f"Soak {name}",
            [f"verify-{name}"],
            name,
            {"target": target, "soak_s": soak.total_seconds(), "every_s": _pace_s(soak)},
        )
        last = f"soak-{name}"
    if (recorded := record_settings(project, name)) is not None:
        yield Draft(
            f"record-{name}",
            StepType.RECORD,
            f"Record {name}",
            [last],
            name,
            recorded,
            (record_effect(project, recorded),),
        )


def _pace_s(soak: timedelta) -> float:
    """Return how often a soaking version is asked: ten times, but neither without pause nor rarely."""
    return min(max(soak.total_seconds() / 10, MIN_PACE_S), MAX_PACE_S)


def _publish_effects(project: ProjectConfig, version: str, tag: str) -> Iterable[PlannedEffect]:
    publish = project.publish
    remote = getattr(project.source, "remote", "")
    where = f" on {remote}" if publish.push and remote else " in the repository"
    if publish.changelog:
        yield PlannedEffect(
            f"put the notes into {publish.changelog}", f"the branch{where}", Reversibility.COMPENSATED,
            "a commit; taken back by another commit",
        )  # fmt: skip
    if publish.tag:
        yield PlannedEffect(
            f"create annotated tag {tag}", f"tag {tag}{where}", Reversibility.POINT_OF_NO_RETURN,
            "a published tag is not moved",
        )  # fmt: skip
    if publish.notes_file:
        path = filled(publish.notes_file, project.name, version)
        yield PlannedEffect("write the notes", f"file {path}", Reversibility.REVERSIBLE)


def _announce_effects(project: ProjectConfig) -> Iterable[PlannedEffect]:
    for place in project.announce:
        once = place.type != "file"
        yield PlannedEffect(
            "announce the release, at most once" if once else "announce the release",
            place.type,
            Reversibility.POINT_OF_NO_RETURN if once else Reversibility.REVERSIBLE,
            "sent at most once: nobody can look whether a message has arrived" if once else "",
        )


def _leave_out(drafts: dict[str, Draft]) -> None:
    """Take skipped steps out; what waited for them waits for what they waited for."""
    for fixed in ("plan", "close"):
        said = drafts[fixed].said
        if said is not None and (said.skip or said.type != fixed):
            raise wrong(
                said,
                f"Step {fixed!r} can be neither skipped nor replaced",
                "Take it out of `steps`.",
            )
    for gone in [draft for draft in drafts.values() if draft.said and draft.said.skip]:
        del drafts[gone.id]
        for draft in drafts.values():
            if gone.id in draft.needs:
                place = draft.needs.index(gone.id)
                draft.needs[place : place + 1] = [
                    need for need in gone.needs if need not in draft.needs
                ]
    for draft in drafts.values():
        for need in draft.needs:
            if need not in drafts:
                raise ConfigError(
                    f"Step {draft.id!r} needs {need!r}, which is no step of this release.",
                    where=f"steps, {draft.id}",
                    hint=f"Steps are: {', '.join(drafts)}.",
                )


def _close_last(drafts: dict[str, Draft]) -> None:
    """Make `close` need whatever nobody else needs: the record is complete when every step is done."""
    if "close" in drafts:
        needed = {need for draft in drafts.values() for need in draft.needs}
        loose = [step_id for step_id in drafts if step_id not in needed and step_id != "close"]
        drafts["close"].needs += [
            step_id for step_id in loose if step_id not in drafts["close"].needs
        ]


def _tell_outward(drafts: dict[str, Draft]) -> None:
    """Say of each command of the project whether it changes something outside: a check does not."""
    needs = {draft.id: draft.needs for draft in drafts.values()}
    kinds = {draft.id: draft.type.value for draft in drafts.values()}
    for draft in drafts.values():
        if draft.type == StepType.RUN:
            said = draft.said.outward if draft.said else None
            is_outward = not is_check(draft.id, needs, kinds) if said is None else said
            draft.settings = {**draft.settings, OUTWARD: is_outward}
