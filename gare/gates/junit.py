"""Reads JUnit XML as pytest, Surefire, Gradle, GoogleTest, CTest, PHPUnit and jest-junit write it."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gare.gates.markup import WrongReport, read

MAX_CASES = 1_000_000
_MAX_NAME = 300
_CHILDREN = {"failure": "failed", "error": "error", "skipped": "skipped"}
# GoogleTest and CTest say it in an attribute, not always in a child.
_STATUS = {
    "fail": "failed",
    "failed": "failed",
    "failure": "failed",
    "error": "error",
    "skipped": "skipped",
    "ignored": "skipped",
    "pending": "skipped",
    "notrun": "skipped",
    "disabled": "skipped",
    "suppressed": "skipped",
}
_RANK = {"passed": 0, "skipped": 1, "failed": 2, "error": 3}


def read_cases(report: Path) -> list[dict[str, Any]]:
    """Return one row per test case: suite, classname, name, status, seconds.

    A problem that a report tells of a whole suite becomes a row of its own. Raises StepFailed.
    """
    handler = _Cases()
    read(report, "JUnit", handler)
    return handler.rows


def seconds(text: str) -> float:
    """Read a duration: `1.5`, `0,25` (a locale's comma), `1,234.5` (thousands); 0 for what is no number."""
    text = text.strip().replace("\u202f", "").replace("\xa0", "")
    if "," in text and "." in text:
        thousands = "," if text.rindex(".") > text.rindex(",") else "."
        text = text.replace(thousands, "").replace(",", ".")
    elif text.count(",") == 1:
        text = text.replace(",", ".")
    else:
        text = text.replace(",", "")
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and value >= 0 else 0.0


class _Cases:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._suites: list[dict[str, Any]] = []
        self._case: dict[str, Any] | None = None
        self._inside = 0

    def start(self, tag: str, attributes: Mapping[str, str], depth: int) -> None:
        if depth == 1 and tag not in ("testsuites", "testsuite"):
            raise WrongReport(
                f"starts with <{tag}> and is no JUnit report",
                "JUnit XML starts with <testsuites> or <testsuite>: "
                "let the test tool write that format (pytest: `--junitxml=FILE`).",
            )
        if self._case is not None:
            self._inside += 1
            if self._inside == 1 and tag in _CHILDREN:
                self._worsen(self._case, _CHILDREN[tag])
        elif tag in ("testsuites", "testsuite"):
            self._open_suite(attributes)
        elif tag == "testcase":
            self._case = self._row(attributes)
        elif tag in ("failure", "error") and self._suites:
            self._suites[-1]["own"] = _CHILDREN[tag]

    def end(self, tag: str) -> None:
        if self._case is not None:
            if self._inside:
                self._inside -= 1
                return
            self._keep(self._case)
            self._case = None
        elif tag in ("testsuites", "testsuite"):
            self._close_suite()

    def _open_suite(self, attributes: Mapping[str, str]) -> None:
        counts = {key: seconds(attributes.get(key, "")) for key in ("failures", "errors")}
        name = _name(attributes, "name")
        self._suites.append({"name": name, "own": "", "bad": 0, **counts})

    def _close_suite(self) -> None:
        """Tell of a suite that says it failed but lists no test that did."""
        suite = self._suites[-1]
        status = suite["own"] or ("error" if suite["errors"] else "failed")
        if not suite["bad"] and (suite["own"] or suite["errors"] or suite["failures"]):
            self._keep(self._row({"name": "(the suite itself)"}) | {"status": status})
        bad = self._suites.pop()["bad"]
        if self._suites:
            self._suites[-1]["bad"] += bad

    def _row(self, attributes: Mapping[str, str]) -> dict[str, Any]:
        row = {
            "suite": next((suite["name"] for suite in reversed(self._suites) if suite["name"]), ""),
            "classname": _name(attributes, "classname", "class"),
            "name": _name(attributes, "name"),
            "status": "passed",
            "seconds": seconds(attributes.get("time", "")),
        }
        for key in ("status", "result"):
            self._worsen(row, _STATUS.get(attributes.get(key, "").lower(), "passed"))
        return row

    def _keep(self, row: dict[str, Any]) -> None:
        if len(self.rows) >= MAX_CASES:
            raise WrongReport(
                f"holds more than {MAX_CASES:,} test cases", "Write several smaller reports."
            )
        self.rows.append(row)
        if self._suites and row["status"] in ("failed", "error"):
            self._suites[-1]["bad"] += 1

    @staticmethod
    def _worsen(row: dict[str, Any], status: str) -> None:
        if _RANK[status] > _RANK[row["status"]]:
            row["status"] = status


def _name(attributes: Mapping[str, str], *keys: str) -> str:
    return next((attributes[key][:_MAX_NAME] for key in keys if attributes.get(key)), "")
