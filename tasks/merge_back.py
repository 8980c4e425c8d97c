"""merge-back: the fix goes back into every line that needs it: by a merge request, or tracked until somebody did it."""

from gare.fixing import track
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ports.merge_requests import MergeRequest
from tasks.deploy import owe_checks
from tasks.step import Value, Work, step_task


@step_task
def merge_back(work: Work) -> Value:
    """Open the planned merge requests, and track from now on which lines have the fix, and what was skipped."""
    for line in work.step.settings["proposed"]:
        receipt = work.ledger.effects.perform(
            work.release.id, work.step.id, merge_request_effect(work, line)
        )
        work.show_link(str(receipt["url"]), f"Merge request into {line}")
    owe_checks(work)
    found = track(work.gare, work.release, work.plan)
    for fix in found:
        work.say(f"{fix.name} in {fix.line}: {fix.state}{f' ({fix.detail})' if fix.detail else ''}")
    source = work.gare.source(work.plan)
    if any(tag.commit == work.plan.commit for tag in source.tags()):
        source.picks.let_go(work.plan.commit)
    needed = sorted({fix.line for fix in found if not fix.state.is_settled})
    return {
        "lines": [{"line": f.line, "commit": f.commit, "state": f.state.value} for f in found],
        "summary": f"needed by {', '.join(needed)}" if needed else "every line has it",
    }


def merge_request_effect(work: Work, line: str) -> Effect:
    """Return the merge request of the hotfix's branch into a line; one that is there already is as wanted."""
    branch, plan = str(work.step.settings["branch"]), work.plan
    hosted = work.gare.hosting.at(work.step.settings["gitlab"]).merge_requests

    def look() -> Look:
        found = hosted.find(branch, line)
        return AsWanted(_receipt(found)) if found else Absent()

    def act() -> Receipt:
        picks = "\n".join(
            f"- {pick['subject']} ({pick['commit']})" for pick in plan.details["picks"]
        )
        title = f"{plan.title} {plan.version}: bring the fix into {line}"
        text = f"Hotfix {work.release.id} has released {plan.version} with:\n\n{picks}\n"
        return _receipt(hosted.open(branch, line, title, text))

    return Effect(f"merge request {branch} into {line}", {"commit": plan.commit}, look, act)


def _receipt(found: MergeRequest) -> Receipt:
    return {"number": found.number, "url": found.url}
