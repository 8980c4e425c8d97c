# ruff: noqa: E501 - tables of whole sentences
"""Events told in sentences."""

import json

import pytest

from gare.ledger.chain import GENESIS, Event, link
from gare.reports.log import LogName, log_name, of_step, sentence


def event(kind: str, actor: str = "gare", **body: object) -> Event:
    return link("R-1", 1, "2026-03-02T09:00:00+00:00", kind, actor, json.dumps(body), GENESIS)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (event("release opened", "rita", project="shop", version="1.4.0", commit="a" * 40, reason="cards"), "rita opened the release of shop 1.4.0 at aaaaaaaaaaaa (cards)"),
        (event("release waiting", waiting=["votes missing"], end=""), "the release is waiting: votes missing"),
        (event("release rolled back", waiting=[], end="1.3.0 is back"), "the release is rolled back: 1.3.0 is back"),
        (event("step started", step="build", attempt=1), "build started"),
        (event("step started", step="build", attempt=2), "build started (attempt 2)"),
        (event("step done", step="build", value={"summary": "2 artifacts"}), "build is done: 2 artifacts"),
        (event("step done", step="build", value=None), "build is done"),
        (event("step failed", step="build", error="no compiler", value=None), "build failed: no compiler"),
        (event("step repeats", step="build", error="away"), "build is tried again: away"),
        (event("command done", step="build", command=["make", "all"], seconds=1.5, log="build-1-1.log"), "build ran `make all` in 1.5 s, log build-1-1.log"),
        (event("approval asked", step="approve", manifest="sha256:0123456789abcdef"), "approve: people are asked about manifest sha256:0123456789ab…"),
        (event("vote approve", "alice", step="approve", comment=""), "alice approves approve"),
        (event("vote reject", "bob", step="approve", comment="no"), "bob rejects approve: no"),
        (event("votes void", step="approve", manifest="sha256:0123456789abcdef"), "approve: the manifest changed, the votes are void; now sha256:0123456789ab…"),
        (event("approval decided", step="approve", decision="rejected"), "approve is rejected"),
        (event("effect intended", step="publish", target="tag v1"), "publish is about to change tag v1"),
        (event("effect done", step="publish", target="tag v1", receipt={"tag": "v1"}), 'publish changed tag v1: {"tag": "v1"}'),
        (event("effect adopted", step="publish", target="tag v1", receipt={}), "publish found tag v1 as wanted: {}"),
        (event("verified good", environment="production", version="1.4.0"), "production runs 1.4.0, verified"),
        (event("gates failed", verdicts=[{"gate": "tests", "result": "failed"}, {"gate": "changes", "result": "passed"}]), "gates said no: tests"),
        (event("planned anew", version="1.5.0", commit="a" * 40, reason="R-2 took it"), "planned anew as 1.5.0 at aaaaaaaaaaaa: R-2 took it"),
        (event("planned anew", version="2026-11-24T1000", commit="", reason="api was left out", restart=True), "planned anew as 2026-11-24T1000: api was left out; its steps begin anew"),
        (event("member taken off", "bob", member="api", reason="left out by bob: next time"), "api was left out by bob: next time"),
        (event("departure resumed", "bob", reason="mended"), "bob lets the departure go on: mended"),
        (event("departure resumed", "bob", reason="", again="api"), "bob lets api be tried once more"),
        (event("of the future", thing=1), 'of the future {"thing": 1}'),
    ],
)  # fmt: skip
def test_every_event_is_told(made, said):
    assert sentence(made) == said


def test_events_of_one_step():
    events = [
        event("step started", step="build", attempt=1),
        event("release running"),
        event("step started", step="test", attempt=1),
    ]
    assert of_step(events, "test") == events[2:]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("build-1-2.log", LogName("build", 1, "2")),
        ("deploy-production-12-1.log", LogName("deploy-production", 12, "1")),
        ("build-1-sbom.log", LogName("build", 1, "sbom")),
        ("production-1.3.0-start-1795434783324.log", None),
        ("build.log", None),
    ],
)
def test_names_of_logs_are_read(name, read):
    assert log_name(name) == read
