"""Whether a release's record obeys its plan: votes, decisions, order, completeness. Pure, standard library only."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gare.domain.approvals import Answer, Decision, Vote, Voter, admit, stand
from gare.domain.manifest import manifest_of
from gare.domain.plan import PlannedApproval, PlannedStep
from gare.domain.schedule import behind
from gare.errors import Refused, UnexpectedReply
from gare.ledger.chain import Event, event_name
from gare.ledger.container import Problem
from gare.ledger.replay import Json, Reader, Record, load

MAX_STEPS, MAX_GROUPS, MAX_VOTES = 2000, 50, 1000
"""More than a station has; a hostile file must not keep the reader busy."""


def planned_steps(plan: Reader) -> list[PlannedStep]:
    """Return the plan's steps with what the checks need of them."""
    steps = [
        PlannedStep(step.text("id"), step.text("type"), "", tuple(step.texts("needs")))
        for step in plan.objects("steps")
    ]
    if len(steps) > MAX_STEPS:
        raise UnexpectedReply(f"It has more than {MAX_STEPS} steps.", where=plan.place)
    known = {step.id for step in steps}
    for step in steps:
        for need in set(step.needs) - known:
            raise UnexpectedReply(
                f"Step {step.id} needs {need}, which it does not have.", where=plan.place
            )
    return steps


def planned_rules(plan: Reader) -> dict[str, PlannedApproval]:
    """Return the plan's approval rules by step."""
    rules: dict[str, PlannedApproval] = {}
    for rule in plan.objects("approvals"):
        groups = rule.object("groups")
        counts = {group: int(groups.number(group)) for group in groups.value}
        if (
            any(not 1 <= count <= MAX_GROUPS for count in counts.values())
            or len(counts) > MAX_GROUPS
        ):
            raise UnexpectedReply("A group's votes are no sensible number.", where=rule.place)
        rules[rule.text("step")] = PlannedApproval(
            rule.text("step"),
            rule.text("environment"),
            counts,
            rule.flag("author_may_vote"),
            rule.flag("requester_may_vote"),
            rule.number("expires_after_s"),
        )
    return rules


def check_approvals(plan: Reader, record: Record, events: Sequence[Event]) -> Iterator[Problem]:
    """Yield what is wrong with the approvals that were asked for, and what ran before they were given."""
    steps, rules = planned_steps(plan), planned_rules(plan)
    for name, asked in record.approvals.items():
        place = f"approval {name}"
        rule = rules.get(name)
        if rule is None:
            yield Problem(place, "the plan has no such approval")
            continue
        if asked["groups"] != dict(rule.groups):
            yield Problem(place, "it asked other groups than the plan says")
        yield from _check_manifest(place, name, asked, steps, record)
        yield from _check_decision(place, rule, asked, record.release["requested_by"])
    yield from _check_order(steps, rules, events)


def _check_manifest(
    place: str, name: str, asked: Json, steps: Sequence[PlannedStep], record: Record
) -> Iterator[Problem]:
    values = {step: row["value"] for step, row in record.steps.items() if row["state"] == "done"}
    try:
        wanted = manifest_of(steps, record.release["plan"], name, values)
    except (KeyError, TypeError, AttributeError):
        yield Problem(place, "the values of the steps before it are not as Gare writes them")
        return
    if wanted.digest != asked["manifest"]:
        yield Problem(
            place,
            f"the steps before it make manifest {wanted.digest}, the votes are about {asked['manifest']}",
        )


def _check_decision(
    place: str, rule: PlannedApproval, asked: Json, requester: str
) -> Iterator[Problem]:
    votes: list[Vote] = []
    if len(asked["votes"]) > MAX_VOTES:
        yield Problem(place, f"it has more than {MAX_VOTES} votes")
        return
    for row in asked["votes"]:
        vote = _vote(row, place)
        voter = Voter(vote.person, vote.groups, frozenset())
        try:
            admit(
                rule,
                voter,
                authors=(),
                requester=requester,
                votes=votes,
                manifest=vote.manifest,
                wanted_manifest=vote.manifest,
            )
        except Refused as refusal:
            yield Problem(place, f"a vote that counts may not: {refusal.what.rstrip('.')}")
        votes.append(vote)
    decided = _instant(asked["decided_at"] or asked["opened_at"], place)
    standing = stand(
        rule,
        votes,
        manifest=asked["manifest"],
        expires_at=expiry(asked["opened_at"], rule.expires_after_s, place),
        now=decided,
    )
    if asked["decided_at"] and standing.decision.value != asked["decision"]:
        yield Problem(
            place,
            f"it was decided as {asked['decision']}, its votes make it {standing.decision.value}",
        )


def _vote(row: Mapping[str, Any], place: str) -> Vote:
    return Vote(
        row["person"],
        frozenset(row["groups"]),
        Answer(row["answer"]),
        row["manifest"],
        row["comment"],
        _instant(row["at"], place),
    )


def expiry(opened_at: str, seconds: float, place: str) -> datetime:
    """Return when an approval that was asked for at an instant expires."""
    try:
        return _instant(opened_at, place) + timedelta(seconds=seconds)
    except OverflowError:
        raise UnexpectedReply(
            f"{seconds:g} s is no sensible time to answer.", where=place
        ) from None


def _instant(text: str, place: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UnexpectedReply(f"{text!r} is no instant.", where=place) from None
    if found.tzinfo is None:
        raise UnexpectedReply(f"{text!r} has no time zone.", where=place)
    return found


def _check_order(
    steps: Sequence[PlannedStep], rules: Mapping[str, PlannedApproval], events: Sequence[Event]
) -> Iterator[Problem]:
    """Nothing that rests on an approval has started before the approval was given."""
    waits_for = {step.id: behind(steps, step.id) & set(rules) for step in steps}
    approved: set[str] = set()
    for event in events:
        if event.kind == "planned anew":
            approved.clear()
        if event.kind not in ("approval decided", "step started"):
            continue
        body = Reader(load(event.body, event_name(event)), event_name(event))
        step = body.text("step")
        if event.kind == "approval decided":
            if body.text("decision") == Decision.APPROVED.value:
                approved.add(step)
        elif owed := waits_for.get(step, set()) - approved:
            yield Problem(
                event_name(event), f"{step} started before {', '.join(sorted(owed))} was approved"
            )


def check_end(plan: Reader, record: Record) -> Iterator[Problem]:
    """Yield what a version that is called released lacks: a step not done, an effect without its receipt."""
    if record.release["state"] != "released":
        return
    for step in planned_steps(plan):
        if record.steps.get(step.id, {}).get("state") != "done":
            yield Problem(
                f"step {step.id}", "the release is called released, but this step is not done"
            )
    for (step_id, target), row in record.effects.items():
        if row["receipt"] is None:
            yield Problem(f"effect {target} of step {step_id}", "it has no receipt")
