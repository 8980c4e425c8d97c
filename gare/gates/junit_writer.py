"""Writes test cases as JUnit XML: what another system reported is then read like a report of the project's own."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no spelling for."""
_CHILD = {"failed": "<failure/>", "error": "<error/>", "skipped": "<skipped/>"}


def write_report(file: Path, cases: Iterable[Mapping[str, Any]]) -> None:
    """Write rows of suite, classname, name, status and seconds as one report."""
    suites: dict[str, list[str]] = {}
    for case in cases:
        suites.setdefault(case["suite"], []).append(_case(case))
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<testsuites>"]
    for suite, rows in suites.items():
        lines += [f"<testsuite name={_quoted(suite)}>", *rows, "</testsuite>"]
    file.write_text("\n".join([*lines, "</testsuites>", ""]), encoding="utf-8")


def _case(case: Mapping[str, Any]) -> str:
    said = f"classname={_quoted(case['classname'])} name={_quoted(case['name'])}"
    child = _CHILD.get(case["status"], "")
    return f'<testcase {said} time="{case["seconds"]:.3f}">{child}</testcase>'


def _quoted(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("", text))
