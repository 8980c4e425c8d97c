"""The steps that write into GitLab, on a real ledger: each write once, also when an answer is lost on the way."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from released_project import ReleasedProject
from sandbox import Served, sandboxed
from waiting import wait_until

from gare.command_logs import last_lines, log_files
from gare.config.freezes import StopOrder
from gare.connectors.artifacts import keep
from gare.debts import Payer, owed, pay
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.waits import Cause
from gare.errors import Conflict, StepFailed
from gare.freezing import STOP, body_of
from gare.ledger.audit import audit_ledger
from gare.planning.again import AGAIN
from gare.ports.release_page import ReleaseEntry
from gare.requests import ReleaseRequest
from tasks.away import unless_away
from tasks.page import publish_page
from tasks.pipeline import bring_on, start_effect
from tasks.put_back import make_shipment
from tasks.record import record_once, show_running
from tasks.step import AskAgain, Value, Work
from tasks.validate import facts

MORE = """
gitlab: {connection: gitlab, project: shop/app}
publish: {push: false, gitlab_release: true, gitlab_packages: true}
steps:
  - {id: ci, type: pipeline, needs: [plan], before: [validate], variables: {COLOUR: green}}
  - {id: ship, type: pipeline, needs: [plan], before: [validate], play: [ship]}
  - {id: make, type: pipeline, needs: [plan], before: [validate], artifacts: {package: ["dist/*"]}}
"""
JOBS = {
    "unit": {"takes_s": 2, "tests": {"passed": 2, "failed": ["test_cups"]}, "allow_failure": True},
    "review": {"when": "manual", "allow_failure": False, "takes_s": 1},
}
Body = Callable[[Work], Value | AskAgain]


class Pages:
    """The engine, as far as steps show pages in it."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}

    def publish(self, _run: str, key: str, markdown: str, _title: str) -> None:
        self.shown[key] = markdown


class Released:
    """A release of the project in the ledger, of which single steps are done by hand."""

    def __init__(self, project: ReleasedProject, up: Served) -> None:
        self.gare, self.up, self._attempts = project.gare(), up, 0
        self.gare.__dict__["engine"] = self.pages = Pages()
        digest, self.plan = self.gare.drafting.make(ReleaseRequest(project="shop"))
        releases = self.gare.ledger.releases
        self.release = releases.open(digest, self.plan, "run-1", "", "", {"project": "shop"})
        package = project.root / "shop.tar.gz"
        package.write_bytes(b"tea")
        artifacts = [asdict(keep(package, package.name, self.gare.store))]
        self.done("build", {"artifacts": artifacts})

    def work(self, step: str) -> Work:
        self._attempts += 1
        found = self.plan.step(step)
        return Work(self.gare, self.release, self.plan, found, self._attempts, lambda _line: None)

    def do(self, step: str, body: Body) -> Value | AskAgain:
        work = self.work(step)
        return unless_away(work, lambda: body(work))

    def done(self, step: str, value: Value) -> None:
        releases = self.gare.ledger.releases
        releases.begin_step(self.release.id, step, actor="test")
        releases.end_step(self.release.id, step, StepState.DONE, value=value, actor="test")

    def later(self, seconds: float) -> None:
        self.up.sandbox.clock.advance(timedelta(seconds=seconds))

    @property
    def there(self):
        return self.up.sandbox.vendors["gitlab"].projects[0].kept


@pytest.fixture
def released(tmp_path, monkeypatch) -> Iterator[Released]:
    monkeypatch.setitem(os.environ, "GARE_STEP_TOKEN", "glpat-steps")
    project = ReleasedProject(tmp_path, MORE)
    file = project.work / "gare.yaml"
    file.write_text(
        file.read_text().replace("../production}", "../production}, gitlab_environment: live")
    )
    said = {
        "repository": str(project.work),
        "members": {"gare": "maintainer"},
        "pipeline": {"jobs": JOBS},
    }
    seed = {"tokens": {"glpat-steps": {"user": "gare"}}, "projects": {"shop/app": said}}
    with sandboxed({"gitlab": {"type": "gitlab", **seed}}) as up:
        station = tmp_path / "station.yaml"
        line = f"  gitlab: {{type: gitlab, url: '{up.url}/gitlab', token: $GARE_STEP_TOKEN, patience: 0s}}\n"
        station.write_text(station.read_text() + f"connections:\n{line}")
        project.git("add", "-A")
        project.git("commit", "-qm", "chore: release with Gare")
        yield Released(project, up)
        assert up.invalid() == []


def test_a_pipeline_is_waited_for_and_its_tests_are_facts(released):
    waits = []
    for _ in range(3):
        waits.append(released.do("ci", bring_on).reason)
        released.later(3)
    assert "is pending" in waits[0]
    assert waits[2].startswith("somebody to start in GitLab: review (http://")
    asked = released.do("ci", bring_on).more
    assert asked["who"] == "somebody in GitLab"
    assert asked["do"].startswith("Start it there: review (http://")
    released.up.sandbox.vendors["gitlab"].controls["play"]({"project": "shop/app", "job": "review"})
    released.later(10)
    value = released.do("ci", bring_on)
    assert value["summary"].endswith("succeeded, 2 of 3 tests passed")
    released.done("ci", value)
    tables = facts(released.work("validate"))
    assert [row["status"] for row in tables["tests"].rows] == ["passed", "passed", "failed"]
    assert released.up.sent("POST", "/pipeline") == ["POST /api/v4/projects/shop%2Fapp/pipeline"]


def test_the_jobs_that_the_release_starts_are_approved_and_played_once(released):
    project = released.up.sandbox.vendors["gitlab"].projects[0]
    project.seed["environments"] = {"live": {"approvals": 1}}
    project.seed["pipeline"]["jobs"] = {
        "ship": {"environment": "live", "when": "manual", "takes_s": 5, "allow_failure": False},
        "docs": {"when": "manual", "takes_s": 1},
    }
    waits = []
    for fault in ("*/approval", "*/play", "nothing"):
        released.up.fail("lost reply", method="POST", path=fault)
        waits.append(released.do("ship", bring_on))
        released.later(3)
    assert "is running" in waits[2].reason
    released.later(10)
    assert "succeeded" in released.do("ship", bring_on)["summary"]
    assert len(released.up.sent("POST", "/approval")) == 1
    assert len(released.up.sent("POST", "/play")) == 1
    done = released.gare.ledger.effects.of(released.release.id)
    assert all(effect.receipt is not None for effect in done)
    live = [one for one in released.there["deployments"] if one.environment == "live"]
    assert [vote["user"]["username"] for vote in live[-1].votes] == ["gare"]


def test_an_approval_whose_answer_was_lost_has_its_receipt_when_somebody_else_starts_the_job(
    released,
):
    project = released.up.sandbox.vendors["gitlab"].projects[0]
    project.seed["environments"] = {"live": {"approvals": 1}}
    project.seed["pipeline"]["jobs"] = {
        "ship": {"environment": "live", "when": "manual", "takes_s": 5, "allow_failure": False}
    }
    released.up.fail("lost reply", method="POST", path="*/approval")
    released.do("ship", bring_on)
    hosted = released.gare.hosting.at(released.plan.step("ship").settings["gitlab"])
    [pipeline] = released.there["pipelines"]
    [job] = [one for one in hosted.ci.jobs(pipeline) if one.name == "ship"]
    hosted.environments.play(job.id)
    released.later(10)
    assert "succeeded" in released.do("ship", bring_on)["summary"]
    done = released.gare.ledger.effects.of(released.release.id)
    assert [effect.target for effect in done if effect.receipt is None] == []
    assert len(released.up.sent("POST", "/approval")) == 1


def test_a_job_is_not_started_in_a_freeze_that_began_after_its_pipeline(released):
    project = released.up.sandbox.vendors["gitlab"].projects[0]
    project.seed["pipeline"]["jobs"] = {"ship": {"when": "manual", "allow_failure": False}}
    try:
        freezes = released.gare.ledger.freezes
        body = body_of(STOP, StopOrder(name="db-down", reason="the database is down"))
        work = released.work("ship")
        ci = released.gare.hosting.at(work.step.settings["gitlab"]).ci
        released.gare.ledger.effects.perform(released.release.id, "ship", start_effect(work, ci))
        freezes.add("db-down", body, person="bob", until=None)
        waits = released.do("ship", bring_on)
        assert "the database is down" in waits.reason
        assert waits.cause is Cause.FREEZES
        assert released.up.sent("POST", "/play") == []
        freezes.lift("db-down", person="bob", reason="repaired", wakes=lambda _: True)
        assert "ship, which was started" in released.do("ship", bring_on).reason
    finally:
        project.seed["pipeline"]["jobs"] = JOBS


def test_approvals_that_others_owe_are_waited_for(released):
    project = released.up.sandbox.vendors["gitlab"].projects[0]
    project.seed["environments"] = {"live": {"approvals": 2}}
    project.seed["pipeline"]["jobs"] = {"ship": {"environment": "live", "takes_s": 5}}
    for _ in range(2):
        assert "1 more approval in GitLab for ship" in released.do("ship", bring_on).reason
    assert released.do("ship", bring_on).more["do"].startswith("Approve the deployment there: http")
    assert released.up.sent("POST", "/play") == []
    vote = {"project": "shop/app", "environment": "live", "user": "alice"}
    released.up.sandbox.vendors["gitlab"].controls["approve"](vote)
    assert "ship, which was started" in released.do("ship", bring_on).reason


def test_a_job_whose_deployment_owes_approvals_is_to_be_approved_before_it_is_started(released):
    project = released.up.sandbox.vendors["gitlab"].projects[0]
    project.seed["environments"] = {"live": {"approvals": 1}}
    project.seed["pipeline"]["jobs"] = {
        "ship": {"stage": "a", "when": "manual", "allow_failure": False, "environment": "live"},
        "review": {"stage": "a", "when": "manual", "allow_failure": False},
    }
    waits = released.do("ci", bring_on)
    assert waits.reason.startswith("somebody to approve and start in GitLab: ship (http")
    assert "; somebody to start in GitLab: review (http" in waits.reason
    assert waits.more["do"].startswith("Approve the deployment, then start the job: ship (http")


def test_what_a_job_made_becomes_the_releases_own(released):
    project = released.up.sandbox.vendors["gitlab"].projects[0]
    files = {"dist/app.zip": "cups", "notes.txt": "not for the release"}
    project.seed["pipeline"]["jobs"] = {"package": {"takes_s": 1, "artifacts": files}}
    try:
        released.do("make", bring_on)
        released.later(10)
        value = released.do("make", bring_on)
        assert [one["name"] for one in value["artifacts"]] == ["app.zip"]
        released.done("make", value)
        names = ["shop.tar.gz", "app.zip"]
        work = released.work("validate")
        assert [one["name"] for one in work.artifacts] == names
        assert [row["name"] for row in facts(work)["artifacts"].rows] == names
        assert sorted(make_shipment(work, "R-1", work.artifacts, "1.5.0").files) == sorted(names)
        released.gare.source(released.plan).write_tag(
            "v1.5.0", released.plan.commit, "x", push=False
        )
        released.do("gitlab-release", publish_page)
        assert [one["parts"]["file_name"] for one in released.there["files"]] == names
        # Released again, another release's own pipeline makes it anew: what is deployed is what was made then.
        files["dist/app.zip"] = "other cups"
        again = released.work("make")
        settings = {**again.step.settings, "artifacts_of": released.release.id}
        again = replace(again, step=replace(again.step, settings=settings))
        assert bring_on(again)["artifacts"] == value["artifacts"]
    finally:
        project.seed["pipeline"]["jobs"] = JOBS


def test_artifacts_that_are_not_there_or_differ_under_one_name_are_told(released):
    project = released.up.sandbox.vendors["gitlab"].projects[0]
    jobs = {"package": {"takes_s": 1, "artifacts": {"dist/shop.tar.gz": "other"}}}
    project.seed["pipeline"]["jobs"] = jobs
    try:
        released.do("make", bring_on)
        released.later(10)
        released.done("make", released.do("make", bring_on))
        with pytest.raises(StepFailed, match=r"Two artifacts are called `shop\.tar\.gz`"):
            _ = released.work("validate").artifacts
    finally:
        project.seed["pipeline"]["jobs"] = JOBS


def test_a_failed_pipeline_names_job_and_reason(released):
    project = released.up.sandbox.vendors["gitlab"].projects[0]
    project.seed["pipeline"]["jobs"] = {
        "unit: a/b": {"takes_s": 1, "fails": True, "log": "assert cups == 3"}
    }
    try:
        assert isinstance(released.do("ci", bring_on), AskAgain)
        released.later(10)
        with pytest.raises(StepFailed, match=r"failed: unit: a/b \(script failure\)") as raised:
            released.do("ci", bring_on)
        assert "/-/pipelines/" in raised.value.where
        assert f"gare resume {released.release.id}" in raised.value.hint
        shown = released.pages.shown[f"{released.release.id.lower()}-ci-log"]
        assert "    assert cups == 3\n    ERROR: Job failed: exit code 1" in shown
        [log] = log_files(released.gare.logs_folder, released.release.id, "ci")
        assert last_lines(log, 2) == ["assert cups == 3", "ERROR: Job failed: exit code 1"]
    finally:
        project.seed["pipeline"]["jobs"] = JOBS


@pytest.mark.parametrize(
    ("step", "body", "method", "path"),
    [
        ("ci", bring_on, "POST", "*/pipeline"),
        ("record-production", record_once, "POST", "*/deployments"),
        ("gitlab-release", publish_page, "POST", "*/releases"),
        ("gitlab-release", publish_page, "POST", "*/evidence"),
        ("gitlab-release", publish_page, "PUT", "*/shop.tar.gz"),
    ],
)
def test_a_write_whose_answer_is_lost_is_found_and_not_done_twice(
    released, step, body, method, path
):
    released.gare.source(released.plan).write_tag("v1.5.0", released.plan.commit, "x", push=False)
    released.up.fail("lost reply", method=method, path=path)
    again = released.do(step, body)
    assert isinstance(again, AskAgain)
    assert "Whether it was done is looked up first" in again.reason
    for _ in range(2):
        released.do(step, body)
    assert len([one for one in released.up.sent(method) if one.endswith(path[1:])]) == 1


def test_a_release_page_has_notes_files_and_evidence(released):
    released.gare.source(released.plan).write_tag("v1.5.0", released.plan.commit, "x", push=False)
    value = released.do("gitlab-release", publish_page)
    (page,) = released.there["releases"].values()
    assert page["description"].strip() == released.plan.notes.strip()
    assert [(link["name"], link["link_type"]) for link in page["links"]] == [
        ("shop.tar.gz", "package")
    ]
    assert len(page["evidences"]) == 1
    (file,) = released.there["files"]
    assert (file["data"], file["parts"]["package_version"]) == (b"tea", "1.5.0")
    assert value["url"].endswith("/shop/app/-/releases/v1.5.0")


def test_a_release_page_with_other_notes_is_a_conflict(released):
    released.gare.source(released.plan).write_tag("v1.5.0", released.plan.commit, "x", push=False)
    released.gare.hosting.of(released.gare.project("shop").config).site.project.releases.create(
        {"tag_name": "v1.5.0", "description": "by hand"}
    )
    with pytest.raises(Conflict, match=r"a release of v1\.5\.0 with other notes"):
        released.do("gitlab-release", publish_page)


def test_a_deployment_is_recorded_once(released):
    released.do("record-production", record_once)
    assert [(one.environment, one.status) for one in released.there["deployments"]] == [
        ("live", "success")
    ]
    released.do("record-production", record_once)
    assert len(released.there["deployments"]) == 1


def test_while_gitlab_asks_for_patience_the_step_waits_as_long(released):
    before = released.gare.ledger.now()
    released.up.fail("rate limit", retry_after_s=600)
    again = released.do("ci", bring_on)
    assert isinstance(again, AskAgain)
    assert "slow down" in again.reason
    assert timedelta(seconds=590) < again.at - before < timedelta(seconds=660)


def put_back(released: Released):
    """The release has put its version back in production, and has ended."""
    ledger, release = released.gare.ledger, released.release.id
    ledger.taken_back.note(release, "production", by=release, to="1.0.0", actor="gare")
    end = "production: it answers nothing. 1.0.0 is live again."
    return ledger.releases.mark(release, ReleaseState.ROLLED_BACK, actor="gare", end=end)


def statuses(released: Released) -> list[tuple[str, str]]:
    return [(one.environment, one.status) for one in released.there["deployments"]]


class TestDeployments:
    """What GitLab shows of a deployment while it runs, and however the release ends."""

    def begin(self, released: Released) -> Work:
        released.gare.ledger.releases.begin_step(
            released.release.id, "deploy-production", actor="test"
        )
        show_running(work := released.work("deploy-production"))
        return work

    def cancel(self, released: Released) -> Release:
        releases = released.gare.ledger.releases
        return releases.mark(released.release.id, ReleaseState.CANCELLED, actor="bob", end="no")

    def test_it_is_shown_as_running_and_then_as_a_success(self, released):
        self.begin(released)
        assert statuses(released) == [("live", "running")]
        released.do("record-production", record_once)
        assert statuses(released) == [("live", "success")]

    def test_a_lost_answer_makes_no_second_one(self, released):
        released.up.fail("lost reply", method="POST", path="*/deployments")
        self.begin(released)
        released.do("record-production", record_once)
        assert statuses(released) == [("live", "success")]
        done = released.gare.ledger.effects.of(released.release.id)
        assert all(effect.receipt is not None for effect in done)

    def test_one_that_did_not_hold_is_shown_as_failed_once(self, released):
        self.begin(released)
        ended = put_back(released)
        assert ended.state is ReleaseState.ROLLED_BACK
        assert [pay(released.gare, ended) for _ in range(2)] == [([], False)] * 2
        assert statuses(released) == [("live", "failed")]
        assert len(released.up.sent("PUT", "/deployments")) == 1
        report = audit_ledger(released.gare.ledger.database)
        assert report.is_sound, report

    def test_one_that_is_cancelled_is_shown_as_canceled(self, released):
        self.begin(released)
        assert pay(released.gare, self.cancel(released)) == ([], False)
        assert statuses(released) == [("live", "canceled")]

    def test_one_that_holds_stays_a_success_when_the_rest_is_cancelled(self, released):
        self.begin(released)
        released.gare.ledger.set_verified(released.release.id, "shop", "production", "1.5.0")
        pay(released.gare, self.cancel(released))
        assert statuses(released) == [("live", "success")]

    def test_what_was_never_begun_is_never_shown(self, released):
        assert pay(released.gare, self.cancel(released)) == ([], False)
        assert "deployments" not in released.there

    def test_nothing_waits_for_a_gitlab_that_is_away_and_it_is_told_when_it_is_back(self, released):
        said = []
        released.up.fail("status", status=503, count=None)
        released.gare.ledger.releases.begin_step(
            released.release.id, "deploy-production", actor="test"
        )
        work = replace(released.work("deploy-production"), say=said.append)
        show_running(work)
        assert said[0].startswith("Not shown as running: GitLab cannot be used now")
        ended = put_back(released)
        assert ended.state is ReleaseState.ROLLED_BACK
        payer = Payer(released.gare)
        assert payer.look([ended]) == {ended.id}
        wait_until(lambda: said.extend(payer.told()) or len(said) > 1)
        assert said[1].startswith(f"The deployment to live of {ended.id} was not told: GitLab")
        assert payer.look([ended]) == {ended.id}
        released.up.sandbox.faults.clear()
        again = Payer(released.gare)  # as after a restart of the station
        again.look([ended])
        wait_until(lambda: not owed(released.gare, ended))
        assert statuses(released) == [("live", "failed")]
        assert again.look([ended]) == set()


def test_a_refusal_is_said_and_not_tried_for_ever(released):
    released.gare.ledger.releases.begin_step(released.release.id, "deploy-production", actor="test")
    ended = put_back(released)
    released.up.sandbox.vendors["gitlab"].projects[0].members["gare"] = 20
    payer = Payer(released.gare, is_aside=False)
    assert payer.look([ended]) == set()
    assert "The role Developer is missing" in payer.told()[0]
    assert payer.look([ended]) == set()


def test_a_version_that_is_released_again_says_so_on_its_page_which_stays(released):
    hosted = released.gare.hosting.at(released.plan.step("gitlab-release").settings["gitlab"])
    tag = released.plan.tag
    released.gare.source(released.plan).write_tag(tag, released.plan.commit, "then", push=False)
    hosted.release_page.write(ReleaseEntry(tag, "Shop", "> **Rolled back.** …\n\n- cups"))
    work = released.work("gitlab-release")
    again = replace(work, step=replace(work.step, settings={**work.step.settings, AGAIN: True}))
    publish_page(again)
    publish_page(again)
    version = f"{released.plan.title} {released.plan.version}"
    assert hosted.release_page.look(tag).notes == (
        f"> **Released again.** {version} is released again. ({released.release.id})\n\n"
        "> **Rolled back.** …\n\n- cups"
    )


def test_a_page_that_was_made_before_says_that_its_version_was_put_back(released):
    released.done("gitlab-release", {"summary": "made early"})
    hosted = released.gare.hosting.at(released.plan.step("gitlab-release").settings["gitlab"])
    tag = released.plan.tag
    released.gare.source(released.plan).write_tag(tag, released.plan.commit, "early", push=False)
    hosted.release_page.write(ReleaseEntry(tag, "Shop", "- cups"))
    ended = put_back(released)
    assert [pay(released.gare, ended) for _ in range(2)] == [([], False)] * 2
    assert hosted.release_page.look(tag).notes == (
        f"> **Rolled back.** {released.plan.title} {released.plan.version} was rolled back in production, "
        f"which is back at 1.0.0: it answers nothing. 1.0.0 is live again. ({ended.id})\n\n- cups"
    )


def test_who_was_taken_back_by_a_rollback_tells_nobody_itself(released):
    ledger, release = released.gare.ledger, released.release.id
    ledger.taken_back.note(release, "production", by="R-9", to="1.0.0", actor="carol")
    ended = ledger.releases.mark(release, ReleaseState.ROLLED_BACK, actor="gare", end="by R-9")
    before = len(released.up.sent())
    assert pay(released.gare, ended) == ([], False)
    assert len(released.up.sent()) == before
