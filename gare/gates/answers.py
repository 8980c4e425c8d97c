"""Translates an answer of Great Expectations into Gare's words. Imports neither it nor pandas.

Its results hold numpy values whose spelling is for programmers (`np.float64(0.5)`), rows by number, and errors
inside dictionaries of two shapes.
"""

from collections.abc import Mapping
from typing import Any

from gare.domain.facts import Check, Facts
from gare.gates.report import column_of, spell, wanted
from gare.gates.spec import Expectation
from gare.gates.tables import IDENTITY

SAMPLES = 20
_MAX_ERROR = 500


def translate(entry: Expectation, answer: Any, facts: Facts) -> Check:
    """Return the check that `entry` became; `answer` is its validation result or the exception it raised."""
    ((name, arguments),) = entry.items()
    error = _error(answer)
    result: Mapping[str, Any] = {} if error else answer.result
    return Check(
        expectation=name,
        column=column_of(arguments),
        is_met=not error and bool(answer.success),
        severity=str(arguments.get("severity", "critical")),
        observed="" if error else _observed(result),
        wanted=wanted(arguments),
        unexpected=int(result.get("unexpected_count") or 0),
        error=error,
        samples=_samples(result, facts),
        facts=facts.name,
        description=str(arguments.get("description") or ""),
    )


def untold(facts: str, reason: str) -> Check:
    """Return the check of a table that cannot be asked."""
    return Check(
        expectation="facts are there",
        column="",
        is_met=False,
        severity="critical",
        observed="",
        wanted="",
        error=reason,
        facts=facts,
    )


def _error(answer: Any) -> str:
    if isinstance(answer, Exception):
        return f"could not tell: {spell(str(answer), _MAX_ERROR)}"
    info = answer.exception_info or {}
    parts = [info] if "raised_exception" in info else list(info.values())
    messages = [
        str(part.get("exception_message") or "Great Expectations gives no reason")
        for part in parts
        if isinstance(part, Mapping) and part.get("raised_exception")
    ]
    return f"could not tell: {spell(messages[0].strip(), _MAX_ERROR)}" if messages else ""


def _observed(result: Mapping[str, Any]) -> str:
    """Spell what was seen: a value, or how many rows were not as wanted."""
    if (value := result.get("observed_value")) is not None:
        return spell(value)
    if "element_count" in result:
        empty = int(result.get("missing_count") or 0)
        count_ = int(result.get("unexpected_count") or 0)
        words = f"{count_} of {int(result['element_count'])} rows are not as wanted"
        return f"{words}, {empty} empty" if empty else words
    if others := result.get("partial_unexpected_list"):
        return f"also {spell(others)}"
    details = result.get("details")
    return spell(details) if details else "nothing"


def _samples(result: Mapping[str, Any], facts: Facts) -> tuple[str, ...]:
    """Name the first rows that were not as wanted, with their value."""
    values = list(result.get("partial_unexpected_list") or ())[:SAMPLES]
    places = list(result.get("partial_unexpected_index_list") or ())[:SAMPLES]
    if len(places) != len(values):
        return tuple(spell(value) for value in values)
    return tuple(
        f"{_label(facts, int(place))}: {spell(value)}".removeprefix(": ")
        for place, value in zip(places, values, strict=True)
    )


def _label(facts: Facts, place: int) -> str:
    row = facts.rows[place] if 0 <= place < len(facts.rows) else {}
    parts = [str(row.get(column, "")) for column in IDENTITY.get(facts.name, ())]
    if facts.name == "changes" and parts:
        parts[0] = parts[0][:10]
    return spell(" ".join(part for part in parts if part), 120) if any(parts) else ""
