"""Approvals: a rule, people's votes, and what they decide. Pure: no clock, no I/O.

A person fills one slot in one group, and a group's quorum cannot be filled by another group. One rejection
ends it. Votes name the manifest they are about; a vote for another manifest does not count.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gare.domain.plan import PlannedApproval
from gare.errors import Refused


class Answer(StrEnum):
    """What a person says."""

    APPROVE = "approve"
    REJECT = "reject"


class Decision(StrEnum):
    """Where an approval stands. Rejected and expired are ends, not failures."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Voter:
    """A person as rules see them. `emails` are lower case."""

    name: str
    groups: frozenset[str]
    emails: frozenset[str]


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's answer about one manifest."""

    person: str
    groups: frozenset[str]
    answer: Answer
    manifest: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an approval stands: `missing` says how many votes each group still owes."""

    decision: Decision
    missing: Mapping[str, int]
    approvers: tuple[str, ...]
    rejected_by: str = ""

    def __str__(self) -> str:
        """Say it for people: what is missing and from whom."""
        if self.decision is not Decision.PENDING:
            return self.decision.value + (f" by {self.rejected_by}" if self.rejected_by else "")
        owed = ", ".join(f"{n} from {group}" for group, n in sorted(self.missing.items()))
        return f"votes missing: {owed}" + (
            f" (approved by {', '.join(self.approvers)})" if self.approvers else ""
        )


def fill_slots(
    groups: Mapping[str, int], people: Sequence[tuple[str, Collection[str]]]
) -> dict[str, int]:
    """Return how many votes each group still owes when people are seated as well as possible.

    A maximum bipartite matching (augmenting paths, Berge 1957) between people and slots, so that somebody in
    two groups is seated where they are needed.
    """
    slots = [group for group, count in sorted(groups.items()) for _ in range(count)]
    seated: dict[int, int] = {}

    def seat(person: int, tried: set[int]) -> bool:
        for slot, group in enumerate(slots):
            if group not in people[person][1] or slot in tried:
                continue
            tried.add(slot)
            if slot not in seated or seat(seated[slot], tried):
                seated[slot] = person
                return True
        return False

    for person in range(len(people)):
        seat(person, set())
    owed: dict[str, int] = {}
    for slot, group in enumerate(slots):
        if slot not in seated:
            owed[group] = owed.get(group, 0) + 1
    return owed


def admit(
    rule: PlannedApproval,
    voter: Voter,
    *,
    authors: Iterable[str],
    requester: str,
    votes: Sequence[Vote],
    manifest: str,
    wanted_manifest: str,
) -> None:
    """Refuse a vote that may not be cast: the wrong person, twice, or on something else than what is asked.

    `authors` are lower-case e-mail addresses of the release's commits.
    """
    if wanted_manifest != manifest:
        raise Refused(
            f"The vote names manifest {manifest[:19]}…, but {wanted_manifest[:19]}… is asked about.",
            where=f"{rule.step}",
            hint="Look at what changed with `gare status`, then vote on the manifest shown there.",
        )
    if not voter.groups & set(rule.groups):
        raise Refused(
            f"{voter.name} is in none of the groups that decide here ({', '.join(sorted(rule.groups))}).",
            where=rule.step,
            hint="Ask a member of these groups to vote, or add the person to one in station.yaml.",
        )
    if not rule.author_may_vote and voter.emails & set(authors):
        raise Refused(
            f"{voter.name} wrote commits of this release and may not vote on it.",
            where=rule.step,
            hint="Ask somebody without a commit in it (`author_may_vote` in the rule changes this).",
        )
    if not rule.requester_may_vote and requester and voter.name == requester:
        raise Refused(
            f"{voter.name} started this release and may not vote on it.",
            where=rule.step,
            hint="Ask somebody else (`requester_may_vote` in the rule changes this).",
        )
    if any(vote.person == voter.name and vote.manifest == manifest for vote in votes):
        raise Refused(
            f"{voter.name} has voted already.",
            where=rule.step,
            hint="Each person votes once; the first vote stands.",
        )


def stand(
    rule: PlannedApproval,
    votes: Sequence[Vote],
    *,
    manifest: str,
    expires_at: datetime,
    now: datetime,
) -> Standing:
    """Count the votes about `manifest`. A decision reached before the expiry stands for good."""
    counted = [vote for vote in votes if vote.manifest == manifest and vote.at <= expires_at]
    approvals = [vote for vote in counted if vote.answer is Answer.APPROVE]
    names = tuple(vote.person for vote in approvals)
    missing = fill_slots(rule.groups, [(vote.person, vote.groups) for vote in approvals])
    rejections = [vote for vote in counted if vote.answer is Answer.REJECT]
    if rejections:
        return Standing(Decision.REJECTED, missing, names, rejections[0].person)
    if not missing:
        return Standing(Decision.APPROVED, missing, names)
    if now >= expires_at:
        return Standing(Decision.EXPIRED, missing, names)
    return Standing(Decision.PENDING, missing, names)
