"""What was verified good where, and where automation is on hold: rows, events, and who is woken."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState
from gare.domain.standing import good_versions
from gare.domain.waits import Cause, Waited
from gare.errors import NotFound
from gare.ledger.audit import audit_ledger
from gare.ledger.database import upgrade
from gare.ledger.ledger import Ledger
from gare.ledger.verify import verify_bundle
from gare.reports.log import sentence

SHOP = ("shop", "production")


@pytest.fixture
def opened(ledger, story):
    """Open a release of a version; return its id."""

    def open_one(version: str, kind: Kind = Kind.RELEASE, by: str = "rita", **asked: str) -> str:
        plan = replace(story.make_plan(version=version), kind=kind)
        run = f"{len(ledger.releases.find(limit=100)):08d}-2222-3333-4444-555555555555"
        digest = ledger.plans.store(plan)
        return ledger.releases.open(digest, plan, run, by, "", asked or None).id

    return open_one


def good(ledger) -> list[str]:
    return [one.version for one in good_versions(ledger.verified_good(*SHOP))]


def test_every_version_that_was_verified_good_is_kept_in_order(ledger, opened):
    first, second = opened("1.0.0"), opened("1.1.0")
    ledger.set_verified(first, *SHOP, "1.0.0")
    ledger.set_verified(first, "shop", "staging", "1.0.0")
    ledger.set_verified(second, *SHOP, "1.1.0")
    assert [(one.version, one.release, one.kind) for one in ledger.verified_good(*SHOP)] == [
        ("1.0.0", first, Kind.RELEASE),
        ("1.1.0", second, Kind.RELEASE),
    ]
    assert (ledger.verified_version(*SHOP), ledger.verified_by(*SHOP)) == ("1.1.0", second)
    assert ledger.verified_version("shop", "test") == ledger.verified_by("shop", "test") == ""


def put_back(ledger, release: str, environment: str, to: str) -> None:
    """A release puts its own version back, twice as after a crash, and ends."""
    for _ in range(2):
        ledger.taken_back.note(release, environment, by=release, to=to, actor="gare")
    ledger.releases.mark(release, ReleaseState.ROLLED_BACK, actor="gare", end="not well")


def test_who_put_its_version_back_is_known_whatever_becomes_of_the_hold(ledger, opened):
    first, second, third = opened("1.0.0"), opened("1.1.0"), opened("1.2.0")
    ledger.set_verified(first, *SHOP, "1.0.0")
    put_back(ledger, second, "production", "1.0.0")
    assert ledger.taken_back.by_itself(second) == {"production": "1.0.0"}
    [event] = [one for one in ledger.database.events(second) if one.kind == "taken back"]
    assert sentence(event) == "gare took it back from production with R-2, to 1.0.0"

    def since_verified(environment: str = "production") -> str:
        at = ledger.verified_good(*SHOP)[-1].at
        return ledger.taken_back.put_back_since("shop", environment, at)

    assert since_verified() == second
    assert since_verified("staging") == ""
    ledger.set_verified(third, *SHOP, "1.2.0")
    assert since_verified() == ""


def test_who_was_taken_back_by_another_did_not_put_itself_back(ledger, opened):
    first, second = opened("1.0.0"), opened("1.1.0")
    ledger.set_verified(first, *SHOP, "1.0.0")
    ledger.taken_back.note(second, "production", by="R-9", to="1.0.0", actor="carol")
    ledger.releases.mark(second, ReleaseState.ROLLED_BACK, actor="gare", end="by R-9")
    at = ledger.verified_good(*SHOP)[-1].at
    assert ledger.taken_back.put_back_since("shop", "production", at) == ""


def test_said_twice_after_a_crash_it_is_kept_once(ledger, opened):
    first = opened("1.0.0")
    ledger.set_verified(first, *SHOP, "1.0.0")
    ledger.set_verified(first, *SHOP, "1.0.0")
    assert len(ledger.verified_good(*SHOP)) == 1
    kinds = [event.kind for event in ledger.database.events(first)]
    assert kinds.count("verified good") == 1


def test_what_a_rollback_took_back_is_no_version_to_go_back_to(ledger, opened):
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        ledger.set_verified(opened(version), *SHOP, version)
    ledger.set_verified(opened("1.1.0", Kind.ROLLBACK), *SHOP, "1.1.0")
    assert good(ledger) == ["1.0.0", "1.1.0"]
    ledger.set_verified(opened("1.3.0"), *SHOP, "1.3.0")
    assert good(ledger) == ["1.0.0", "1.1.0", "1.3.0"]


def test_a_hold_is_placed_once_and_the_newer_one_stands(ledger, opened):
    first, second = opened("1.1.0"), opened("1.2.0")
    ledger.holds.place(first, *SHOP, "not healthy")
    ledger.holds.place(first, *SHOP, "not healthy")
    events = ledger.database.events("station")
    assert [event.kind for event in events].count("hold placed") == 1
    ledger.holds.place(second, *SHOP, "slow")
    assert [(hold.release, hold.reason) for hold in ledger.holds.all()] == [(second, "slow")]
    assert str(ledger.holds.get(*SHOP)) == (
        f"shop/production is on hold since {second} (slow): "
        "a release that no person has asked for since does not deploy there"
    )
    assert ledger.holds.get("shop", "staging") is None


def test_a_person_releases_a_hold_and_who_waits_is_woken(ledger, opened):
    waiting = opened("1.2.0", by="")
    ledger.releases.mark(
        waiting,
        ReleaseState.WAITING,
        actor="gare",
        waiting=[Waited("deploy: on hold", Cause.OTHER)],
    )
    ledger.holds.place(opened("1.1.0"), *SHOP, "slow")
    assert ledger.runs.due(ledger.now()) == []
    ended = ledger.holds.release(*SHOP, person="carol", reason="repaired")
    assert ended.reason == "slow"
    assert [release.id for release in ledger.runs.due(ledger.now())] == [waiting]
    assert ledger.holds.all() == []
    event = ledger.database.events("station")[-1]
    assert (event.kind, event.actor) == ("hold released", "carol")


def test_a_hold_that_is_not_there_is_not_released(ledger):
    with pytest.raises(NotFound) as caught:
        ledger.holds.release(*SHOP, person="carol", reason="")
    assert str(caught.value) == (
        "shop/production is not on hold. (ledger) `gare hold list` shows what is."
    )


@pytest.mark.parametrize(
    ("asked", "is_held"),
    [
        ({"by": "rita"}, False),
        ({"by": ""}, True),
        ({"by": "rita", "train": "R-1"}, True),
        ({"by": "rita", "kind": Kind.ROLLBACK}, True),
        ({"by": "rita", "kind": Kind.HOTFIX}, False),
    ],
)
def test_a_person_s_own_release_ends_the_hold_when_it_is_verified_good(
    ledger, opened, asked, is_held
):
    ledger.holds.place(opened("1.1.0"), *SHOP, "slow")
    ledger.holds.place(opened("1.1.0"), "shop", "staging", "slow")
    release = opened("1.2.0", **asked)
    ledger.set_verified(release, *SHOP, "1.2.0")
    assert (ledger.holds.get(*SHOP) is not None) is is_held
    assert ledger.holds.get("shop", "staging") is not None


def test_who_was_asked_for_before_the_rollback_neither_deploys_nor_ends_the_hold(ledger, opened):
    early = opened("1.2.0", by="rita")
    ledger.holds.place(opened("1.1.0"), *SHOP, "slow")
    late = opened("1.3.0", by="rita")
    hold = ledger.holds.get(*SHOP)
    assert hold.keeps(ledger.releases.get(early))
    assert not hold.keeps(ledger.releases.get(late))
    ledger.set_verified(early, *SHOP, "1.2.0")
    assert ledger.holds.get(*SHOP) == hold


def test_the_audit_finds_what_the_events_do_not_tell(ledger, opened):
    release = opened("1.1.0")
    ledger.set_verified(release, *SHOP, "1.1.0")
    ledger.set_verified(opened("1.2.0"), *SHOP, "1.2.0")
    ledger.holds.place(release, *SHOP, "slow")
    ledger.holds.place(release, "shop", "staging", "slow")
    ledger.holds.release("shop", "staging", person="carol", reason="")
    assert audit_ledger(ledger.database).problems == []
    with ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE holds SET reason = 'no reason'")
        connection.exec_driver_sql("DELETE FROM verified WHERE version = '1.2.0'")
    found = [str(problem) for problem in audit_ledger(ledger.database).problems]
    assert any(
        "event 2 of R-2 (verified good): 1.2.0 in production has no row" in one for one in found
    )
    assert 'holds: shop/production: reason: it says "no reason", the events say "slow"' in found
    with ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM holds")
    found = [str(problem) for problem in audit_ledger(ledger.database).problems]
    assert "holds: shop/production: it is missing" in found


def test_a_release_without_a_use_for_its_locks_lets_the_next_one_go(ledger, opened):
    first, second = opened("1.1.0"), opened("1.2.0")
    assert ledger.locks.ask(first, {"production"}) is None
    assert ledger.locks.ask(second, {"production"}) is not None
    ledger.releases.mark(
        second, ReleaseState.WAITING, actor="gare", waiting=[Waited("queued", Cause.OTHER)]
    )
    ledger.locks.let_go(first)
    assert ledger.locks.held(first) == []
    assert [release.id for release in ledger.runs.due(ledger.now())] == [second]
    assert ledger.locks.ask(second, {"production"}) is None


def test_the_evidence_of_a_release_holds_after_it_was_taken_back(sqlite_ledger, story, tmp_path):
    release = story.tell(sqlite_ledger, tmp_path / "store", tmp_path)
    body = {"environment": "production", "by": "R-2", "to": "1.3.0"}
    sqlite_ledger.note(release.id, "taken back", "carol", body)
    out = tmp_path / "bundle.zip"
    story.write_bundle(sqlite_ledger, tmp_path / "store", release.id, out)
    assert verify_bundle(out).problems == []
    assert audit_ledger(sqlite_ledger.database).problems == []
    told = sentence(sqlite_ledger.database.events(release.id)[-1])
    assert told == "carol took it back from production with R-2, to 1.3.0"


def test_what_was_verified_good_before_form_0003_is_kept(url):
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    with engine.begin() as connection:
        upgrade(connection, "0002")
        at = "2026-03-02T09:00:00.000000+00:00"
        connection.exec_driver_sql(
            f"INSERT INTO plans VALUES ('sha256:p', 'shop', '1.0.0', '{{}}', '{at}')"
        )
        connection.exec_driver_sql(
            "INSERT INTO releases (number, project, version, plan, flow_run_id, state, requested_by,"
            " reason, opened_at, changed_at, \"end\", waiting, asks) VALUES (1, 'shop', '1.0.0',"
            f" 'sha256:p', 'run', 'released', 'rita', '', '{at}', '{at}', '', '[]', 0)"
        )
        connection.exec_driver_sql(
            f"INSERT INTO verified VALUES ('shop', 'production', '1.0.0', 1, '{at}')"
        )
    engine.dispose()
    ledger = Ledger(url)
    assert [(one.version, one.release) for one in ledger.verified_good(*SHOP)] == [("1.0.0", "R-1")]
    ledger.close()
