"""Which step would send what: told by when the requests came."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from gare.domain.plan import PlannedEffect, PlannedStep, Reversibility
from gare.domain.releases import StepRecord, StepState
from gare.rehearsal.story import step_stories
from gare.sandbox.clock import stamp
from gare.sandbox.journal import Entry

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def step(id: str, kind: str) -> PlannedStep:
    effect = PlannedEffect(f"do {id}", "there", Reversibility.REVERSIBLE)
    return PlannedStep(id, kind, id, effects=(effect,))


def record(id: str, begun: float, ended: float) -> StepRecord:
    return StepRecord(id, StepState.DONE, 1, None, "", at(begun), at(ended))


def started(id: str, seconds: float) -> SimpleNamespace:
    body = json.dumps({"step": id, "attempt": 1})
    return SimpleNamespace(kind="step started", body=body, at=at(seconds).isoformat())


def entry(method: str, path: str, seconds: float) -> Entry:
    return Entry(1, stamp(at(seconds)), "forge", method, path, (), path, {"a": 1}, 201)


def test_a_request_belongs_to_the_step_that_was_at_work():
    plan_steps = [
        step("ci", "pipeline"),
        step("build", "build"),
        step("page", "page"),
        step("migrate", "run"),
        step("ship", "deploy"),
    ]
    plan = SimpleNamespace(steps=plan_steps, step={one.id: one for one in plan_steps}.__getitem__)
    records = {
        # It looked twice: the ledger's row has the second look.
        "ci": record("ci", 8, 9),
        "build": record("build", 0.5, 20),
        "page": record("page", 21, 22),
        "migrate": record("migrate", 23, 24),
        "ship": record("ship", 25, 26),
    }
    entries = [
        entry("POST", "/pipeline", 1),
        entry("GET", "/pipelines/1", 8.5),
        entry("POST", "/releases", 21.5),
        entry("POST", "/deployments", 25.5),
        entry("POST", "/late", 30),
    ]
    events = [started("ci", 0.9), started("ci", 8), started("build", 0.5)]
    stories, unplaced = step_stories(plan, records, events, entries, {"migrate": "not rehearsed"})
    told = {story.id: [write.path for write in story.writes] for story in stories}
    assert told == {
        "ci": ["/pipeline"],
        "build": [],
        "page": ["/releases"],
        "migrate": [],
        "ship": ["/deployments"],
    }
    assert [write.path for write in unplaced] == ["/late"]
    assert {story.id: story.others for story in stories} == {
        "ci": [],
        "build": ["do build: there"],
        "page": [],
        "migrate": ["not rehearsed"],
        "ship": ["do ship: there"],
    }
    assert round(stories[0].seconds, 1) == 8.1
