"""notice: tell people that a train is about to depart, each place once."""

from datetime import datetime

from tasks.announce import tell
from tasks.step import Value, Work, step_task


@step_task
def notice(work: Work) -> Value:
    """Tell every configured place who departs, and when."""
    slot = work.plan.details["slot"]
    at = datetime.fromisoformat(slot["departs_at"])
    lines = [f"- {one['title']} {one['version']}" for one in work.plan.details["members"]]
    lines += [
        f"- left out: {one['project']} ({one['reason']})" for one in work.plan.details["left_out"]
    ]
    subject = f"{work.plan.title} departs at {at:%Y-%m-%d %H:%M} UTC"
    return tell(work, subject, "\n".join(lines) + "\n")
