"""merge-back: every line that needs the fix is known from now on, with what is to be done there."""

from gare.fixing import track
from tasks.step import Value, Work, step_task


@step_task
def merge_back(work: Work) -> Value:
    """Look which lines have the fix already; begin to track the others."""
    found = track(work.gare, work.release, work.plan)
    for fix in found:
        work.say(f"{fix.name} in {fix.line}: {fix.state}{f' ({fix.detail})' if fix.detail else ''}")
    owed = sorted({fix.line for fix in found if not fix.state.is_settled})
    return {
        "lines": [{"line": f.line, "commit": f.commit, "state": f.state.value} for f in found],
        "summary": f"needed by {', '.join(owed)}" if owed else "every line has it",
    }
