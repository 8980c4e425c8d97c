"""notice: tell people that a train is about to depart, each place once."""

from datetime import datetime

from tasks.announce import tell
from tasks.leave import kept_back
from tasks.step import Value, Work, step_task


@step_task
def notice(work: Work) -> Value:
    """Tell every configured place who departs, and when; nothing of a departure that will not be."""
    return give(work)


def give(work: Work) -> Value:
    """Do what the step does. A train that has boarded anew since is told once more."""
    if refusal := kept_back(work.ledger, work.release, work.plan):
        return {"summary": f"not told: {refusal}"}
    slot = work.plan.details["slot"]
    at = datetime.fromisoformat(slot["departs_at"])
    lines = [f"- {one['title']} {one['version']}" for one in work.plan.details["members"]]
    lines += [
        f"- left out: {one['project']} ({one['reason']})" for one in work.plan.details["left_out"]
    ]
    subject = f"{work.plan.title} departs at {at:%Y-%m-%d %H:%M} UTC"
    return tell(work, subject, "\n".join(lines) + "\n", f"plan {work.release.plan[7:19]}")
