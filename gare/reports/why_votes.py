"""Which votes are missing, who may still give them, and who may not with the reason. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from gare.domain.approvals import Answer, Decision, Voter, admit, fill_slots
from gare.errors import Refused
from gare.reports.status import Asked
from gare.reports.why_view import KEEPER, Blocker, View


def approval(view: View, asked: Asked) -> Iterator[Blocker]:
    """Yield what an approval that was asked for lacks, and who can give it."""
    rule, standing, release = asked.rule, asked.standing, view.release
    if standing.decision is not Decision.PENDING:
        yield Blocker(
            f"The approval of {rule.environment} is decided ({standing}), but the run has not gone on yet.",
            KEEPER,
            f"Wait a moment; then `gare resume {release.id}`.",
            rule.step,
        )
        return
    may, barred = _candidates(view, asked)
    do = f"`gare approve {release.id} --env {rule.environment}` (or `gare reject …`), with a personal token."
    for group, count in sorted(standing.missing.items()):
        names = [voter.name for voter in may if group in voter.groups]
        yield Blocker(
            f"{rule.environment}: {_votes(count)} of {group} missing",
            ", ".join(names) or f"nobody: {group} has no one left who may vote",
            do if names else f"Add somebody to {group} in station.yaml, or end it with `gare cancel {release.id}`.",
            rule.step,
            release.changed_at,
            asked.expires_at,
            tuple(f"{name} may not vote: {why}" for name, why in barred if group in _groups(view, name)),
        )  # fmt: skip
    given = [
        (vote.person, vote.groups) for vote in _counted(asked) if vote.answer is Answer.APPROVE
    ]
    short = fill_slots(rule.groups, [*given, *((voter.name, voter.groups) for voter in may)])
    if short and all(any(group in voter.groups for voter in may) for group in standing.missing):
        yield Blocker(
            f"{rule.environment}: even if all of them vote, {missing_votes(short)} would be missing",
            KEEPER,
            "Add people to the groups in station.yaml: a person fills one place in one group.",
            rule.step,
        )


def _candidates(view: View, asked: Asked) -> tuple[list[Voter], list[tuple[str, str]]]:
    """Return who may still vote, and who of the groups may not with the reason."""
    may, barred = list[Voter](), list[tuple[str, str]]()
    for voter in view.people:
        if not voter.groups & set(asked.rule.groups):
            continue
        try:
            admit(
                asked.rule,
                voter,
                authors=view.plan.authors,
                requester=view.release.requested_by,
                votes=asked.votes,
                manifest=asked.manifest,
                wanted_manifest=asked.manifest,
            )
        except Refused as refusal:
            barred.append((voter.name, refusal.what.removeprefix(voter.name).strip().rstrip(".")))
        else:
            may.append(voter)
    return may, barred


def _counted(asked: Asked) -> Iterator[Any]:
    return (vote for vote in asked.votes if vote.manifest == asked.manifest)


def _groups(view: View, name: str) -> frozenset[str]:
    return next((voter.groups for voter in view.people if voter.name == name), frozenset())


def missing_votes(missing: Mapping[str, int]) -> str:
    """Spell how many votes of which groups are missing."""
    return ", ".join(f"{_votes(count)} of {group}" for group, count in sorted(missing.items()))


def _votes(count: int) -> str:
    return f"{count} vote" + ("" if count == 1 else "s")
