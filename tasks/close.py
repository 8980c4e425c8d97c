"""close: the record is complete: every intended effect has its receipt, the chain holds, owed fixes are looked at."""

import shutil

from gare.domain.plan import Kind
from gare.errors import GareError, InternalError, LedgerAway
from gare.fixing import look_again
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
    _look_at_fixes(work)
    return {"summary": work.plan.outcome}


def _look_at_fixes(work: Work) -> None:
    """Look once more where lines stand that owe a fix: this release may have brought it, and is no line itself."""
    known = work.ledger.fixes.of(work.plan.project)
    if all(fix.state.is_settled for fix in known):
        return
    try:
        look_again(work.gare, work.plan.project)
    except LedgerAway:
        raise
    except GareError as error:
        # What is out is out; `gare fixes` looks at any time.
        work.say(f"Where lines stand towards fixes could not be looked at: {error}")
