"""Asks the gates with Great Expectations. The only importer of great_expectations and pandas in Gare.

Both are imported inside functions: together they cost seconds. An answer is translated at once into Gare's own
words (`gare.domain.facts`) and shown on a page of ours. Great Expectations 1.24 cannot store a result that holds
numpy 2's bool (quantiles), and its Data Docs fetch styles and scripts from seven
other hosts and hold the time of the run.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from gare.domain.facts import Check, Facts, Verdict
from gare.errors import ConfigError
from gare.gates.answers import SAMPLES, translate, untold
from gare.gates.names import EXPECTATIONS, KEPT_BACK, nearest
from gare.gates.report import to_html
from gare.gates.spec import GateSpec
from gare.gates.tables import NEVER_EMPTY, SOURCES

RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": SAMPLES}
PAGE = "gates.html"
_INDEX = "gare_index"
_SILENT = LookupError("Great Expectations gave no answer")

# Great Expectations keeps a current context per process, and steps run in threads.
_LOCK = threading.Lock()

# A context keeps every suite it ran. Starting a new one now and then is cheaper than deleting each.
_MAX_SUITES = 400


@dataclass(frozen=True, slots=True)
class _Engine:
    """A context in memory, the batch definition that any frame is given to, and numbers for names."""

    context: Any
    batch: Any
    numbers: Iterator[int]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the gates said, and the pages that show it."""

    verdicts: tuple[Verdict, ...]
    pages: tuple[Path, ...]

    @property
    def has_passed(self) -> bool:
        """Whether every gate lets the release go on."""
        return all(verdict.has_passed for verdict in self.verdicts)


def evaluate(
    gates: Sequence[GateSpec], tables: Mapping[str, Facts], docs_folder: Path
) -> Evaluation:
    """Ask every gate and write `gates.html` into `docs_folder`, which is made when absent.

    Asking twice gives the same page, byte for byte. Raises ConfigError for an expectation or an argument that
    Great Expectations does not know; anything else that goes wrong makes its gate fail with an error.
    """
    with _LOCK:
        suites = [_expectations(gate) for gate in gates]
        frames = _frames(gates, tables)
        verdicts = tuple(
            _ask(gate, parts, tables, frames) for gate, parts in zip(gates, suites, strict=True)
        )
        # Without a gate to ask nothing is imported: Great Expectations takes seconds.
        if gates and next(_engine().numbers) > _MAX_SUITES:
            _engine.cache_clear()
    docs_folder.mkdir(parents=True, exist_ok=True)
    page = docs_folder / PAGE
    page.write_text(to_html(verdicts), encoding="utf-8", newline="\n")
    return Evaluation(verdicts, (page,))


def _ask(
    gate: GateSpec, parts: list[list[Any]], tables: Mapping[str, Facts], frames: Mapping[str, Any]
) -> Verdict:
    names = ", ".join(ask["facts"] for ask in gate["asks"])
    if gate["not_applicable"]:
        return Verdict(
            gate["name"],
            names,
            "not applicable",
            (),
            gate["not_applicable"],
            gate["question"],
        )
    checks: list[Check] = []
    for ask, expectations in zip(gate["asks"], parts, strict=True):
        facts = tables.get(ask["facts"])
        if reason := _untellable(ask["facts"], facts):
            checks.append(untold(ask["facts"], reason))
        elif facts is not None:
            answers = _run(expectations, frames[ask["facts"]])
            checks += [
                translate(entry, answers.get(index, _SILENT), facts)
                for index, entry in enumerate(ask["expectations"])
            ]
    result = "failed" if not checks or any(check.blocks for check in checks) else "passed"
    return Verdict(gate["name"], names, result, tuple(checks), _reason(checks), gate["question"])


def _untellable(name: str, facts: Facts | None) -> str:
    if facts is None:
        return f"could not tell: there is no table `{name}`. {SOURCES.get(name, '')}"
    if not facts.rows and name in NEVER_EMPTY:
        return f"could not tell: the table `{name}` is empty. {SOURCES.get(name, '')}"
    return ""


def _reason(checks: Sequence[Check]) -> str:
    if not checks:
        return "could not tell: nothing was asked."
    bad = [check for check in checks if check.blocks]
    told = sum(not check.is_met for check in checks) - len(bad)
    words = [_said(check) for check in bad[:1]]
    if len(bad) > 1:
        words.append(f"{len(bad) - 1} more of {len(checks)} checks failed")
    if told:
        words.append(f"{told} of {len(checks)} checks told as warning or info")
    return "; ".join(words)


def _said(check: Check) -> str:
    if check.error:
        return check.error.rstrip(".")
    place = f"{check.facts}.{check.column}" if check.column else check.facts
    limits = f" (wanted {check.wanted})" if check.wanted else ""
    return f"{place}: {check.observed}{limits}"


def _expectations(gate: GateSpec) -> list[list[Any]]:
    """Return Great Expectations' objects for each ask of a gate. Raises ConfigError."""
    if gate["not_applicable"]:
        return [[] for _ in gate["asks"]]
    return [
        [
            _expectation(gate["name"], index, *next(iter(entry.items())))
            for index, entry in enumerate(ask["expectations"])
        ]
        for ask in gate["asks"]
    ]


def _expectation(gate: str, index: int, name: str, arguments: Mapping[str, Any]) -> Any:
    _engine()
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    where = f"gate `{gate}`, `{name}`"
    try:
        kind = get_expectation_impl(name)
    except ExpectationNotFoundError as error:
        raise ConfigError(
            f"Great Expectations has no `{name}`: {nearest(name, EXPECTATIONS)}", where=where
        ) from error
    meta = {**(arguments.get("meta") or {}), _INDEX: index}
    try:
        built = kind(**{**arguments, "meta": meta})
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"Great Expectations refuses an argument: {_refusal(error)}.",
            where=where,
            hint=f"Arguments are {', '.join(f'`{key}`' for key in _argument_names(kind))}.",
        ) from error
    if built.suite_parameter_options:
        raise ConfigError(
            "A `$PARAMETER` has no value here.", where=where, hint="Write the value itself."
        )
    return built


def _argument_names(kind: Any) -> list[str]:
    return [name for name in kind.__fields__ if name not in (*KEPT_BACK, "meta", "notes")]


def _refusal(error: Exception) -> str:
    """Say the first finding per argument of pydantic's old kind of error."""
    findings: dict[str, str] = {}
    for one in error.errors() if hasattr(error, "errors") else ():
        key = ".".join(str(part) for part in one["loc"] if part != "__root__")
        findings.setdefault(key, str(one["msg"]))
    told = [f"`{key}`: {said}" if key else said for key, said in findings.items()]
    return "; ".join(told).replace("extra fields not permitted", "there is no such argument") or str(error)  # fmt: skip


@lru_cache(maxsize=1)
def _engine() -> _Engine:
    """Return the process's engine; the first call imports for seconds."""
    # It has posted usage data home in some versions, and it draws progress bars on stderr.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    import great_expectations.expectations.core  # fills its registry of names
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("gare").add_dataframe_asset("facts")
    return _Engine(context, asset.add_batch_definition_whole_dataframe("all"), count())


def _frames(gates: Sequence[GateSpec], tables: Mapping[str, Facts]) -> dict[str, Any]:
    """Return a pandas frame for every table that is asked about, made once."""
    names = {
        ask["facts"] for gate in gates if not gate["not_applicable"] for ask in gate["asks"]
    } & tables.keys()
    if not names:
        return {}
    import pandas as pd  # type: ignore[import-untyped]

    frames = {}
    for name in sorted(names):
        facts = tables[name]
        columns = {column: [row.get(column) for row in facts.rows] for column in facts.columns}
        frames[name] = pd.DataFrame(columns, columns=list(facts.columns))
    return frames


def _run(expectations: list[Any], frame: Any) -> dict[int, Any]:
    """Return a result, or the exception that came instead, for each expectation's index.

    One run for all; when Great Expectations gives up as a whole, each by itself, so that only the culprits fail.
    """
    try:
        results = _validate(expectations, frame)
    except Exception as error:  # noqa: BLE001 (whatever it raises is "could not tell")
        if len(expectations) == 1:
            return {expectations[0].meta[_INDEX]: error}
        parts = [_run([one], frame) for one in expectations]
        return {index: answer for part in parts for index, answer in part.items()}
    return {result.expectation_config.meta[_INDEX]: result for result in results}


def _validate(expectations: list[Any], frame: Any) -> list[Any]:
    import great_expectations as gx

    engine = _engine()
    name = f"gate-{next(engine.numbers)}"
    suite = gx.ExpectationSuite(name=name, expectations=expectations)
    # Straight on the batch: a validation definition would be stored, compared and thrown away each time.
    batch = engine.batch.get_batch(batch_parameters={"dataframe": frame})
    results: list[Any] = batch.validate(suite, result_format=RESULT_FORMAT).results
    return results
