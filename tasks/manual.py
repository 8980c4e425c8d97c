"""manual: something a person does and ticks off with `gare done`. Waiting for it costs no process."""

from gare.errors import InternalError
from tasks.step import Value, Work, step_task


@step_task
def manual(work: Work) -> Value:
    """Something a person ticked off; the ledger has it done, so this body is not reached."""
    raise InternalError("a manual step is done by `gare done` alone", where=work.step.id)
