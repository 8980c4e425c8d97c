"""How a simulated pipeline moves, second by second."""

from datetime import UTC, datetime, timedelta

import pytest

from gare.sandbox.gitlab.course import Course, Job, composite

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def course(**jobs):
    stages = list(dict.fromkeys(said.get("stage", name) for name, said in jobs.items()))
    made = Course(stages, START)
    for number, (name, said) in enumerate(jobs.items(), 1):
        made.jobs.append(Job(number, name, said.get("stage", name), said, bool(said.get("fails"))))
    return made


def at(seconds):
    return START + timedelta(seconds=seconds)


def told(made, seconds):
    statuses = made.statuses(at(seconds))
    return made.status(at(seconds)), [statuses[job.id] for job in made.jobs]


def test_stages_follow_each_other():
    made = course(build={"takes_s": 2}, test={"takes_s": 2})
    assert told(made, 0) == ("pending", ["pending", "created"])
    assert told(made, 1) == ("running", ["running", "created"])
    assert told(made, 3) == ("running", ["success", "pending"])
    assert told(made, 6) == ("success", ["success", "success"])
    assert made.finished_at(at(99)) == at(6)


def test_a_failure_skips_what_comes_later():
    made = course(build={"takes_s": 1, "fails": True}, test={})
    assert told(made, 2) == ("failed", ["failed", "skipped"])


def test_a_failure_that_is_allowed_does_not():
    made = course(lint={"takes_s": 1, "fails": True, "allow_failure": True}, test={"takes_s": 1})
    assert told(made, 9) == ("success", ["failed", "success"])


def test_a_manual_job_holds_the_pipeline_until_it_is_played():
    made = course(
        gate={"when": "manual", "allow_failure": False, "takes_s": 1}, ship={"takes_s": 1}
    )
    assert told(made, 100) == ("manual", ["manual", "created"])
    made.jobs[0].played_at = at(100)
    assert told(made, 102) == ("running", ["success", "pending"])
    assert told(made, 104) == ("success", ["success", "success"])


def test_a_manual_job_that_may_be_left_out_holds_nothing():
    made = course(build={"takes_s": 1}, extra={"when": "manual"})
    assert told(made, 5) == ("success", ["success", "manual"])


def test_a_manual_job_waits_for_a_job_before_it_that_may_fail():
    made = course(
        lint={"takes_s": 5, "allow_failure": True},
        gate={"when": "manual", "allow_failure": False},
    )
    assert told(made, 1) == ("running", ["running", "created"])
    assert told(made, 9) == ("manual", ["success", "manual"])


def test_a_delayed_job_is_scheduled():
    made = course(later={"start_in_s": 60, "takes_s": 1})
    assert told(made, 10) == ("scheduled", ["scheduled"])
    assert told(made, 62) == ("success", ["success"])


def test_what_runs_when_it_is_canceled_is_canceling_first():
    made = course(build={"takes_s": 60})
    made.statuses(at(5))
    made.jobs[0].canceled_at = at(5)
    assert told(made, 5) == ("canceling", ["canceling"])
    assert told(made, 6) == ("canceled", ["canceled"])


def test_a_retried_job_takes_the_place_of_the_old_one():
    made = course(build={"takes_s": 1, "fails": True}, test={"takes_s": 1})
    made.jobs[0].is_old = True
    again = Job(9, "build", "build", {"takes_s": 1}, fails=False, retried_at=at(50))
    made.jobs.append(again)
    assert made.status(at(51)) == "running"
    assert made.status(at(54)) == "success"


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        (["success", "manual"], "manual"),
        (["running", "manual"], "running"),
        (["success", "created"], "running"),
        (["success", "failed"], "failed"),
        (["canceled", "success"], "canceled"),
        (["skipped"], "skipped"),
        (["waiting_for_resource", "created"], "waiting_for_resource"),
    ],
)
def test_states_together(statuses, whole):
    assert composite(statuses) == whole
