"""A project hosted on GitLab is planned: what its merge requests and issues say about the commits."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from released_project import ReleasedProject
from sandbox import Served, sandboxed

from gare.domain.plan import Plan
from gare.errors import ConfigError, RateLimited
from gare.requests import ReleaseRequest
from gare.sandbox.clock import Clock

MORE = r"""
gitlab: {connection: gitlab, project: shop/app}
tickets: {pattern: '#\d+', tracker: {type: gitlab}}
"""
ISSUES = [
    {"title": "Gift cards", "state": "closed"},
    {"title": "Wrong total", "state": "closed"},
    {"title": "Loyalty points", "milestone": "1.5.0"},
]


@dataclass
class Hosted:
    """The project and its GitLab."""

    project: ReleasedProject
    up: Served

    def plan(self) -> Plan:
        return self.project.gare().drafting.make(ReleaseRequest(project="shop"))[1]


@contextmanager
def hosted(project: ReleasedProject, merge_requests: list[dict]) -> Iterator[Hosted]:
    said = {
        "repository": str(project.work),
        "members": {"gare": "reporter"},
        "issues": ISSUES,
        "merge_requests": merge_requests,
    }
    seed = {"tokens": {"glpat-plan": {"user": "gare"}}, "projects": {"shop/app": said}}
    with sandboxed({"gitlab": {"type": "gitlab", **seed}}, clock=Clock()) as up:
        station = project.root / "station.yaml"
        line = f"  gitlab: {{type: gitlab, url: '{up.url}/gitlab', token: $GARE_PLAN_TOKEN}}\n"
        station.write_text(station.read_text() + f"connections:\n{line}")
        yield Hosted(project, up)
        assert up.invalid() == []


@pytest.fixture
def project(tmp_path, monkeypatch) -> ReleasedProject:
    monkeypatch.setitem(os.environ, "GARE_PLAN_TOKEN", "glpat-plan")
    return ReleasedProject(tmp_path, MORE)


@pytest.fixture
def merged(project) -> Callable[..., dict]:
    def one(commit: str, title: str, description: str = "") -> dict:
        said = {"source": "x", "state": "merged", "commit": commit}
        return {**said, "title": title, "description": description}

    return one


def test_scope_is_told_by_merge_requests_and_issues(project, merged):
    requests = [
        merged(project.feature, "Gift cards", "Closes #1"),
        merged(project.fix, "No ticket"),
    ]
    with hosted(project, requests) as there:
        plan = there.plan()
        assert [(one.key, one.verdict) for one in plan.tickets] == [
            ("#1", "matched"),
            ("#3", "planned without code"),
        ]
        assert [commit.tickets for commit in plan.commits] == [(), ("#1",)]
        assert "#3 planned without code: Loyalty points" in plan.warnings
        assert "1 commit names no ticket" in plan.warnings
        # One request for the merge requests, one for each question about issues.
        assert len(there.up.sent("GET")) <= 3


def test_a_fast_forward_tells_the_ticket_of_every_commit_that_it_brought(project, merged):
    said = {**merged(project.fix, "Gift cards", "Closes #1"), "fast_forward": True}
    with hosted(project, [said]) as there:
        plan = there.plan()
        assert [commit.tickets for commit in plan.commits] == [("#1",), ("#1",)]
        assert not any("name no ticket" in warning for warning in plan.warnings)


def test_a_plan_that_cannot_be_told_is_none(project):
    with hosted(project, []) as there:
        there.up.fail("rate limit", retry_after_s=600)
        with pytest.raises(RateLimited, match="GitLab asks us to slow down, for 600 s"):
            there.plan()
        assert there.plan().version == "1.5.0"


def test_a_tracker_needs_its_project(tmp_path):
    project = ReleasedProject(tmp_path, r"tickets: {pattern: '#\d+', tracker: {type: gitlab}}")
    with pytest.raises(ConfigError, match="this project names no GitLab project"):
        project.gare().drafting.make(ReleaseRequest(project="shop"))
