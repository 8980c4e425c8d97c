"""What people read in the log of a run."""

import logging

import pytest

from flows.run_log import listen


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ("Finished in state Suspended(type=PAUSED)", logging.INFO),
        ("Finished in state Failed('step build failed')", logging.ERROR),
    ],
)
def test_a_wait_is_no_error(said, level):
    listen()
    shown = list[logging.LogRecord]()
    handler = logging.Handler()
    handler.emit = shown.append
    logger = logging.getLogger("prefect.flow_runs")
    logger.addHandler(handler)
    logger.log(logging.ERROR, msg=said)
    logger.removeHandler(handler)
    assert [record.levelno for record in shown] == [level]
