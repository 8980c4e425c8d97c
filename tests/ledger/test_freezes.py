"""Freezes and overrides in the ledger: what is in force, who is woken, what the record and the audit say."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from gare.domain.releases import ReleaseState
from gare.domain.waits import Cause, Waited
from gare.errors import NotFound, Refused
from gare.ledger.audit import audit_ledger
from gare.ledger.database import spell
from gare.ledger.freezes import Spared
from gare.ledger.ledger import Ledger
from gare.ledger.replay import replay
from gare.ledger.schema import overrides

HOUR = timedelta(hours=1)
BODY = {"type": "stop", "name": "db", "reason": "the database is down"}
FRIDAY = datetime(2026, 3, 6, 23, tzinfo=UTC)
CLOSED_BY = [
    Spared("fridays", "the freeze fridays", FRIDAY),
    Spared("db", "bob stopped the line", None),
]
LATE = Spared("late", "a new one", None)
CHECK = "freezes and overrides are what the events say"


def add(ledger: Ledger, name: str = "db", **more):
    return ledger.freezes.add(name, BODY, **{"person": "bob", "until": None, **more})


def names(ledger: Ledger) -> list[str]:
    return [one.name for one in ledger.freezes.in_force()]


def waiting(ledger: Ledger, story, number: int = 1, **changes) -> str:
    """Open a release that waits without an instant to look again."""
    release, _ = story.open_release(ledger, story.make_plan(**changes), run=f"run {number}")
    ledger.releases.mark(
        release.id, ReleaseState.WAITING, actor="gare", waiting=[Waited("an opening", Cause.OTHER)]
    )
    return release.id


def is_woken(ledger: Ledger, release_id: str) -> bool:
    return ledger.releases.get(release_id).wake_at is not None


def test_what_is_added_counts_until_it_is_lifted(ledger):
    made = add(ledger)
    assert (made.name, made.body, made.made_by, made.until) == ("db", BODY, "bob", None)
    add(ledger, "other")
    assert names(ledger) == ["db", "other"]
    ledger.freezes.lift("db", person="alice", reason="it is up", wakes=lambda _: True)
    assert names(ledger) == ["other"]
    told = ledger.database.events("station")
    assert [(event.kind, event.actor) for event in told] == [
        ("freeze added", "bob"),
        ("freeze added", "bob"),
        ("freeze lifted", "alice"),
    ]


def test_what_has_an_end_counts_no_more_after_it(ledger, clock):
    add(ledger, until=clock.now + HOUR)
    assert names(ledger) == ["db"]
    clock.pass_by(HOUR)
    assert names(ledger) == []
    with pytest.raises(NotFound, match="No freeze `db` was added here, or it counts no more"):
        ledger.freezes.lift("db", person="bob", reason="", wakes=lambda _: True)
    add(ledger)  # its name is free again
    assert names(ledger) == ["db"]


def test_a_name_in_force_is_not_used_twice(ledger):
    add(ledger)
    with pytest.raises(Refused, match="There is a freeze `db` already"):
        add(ledger)
    assert len(ledger.database.events("station")) == 1


def test_lifting_wakes_the_waiting_releases_that_it_may_concern_and_adding_a_stop_wakes_nobody(
    ledger, story
):
    shop, api = waiting(ledger, story), waiting(ledger, story, 2, project="api")
    add(ledger)
    assert not is_woken(ledger, shop)
    ledger.freezes.lift("db", person="bob", reason="", wakes=lambda project: project == "shop")
    assert is_woken(ledger, shop)
    assert not is_woken(ledger, api)


def test_adding_what_opens_wakes(ledger, story):
    shop = waiting(ledger, story)
    add(ledger, wakes=lambda project: project == "shop")
    assert is_woken(ledger, shop)


def test_an_override_is_for_one_release_one_environment_and_what_was_seen(ledger, story):
    one, other = waiting(ledger, story), waiting(ledger, story, 2)
    ledger.freezes.override(one, "production", CLOSED_BY, person="alice", reason="cannot pay")
    assert ledger.freezes.overridden(one, "production") == {"fridays": FRIDAY, "db": None}
    assert ledger.freezes.overridden(one, "staging") == {}
    assert ledger.freezes.overridden(other, "production") == {}
    assert is_woken(ledger, one)
    [said] = replay(ledger.database.events(one))[0].overrides
    assert (said["what"], said["actor"]) == ("freeze overridden", "alice")
    assert said["is"] == {
        "environment": "production",
        "reason": "cannot pay",
        "freezes": {"fridays": "the freeze fridays", "db": "bob stopped the line"},
        "until": {"fridays": "2026-03-06T23:00:00.000000+00:00", "db": None},
    }


def test_a_second_override_adds_what_has_come_since(ledger, story):
    one = waiting(ledger, story)
    for seen in (CLOSED_BY, CLOSED_BY, [*CLOSED_BY, LATE]):
        ledger.freezes.override(one, "production", seen, person="alice", reason="cannot pay")
    assert ledger.freezes.overridden(one, "production").keys() == {"fridays", "db", "late"}
    said = replay(ledger.database.events(one))[0].overrides
    assert [sorted(one["is"]["freezes"]) for one in said] == [["db", "fridays"], ["late"]]


def test_what_lasts_longer_than_it_was_to_last_is_overridden_once_more(ledger, story):
    one, later = waiting(ledger, story), FRIDAY + HOUR
    for until in (FRIDAY, later):
        seen = [Spared("fridays", "the freeze fridays", until)]
        ledger.freezes.override(one, "production", seen, person="alice", reason="cannot pay")
    assert ledger.freezes.overridden(one, "production") == {"fridays": later}
    assert audit_ledger(ledger.database).is_sound


def test_a_release_that_has_ended_is_not_overridden(ledger, story):
    one = waiting(ledger, story)
    ledger.releases.mark(one, ReleaseState.CANCELLED, actor="bob", end="not now")
    with pytest.raises(Refused, match="R-1 has ended: cancelled"):
        ledger.freezes.override(one, "production", CLOSED_BY, person="alice", reason="why")
    assert ledger.freezes.overridden(one, "production") == {}


@pytest.fixture
def told(ledger, story) -> Ledger:
    """A ledger with a freeze in force, one that was lifted, and an override."""
    one = waiting(ledger, story)
    add(ledger)
    add(ledger, "gone")
    ledger.freezes.lift("gone", person="bob", reason="", wakes=lambda _: False)
    ledger.freezes.override(one, "production", CLOSED_BY, person="alice", reason="cannot pay")
    return ledger


def test_the_audit_finds_nothing_in_an_untouched_ledger(told):
    assert audit_ledger(told.database).is_sound


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE freezes SET lifted_at = made_at WHERE name = 'db'", "freezes: 1: lifted_at"),
        ("UPDATE freezes SET lifted_at = NULL WHERE name = 'gone'", "freezes: 2: lifted_at"),
        ("UPDATE freezes SET body = '{}' WHERE name = 'db'", "freezes: 1: body: name"),
        ("DELETE FROM freezes WHERE name = 'db'", "freezes: 1"),
        (
            "UPDATE overrides SET reason = 'none' WHERE name = 'db'",
            "overrides: R-1, production, db: reason",
        ),
        (
            "UPDATE overrides SET until = NULL WHERE name = 'fridays'",
            "overrides: R-1, production, fridays: until",
        ),
        ("DELETE FROM overrides WHERE name = 'db'", "overrides: R-1, production, db"),
    ],
)
def test_the_audit_names_a_row_that_was_changed(told, change, problem):
    with told.database.write() as connection:
        connection.execute(text(change))
    report = audit_ledger(told.database)
    assert report.checks[CHECK] > 0
    assert str(report.problems[0]).startswith(f"{problem}: ")


def test_the_audit_names_an_override_that_no_event_tells(told):
    row = {"release": 1, "environment": "production", "name": "x", "person": "eve", "reason": ""}
    with told.database.write() as connection:
        connection.execute(insert(overrides).values(**row, at="2026-01-01T00:00:00+00:00"))
    [problem] = audit_ledger(told.database).problems
    assert str(problem) == "overrides: R-1, production, x: it does not belong there"


def test_an_override_of_before_form_0005_stays_in_the_record(ledger, story):
    one = waiting(ledger, story)
    with ledger.database.write() as connection:
        now = ledger.now()
        body = {"environment": "production", "reason": "why", "freezes": {"fridays": "the freeze"}}
        ledger.database.append(connection, one, "freeze overridden", "alice", body, at=now)
        row = {"release": 1, "environment": "production", "name": "fridays", "person": "alice"}
        connection.execute(insert(overrides).values(**row, reason="why", at=spell(now)))
    assert audit_ledger(ledger.database).is_sound
    assert ledger.freezes.overridden(one, "production") == {"fridays": None}
