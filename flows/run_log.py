"""The log of a run: what Gare's library says (waits for a vendor, its requests) goes there; a wait is no error."""

import logging

from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

LIBRARY = "gare"
_RUNS = "prefect.flow_runs"
_SUSPENDED = "Finished in state Suspended"


class _RunLog(logging.Handler):
    """Hands records on to the logger of the run or step whose thread they come from."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the run; what no run has asked for is told by nobody."""
        try:
            get_run_logger().log(record.levelno, "%s", record.getMessage())
        except MissingContextError:
            return


def _calm(record: logging.LogRecord) -> bool:
    """Tell a suspension as what it is: Prefect (3.8, flow_engine.py) logs every end but Completed as an error."""
    if record.levelno == logging.ERROR and str(record.msg).startswith(_SUSPENDED):
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def listen() -> None:
    """Let runs hear the library, at Prefect's own level (PREFECT_LOGGING_LEVEL). Once a process."""
    logging.getLogger(_RUNS).addFilter(_calm)
    library = logging.getLogger(LIBRARY)
    library.setLevel(get_logger().getEffectiveLevel())
    if not any(isinstance(handler, _RunLog) for handler in library.handlers):
        library.addHandler(_RunLog())
        library.propagate = False  # the run's logger shows it on the console already
