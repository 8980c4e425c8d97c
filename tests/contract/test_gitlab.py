"""The GitLab connector against the sandbox's GitLab, over HTTP."""

import hashlib
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from gitlab_project import GITLAB, PATH, connected, head
from sandbox import Served, sandboxed

from gare.connectors.gitlab import GitLab
from gare.connectors.gitlab_issues import GitLabIssues
from gare.connectors.gitlab_settings import GitLabTrackerSettings
from gare.errors import Conflict, NotFound
from gare.ports.ci import PipelineState
from gare.ports.release_page import Link, ReleaseEntry


@pytest.fixture
def served() -> Iterator[Served]:
    with sandboxed({"gitlab": GITLAB}) as up:
        yield up
        assert up.invalid() == []


@pytest.fixture
def gitlab(served: Served) -> GitLab:
    return connected(served.url)


def later(served: Served, seconds: float) -> None:
    served.sandbox.clock.advance(timedelta(seconds=seconds))


def test_a_pipeline_goes_through_its_states_until_a_person_must_act(
    served: Served, gitlab: GitLab
) -> None:
    started = gitlab.ci.start("main", head(gitlab), "R-1 pipeline", {"VERSION": "0.2.0"})
    seen = []
    for _ in range(12):
        seen.append(gitlab.ci.pipeline(started.id).said)
        later(served, 1)
    assert [said for i, said in enumerate(seen) if said not in seen[:i]] == [
        "waiting_for_resource",
        "preparing",
        "pending",
        "running",
        "manual",
    ]
    assert gitlab.ci.pipeline(started.id).state is PipelineState.BLOCKED
    waiting = [job for job in gitlab.ci.jobs(started.id) if job.waits_for_person]
    assert [job.name for job in waiting] == ["review"]
    gitlab.environments.play(waiting[0].id)
    later(served, 60)
    assert gitlab.ci.pipeline(started.id).state is PipelineState.SUCCESS


def test_a_pipeline_is_found_again_by_its_key(gitlab: GitLab) -> None:
    commit = head(gitlab)
    started = gitlab.ci.start("main", commit, "R-1 pipeline", {})
    gitlab.ci.start("main", commit, "R-2 pipeline", {})
    assert gitlab.ci.find("main", commit, "R-1 pipeline") == started
    assert gitlab.ci.find("main", commit, "R-3 pipeline") is None


def test_a_pipeline_for_another_commit_than_planned_is_canceled(
    served: Served, gitlab: GitLab
) -> None:
    with pytest.raises(Conflict, match=r"main is at .* and not at the planned aaaaaaaaaaaa"):
        gitlab.ci.start("main", "a" * 40, "R-1 pipeline", {})
    assert served.sent("POST", "/cancel")


def test_what_the_tests_of_a_pipeline_reported(served: Served, gitlab: GitLab) -> None:
    started = gitlab.ci.start("main", head(gitlab), "key", {})
    later(served, 30)
    cases = gitlab.ci.test_cases(started.id)
    assert [case["status"] for case in cases] == ["passed", "passed", "passed", "skipped"]
    assert cases[0]["name"] == "test_1"


def test_the_tail_of_a_log_has_no_colours_and_no_secrets(served: Served) -> None:
    vendors = {"gitlab": GITLAB | {"projects": {PATH: dict(GITLAB["projects"][PATH])}}}
    log = "\n".join(
        [*(f"line {i}" for i in range(500)), "\x1b[31mred\x1b[0m", "glpat-of-a-maintainer"]
    )
    vendors["gitlab"]["projects"][PATH]["pipeline"] = {
        "jobs": {"build": {"fails": True, "log": log, "takes_s": 1}}
    }
    with sandboxed(vendors) as up:
        gitlab = connected(up.url)
        started = gitlab.ci.start("main", head(gitlab), "key", {})
        later(up, 30)
        assert gitlab.ci.pipeline(started.id).state is PipelineState.FAILED
        (job,) = gitlab.ci.jobs(started.id)
        assert (job.has_failed, job.reason) == (True, "script failure")
        assert gitlab.ci.log_tail(job.id, 3) == ["red", "***", "ERROR: Job failed: exit code 1"]


def test_artifacts_of_a_job(served: Served, gitlab: GitLab, tmp_path: Path) -> None:
    started = gitlab.ci.start("main", head(gitlab), "key", {})
    later(served, 30)
    by_name = {job.name: job.id for job in gitlab.ci.jobs(started.id)}
    archive = tmp_path / "made.zip"
    gitlab.ci.artifacts(by_name["package"], archive)
    assert zipfile.ZipFile(archive).read("teashop.txt") == b"tea"
    with pytest.raises(NotFound, match="cannot fetch the artifacts of job"):
        gitlab.ci.artifacts(by_name["unit"], archive)


def test_a_release_page_with_links_and_evidence(served: Served, gitlab: GitLab) -> None:
    assert gitlab.release_page.look("v0.1.0") is None
    entry = ReleaseEntry("v0.1.0", "Teashop 0.1.0", "# Notes", (Link("a", "https://x.example/a"),))
    made = gitlab.release_page.write(entry)
    assert made.links == entry.links
    more = (Link("a", "https://x.example/a"), Link("b", "https://x.example/b", "package"))
    gitlab.release_page.add_links("v0.1.0", more)
    gitlab.release_page.collect_evidence("v0.1.0")
    seen = gitlab.release_page.look("v0.1.0")
    assert seen is not None
    assert (seen.title, seen.notes, seen.links) == ("Teashop 0.1.0", "# Notes", more)
    with pytest.raises(Conflict, match="Release already exists"):
        gitlab.release_page.write(entry)


def test_merge_requests_are_opened_found_and_merged(served: Served, gitlab: GitLab) -> None:
    gitlab.site.project.branches.create({"branch": "fix/1", "ref": "v0.1.0"})
    assert gitlab.merge_requests.find("fix/1", "main") is None
    made = gitlab.merge_requests.open("fix/1", "main", "fix: prices", "for R-1")
    assert (made.state, made.is_mergeable, made.waits_for) == (
        "opened",
        False,
        "GitLab is still checking it",
    )
    later(served, 5)
    found = gitlab.merge_requests.find("fix/1", "main")
    assert found is not None
    assert (found.number, found.is_mergeable, found.waits_for) == (made.number, True, "")
    with pytest.raises(Conflict, match="SHA does not match"):
        gitlab.merge_requests.merge(made.number, "0" * 40)
    merged = gitlab.merge_requests.merge(made.number, made.commit)
    assert merged.state == "merged"
    assert merged.merged_commit == head(gitlab)


def test_the_commits_of_a_merge_request_are_oldest_first(gitlab: GitLab) -> None:
    project = gitlab.site.project
    project.branches.create({"branch": "old", "ref": "v0.1.0"})
    made = gitlab.merge_requests.open("main", "old", "take all", "")
    newest = head(gitlab)
    commits = gitlab.merge_requests.commits(made.number)
    assert len(commits) == 2
    assert commits[-1] == newest


def test_a_deployment_is_recorded_and_found_again(gitlab: GitLab) -> None:
    commit = head(gitlab)
    assert gitlab.environments.look("staging", commit, "main") is None
    made = gitlab.environments.record("staging", commit, "main", is_tag=False, status="running")
    gitlab.environments.set_status(made.id, "success")
    found = gitlab.environments.look("staging", commit, "main")
    assert found is not None
    assert (found.id, found.status) == (made.id, "success")


def test_an_approval_does_not_start_the_job_of_a_protected_environment(served: Served) -> None:
    project = GITLAB["projects"][PATH] | {
        "pipeline": {"jobs": {"deploy": {"environment": "production", "takes_s": 1}}}
    }
    with sandboxed({"gitlab": GITLAB | {"projects": {PATH: project}}}) as up:
        gitlab = connected(up.url)
        commit = head(gitlab)
        started = gitlab.ci.start("main", commit, "key", {})
        assert gitlab.ci.pipeline(started.id).state is PipelineState.BLOCKED
        blocked = gitlab.environments.look("production", commit, "main")
        assert blocked is not None
        assert (blocked.status, blocked.pending_approvals, blocked.has_to_be_played) == (
            "blocked",
            1,
            False,
        )
        gitlab.environments.approve(blocked.id, "go")
        later(up, 60)
        approved = gitlab.environments.get(blocked.id)
        assert (approved.status, approved.has_to_be_played) == ("created", True)
        gitlab.environments.play(approved.job)
        later(up, 60)
        assert gitlab.environments.get(blocked.id).status == "success"
        assert gitlab.ci.pipeline(started.id).state is PipelineState.SUCCESS
        assert up.invalid() == []


def test_a_file_is_uploaded_once_and_found_by_its_checksum(
    served: Served, gitlab: GitLab, tmp_path: Path
) -> None:
    file = tmp_path / "teashop-0.2.0.tar.gz"
    file.write_bytes(b"tea")
    sha256 = hashlib.sha256(b"tea").hexdigest()
    assert gitlab.packages.look("teashop", "0.2.0", file.name) is None
    address = gitlab.packages.upload("teashop", "0.2.0", file.name, file, sha256)
    assert address.endswith("/packages/generic/teashop/0.2.0/teashop-0.2.0.tar.gz")
    found = gitlab.packages.look("teashop", "0.2.0", file.name)
    assert found is not None
    assert (found.sha256, found.url) == (sha256, address)
    with pytest.raises(Conflict, match=r"arrived as sha256"):
        gitlab.packages.upload("teashop", "0.2.0", file.name, file, "0" * 64)


def test_the_file_of_the_newest_of_many_versions_takes_two_requests(
    served: Served, gitlab: GitLab
) -> None:
    vendor = served.sandbox.vendors["gitlab"]
    files = vendor.files_of(vendor.projects[0])
    for number in range(150):
        parts = {
            "package_name": "teashop",
            "package_version": f"0.{number}.0",
            "file_name": "a.zip",
        }
        files.append(
            {
                "id": number,
                "parts": parts,
                "data": b"",
                "sha256": f"{number}",
                "created_at": "2026-03-02T08:00:00.000Z",
            }
        )
    found = gitlab.packages.look("teashop", "0.149.0", "a.zip")
    assert found is not None
    assert found.sha256 == "149"
    assert len(served.sent()) == 2


def test_the_deployment_of_a_job_is_found_behind_many_newer_ones(served: Served) -> None:
    project = GITLAB["projects"][PATH] | {
        "pipeline": {"jobs": {"deploy": {"environment": "production", "takes_s": 1}}}
    }
    with sandboxed({"gitlab": GITLAB | {"projects": {PATH: project}}}) as up:
        gitlab = connected(up.url)
        commit = head(gitlab)
        started = gitlab.ci.start("main", commit, "key", {})
        (job,) = gitlab.ci.jobs(started.id)
        vendor = up.sandbox.vendors["gitlab"]
        for _ in range(150):
            vendor._make_deployment(vendor.projects[0], "staging", "main", commit)
        found = gitlab.environments.of_job(job.id)
        assert found is not None
        assert (found.environment, found.job) == ("production", job.id)


def test_an_upload_that_came_too_early_is_sent_again_from_its_beginning(
    served: Served, tmp_path: Path
) -> None:
    file = tmp_path / "big.bin"
    file.write_bytes(b"tea" * 100_000)
    served.fail("rate limit", method="PUT", retry_after_s=1)
    gitlab = connected(served.url, naps=[])
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert gitlab.packages.upload("teashop", "0.2.0", file.name, file, sha256)


def test_the_account_says_its_role_and_last_day(served: Served) -> None:
    account = connected(served.url, token="glpat-of-a-developer").site.account()
    assert (account.user, account.role, account.expires_on) == ("dev", "Developer", None)


def test_freeze_periods_are_read(gitlab: GitLab) -> None:
    (period,) = gitlab.freezes.freeze_periods()
    assert (period.start, period.end, period.zone) == ("0 15 * * 5", "0 7 * * 1", "Europe/Paris")
    assert gitlab.freezes.place == f"GitLab {PATH}"


def test_issues_are_tickets(gitlab: GitLab) -> None:
    settings = GitLabTrackerSettings(type="gitlab", reopened_label="back again")
    tickets = GitLabIssues(settings, gitlab.site).tickets(["#2", "#4", "#99"], "0.2.0")
    assert [(one.key, one.status, one.version) for one in tickets] == [
        ("#1", "done", "0.2.0"),
        ("#2", "doing", ""),
        ("#3", "todo", "0.2.0"),
        ("#4", "reopened", ""),
    ]


@pytest.mark.parametrize("milestone", ["1.0.0", "0.9.0", None])
def test_two_thousand_issues_take_a_request_per_hundred(milestone: str | None) -> None:
    issues = [{"title": f"Issue {number}", "milestone": milestone} for number in range(2000)]
    project = GITLAB["projects"][PATH] | {"issues": issues}
    with sandboxed({"gitlab": GITLAB | {"projects": {PATH: project}}}) as up:
        gitlab = connected(up.url)
        settings = GitLabTrackerSettings(type="gitlab")
        # Every 50th that commits name does not exist.
        keys = [f"#{number + 2000 * (number % 50 == 0)}" for number in range(1, 2001)]
        tickets = GitLabIssues(settings, gitlab.site).tickets(keys, "1.0.0")
        assert len(tickets) == (2000 if milestone == "1.0.0" else 1960)
        assert len(up.sent()) <= 2000 // 100 + 3


@pytest.mark.parametrize(
    ("token", "tag", "told"),
    [
        ("glpat-of-a-maintainer", "v0.2.0", ""),
        (
            "glpat-of-a-developer",
            "v0.2.0",
            "tag v0.2.0 is protected: it takes the role Maintainer, and we are dev with the role Developer",
        ),
        ("glpat-of-a-developer", "nightly", ""),
        ("glpat-of-a-developer", "rc-1", ""),
        (
            "glpat-of-a-maintainer",
            "rc-1",
            "tag rc-1 is protected: it takes the user dev, and we are gare with the role Maintainer",
        ),
        ("glpat-of-a-maintainer", "old", "tag old is protected: nobody may make or change it"),
    ],
)
def test_a_protected_tag_is_said_before_it_is_tried(token: str, tag: str, told: str) -> None:
    rules = [
        {"name": "v*", "create": "maintainer"},
        {"name": "rc-*", "create": "nobody", "users": ["dev"]},
        {"name": "old", "create": "nobody"},
    ]
    project = GITLAB["projects"][PATH] | {"protected_tags": rules}
    with sandboxed({"gitlab": GITLAB | {"projects": {PATH: project}}}) as up:
        assert connected(up.url, token=token).access.refused_tag(tag) == told
        assert up.invalid() == []


def test_a_protected_branch_is_said_before_it_is_pushed_to(served: Served) -> None:
    refused = connected(served.url, token="glpat-of-a-developer").access.refused_push("main")
    assert refused.startswith("branch main is protected: it takes the role Maintainer")
    assert connected(served.url).access.refused_push("main") == ""


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("glpat-of-a-developer", ""),
        ("glpat-read-only", "the token lacks the scope `api`: it has read_api"),
        ("glpat-of-an-intern", "the role Developer is missing: intern has Reporter"),
    ],
)
def test_what_a_token_lacks_to_write_is_said(served: Served, token: str, told: str) -> None:
    assert connected(served.url, token=token).access.lacking() == told


def test_a_project_may_be_named_by_its_number(served: Served) -> None:
    number = str(served.sandbox.vendors["gitlab"].projects[0].id)
    assert connected(served.url, project=number).freezes.freeze_periods()
