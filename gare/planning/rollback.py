"""Makes the plan of a rollback: which good version returns, what is taken back in reverse, and what stays. Pure.

`Plan.details` of a rollback: `environment`, `before` (the version that runs when it is planned), `to`, `origin` (the
release that built `to`), `undoes` (the releases taken back, the newest first).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from gare.config.models import ProjectConfig, StationConfig
from gare.domain.plan import Kind, Plan, PlannedEffect, PlannedStep, Reversibility
from gare.domain.releases import StepState
from gare.domain.standing import no_return, to_undo
from gare.errors import Refused
from gare.planning.approval_rules import approval_of
from gare.planning.draft import DEFAULT_BACKOFF, DEFAULT_RETRIES, HOUR, MINUTE
from gare.planning.hosting_steps import record_effect, record_settings
from gare.planning.standing import Standing, Stock, Undone, WayBack
from gare.requests import RollbackRequest

ID_LENGTH = 63
"""Characters of a step's id at most."""


def make_rollback(
    project: ProjectConfig,
    station: StationConfig,
    request: RollbackRequest,
    standing: Standing,
    way: WayBack,
    origin: Plan,
    undone: Sequence[Undone],
    stock: Stock,
) -> Plan:
    """Return everything the rollback will do. The same inputs give an equal plan.

    `origin` is the plan of the release that built the version. Raises Refused beyond a point of no return, and for a
    version that is nowhere any more.
    """
    name = request.environment
    _refuse_no_return(undone, name)
    _refuse_gone(way, stock, project.name)
    steps = tuple(_steps(project, station, request, way, undone, stock))
    approvals = tuple(
        approval_of(step, project, station) for step in steps if step.type == "approve"
    )
    newest = undone[0].plan if undone else origin
    return Plan(
        project=project.name,
        title=project.title or project.name,
        version=way.to,
        previous_version=standing.live,
        previous_tag=newest.tag,
        previous_commit=newest.commit,
        tag=origin.tag,
        branch=origin.branch,
        commit=origin.commit,
        bump="rollback",
        source=origin.source,
        commits=(),
        tickets=(),
        notes=_notes(way, standing, undone, name),
        steps=steps,
        approvals=approvals,
        environments=(name,),
        env=project.env,
        warnings=tuple(_stays(undone, name)),
        kind=Kind.ROLLBACK,
        details={
            "environment": name,
            "before": standing.live,
            "to": way.to,
            "origin": way.origin,
            "undoes": list(way.undoes),
        },
    )


def _refuse_no_return(undone: Iterable[Undone], environment: str) -> None:
    for one in undone:
        if (step := no_return(one.plan, one.states, environment)) is not None:
            raise Refused(
                f"{one.plan.version} has passed a point of no return, step {step.id}: "
                f"{step.point_of_no_return}.",
                where=f"{one.release}, {environment}",
                hint=f"Release a repaired version: `gare release {one.plan.project}`.",
            )


def _refuse_gone(way: WayBack, stock: Stock, project: str) -> None:
    if way.to not in stock.versions and not stock.has_artifacts:
        there = ", ".join(stock.versions) or "no version"
        raise Refused(
            f"{way.to} was pruned at its target, and the artifacts of {way.origin} are no longer in the store.",
            where=stock.place,
            hint=f"There: {there}. Name another version with --to, or release: `gare release {project}`.",
        )


def _steps(
    project: ProjectConfig,
    station: StationConfig,
    request: RollbackRequest,
    way: WayBack,
    undone: Sequence[Undone],
    stock: Stock,
) -> Iterable[PlannedStep]:
    """Yield the steps in a chain: each needs the one before it."""
    last = ""
    for step in _unchained(project, station, request, way, undone, stock):
        yield replace(step, needs=(last,) if last else ())
        last = step.id


def _unchained(
    project: ProjectConfig,
    station: StationConfig,
    request: RollbackRequest,
    way: WayBack,
    undone: Sequence[Undone],
    stock: Stock,
) -> Iterable[PlannedStep]:
    name = request.environment
    target = project.environments[name].target.model_dump(mode="json")
    yield PlannedStep("plan", "plan", "Plan")
    if project.environments[name].rollback == "approval":
        yield PlannedStep(f"approve-{name}", "approve", f"Approve the rollback of {name}", (), name)
    first = undone[:1]
    yield from _undo_steps(first, name, is_after=True)
    how = "it is still there" if way.to in stock.versions else "brought in again from the store"
    effect = PlannedEffect(
        f"switch {project.name} back to {way.to}",
        f"{name} ({target['type']} {target.get('path', '')})",
        Reversibility.COMPENSATED,
        how,
    )
    yield PlannedStep(
        f"deploy-{name}", "deploy", f"Go back to {way.to} in {name}", (), name, {"target": target},
        retries=DEFAULT_RETRIES, backoff_s=DEFAULT_BACKOFF.total_seconds(), timeout_s=30 * MINUTE,
        effects=(effect,), reversibility=effect.reversibility,
    )  # fmt: skip
    yield from _undo_steps(first, name, is_after=False)
    for one in undone[1:]:
        yield from _undo_steps([one], name, is_after=True)
        yield from _undo_steps([one], name, is_after=False)
    yield PlannedStep(
        f"verify-{name}", "verify", f"Verify {name}", (), name, {"target": target},
        retries=DEFAULT_RETRIES, backoff_s=DEFAULT_BACKOFF.total_seconds(), timeout_s=15 * MINUTE,
    )  # fmt: skip
    if (recorded := record_settings(project, name)) is not None:
        entry = record_effect(project, recorded)
        yield PlannedStep(
            f"record-{name}", "record", f"Record {name}", (), name, recorded, effects=(entry,),
            retries=DEFAULT_RETRIES, timeout_s=10 * MINUTE, reversibility=entry.reversibility,
        )  # fmt: skip
    for one in undone:
        yield from _recall(one, name)
    if project.announce and any(_is_told(one) for one in undone):
        yield _announce(project)
    yield PlannedStep("close", "close", "Close")


def _undo_steps(
    undone: Iterable[Undone], environment: str, *, is_after: bool
) -> Iterable[PlannedStep]:
    for one in undone:
        for step in to_undo(one.plan, one.states, environment, is_after=is_after):
            yield PlannedStep(
                f"undo-{step.id}-{one.plan.version}"[:ID_LENGTH],
                "undo",
                f"Take back {step.title} of {one.plan.version}",
                (),
                environment,
                {
                    "commands": step.settings["undo"],
                    "release": one.release,
                    "step": step.id,
                },
                timeout_s=HOUR,
                effects=step.effects,
                reversibility=step.reversibility,
            )


def recall_settings(one: Undone, environment: str) -> dict[str, Any]:
    """Return where a release was told of, to be told that it was rolled back; empty when nobody heard of it.

    They hear of its last environment only.
    """
    if one.plan.environments[-1:] != (environment,):
        return {}
    begun = {step.type: step for step in one.plan.steps if step.id in one.states}
    tickets, page = begun.get("tickets"), begun.get("page")
    heard = tickets or begun.get("change")
    tracker = heard.settings["tracker"] if heard else {}
    if not tracker and page is None:
        return {}
    return {
        "release": one.release,
        "version": one.plan.version,
        "environment": environment,
        "tracker": tracker,
        "keys": list(tickets.settings["keys"]) if tickets else [],
        "gitlab": page.settings["gitlab"] if page else {},
        "tag_name": page.settings["tag_name"] if page else "",
    }


def _recall(one: Undone, environment: str) -> Iterable[PlannedStep]:
    """Yield the step that tells those who heard of the release."""
    settings = recall_settings(one, environment)
    if not settings:
        return
    places = [
        ("the tickets", bool(settings["tracker"])),
        (f"the release {one.plan.tag}", bool(settings["gitlab"])),
    ]
    effects = tuple(
        PlannedEffect(
            f"say that {one.plan.version} was rolled back", place, Reversibility.COMPENSATED
        )
        for place, is_told in places
        if is_told
    )
    yield PlannedStep(
        f"recall-{one.plan.version}"[:ID_LENGTH], "recall", f"Say that {one.plan.version} was rolled back",
        settings=settings, retries=DEFAULT_RETRIES, timeout_s=10 * MINUTE, effects=effects,
        reversibility=Reversibility.COMPENSATED,
    )  # fmt: skip


def _announce(project: ProjectConfig) -> PlannedStep:
    places = [place.model_dump(mode="json") for place in project.announce]
    effects = tuple(
        PlannedEffect("announce the rollback", place.type, Reversibility.POINT_OF_NO_RETURN)
        for place in project.announce
    )
    return PlannedStep(
        "announce", "announce", "Announce", settings={"places": places}, effects=effects,
        retries=DEFAULT_RETRIES, backoff_s=DEFAULT_BACKOFF.total_seconds(), timeout_s=10 * MINUTE,
        reversibility=Reversibility.POINT_OF_NO_RETURN,
    )  # fmt: skip


def _is_told(one: Undone) -> bool:
    """Tell whether people may have heard of the release."""
    return any(step.type == "announce" and step.id in one.states for step in one.plan.steps)


def _stays(undone: Iterable[Undone], environment: str) -> Iterable[str]:
    """Yield what the releases did and the rollback leaves as it is."""
    for one in undone:
        for step in one.plan.steps:
            if step.type == "publish" and step.id in one.states:
                for effect in step.effects:
                    note = f" ({effect.note})" if effect.note else ""
                    yield f"stays of {one.release}: {effect.action}{note}"
            elif (
                step.type == "deploy"
                and step.environment != environment
                and one.states.get(step.id) is StepState.DONE
            ):
                yield f"stays of {one.release}: {one.plan.version} in {step.environment}"


def _notes(way: WayBack, standing: Standing, undone: Iterable[Undone], environment: str) -> str:
    lines = [f"{environment} goes back from {standing.live or 'nothing'} to {way.to}."]
    for one in undone:
        lines += ["", f"Taken back with {one.plan.version} ({one.release}):", ""]
        lines += [f"- {commit.subject}" for commit in one.plan.commits] or ["- no commits"]
    return "\n".join(lines) + "\n"
