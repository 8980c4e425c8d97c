"""Measures what Gare adds to Great Expectations: whole `evaluate` against the bare runs of the same suites.

Ours does everything a release does: frames from facts, expectations from the plan's JSON, the runs, the verdicts
and the page. The yardstick is `ValidationDefinition.run` alone, prepared beforehand, on the same suites and frames.
"""

import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import great_expectations as gx
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from bench.measure import compare, medians
from gare.domain.artifacts import Artifact
from gare.domain.facts import Facts
from gare.domain.plan import PlannedCommit
from gare.gates import evaluate as ours
from gare.gates import tables
from gare.gates.registry import resolve

ROUNDS = 41
GOAL = 1.1


def facts(commits: int = 300, cases: int = 500) -> dict[str, Facts]:
    """Make the tables of a release of usual size, in which everything holds."""
    history = [
        PlannedCommit(
            sha=f"{n:040x}",
            subject=f"change number {n}",
            kind="feat",
            scope="api",
            is_breaking=False,
            tickets=(f"SHOP-{n}",),
            author_name="A",
            author_email="a@b.example",
            date="2026-01-01T00:00:00Z",
        )
        for n in range(commits)
    ]
    rows = [
        {"suite": "s", "classname": "c", "name": f"t{n}", "status": "passed", "seconds": 0.1}
        for n in range(cases)
    ]
    totals = dict.fromkeys(tables.COLUMNS["test_totals"], 0) | {"total": cases, "executed": cases}
    made = [
        tables.changes(history),
        Facts("tests", tables.COLUMNS["tests"], rows),
        Facts("test_totals", tables.COLUMNS["test_totals"], [totals]),
        tables.artifacts([Artifact(f"f{n}.whl", 10, "a" * 64, "wheel") for n in range(5)]),
    ]
    return {table.name: table for table in made}


def main() -> int:
    """Print the one line of this measurement; 1 when the goal is missed."""
    gates, known = resolve(None), facts()
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("raw").add_dataframe_asset("raw")
    batch = asset.add_batch_definition_whole_dataframe("all")
    frames = ours._frames(gates, known)
    prepared = []
    for gate in gates:
        for ask, built in zip(gate["asks"], ours._expectations(gate), strict=True):
            name = f"{gate['name']}-{ask['facts']}"
            suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=built))
            definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
            prepared.append((context.validation_definitions.add(definition), frames[ask["facts"]]))

    def yardstick() -> float:
        started = time.perf_counter()
        for definition, frame in prepared:
            definition.run(batch_parameters={"dataframe": frame}, result_format=ours.RESULT_FORMAT)
        return time.perf_counter() - started

    with tempfile.TemporaryDirectory() as folder:

        def evaluation() -> float:
            started = time.perf_counter()
            ours.evaluate(gates, known, Path(folder))
            return time.perf_counter() - started

        found = medians({"ours": evaluation, "yardstick": yardstick}, ROUNDS, warm_up=3)
    return 0 if compare("gate", found["ours"], found["yardstick"], GOAL) else 1


if __name__ == "__main__":
    raise SystemExit(main())
