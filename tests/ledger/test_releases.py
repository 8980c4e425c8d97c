"""Plans, releases and steps in the ledger."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from gare.domain.digest import sha256
from gare.domain.releases import CLOSED, ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from gare.errors import NotFound, Refused, UnknownName
from gare.ledger.chain import broken
from gare.ledger.ledger import Ledger
from gare.ledger.releases import number_of


def kinds(ledger, stream="R-1"):
    return [event.kind for event in ledger.database.events(stream)]


def test_a_plan_is_stored_once_under_the_digest_of_its_text(ledger, story):
    plan = story.make_plan()
    digest = ledger.plans.store(plan)
    assert ledger.plans.store(story.make_plan()) == digest
    assert sha256(ledger.plans.body(digest)) == digest
    assert ledger.plans.get(digest) == plan


def test_a_plan_that_is_not_stored_is_told(ledger):
    with pytest.raises(NotFound) as caught:
        ledger.plans.get("sha256:" + "0" * 64)
    assert (
        str(caught.value)
        == f"No plan with digest sha256:{'0' * 64} is stored. (ledger) Make one with `gare plan`."
    )


def test_a_plan_of_a_newer_gare_is_refused(ledger, story):
    digest = ledger.plans.store(story.make_plan(format=99))
    with pytest.raises(Refused) as caught:
        ledger.plans.get(digest)
    assert caught.value.what == "The plan has format 99; this Gare reads 2."


def test_the_same_run_opens_one_release_once(ledger, story):
    first, _ = story.open_release(ledger)
    again, _ = story.open_release(ledger)
    assert first == again
    assert kinds(ledger) == ["release opened"]
    assert ledger.releases.of_run(story.RUN) == first
    assert ledger.releases.of_run("unknown") is None


def test_a_second_release_of_a_project_is_opened_beside_the_first(ledger, story):
    assert story.open_release(ledger)[0].id == "R-1"
    assert story.open_release(ledger, run="another run")[0].id == "R-2"


def test_two_processes_of_one_run_open_one_release(url, story):
    """A run that is brought back while its old process still lives."""
    plan = story.make_plan()
    ledgers = [Ledger(url) for _ in range(4)]
    digest = ledgers[0].plans.store(plan)
    with ThreadPoolExecutor(4) as pool:
        opened = list(
            pool.map(lambda one: one.releases.open(digest, plan, story.RUN, "rita", "").id, ledgers)
        )
    assert opened == ["R-1"] * 4
    assert kinds(ledgers[0]) == ["release opened"]
    for one in ledgers:
        one.database.close()


@pytest.mark.parametrize("end", sorted(CLOSED))
def test_a_closed_release_stays_closed(sqlite_ledger, story, end):
    ledger = sqlite_ledger
    release, _ = story.open_release(ledger)
    closed = ledger.releases.mark(release.id, end, actor="gare", end="the end")
    assert closed.closed_at is not None
    for state in ReleaseState:
        assert ledger.releases.mark(release.id, state, actor="mallory", end="another end") == closed
    assert kinds(ledger) == ["release opened", f"release {end}"]
    assert kinds(ledger, "station") == ["release closed"]


def test_a_failed_release_can_go_on(ledger, story):
    release, _ = story.open_release(ledger)
    failed = ledger.releases.mark(
        release.id, ReleaseState.FAILED, actor="gare", end="step build failed"
    )
    assert not failed.is_closed
    going = ledger.releases.mark(release.id, ReleaseState.RUNNING, actor="gare")
    assert (going.state, going.end, going.closed_at) == (ReleaseState.RUNNING, "", None)


def test_saying_the_same_again_writes_no_event(ledger, story):
    release, _ = story.open_release(ledger)
    wake_at = ledger.now() + timedelta(hours=1)
    for _ in range(3):
        ledger.releases.mark(
            release.id,
            ReleaseState.WAITING,
            actor="gare",
            waiting=[Waited("votes", Cause.OTHER)],
            wake_at=wake_at,
        )
    assert kinds(ledger) == ["release opened", "release waiting"]
    later = wake_at + timedelta(hours=1)
    found = ledger.releases.mark(
        release.id,
        ReleaseState.WAITING,
        actor="gare",
        waiting=[Waited("votes", Cause.OTHER)],
        wake_at=later,
    )
    assert found.wake_at == later


def test_closing_and_cancelling_at_once_gives_one_end(url, story):
    ledgers = [Ledger(url) for _ in range(4)]
    release, _ = story.open_release(ledgers[0])
    ends = [
        ReleaseState.RELEASED,
        ReleaseState.CANCELLED,
        ReleaseState.WAITING,
        ReleaseState.FAILED,
    ]
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda pair: pair[0].releases.mark(release.id, pair[1], actor="gare"),
                zip(ledgers, ends, strict=True),
            )
        )
    closing = [
        kind for kind in kinds(ledgers[0]) if kind in ("release released", "release cancelled")
    ]
    assert len(closing) == 1
    assert kinds(ledgers[0])[-1] == closing[0]
    assert list(broken(ledgers[0].database.events("R-1"), ledgers[0].database.head("R-1"))) == []
    for one in ledgers:
        one.database.close()


def test_a_done_step_stays_done(ledger, story):
    release, _ = story.open_release(ledger)
    story.do_step(ledger, release, "build", {"summary": "first"})
    again = ledger.releases.begin_step(release.id, "build", actor="gare")
    assert (again.state, again.attempt, again.value) == (StepState.DONE, 1, {"summary": "first"})
    ledger.releases.end_step(release.id, "build", StepState.FAILED, error="late", actor="gare")
    ledger.releases.end_step(
        release.id, "build", StepState.DONE, value={"summary": "second"}, actor="gare"
    )
    assert ledger.releases.steps(release.id)["build"].value == {"summary": "first"}
    assert kinds(ledger) == ["release opened", "step started", "step done"]


def test_a_failed_step_runs_again_as_the_next_attempt(ledger, story):
    release, _ = story.open_release(ledger)
    ledger.releases.begin_step(release.id, "build", actor="gare")
    ledger.releases.end_step(
        release.id, "build", StepState.FAILED, error="no compiler", actor="gare"
    )
    again = ledger.releases.begin_step(release.id, "build", actor="gare")
    assert (again.state, again.attempt, again.error, again.ended_at) == (
        StepState.RUNNING,
        2,
        "",
        None,
    )
    assert kinds(ledger) == ["release opened", "step started", "step failed", "step started"]


def test_a_step_that_never_began_cannot_end(ledger, story):
    release, _ = story.open_release(ledger)
    ledger.releases.end_step(release.id, "build", StepState.DONE, value={}, actor="gare")
    assert ledger.releases.steps(release.id) == {}
    assert kinds(ledger) == ["release opened"]


def test_engine_keys_are_never_counted_twice(ledger, story):
    release, _ = story.open_release(ledger)
    with ThreadPoolExecutor(4) as pool:
        asks = list(pool.map(lambda _: ledger.releases.next_ask(release.id), range(12)))
    assert sorted(asks) == list(range(1, 13))


def test_releases_are_found_newest_first_by_project_and_openness(ledger, story):
    for number, project in enumerate(["shop", "desk", "shop"]):
        story.open_release(ledger, story.make_plan(project=project), run=f"run-{number}")
        if number == 0:
            ledger.releases.mark("R-1", ReleaseState.CANCELLED, actor="gare")
    found = ledger.releases.find
    assert [release.id for release in found()] == ["R-3", "R-2", "R-1"]
    assert [release.id for release in found(project="shop")] == ["R-3", "R-1"]
    assert [release.id for release in found(is_open=True)] == ["R-3", "R-2"]
    assert [release.id for release in found(limit=1)] == ["R-3"]
    story.do_step(ledger, ledger.releases.get("R-3"), "plan")
    assert ledger.releases.done_counts(["R-1", "R-3"]) == {"R-1": 0, "R-3": 1}


def test_the_last_verified_version_is_remembered_by_environment(ledger, story):
    release, _ = story.open_release(ledger)
    assert ledger.verified_version("shop", "production") == ""
    ledger.set_verified(release.id.lower(), "shop", "production", "1.3.0")
    ledger.set_verified(release.id, "shop", "production", "1.4.0")
    # Said once more by a step that was killed after it had said so: told once.
    ledger.set_verified(release.id, "shop", "production", "1.4.0")
    assert ledger.verified_version("shop", "production") == "1.4.0"
    assert ledger.verified_version("shop", "staging") == ""
    assert kinds(ledger) == ["release opened", "verified good", "verified good"]


@pytest.mark.parametrize(
    ("given", "number"), [("R-7", 7), ("r-7", 7), (" R-12 ", 12), ("R-007", 7)]
)
def test_release_ids_are_read_kindly(given, number):
    assert number_of(given) == number


@pytest.mark.parametrize(
    "given",
    ["", "7", "R-", "R--7", "R-7.0", "R-\u0667", "Q-7", "R-7; drop", "R-9999999999", "R -7"],
)
def test_what_is_no_release_id_is_refused(given):
    with pytest.raises(UnknownName) as caught:
        number_of(given)
    assert (
        str(caught.value)
        == f"{given!r} is no release. (release) Write it as R-7; `gare status` lists them."
    )


def test_a_release_that_does_not_exist_is_told(ledger):
    with pytest.raises(UnknownName) as caught:
        ledger.releases.get("R-99")
    assert (
        str(caught.value) == "There is no release R-99. (ledger) `gare status` lists the releases."
    )
