"""approve: write down what people decided. The waiting before it costs no process (`tasks.waiting`)."""

from gare.domain.approvals import Decision
from gare.domain.releases import ReleaseState
from gare.errors import InternalError
from tasks.step import Value, Work, step_task

ENDS = {Decision.REJECTED: ReleaseState.REJECTED, Decision.EXPIRED: ReleaseState.EXPIRED}


@step_task
def approve(work: Work) -> Value:
    """People's decision about one environment, as the ledger's votes have it."""
    rule = next(rule for rule in work.plan.approvals if rule.step == work.step.id)
    standing = work.ledger.approvals.standing(work.release.id, rule)
    if standing.decision is Decision.PENDING:
        raise InternalError("approve was started before people decided", where=work.step.id)
    work.ledger.approvals.close(work.release.id, work.step.id, standing.decision)
    votes = work.ledger.approvals.votes(work.release.id, work.step.id)
    for vote in votes:
        work.say(f"{vote.person}: {vote.answer} {vote.comment}".rstrip())
    summary = f"{work.step.environment}: {standing}"
    if standing.decision in ENDS:
        work.ledger.releases.mark(
            work.release.id, ENDS[standing.decision], actor="gare", end=summary
        )
    return {
        "decision": standing.decision.value,
        "approvers": list(standing.approvers),
        "summary": summary,
    }
