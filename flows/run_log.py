"""What Gare's library logs (waits for a vendor, its requests) goes to the log of the run that it is done for."""

import logging

from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

LIBRARY = "gare"


class _RunLog(logging.Handler):
    """Hands records on to the logger of the run or step whose thread they come from."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the run; what no run has asked for is told by nobody."""
        try:
            get_run_logger().log(record.levelno, "%s", record.getMessage())
        except MissingContextError:
            return


def listen() -> None:
    """Let runs hear the library, at Prefect's own level (PREFECT_LOGGING_LEVEL). Once a process."""
    library = logging.getLogger(LIBRARY)
    library.setLevel(get_logger().getEffectiveLevel())
    if not any(isinstance(handler, _RunLog) for handler in library.handlers):
        library.addHandler(_RunLog())
        library.propagate = False  # the run's logger shows it on the console already
