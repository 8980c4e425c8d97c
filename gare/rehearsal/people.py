"""Who votes in a rehearsal: people whose votes the rule would take. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from gare.domain.approvals import Voter, admit, fill_slots
from gare.domain.plan import Plan, PlannedApproval
from gare.errors import Refused, StepFailed


def check_votes(plan: Plan, people: Sequence[Voter], requester: str) -> None:
    """Raise StepFailed when an approval of the plan could never be given."""
    for rule in plan.approvals:
        voters_for(rule, people, plan, requester)


def voters_for(
    rule: PlannedApproval, people: Iterable[Voter], plan: Plan, requester: str
) -> list[str]:
    """Return the people who vote on a rule. Raises StepFailed when nobody could ever fill it."""
    chosen: list[Voter] = []
    missing = fill_slots(rule.groups, [])
    for person in _admitted(rule, people, plan, requester):
        seated = [(voter.name, voter.groups) for voter in (*chosen, person)]
        left = fill_slots(rule.groups, seated)
        if left != missing:
            chosen, missing = [*chosen, person], left
        if not missing:
            return [voter.name for voter in chosen]
    owed = ", ".join(f"{count} of {group}" for group, count in sorted(missing.items()))
    raise StepFailed(
        f"Nobody may give the votes that {rule.environment} asks for: {owed} would be missing for ever.",
        where=f"{plan.project}, {rule.step}",
        hint="Add people to these groups in station.yaml, or change the rule: authors and requesters may not vote.",
    )


def _admitted(
    rule: PlannedApproval, people: Iterable[Voter], plan: Plan, requester: str
) -> Iterator[Voter]:
    for person in people:
        try:
            admit(
                rule,
                person,
                authors=plan.authors,
                requester=requester,
                votes=(),
                manifest="",
                wanted_manifest="",
            )
        except Refused:
            continue
        yield person
