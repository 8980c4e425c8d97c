"""What is published into the repository, with real Git and a real ledger."""

import pytest
from released_project import ReleasedProject

from gare.requests import HotfixRequest, ReleaseRequest
from tasks.branch import branch_effect
from tasks.publish import changelog_effect
from tasks.step import Work


@pytest.fixture
def project(tmp_path):
    made = ReleasedProject(tmp_path, "publish: {push: false, changelog: CHANGELOG.md}\n")
    made.git("checkout", "-q", "--detach")
    return made


def published(project, request, *effects):
    gare = project.gare()
    digest, plan = gare.make_plan(request)
    release = gare.ledger.releases.open(digest, plan, f"run-{plan.version}", "", "", {})
    work = Work(gare, release, plan, plan.step("publish"), 1, lambda _line: None)
    for effect in effects:
        gare.ledger.effects.perform(release.id, "publish", effect(work))


def changelog(work):
    return changelog_effect(work, "CHANGELOG.md", push=False)


def own_branch(work):
    return branch_effect(work, work.plan.branch, push=False)


def test_the_notes_of_a_hotfix_do_not_stand_in_the_way_of_its_merge(project):
    published(project, ReleaseRequest(project="shop"), changelog)
    request = HotfixRequest(project="shop", commits=(project.fix,))
    published(project, request, own_branch, changelog)
    text = project.git("show", "main:CHANGELOG.md")
    assert text.index("1.4.1") < text.index("1.5.0")
    project.git("merge-tree", "--write-tree", "main", "hotfix/1.4.1")  # fails when they conflict
