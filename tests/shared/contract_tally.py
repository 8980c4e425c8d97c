"""Counts what was checked against the vendors' API descriptions in a test run, and prints it at its end."""

from collections.abc import Mapping
from typing import Any

import pytest

from gare.sandbox.contract import Contract

_operations: set[str] = set()
_figures = {"requests": 0, "invalid": 0}


def count(contracts: Mapping[str, Contract]) -> None:
    """Add what one sandbox has seen."""
    for name, contract in contracts.items():
        _operations.update(f"{name} {method} {path}" for method, path in contract.operations)
        _figures["requests"] += contract.requests
        _figures["invalid"] += len(contract.invalid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's figures to the process that prints (pytest-xdist)."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["contracts"] = {"operations": sorted(_operations), **_figures}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take a worker's figures."""
    told = getattr(node, "workeroutput", {}).get("contracts")
    if told:
        _operations.update(told["operations"])
        for key in _figures:
            _figures[key] += told[key]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures."""
    if _operations:
        requests, invalid = _figures["requests"], _figures["invalid"]
        terminalreporter.write_line(
            f"contracts: operations {len(_operations)}, requests {requests}, invalid {invalid}"
        )
