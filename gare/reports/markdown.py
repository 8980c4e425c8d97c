"""Pages for the engine's UI, in Markdown: the plan, an approval that is asked for. Pure; escapes what people wrote."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gare.domain.counts import counted
from gare.domain.plan import Kind, Plan, PlannedApproval
from gare.domain.releases import Release

_SPECIAL = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>|#~"})


def escape(text: str) -> str:
    """Make somebody's text plain in Markdown, also inside a table cell."""
    return " ".join(text.translate(_SPECIAL).split())


def code_block(lines: Sequence[str]) -> str:
    """Return lines as they are: indented, which no content of theirs can end."""
    return "\n".join(f"    {line}" for line in lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; cells must be escaped already."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def plan_page(release_id: str, plan: Plan, digest: str) -> str:
    """Return the whole plan: what will be done, in which order, who must agree."""
    parts = [
        f"# {release_id}: {escape(plan.title or plan.project)} {escape(_what(plan))}",
        f"From {escape(plan.previous_tag) or 'the beginning'} to commit `{plan.commit[:12]}` of "
        f"{escape(plan.branch)}: {counted(len(plan.commits), 'commit')}, {plan.bump}. Plan `{digest}`.",
        *_notes(plan),
        "## Steps",
        table(
            ["step", "after", "undo", "effects outside"],
            [
                [
                    f"**{escape(step.id)}**",
                    ", ".join(map(escape, step.needs)),
                    step.reversibility.value if step.effects else "",
                    # The last column: the UI cuts a wide table at its right edge.
                    "; ".join(f"{escape(e.action)}: {escape(e.target)}" for e in step.effects),
                ]
                for step in plan.steps
            ],
        ),
    ]
    parts += _contents(plan)
    if plan.approvals:
        parts += [
            "## Approvals",
            table(["environment", "votes needed", "may not vote"], map(_rule, plan.approvals)),
        ]
    if plan.tickets:
        parts += [
            "## Tickets",
            table(
                ["ticket", "title", "status", "verdict"],
                [
                    [escape(t.key), escape(t.title), escape(t.status), escape(t.verdict)]
                    for t in plan.tickets
                ],
            ),
        ]
    return "\n\n".join([*parts, "## Notes", plan.notes])


def _what(plan: Plan) -> str:
    return plan.headline if plan.kind is Kind.ROLLBACK else plan.version


def _notes(plan: Plan) -> list[str]:
    """Return what a person should know before anything else."""
    return [f"> **Note:** {escape(warning)}" for warning in plan.warnings]


def _contents(plan: Plan) -> list[str]:
    """Return what only this kind of plan brings: the fixes of a hotfix and what it skips, the members of a train."""
    if plan.kind is Kind.TRAIN:
        rows = [
            [escape(one["project"]), escape(one["version"]), f"`{one['commit'][:12]}`"]
            for one in plan.details["members"]
        ]
        left = [[escape(one["project"]), escape(one["reason"])] for one in plan.details["left_out"]]
        parts = ["## Members", table(["member", "version", "commit"], rows)]
        return [*parts, "## Left out", table(["member", "why"], left)] if left else parts
    if plan.kind is not Kind.HOTFIX:
        return []
    picks = [
        [f"`{pick['commit'][:12]}`", f"`{pick['made'][:12]}`", escape(pick["subject"])]
        for pick in plan.details["picks"]
    ]
    skips = [[escape(one["step"]), escape(one["later"])] for one in plan.details["skipped"]]
    parts = ["## Fixes", table(["commit", "becomes", "subject"], picks)]
    return [*parts, "## Skipped", table(["step", "to check later"], skips)] if skips else parts


def _question(plan: Plan, environment: str) -> str:
    title = plan.title or plan.project
    match plan.kind:
        case Kind.ROLLBACK:
            return f"Roll {title} in {environment} back to {plan.version}?"
        case Kind.TRAIN:
            return f"Let {title}, {plan.version}, depart?"
        case Kind.HOTFIX:
            return f"Release the hotfix {title} {plan.version} to {environment}?"
        case _:
            return f"Release {title} {plan.version} to {environment}?"


def approval_page(
    plan: Plan, rule: PlannedApproval, release: Release, manifest: str, values: Mapping[str, Any]
) -> str:
    """Return what approvers must know: the question, what it is about, how to vote."""
    artifacts = [
        a
        for value in values.values()
        if isinstance(value, dict)
        for a in value.get("artifacts", ())
    ]
    parts = [
        f"# {escape(_question(plan, rule.environment))}",
        f"{release.id}{f' from commit `{plan.commit[:12]}`' if plan.commit else ''}, "
        f"requested by {escape(release.requested_by or 'unnamed')}. {escape(release.reason)}",
        *_notes(plan),
        *_contents(plan),
        "## Votes",
        table(["environment", "votes needed", "may not vote"], [_rule(rule)]),
        "To vote, with your personal token in `GARE_TOKEN` (Resume alone approves nothing):",
        "```\n"
        + "\n".join(
            f"gare {say} {release.id} --env {rule.environment}" for say in ("approve", "reject")
        )
        + "\n```",
        f"A vote is about manifest `{manifest}`.",
    ]
    done = [
        [escape(step), escape(str(value["summary"]))]
        for step, value in ((step.id, values.get(step.id)) for step in plan.steps)
        if isinstance(value, dict) and value.get("summary")
    ]
    if done:
        parts += ["## Done so far", table(["step", "result"], done)]
    if artifacts:
        rows = [[escape(a["name"]), str(a["size_bytes"]), f"`{a['sha256']}`"] for a in artifacts]
        parts += ["## Artifacts", table(["artifact", "bytes", "sha256"], rows)]
    return "\n\n".join([*parts, "## Notes", plan.notes])


def _rule(rule: PlannedApproval) -> list[str]:
    barred = [
        who
        for who, may in (
            ("authors", rule.author_may_vote),
            ("the requester", rule.requester_may_vote),
        )
        if not may
    ]
    return [
        escape(rule.environment),
        ", ".join(f"{count} of {escape(group)}" for group, count in sorted(rule.groups.items())),
        " and ".join(barred) or "nobody is barred",
    ]
