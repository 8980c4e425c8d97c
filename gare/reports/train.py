"""Pages about a train: who is where, and in which order. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gare.domain.journey import Member, Stand
from gare.domain.plan import Plan
from gare.domain.releases import Release
from gare.reports.markdown import escape, table
from gare.reports.picture import LARGEST, Box, draw

_COLOURS = {
    Stand.ARRIVED: "#cdeccd",
    Stand.HELD: "#f6caca",
    Stand.DROPPED: "#f6caca",
    Stand.FAILED: "#f6caca",
    Stand.GOING_BACK: "#f6e3b4",
    Stand.WENT_BACK: "#f6e3b4",
    Stand.STAYS: "#f6caca",
    Stand.ON_ITS_WAY: "#cfe3fb",
}
_RESTING = "#e8e8ee"


def plan_of_train_page(release_id: str, plan: Plan, digest: str) -> str:
    """Return the plan of a train: who departs, in which order, who is left out and why."""
    details = plan.details
    slot = details["slot"]
    parts = [
        f"# {release_id}: {escape(plan.title)}, {escape(plan.version)}".removeprefix("# : "),
        f"Boarding ends {_instant(slot['boards_at'])}, departure {_instant(slot['departs_at'])}. "
        f"A member that fails: {escape(details['rules']['on_failure'])}. Plan `{digest}`.",
    ]
    if details["refusal"]:
        parts.append(f"> **It does not depart:** {escape(details['refusal'])}")
    rows = [
        [
            f"**{escape(one['project'])}**",
            escape(one["version"]),
            f"`{one['commit'][:12]}`",
            ", ".join(map(escape, one["needs"])),
        ]
        for one in details["members"]
    ]
    if rows:
        parts += ["## Members", table(["member", "version", "commit", "after"], rows)]
        parts += ["## Order", order(plan, {})]
    parts += [f"> **Note:** {escape(warning)}" for warning in plan.warnings]
    return "\n\n".join([*parts, "## Notes", plan.notes])


def train_page(release: Release, plan: Plan, members: Sequence[Member], why_back: str = "") -> str:
    """Return where every member of a departure stands, and the order as a picture; why it goes back, if it does."""
    here = sum(member.stand is Stand.ARRIVED for member in members)
    total = sum(member.stand is not Stand.LEFT_OUT for member in members)
    rows = [
        [
            f"**{escape(member.project)}**",
            escape(member.version),
            member.stand.value,
            member.release.id if member.release else "",
            escape(member.said),
        ]
        for member in members
    ]
    return "\n\n".join(
        [
            f"# {release.id}: {escape(plan.title)}, {escape(plan.version)}",
            *([f"**It goes back** because of {escape(why_back)}."] if why_back else []),
            f"{here} of {total} members have arrived.",
            table(["member", "version", "state", "release", ""], rows),
            "## Order",
            order(plan, {member.project: member for member in members}),
        ]
    )


def order(plan: Plan, members: Mapping[str, Member]) -> str:
    """Return the order of departure as a picture, and as Mermaid for pages that draw that.

    `members` are those of a departure that is under way: a member that was planned anew has another version.
    """
    boxes = [_box(one, members.get(one["project"])) for one in plan.details["members"]]
    drawn = [draw(boxes, "order of departure")] if len(boxes) <= LARGEST else []
    return "\n\n".join([*drawn, _mermaid(boxes)])


def _box(planned: Mapping[str, Any], member: Member | None) -> Box:
    version = member.version if member else planned["version"]
    stand = member.stand if member else Stand.BOARDED
    label = f"{planned['project']} {version}"
    return Box(planned["project"], label, planned["needs"], _COLOURS.get(stand, _RESTING))


def _mermaid(boxes: Sequence[Box]) -> str:
    names = {box.name: f"m{place}" for place, box in enumerate(boxes)}
    lines = ["graph LR"]
    for box in boxes:
        lines.append(f'  {names[box.name]}["{box.label}"]')
        lines += [f"  {names[need]} --> {names[box.name]}" for need in box.needs if need in names]
    lines += [f"  style {names[box.name]} fill:{box.fill}" for box in boxes if box.fill != _RESTING]
    return "\n".join(["```mermaid", *lines, "```"])


def as_json(members: Iterable[Member]) -> list[dict[str, Any]]:
    """Spell where members stand, for programs."""
    return [
        {
            "project": member.project,
            "version": member.version,
            "needs": list(member.needs),
            "state": member.stand.value,
            "release": member.release.id if member.release else "",
            "said": member.said,
        }
        for member in members
    ]


def _instant(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
