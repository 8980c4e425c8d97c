"""Where releases stand, as plain rows."""

from datetime import UTC, datetime, timedelta

from gare.domain.approvals import Answer, Decision, Standing, Vote
from gare.domain.locks import Holder, Place
from gare.domain.plan import PlannedApproval, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepRecord, StepState
from gare.domain.waits import Cause, Waited
from gare.reports.status import Asked, Done, approval_line, release_line, step_line

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RULE = PlannedApproval("approve", "production", {"ops": 1}, False, False, 3600)


def release(**changes: object) -> Release:
    fields = {
        "id": "R-1", "project": "shop", "version": "1.4.0", "plan": "sha256:p", "flow_run_id": "run",
        "state": ReleaseState.WAITING, "requested_by": "rita", "reason": "", "opened_at": NOW - timedelta(hours=1),
        "changed_at": NOW, "closed_at": None, "end": "", "waits": (Waited("votes", Cause.APPROVALS),), "wake_at": None,
    }  # fmt: skip
    return Release(**{**fields, **changes})


def test_a_release_is_told_in_a_line():
    assert release_line(release(), steps=9, done=4, now=NOW) == {
        "id": "R-1",
        "kind": "release",
        "project": "shop",
        "version": "1.4.0",
        "state": "waiting",
        "steps_done": 4,
        "steps": 9,
        "waiting": ["votes"],
        "queue": None,
        "end": "",
        "requested_by": "rita",
        "opened_at": "2026-03-02T08:00:00+00:00",
        "closed_at": None,
        "age_s": 3600.0,
    }


def test_a_place_in_the_queue_is_told_as_it_is_now():
    told = "queued behind R-1 (the version line), place 2 of 2"
    stale = release(id="R-3", waits=(Waited(told, Cause.QUEUE),))
    holder = Holder("R-2", ("production", ""))
    place = Place("R-3", "shop", 1, 2, (holder,), (), NOW)
    line = release_line(stale, steps=9, done=1, now=NOW, place=place)
    said = "queued behind R-2 (shop/production and the version line), place 1 of 2"
    assert line["waiting"] == [said]
    assert line["queue"] == {
        "place": 1,
        "of": 2,
        "behind": "R-2",
        "holders": {"R-2": "shop/production and the version line"},
        "since": "2026-03-02T09:00:00+00:00",
    }


def test_a_step_that_has_not_started_says_so():
    line = step_line(PlannedStep("build", "build", "Build", ("plan",)), None, [], now=NOW)
    assert (line["state"], line["attempt"], line["elapsed_s"], line["summary"]) == (
        "not started",
        0,
        None,
        "",
    )


def test_the_time_of_a_running_step_runs_on_and_that_of_a_done_one_stands():
    step = PlannedStep("build", "build", "Build")
    running = StepRecord("build", StepState.RUNNING, 2, None, "", NOW - timedelta(seconds=90), None)
    ended = NOW - timedelta(hours=23)
    done = StepRecord(
        "build", StepState.DONE, 1, {"summary": "2 artifacts"}, "", NOW - timedelta(days=1), ended
    )
    assert step_line(step, running, [], now=NOW)["elapsed_s"] == 90
    line = step_line(step, done, [], now=NOW)
    assert (line["elapsed_s"], line["summary"]) == (3600, "2 artifacts")


def test_a_step_has_its_own_effects_with_and_without_receipt():
    effects = [
        Done("publish", "tag v1", {"commit": "a"}, {"tag": "v1"}, True),
        Done("publish", "notes", {}, None, False),
        Done("announce", "mail", {}, {}, False),
    ]
    line = step_line(PlannedStep("publish", "publish", ""), None, effects, now=NOW)
    assert line["effects"] == [
        {"target": "tag v1", "wanted": {"commit": "a"}, "receipt": {"tag": "v1"}, "adopted": True},
        {"target": "notes", "wanted": {}, "receipt": None, "adopted": False},
    ]


def test_an_approval_tells_which_votes_are_void():
    votes = [
        Vote("bob", frozenset({"ops"}), Answer.APPROVE, "old", "", NOW),
        Vote("bob", frozenset({"ops"}), Answer.APPROVE, "new", "again", NOW),
    ]
    asked = Asked(RULE, "new", NOW, Standing(Decision.APPROVED, {}, ("bob",)), votes)
    line = approval_line(asked)
    assert [(vote["comment"], vote["void"]) for vote in line["votes"]] == [
        ("", True),
        ("again", False),
    ]
    assert (line["asked"], line["decision"], line["expires_at"]) == (
        True,
        "approved",
        "2026-03-02T09:00:00+00:00",
    )


def test_an_approval_that_was_not_asked_yet_says_so():
    line = approval_line(Asked(RULE, "", None, Standing(Decision.PENDING, {"ops": 1}, ()), ()))
    assert (line["asked"], line["missing"], line["expires_at"]) == (False, {"ops": 1}, None)
