"""What is published into the repository, with real Git and a real ledger."""

import pytest
from released_project import ReleasedProject

from gare.domain.releases import ReleaseState
from gare.errors import Conflict
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
    digest, plan = gare.drafting.make(request)
    release = gare.ledger.releases.open(digest, plan, f"run-{digest}"[:36], "", "", {})
    work = Work(gare, release, plan, plan.step("publish"), 1, lambda _line: None)
    for effect in effects:
        step = "branch" if effect is own_branch else "publish"
        gare.ledger.effects.perform(release.id, step, effect(work))
    return release


def changelog(work):
    return changelog_effect(work, "CHANGELOG.md", push=False)


def own_branch(work):
    return branch_effect(work, work.plan.branch, push=False)


def test_a_second_hotfix_takes_the_branch_of_one_that_ended_undeployed_and_of_no_other(project):
    first = HotfixRequest(project="shop", commits=(project.fix,))
    release = published(project, first, own_branch)
    project.git("checkout", "-q", "main")
    right = project.commit("fix: total, right", "basket.py", "full indeed\n")
    second = HotfixRequest(project="shop", commits=(project.fix, right))
    with pytest.raises(Conflict) as caught:
        published(project, second, own_branch)
    assert "branch hotfix/1.4.1 is not free: wanted commit" in caught.value.what
    project.gare().ledger.releases.mark(release.id, ReleaseState.CANCELLED, actor="gare")
    ended = published(project, second, own_branch)
    ledger = project.gare().ledger
    commit = ledger.plans.get(ended.plan).commit
    assert project.git("rev-parse", "hotfix/1.4.1") == commit
    [effect] = ledger.effects.of(ended.id)
    assert effect.receipt["of"] == release.id


def test_the_notes_of_a_hotfix_do_not_stand_in_the_way_of_its_merge(project):
    published(project, ReleaseRequest(project="shop"), changelog)
    request = HotfixRequest(project="shop", commits=(project.fix,))
    published(project, request, own_branch, changelog)
    text = project.git("show", "main:CHANGELOG.md")
    assert text.index("1.4.1") < text.index("1.5.0")
    project.git("merge-tree", "--write-tree", "main", "hotfix/1.4.1")  # fails when they conflict
