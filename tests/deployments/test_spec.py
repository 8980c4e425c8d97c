"""Which worker a station gets."""

import pytest

from deployments import internals
from deployments.spec import StationSpec, child_env, programs


@pytest.fixture
def spec(tmp_path):
    return StationSpec("shop", tmp_path, tmp_path / ".gare")


def worker_words(spec: StationSpec) -> tuple[str, ...]:
    return next(program.words for program in programs(spec) if program.name == "worker")


@pytest.mark.skipif(bool(internals.why_not()), reason="runs cannot be forked here")
def test_runs_are_forked_unless_the_setting_says_otherwise(spec, tmp_path):
    assert worker_words(spec)[5:7] == ("--type", "warm")
    stock = StationSpec("shop", tmp_path, tmp_path / ".gare", worker="stock")
    assert worker_words(stock)[5:7] == ("--type", "process")
    assert worker_words(stock)[3:5] == worker_words(spec)[3:5]  # one pool for both


@pytest.mark.parametrize(
    ("platform", "has_fork", "engine", "reason"),
    [
        ("linux", True, "3.9.1", "Prefect is 3.9.1 and not 3.8.8"),
        ("darwin", True, "3.8.8", "forking is not possible on macOS"),
        ("win32", False, "3.8.8", "forking is not possible on Windows"),
        ("linux", True, "3.8.8", ""),
    ],
)
def test_the_stock_worker_where_runs_cannot_be_forked(platform, has_fork, engine, reason):
    assert internals.why_not(platform, has_fork=has_fork, engine=engine) == reason


def test_every_process_knows_the_catalogue_whose_flows_are_imported_ahead(spec):
    assert child_env(spec)["GARE_CATALOG"] == "deployments.catalog:CATALOG"
