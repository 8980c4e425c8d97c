"""Shows what the gates said: Markdown for the engine's page, HTML for the evidence. No Great Expectations here.

The same verdicts give the same text: no clock, no host, no path. Everything shown comes from outside and is
escaped.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from gare.domain.facts import Check, Verdict

MAX_VALUE = 160
_HIDDEN = (
    "column",
    "column_A",
    "column_B",
    "column_list",
    "severity",
    "meta",
    "notes",
    "description",
    "row_condition",
    "condition_parser",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]|~#!])")

_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1c2430}"
    "h2{margin-top:2rem}table{border-collapse:collapse;width:100%}"
    "th,td{border:1px solid #cfd6e0;padding:.35rem .6rem;text-align:left;vertical-align:top;"
    "overflow-wrap:anywhere}th{background:#f2f5f9}"
    ".passed{color:#126b36}.failed{color:#b3261e;font-weight:600}.told{color:#8a5a00}"
    ".not-applicable{color:#5b6675}ul{margin:.2rem 0;padding-left:1.1rem}"
)


def spell(value: Any, limit: int = MAX_VALUE) -> str:
    """Spell any value on one line for people: numbers plain (also numpy's), long things cut."""
    text = _CONTROL.sub(" ", _text(value))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def wanted(arguments: Mapping[str, Any]) -> str:
    """Spell an expectation's arguments, with the rows that they are about."""
    words = [
        f"{key}: {spell(value)}"
        for key, value in arguments.items()
        if key not in _HIDDEN and value is not None
    ]
    if condition := arguments.get("row_condition"):
        words.append(f"where {_condition(condition)}")
    return ", ".join(words)


def column_of(arguments: Mapping[str, Any]) -> str:
    """Name the column or columns that an expectation is about; empty for the table."""
    if "column_list" in arguments:
        return ", ".join(str(name) for name in arguments["column_list"])
    names = [arguments.get(key) for key in ("column", "column_A", "column_B")]
    return ", ".join(str(name) for name in names if name)


def to_markdown(verdicts: Sequence[Verdict]) -> str:
    """Return a summary table, and below it a table of checks for each gate."""
    head = "| gate | result | question | |\n| --- | --- | --- | --- |"
    summary = [
        _row(_cell(v.gate), _result(v), _cell(v.question), _cell(v.reason)) for v in verdicts
    ]
    return "\n".join([head, *summary, *(_details(v) for v in verdicts if v.checks)]) + "\n"


def to_html(verdicts: Sequence[Verdict], title: str = "Gates") -> str:
    """Return one whole page that needs nothing from outside and runs no script."""
    body = "\n".join(_section(verdict) for verdict in verdicts) or "<p>No gate was asked.</p>"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{_overview(verdicts)}\n{body}\n</body>\n</html>\n"
    )


def state(check: Check) -> str:
    """Say a check's answer in one word or two."""
    if check.error:
        return "could not tell"
    if check.is_met:
        return "met"
    return "not met" if check.blocks else f"not met ({check.severity})"


def _text(value: Any) -> str:
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()  # a numpy scalar: its repr is `np.float64(0.5)`
    elif hasattr(value, "tolist"):
        value = value.tolist()
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case float():
            return "nothing" if math.isnan(value) else f"{value:.10g}"
        case Mapping():
            return "{" + _joined(f"{key}: {_text(inner)}" for key, inner in value.items()) + "}"
        case list() | tuple() | set() | frozenset():
            inner = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
            return "[" + _joined(_text(one) for one in inner) + "]"
    return str(value)


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def _condition(condition: Any) -> str:
    """Spell a row condition as Great Expectations' JSON has it, or the text given."""
    if not isinstance(condition, Mapping):
        return spell(condition)
    column = condition.get("column")
    name = column.get("name") if isinstance(column, Mapping) else column
    match condition.get("type"):
        case "and" | "or" as word:
            return f" {word} ".join(_condition(one) for one in condition.get("conditions", ()))
        case "comparison":
            return f"{name} {condition.get('operator')} {spell(condition.get('parameter'))}"
        case "nullity":
            return f"{name} is {'empty' if condition.get('is_null') else 'not empty'}"
    return spell(condition)


def _details(verdict: Verdict) -> str:
    lines = [
        f"\n### {_cell(verdict.gate)}\n",
        "| check | column | wanted | observed | result |\n| --- | --- | --- | --- | --- |",
    ]
    for check in verdict.checks:
        seen = check.error or check.observed
        if check.samples:
            seen += f" ({'; '.join(check.samples[:3])}{'; …' if len(check.samples) > 3 else ''})"
        lines.append(
            _row(
                _cell(check.expectation),
                _cell(f"{check.facts}.{check.column}" if check.column else check.facts),
                _cell(check.wanted),
                _cell(seen),
                _cell(state(check)),
            )
        )
    return "\n".join(lines)


def _result(verdict: Verdict) -> str:
    return "**failed**" if verdict.result == "failed" else _cell(verdict.result)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Escape text for a Markdown table: no markup, no HTML, no new column, no new line."""
    return _MARKDOWN.sub(r"\\\1", escape(_CONTROL.sub(" ", text), quote=False)).strip()


def _overview(verdicts: Sequence[Verdict]) -> str:
    rows = "".join(
        f'<tr><td><a href="#gate-{escape(v.gate)}">{_safe(v.gate)}</a></td>'
        f'<td class="{_css(v.result)}">{_safe(v.result)}</td><td>{_safe(v.reason)}</td></tr>\n'
        for v in verdicts
    )
    return f"<table><tr><th>Gate</th><th>Verdict</th><th>Why</th></tr>\n{rows}</table>"


def _section(verdict: Verdict) -> str:
    head = (
        f'<h2 id="gate-{escape(verdict.gate)}">{_safe(verdict.gate)}: '
        f'<span class="{_css(verdict.result)}">{_safe(verdict.result)}</span></h2>\n'
        f"<p>{_safe(verdict.question)}</p>"
    )
    if not verdict.checks:
        return f"{head}\n<p>{_safe(verdict.reason)}</p>"
    columns = ("Expectation", "Table", "Column", "Wanted", "Observed", "Unexpected", "Severity", "Result")  # fmt: skip
    header = "".join(f"<th>{name}</th>" for name in columns)
    rows = "\n".join(_check_row(check) for check in verdict.checks)
    return f"{head}\n<table><tr>{header}</tr>\n{rows}\n</table>"


def _check_row(check: Check) -> str:
    said = f"<br>{_safe(check.description)}" if check.description else ""
    samples = "".join(f"<li>{_safe(sample)}</li>" for sample in check.samples)
    cells = (
        f"<code>{_safe(check.expectation)}</code>{said}",
        _safe(check.facts),
        _safe(check.column),
        _safe(check.wanted),
        _safe(check.error or check.observed),
        f"{check.unexpected}{f'<ul>{samples}</ul>' if samples else ''}",
        _safe(check.severity),
    )
    css = "passed" if check.is_met else "failed" if check.blocks else "told"
    inner = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr>{inner}<td class="{css}">{_safe(state(check))}</td></tr>'


def _css(result: str) -> str:
    return {"passed": "passed", "not applicable": "not-applicable"}.get(result, "failed")


def _safe(text: str) -> str:
    return escape(_CONTROL.sub(" ", text))
