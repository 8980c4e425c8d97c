"""turn: every member has arrived or failed. When one has failed, the train goes back from here."""

from gare.domain.journey import failures, turns_back
from tasks.step import Value, Work, step_task


@step_task
def turn(work: Work) -> Value:
    """Say whether the train goes back, and because of whom."""
    records = work.ledger.releases.steps(work.release.id)
    if not turns_back(work.plan, records):
        return {"summary": "nobody has failed"}
    failed = ", ".join(failures(work.plan, records))
    return {"failed": failed, "summary": f"the train goes back: {failed} failed"}
