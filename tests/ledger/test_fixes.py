"""Fixes and later checks in the ledger: who said what, and that rows are what the events say."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from gare.domain.fixes import Fix, FixState
from gare.domain.releases import ReleaseState
from gare.errors import NotFound
from gare.ledger.audit import audit_ledger
from gare.ledger.effects import Absent, Effect
from gare.ledger.schema import fixes, later_checks

FIX = Fix("R-1", "shop", "1.4.1", "a" * 40, "b" * 40, "fix: total", "main", FixState.MISSING)
SKIPPED = [{"step": "deploy-staging", "later": "Bring it to staging"}]


@pytest.fixture
def hotfix(ledger, story):
    release = story.open_release(ledger)[0]
    ledger.releases.mark(release.id, ReleaseState.RELEASED, actor="gare")
    return release


def stands(ledger):
    return {fix.line: (fix.state, fix.detail, fix.changed_by) for fix in ledger.fixes.of("shop")}


def station_events(ledger):
    return [event.kind for event in ledger.database.events("station")]


def problems(ledger):
    return [str(problem) for problem in audit_ledger(ledger.database).problems]


def test_where_a_line_stands_is_written_when_it_changes(ledger, hotfix):
    ledger.fixes.note([FIX, replace(FIX, line="next")], actor="gare")
    ledger.fixes.note([FIX, replace(FIX, line="next", state=FixState.MERGED)], actor="gare")
    assert stands(ledger) == {
        "main": (FixState.MISSING, "", "gare"),
        "next": (FixState.MERGED, "", "gare"),
    }
    assert station_events(ledger).count("fix stands") == 3
    assert ledger.fixes.of("desk") == []
    assert problems(ledger) == []


def test_a_hotfix_counts_from_its_first_deployment_on_unless_it_ends_otherwise(ledger, story):
    release = story.open_release(ledger)[0]
    ledger.fixes.note([FIX], actor="gare")
    assert ledger.fixes.of("shop") == []
    ledger.effects.perform("R-1", "deploy", Effect("deploy production", {}, Absent, dict))
    for state in (ReleaseState.RUNNING, ReleaseState.FAILED):
        ledger.releases.mark(release.id, state, actor="gare")
        assert len(ledger.fixes.of("shop")) == 1
    ledger.releases.mark(release.id, ReleaseState.ROLLED_BACK, actor="gare")
    assert ledger.fixes.of("shop") == []


@pytest.mark.parametrize("state", [ReleaseState.CANCELLED, ReleaseState.EXPIRED])
def test_a_hotfix_that_was_ended_while_it_was_live_counts_until_it_goes_back(ledger, story, state):
    release = story.open_release(ledger)[0]
    ledger.fixes.note([FIX], actor="gare")
    ledger.effects.perform("R-1", "deploy", Effect("deploy production", {}, Absent, dict))
    ledger.releases.mark(release.id, state, actor="carol")
    assert len(ledger.fixes.of("shop")) == 1
    taken_back = {"environment": "production", "by": "R-2", "to": "1.3.0"}
    ledger.note("R-1", "taken back", "carol", taken_back)
    assert ledger.fixes.of("shop") == []


def test_a_hotfix_that_was_ended_before_its_last_environment_counts_no_more(ledger, story):
    plan = story.make_plan(environments=("staging", "production"))
    release = story.open_release(ledger, plan)[0]
    ledger.fixes.note([FIX], actor="gare")
    ledger.effects.perform("R-1", "deploy", Effect("deploy staging", {}, Absent, dict))
    assert len(ledger.fixes.of("shop")) == 1, "it may go on"
    ledger.releases.mark(release.id, ReleaseState.REJECTED, actor="gare")
    assert ledger.fixes.of("shop") == []


def test_one_that_was_put_back_at_once_counts_no_more(ledger, story):
    release = story.open_release(ledger)[0]
    ledger.fixes.note([FIX], actor="gare")
    for target in ("deploy production", "put back production"):
        ledger.effects.perform("R-1", "deploy", Effect(target, {}, Absent, dict))
    ledger.releases.mark(release.id, ReleaseState.CANCELLED, actor="gare")
    assert ledger.fixes.of("shop") == []


def test_a_waiver_names_its_person_and_stays(ledger, hotfix):
    ledger.fixes.note([FIX], actor="gare")
    [waived] = ledger.fixes.waive("R-1", "main", person="alice", reason="not in this line")
    assert waived.name == "aaaaaaaaaaaa (fix: total)"
    ledger.fixes.note([FIX], actor="gare")
    assert stands(ledger) == {"main": (FixState.WAIVED, "not in this line", "alice")}
    ledger.fixes.waive("R-1", "topic", person="bob", reason="an experiment")
    assert stands(ledger)["topic"] == (FixState.WAIVED, "an experiment", "bob")
    assert problems(ledger) == []


def test_what_brought_no_fix_cannot_be_waived(ledger, hotfix):
    with pytest.raises(NotFound) as caught:
        ledger.fixes.waive("R-1", "main", person="alice", reason="why not")
    assert caught.value.what == "R-1 has brought no fix."


def test_a_waiver_that_no_event_tells_is_found(ledger, hotfix):
    ledger.fixes.note([FIX], actor="gare")
    with ledger.database.write() as connection:
        connection.execute(update(fixes).values(state="waived", changed_by="mallory"))
    found = " ".join(problems(ledger))
    assert f"fixes: R-1 {'a' * 40} in main: state" in found
    assert 'it says "mallory", the events say "gare"' in found


def test_what_was_skipped_stays_open_until_somebody_checked_it(ledger, hotfix):
    for _ in range(2):
        ledger.later.owe("R-1", "shop", SKIPPED)
    [check] = ledger.later.of(is_open=True)
    assert str(check) == (
        "R-1 skipped deploy-staging: Bring it to staging (gare done R-1 deploy-staging)"
    )
    assert not ledger.later.tick_off("R-1", "test", person="alice", comment="")
    assert ledger.later.tick_off("R-1", "deploy-staging", person="alice", comment="all well")
    assert not ledger.later.tick_off("R-1", "deploy-staging", person="bob", comment="again")
    assert ledger.later.of(is_open=True) == []
    [check] = ledger.later.of("shop", release="R-1")
    assert (check.done_by, check.comment) == ("alice", "all well")
    assert station_events(ledger)[-2:] == ["check owed", "check done"]
    assert problems(ledger) == []


def test_a_check_that_nobody_made_is_found(ledger, hotfix):
    ledger.later.owe("R-1", "shop", SKIPPED)
    with ledger.database.write() as connection:
        connection.execute(update(later_checks).values(done_by="mallory"))
    assert problems(ledger) == [
        'later checks: R-1 deploy-staging: done_by: it says "mallory", the events say ""'
    ]
