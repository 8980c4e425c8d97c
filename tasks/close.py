"""close: the record is complete: every intended effect has its receipt, and the chain holds."""

import shutil

from gare.domain.plan import Kind
from gare.errors import InternalError
from gare.ledger.chain import broken
from tasks.news import give_up_untold
from tasks.step import Value, Work, step_task


@step_task
def close(work: Work) -> Value:
    """Check that nothing is left open, and give the checkout's room back."""
    return finish(work)


def finish(work: Work) -> Value:
    """Do what the step does."""
    if work.plan.kind is Kind.TRAIN:
        give_up_untold(work.ledger, work.release)
    open_effects = [
        effect.target
        for effect in work.ledger.effects.of(work.release.id)
        if effect.receipt is None
    ]
    if open_effects:
        raise InternalError(f"no receipt for {', '.join(open_effects)}", where=work.release.id)
    database = work.ledger.database
    problems = list(broken(database.events(work.release.id), database.head(work.release.id)))
    if problems:
        raise InternalError(f"the ledger does not hold: {problems[0]}", where=work.release.id)
    shutil.rmtree(work.checkout.parent, ignore_errors=True)
    return {"summary": work.plan.outcome}
