"""Reads Cobertura coverage XML as coverage.py, gcovr, PHPUnit, Istanbul and Cobertura itself write it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gare.gates.markup import WrongReport, read

_BRANCHES = re.compile(r"\((\d+)\s*/\s*(\d+)\)")
_COUNTS = ("lines-valid", "lines-covered", "branches-valid", "branches-covered")


@dataclass(slots=True)
class _File:
    """Lines of one file: number -> reached; branches: number -> (reached, all)."""

    lines: dict[int, bool] = field(default_factory=dict)
    branches: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Coverage:
    """What several reports say together. A line counts once per file, reached when any report says so."""

    files: dict[str, _File] = field(default_factory=dict)
    stated: list[dict[str, int]] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per file, by path."""
        return [{"path": path, **_lines([self.files[path]])} for path in sorted(self.files)]

    def total(self) -> dict[str, Any]:
        """Return the sums and rates; a rate is None when there is nothing to measure."""
        if not any(file.lines for file in self.files.values()):
            return self._stated_total()
        files = self.files.values()
        branches = [pair for file in files for pair in file.branches.values()]
        covered, valid = sum(pair[0] for pair in branches), sum(pair[1] for pair in branches)
        return {
            **_lines(files),
            "branches_valid": valid,
            "branches_covered": covered,
            "branch_rate": _rate(covered, valid),
        }

    def _stated_total(self) -> dict[str, Any]:
        """Believe the reports' own sums when they list no single line."""
        sums = {key: sum(one[key] for one in self.stated) for key in _COUNTS}
        lines, branches = sums["lines-valid"], sums["branches-valid"]
        return {
            "lines_valid": lines,
            "lines_covered": sums["lines-covered"],
            "line_rate": _rate(sums["lines-covered"], lines),
            "branches_valid": branches,
            "branches_covered": sums["branches-covered"],
            "branch_rate": _rate(sums["branches-covered"], branches),
        }


def read_coverage(reports: Iterable[Path]) -> Coverage:
    """Read and merge reports. Raises StepFailed naming the one that cannot be read."""
    merged = Coverage()
    for report in reports:
        read(report, "Cobertura", _Report(merged))
    return merged


class _Report:
    def __init__(self, into: Coverage) -> None:
        self._into = into
        self._file: _File | None = None

    def start(self, tag: str, attributes: Mapping[str, str], depth: int) -> None:
        if depth == 1:
            self._check_root(tag, attributes)
            self._into.stated.append({key: _int(attributes.get(key, "")) for key in _COUNTS})
        elif tag == "class":
            path = attributes.get("filename", "").replace("\\", "/") or attributes.get("name", "?")
            self._file = self._into.files.setdefault(path, _File())
        elif tag == "line" and self._file is not None:
            self._line(self._file, attributes)

    def end(self, tag: str) -> None:
        if tag == "class":
            self._file = None

    @staticmethod
    def _check_root(tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "report":
            raise WrongReport(
                "starts with <report>, as JaCoCo's own format does, and is no Cobertura report",
                "Convert it (for example with `cover2cover`) or let the tool write Cobertura.",
            )
        if tag == "coverage" and "generated" in attributes and "line-rate" not in attributes:
            raise WrongReport(
                "is in Clover format and is no Cobertura report",
                "Let the tool write Cobertura (PHPUnit: `--coverage-cobertura FILE`).",
            )
        if tag != "coverage":
            raise WrongReport(
                f"starts with <{tag}> and is no Cobertura report",
                "Cobertura XML starts with <coverage>: let the tool write that format "
                "(coverage.py: `coverage xml`).",
            )

    @staticmethod
    def _line(file: _File, attributes: Mapping[str, str]) -> None:
        number = _int(attributes.get("number", ""))
        file.lines[number] = file.lines.get(number, False) or _int(attributes.get("hits", "")) > 0
        if found := _BRANCHES.search(attributes.get("condition-coverage", "")):
            covered, valid = int(found[1]), int(found[2])
            before = file.branches.get(number, (0, 0))
            file.branches[number] = (max(before[0], covered), max(before[1], valid))


def _lines(files: Iterable[_File]) -> dict[str, Any]:
    marks = [reached for file in files for reached in file.lines.values()]
    covered = sum(marks)
    return {
        "lines_valid": len(marks),
        "lines_covered": covered,
        "line_rate": _rate(covered, len(marks)),
    }


def _rate(covered: int, valid: int) -> float | None:
    return round(covered / valid, 6) if valid else None


def _int(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
